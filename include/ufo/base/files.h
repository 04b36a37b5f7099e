#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace ufo {

/// Writes `parts`, one after the other, as the whole of the file `path`: a reader sees the old content or the
/// new one, never a mixture, even across a power cut. The bytes go to `<path>.tmp`, are synced, and take the
/// name by rename; writers of one path wait for each other. Throws UserError with the path and the reason
/// where that fails; the target is then untouched.
void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::byte>> parts);
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

}  // namespace ufo
