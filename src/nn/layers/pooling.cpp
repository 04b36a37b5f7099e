#include "piecewise_linear.h"
#include "planar.h"

#include <ATen/ATen.h>

namespace ufo::nn {
namespace {

/// In the order in which the input lies in memory, [S, T, C, H, W] or planar.
class MaxPoolPoint final : public PiecewiseLinearPoint {
 public:
  explicit MaxPoolPoint(const at::Tensor& x) : MaxPoolPoint(is_planar(x), in_order(is_planar(x), x)) {}

  void keep(int64_t tasks) override {
    const int64_t axis = planar_ ? 0 : 1;
    winner_ = winner_.narrow(axis, 0, tasks);
    sizes_[static_cast<size_t>(axis)] = tasks;
  }

 private:
  MaxPoolPoint(bool is_planar, const at::Tensor& x)
      : MaxPoolPoint(is_planar, x, at::max_pool2d_with_indices(x.flatten(1, 2), 2)) {}
  MaxPoolPoint(bool is_planar, const at::Tensor& x, const std::tuple<at::Tensor, at::Tensor>& pooled)
      : PiecewiseLinearPoint(back(is_planar, std::get<0>(pooled).unflatten(1, {x.size(1), x.size(2)}))),
        planar_(is_planar),
        sizes_(x.sizes().vec()),
        height_(std::get<0>(pooled).size(2)) {
    winner_ = std::get<1>(pooled).unflatten(1, {x.size(1), x.size(2)}).flatten(3);
  }

  at::Tensor forward(const at::Tensor& x_t) const override {
    return back(planar_, in_order(planar_, x_t).flatten(3).gather(3, winner_).unflatten(3, {height_, -1}));
  }
  at::Tensor backward(const at::Tensor& dy) const override {
    return back(planar_, at::zeros(sizes_, dy.options())
                             .flatten(3)
                             .scatter_(3, winner_, in_order(planar_, dy).flatten(3))
                             .view(sizes_));
  }

  static at::Tensor in_order(bool is_planar, const at::Tensor& x) { return is_planar ? planar(x) : x; }
  static at::Tensor back(bool is_planar, const at::Tensor& x) { return is_planar ? from_planar(x) : x; }

  bool planar_;
  std::vector<int64_t> sizes_;
  int64_t height_;
  at::Tensor winner_;
};

class SpatialMeanPoint final : public PiecewiseLinearPoint {
 public:
  explicit SpatialMeanPoint(const at::Tensor& x)
      : PiecewiseLinearPoint(x.mean({3, 4})), sizes_(x.sizes().vec()) {}

  void keep(int64_t tasks) override { sizes_[1] = tasks; }

 private:
  at::Tensor forward(const at::Tensor& x_t) const override { return x_t.mean({3, 4}); }
  at::Tensor backward(const at::Tensor& dy) const override {
    return (dy / static_cast<double>(sizes_[3] * sizes_[4])).unsqueeze(-1).unsqueeze(-1).expand(sizes_);
  }

  std::vector<int64_t> sizes_;
};

class FlattenPoint final : public PiecewiseLinearPoint {
 public:
  explicit FlattenPoint(const at::Tensor& x) : PiecewiseLinearPoint(x.flatten(2)), sizes_(x.sizes().vec()) {}

  void keep(int64_t tasks) override { sizes_[1] = tasks; }

 private:
  at::Tensor forward(const at::Tensor& x_t) const override { return x_t.flatten(2); }
  at::Tensor backward(const at::Tensor& dy) const override { return dy.reshape(sizes_); }

  std::vector<int64_t> sizes_;
};

}  // namespace

std::unique_ptr<Layer> max_pool() { return std::make_unique<ParameterFree<MaxPoolPoint>>(); }
std::unique_ptr<Layer> spatial_mean() { return std::make_unique<ParameterFree<SpatialMeanPoint>>(); }
std::unique_ptr<Layer> flatten() { return std::make_unique<ParameterFree<FlattenPoint>>(); }

}  // namespace ufo::nn
