#pragma once

#include <array>
#include <cstdint>

#include <ufo/data/dataset.h>
#include <ufo/data/verification.h>

namespace ufo::data {

/// How much of Omniglot there must be (Lake, Salakhutdinov and Tenenbaum, "Human-level concept learning
/// through probabilistic program induction", Science 2015); tests use less. Numbers of characters by Split
/// are train, validation, test.
struct OmniglotCounts {
  int64_t background = 964;
  int64_t evaluation = 659;
  int64_t drawings = 20;
  std::array<int64_t, 3> maml = {1100, 100, 423};
  std::array<int64_t, 3> reptile = {1200, 0, 423};
  std::array<int64_t, 3> vinyals = {1028, 172, 423};
  int64_t lake_validation_alphabets = 5;
};

/// A name of the two archives, and its half of the classes: those of background come first.
inline constexpr const char* kOmniglotBackground = "images_background";
inline constexpr const char* kOmniglotEvaluation = "images_evaluation";

/// As load_dataset: grey drawings with strokes bright, so that a stroke is 1 and paper 0.
Dataset load_omniglot(const DatasetOptions& options, const OmniglotCounts& counts = {});

/// As verify_dataset.
Verification verify_omniglot(const DatasetOptions& options, const OmniglotCounts& counts = {});

/// Divides the characters `names` ("Greek/character03", background first) as `options.split` says; each
/// character gives one episode class, or four with rotations. Throws DataError where the numbers do not come
/// out right, or the list of the split is missing or damaged.
std::array<std::vector<EpisodeClass>, 3> split_omniglot(const std::vector<std::string>& names,
                                                        const DatasetOptions& options,
                                                        const OmniglotCounts& counts);

}  // namespace ufo::data
