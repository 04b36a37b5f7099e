#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include <ufo/run/checkpoint.h>

namespace ufo::run {

// The checkpoints with the best validations of a run, validation.keep of them: `best` holds the best one, and
// where more than one is kept, best_<step>.safetensors beside it holds each.

/// Puts `validated` in its place among the `keep` best validations, the best one first, and drops what falls
/// out; a tie goes to the earlier step. Whether it is among them.
bool insert_ranked(std::vector<Validated>& best, const Validated& validated, size_t keep);

/// Where the checkpoint of a validation after outer step `step` is kept, for the run whose best one is at
/// `best`.
std::filesystem::path kept_checkpoint(const std::filesystem::path& best, int64_t step);

/// Removes kept checkpoints that are not in `ranking`. To be called once a checkpoint with that ranking is on
/// disk: before, a run that is killed and resumed could need them. A file that cannot be removed stays.
void remove_outranked(const std::filesystem::path& best, const std::vector<Validated>& ranking);

}  // namespace ufo::run
