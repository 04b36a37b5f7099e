#pragma once

#include <cstdio>
#include <filesystem>

namespace ufo::cli {

/// Opens those of the descriptors 0, 1 and 2 that are closed on /dev/null. Else the first files that the
/// program opens would take these numbers, and what it prints would go into them. Output is refused where
/// standard output alone is closed; a program without standard error too was started by a launcher that wants
/// to hear nothing. To be called first.
void open_closed_descriptors();

/// Where a command prints what it says about its file `output`: standard error where that is standard output,
/// which then holds the file alone.
std::FILE* stream_beside(const std::filesystem::path& output);

/// Throws std::runtime_error where something that was printed to standard output could not be written.
void check_output_was_written();

}  // namespace ufo::cli
