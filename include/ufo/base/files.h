#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace ufo {

/// Writes `parts`, one after the other, as the whole of the file `path`: a reader sees the old content or the
/// new one, never a mixture, even across a power cut. The bytes go to a temporary file of this writer alone
/// in the same folder, are synced, and take the name by rename. A link is followed to the file that it names;
/// a file that is there keeps its permissions, and its owner where that may be. What is no regular file, such
/// as a pipe or /dev/stdout, is written through. Throws UserError with the path and the reason where that
/// fails; a regular file is then untouched.
void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::byte>> parts);
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// The same for a file of `size` > 0 bytes whose content `fill` writes straight into memory mapped from it,
/// so that large content is never in memory twice. Its space is taken beforehand: a full disk is an error,
/// not a crash. What `fill` throws passes through, and leaves the target untouched too.
void write_file_atomically(const std::filesystem::path& path, size_t size,
                           const std::function<void(std::span<std::byte> content)>& fill);

/// The whole content of the text file `path`. Throws DataError where it cannot be read.
std::string read_text_file(const std::filesystem::path& path);

}  // namespace ufo
