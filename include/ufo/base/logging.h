#pragma once

#include <filesystem>
#include <string_view>

// The log goes through spdlog, which no other header sees: LibTorch brings its own version of the formatting
// library that spdlog needs, so a source file can include one of the two only.
namespace ufo {

enum class LogLevel { debug, info, warning, error };

/// Logs one line, as printable() shows it; debug goes to log.txt alone.
void log(LogLevel level, std::string_view line);

/// Sends the log (spdlog's default logger) to standard error: whole lines, clearing a progress bar on a
/// terminal.
void log_to_standard_error();

/// The same, and appends all of it, with the time, to `file` (log.txt of a run directory).
/// Throws UserError where the file cannot be written.
void log_to_file_too(const std::filesystem::path& file);

}  // namespace ufo
