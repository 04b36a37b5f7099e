#pragma once

#include <exception>
#include <string>

namespace ufo {

/// The first line of what went wrong; LibTorch's errors bring a backtrace, which is left out.
std::string reason(const std::exception& error);

}  // namespace ufo
