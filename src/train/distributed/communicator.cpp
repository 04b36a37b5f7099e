#include <ATen/ATen.h>

#include <ufo/train/distributed/communicator.h>

namespace ufo::train {

Communicator& single_process() {
  static SingleProcess alone;
  return alone;
}

double max_over_ranks(Communicator& communicator, double value) {
  if (communicator.size() == 1) {
    return value;
  }
  at::Tensor values = at::full({1}, value, at::kDouble);
  communicator.all_reduce(values, Reduction::max);
  return values.item<double>();
}

}  // namespace ufo::train
