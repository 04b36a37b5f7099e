#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/nn/layout.h>
#include <ufo/nn/multiply_adds.h>

namespace ufo::nn {

// S images, T tasks. Activations are [S, T, C, H, W] or [S, T, D]; every parameter is [T, shape].

using Tensors = std::vector<at::Tensor>;

/// A layer at one point: its value there, and the derivatives that second-order meta-gradients take. With y =
/// f(x, p):
///   tangent            y_t = (df/dx) x_t + (df/dp) p_t
///   adjoint            dx = (df/dx)^T dy,  dp = (df/dp)^T dy
///   adjoint_tangent    dx_t and dp_t, the derivative of the adjoint as x, p and dy move along x_t, p_t and
///   dy_t
/// (Pearlmutter's R-operator, Neural Computation 1994.) They are called in this order: adjoint; then, any
/// number of times, tangent and adjoint_tangent of the same direction.
class LayerPoint {
 public:
  virtual ~LayerPoint() = default;

  /// Undefined once it was taken.
  const at::Tensor& value() const { return value_; }

  /// Gives the value to the layer behind. What the derivatives need of it, a point keeps for itself.
  at::Tensor take_value() { return std::exchange(value_, at::Tensor()); }

  /// dy to dx; fills `dp`, which has one undefined tensor a parameter, and leaves those that are zero. dx may
  /// be undefined where `needs_dx` is false.
  virtual at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) = 0;

  /// x_t (undefined stands for zero) and p_t to y_t; undefined where y does not move.
  virtual at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) = 0;

  /// dy_t to dx_t; fills `dp_t`.
  virtual at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) = 0;

  /// Between the adjoint and the tangents: drops all but the first `tasks` tasks, whose directions alone
  /// follow.
  virtual void keep(int64_t tasks) = 0;

  /// Those of the value, all images and tasks together; none for a layer that multiplies no matrices.
  virtual MultiplyAdds multiply_adds() const { return {}; }

 protected:
  explicit LayerPoint(at::Tensor value) : value_(std::move(value)) {}

  /// The first `tasks` tasks of activations, each [S, T, ...].
  static void keep_first(int64_t tasks, std::initializer_list<at::Tensor*> activations) {
    for (at::Tensor* const activation : activations) {
      *activation = activation->narrow(1, 0, tasks);
    }
  }

 private:
  at::Tensor value_;
};

/// A layer: which parameters it has, and how it is evaluated. The value must be made of differentiable ATen
/// operations, for autograd goes through it too.
class Layer {
 public:
  virtual ~Layer() = default;

  /// Adds this layer's parameters to `layout` under names that begin with its own.
  virtual void declare(Layout& layout) const {}

  /// The number of parameters that declare() adds.
  virtual size_t parameters() const { return 0; }

  /// Whether it is y = W x + b with the parameters W [F, D] and b [F].
  virtual bool is_linear() const { return false; }

  /// The layer at input x and parameters p, in the order of declare().
  virtual std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors& p) const = 0;

  /// The value alone, which must be the same as that of at(x, p) to the bit.
  virtual at::Tensor value(const at::Tensor& x, const Tensors& p) const { return at(x, p)->take_value(); }

  /// The value at x where a statistic of the batch, if the layer takes one, is that of the first `reference`
  /// images alone. A layer that looks at each image by itself need not override it.
  virtual at::Tensor value_by(int64_t reference, const at::Tensor& x, const Tensors& p) const {
    return value(x, p);
  }
};

/// Whether a convolution has no bias, adds its bias, or leaves it out because the batch norm behind would
/// take it out again. Its gradient is then zero, and not the rounding noise that Adam makes steps of.
enum class Bias { none, added, cancelled };

struct ConvOptions {
  int64_t kernel = 3;
  int64_t stride = 1;
  Bias bias = Bias::added;
  Start start = Start::glorot;
};

/// Convolution [C, H, W] to [F, H', W'] with padding kernel / 2: parameters `name`.weight and `name`.bias.
std::unique_ptr<Layer> conv2d(std::string name, int64_t in_channels, int64_t out_channels,
                              const ConvOptions& options);

/// Batch norm over the images and pixels of each task, with the statistics of the batch or, by value_by, of
/// its first images: `name`.weight, `name`.bias.
std::unique_ptr<Layer> batch_norm(std::string name, int64_t channels, double eps);

std::unique_ptr<Layer> relu();

/// x where it is positive, else `slope` x. Throws std::invalid_argument for a slope below 0.
std::unique_ptr<Layer> leaky_relu(double slope);

/// Largest of each 2x2 window.
std::unique_ptr<Layer> max_pool();

/// [C, H, W] to [C].
std::unique_ptr<Layer> spatial_mean();

/// [C, H, W] to [C H W].
std::unique_ptr<Layer> flatten();

/// [D] to [F]: `name`.weight, `name`.bias. `image` gives C, H, W where D is a flattened image, so that its
/// weights lie channels last in the flat vector.
std::unique_ptr<Layer> linear(std::string name, int64_t in_features, int64_t out_features,
                              std::vector<int64_t> image = {});

/// body(x) + shortcut(x), whose parameters are those of `body`, then those of `shortcut`; chain() is the
/// shortcut that changes nothing (He et al., arXiv 1512.03385, equation 1).
std::unique_ptr<Layer> residual(std::unique_ptr<Layer> body, std::unique_ptr<Layer> shortcut);

}  // namespace ufo::nn
