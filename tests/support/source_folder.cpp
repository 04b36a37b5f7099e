#include "support/source_folder.h"

namespace ufo {

std::string source_path(const std::string& path) { return std::string(UFO_SOURCE_DIR "/") + path; }

}  // namespace ufo
