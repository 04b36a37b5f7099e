#pragma once

#include <filesystem>

namespace ufo::train {

/// Sends the log (spdlog's default logger) to standard error: whole lines, clearing a progress bar on a
/// terminal.
void log_to_standard_error();

/// The same, and appends all of it, with the time, to `file` (log.txt of a run directory).
/// Throws UserError where the file cannot be written.
void log_to_file_too(const std::filesystem::path& file);

}  // namespace ufo::train
