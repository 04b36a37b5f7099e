#include "piecewise_linear.h"

#include <ATen/ATen.h>

namespace ufo::nn {
namespace {

class MaxPoolPoint final : public PiecewiseLinearPoint {
 public:
  explicit MaxPoolPoint(const at::Tensor& x)
      : MaxPoolPoint(x, at::max_pool2d_with_indices(x.flatten(1, 2), 2)) {}

  void keep(int64_t tasks) override {
    keep_first(tasks, {&winner_});
    sizes_[1] = tasks;
  }

 private:
  MaxPoolPoint(const at::Tensor& x, const std::tuple<at::Tensor, at::Tensor>& pooled)
      : PiecewiseLinearPoint(std::get<0>(pooled).unflatten(1, {x.size(1), x.size(2)})),
        sizes_(x.sizes().vec()),
        height_(value().size(3)) {
    winner_ = std::get<1>(pooled).unflatten(1, {x.size(1), x.size(2)}).flatten(3);
  }

  at::Tensor forward(const at::Tensor& x_t) const override {
    return x_t.flatten(3).gather(3, winner_).unflatten(3, {height_, -1});
  }
  at::Tensor backward(const at::Tensor& dy) const override {
    return at::zeros(sizes_, dy.options()).flatten(3).scatter_(3, winner_, dy.flatten(3)).view(sizes_);
  }

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
