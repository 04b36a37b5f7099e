#pragma once

// LibTorch's libraries contain Gloo, but its wheel lacks the headers that c10d's ProcessGroupGloo.hpp names.
// These declare the few types that stand in it, and nothing more: ProcessGroupGloo holds Gloo's objects
// behind pointers alone, LibTorch makes and destroys them, and no code of ours looks into one. So nothing
// here needs to agree with the layout of Gloo's own classes, whichever version LibTorch was built with.
#include <chrono>
#include <memory>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class UnboundBuffer;
}

}  // namespace gloo
