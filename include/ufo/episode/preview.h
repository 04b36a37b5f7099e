#pragma once

#include <cstdint>
#include <filesystem>

#include <ufo/episode/sampler.h>

namespace ufo::episode {

/// Draws episode `index` of `split`, as a network sees it, to the PNG file `path`: a row a class with its
/// label, name and rotation, support images on the left, query images on the right. Throws as
/// EpisodeSampler::episode does, and UserError where the file cannot be written.
void write_preview(const EpisodeSampler& sampler, data::Split split, uint64_t index,
                   const std::filesystem::path& path);

}  // namespace ufo::episode
