#pragma once

namespace ufo::run {

extern const char* const kVersion;   ///< of UFO-MAML
extern const char* const kRevision;  ///< git's, written anew by every build

}  // namespace ufo::run
