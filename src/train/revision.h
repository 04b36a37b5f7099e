#pragma once

namespace ufo::train {

extern const char* const kVersion;   ///< of UFO-MAML
extern const char* const kRevision;  ///< git's, written anew by every build

}  // namespace ufo::train
