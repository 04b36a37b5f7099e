#pragma once

#include <string>

namespace ufo {

/// `path`, which is relative to the repository's folder, as an absolute one.
std::string source_path(const std::string& path);

}  // namespace ufo
