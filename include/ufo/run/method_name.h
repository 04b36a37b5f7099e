#pragma once

#include <string>

#include <ufo/run/options.h>

namespace ufo::run {

/// What papers call the method of a run: as bilevel::method_name(), and "MAML++" (arXiv 1810.09502) for one
/// with its rates a layer and step, multi-step loss, batch norm a step and cosine schedule together.
std::string method_name(const RunOptions& options);

}  // namespace ufo::run
