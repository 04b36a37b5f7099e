#pragma once

#include "simulated_device.h"

namespace ufo::simulated {

/// seen(), for those who write into it.
Seen& notes();

/// Notes that `what` makes the host wait. Throws while this thread records a graph, as CUDA does.
void note_wait(const std::string& what);

}  // namespace ufo::simulated
