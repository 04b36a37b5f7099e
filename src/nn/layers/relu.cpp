#include "piecewise_linear.h"

#include <ATen/ATen.h>

namespace ufo::nn {
namespace {

class Point final : public PiecewiseLinearPoint {
 public:
  explicit Point(const at::Tensor& x) : PiecewiseLinearPoint(at::relu(x)), y_(value()) {}

  void keep(int64_t tasks) override { keep_first(tasks, {&y_}); }

 private:
  at::Tensor forward(const at::Tensor& x_t) const override { return passed(x_t); }
  at::Tensor backward(const at::Tensor& dy) const override { return passed(dy); }
  at::Tensor passed(const at::Tensor& v) const { return at::threshold_backward(v, y_, 0); }

  at::Tensor y_;
};

}  // namespace

std::unique_ptr<Layer> relu() { return std::make_unique<ParameterFree<Point>>(); }

}  // namespace ufo::nn
