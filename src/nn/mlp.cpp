#include "mlp.h"

#include "joined.h"

namespace ufo::nn {

Mlp::Mlp(const ModelOptions& options, const InputShape& input) {
  int64_t width = input.channels * input.height * input.width;
  add(flatten());
  activations_ = width;
  for (size_t i = 0; i < options.hidden.size(); ++i) {
    add(chain(linear("layers." + std::to_string(i), width, options.hidden[i]), relu()));
    width = options.hidden[i];
    activations_ += 2 * width;
  }
  add_head(linear("head", width, input.ways));
}

std::string Mlp::title(const ModelOptions& options) { return "mlp " + joined(options.hidden, "-"); }

}  // namespace ufo::nn
