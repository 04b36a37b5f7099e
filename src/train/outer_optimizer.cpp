#include <ATen/Dispatch.h>

#include <ufo/base/error.h>
#include <ufo/train/outer_optimizer.h>

namespace ufo::train {
namespace {

/// The flag by which PyTorch's fused kernels leave everything as it is.
std::optional<at::Tensor> found_inf(const at::Tensor& skip) {
  return skip.defined() ? std::optional(skip) : std::nullopt;
}

/// A flat tensor as PyTorch's fused kernels take it. On the CPU they split their work at fixed places, so
/// that the bits do not depend on the number of threads. On a device one tensor gets a thread block for every
/// 65,536 numbers: pieces of it, as many as go into one launch, get a block each.
std::vector<at::Tensor> pieces(const at::Tensor& flat) {
  constexpr int64_t kPieces = 32, kAlignment = 4;
  if (flat.is_cpu()) {
    return {flat};
  }
  const int64_t size = (flat.numel() + kPieces * kAlignment - 1) / (kPieces * kAlignment) * kAlignment;
  return flat.split(size);
}

/// The learning rate where the kernels read it: a number on the CPU; elsewhere a tensor, so that a graph that
/// was recorded sees it change.
class LearningRate {
 public:
  LearningRate(double rate, const at::Tensor& theta) : rate_(rate) {
    if (!theta.is_cpu()) {
      on_device_ = at::full({}, rate, theta.options().dtype(at::kFloat));
    }
  }

  void set(double rate) {
    if (on_device_.defined() && rate != rate_) {
      on_device_.fill_(rate);
    }
    rate_ = rate;
  }

  /// Calls `kernel` with the number or the tensor.
  template <class Kernel>
  void apply(const Kernel& kernel) const {
    if (on_device_.defined()) {
      kernel(on_device_);
    } else {
      kernel(rate_);
    }
  }

 private:
  double rate_;
  at::Tensor on_device_;
};

class Adam final : public OuterOptimizer {
 public:
  Adam(const run::OuterOptions& options, const at::Tensor& theta)
      : options_(options),
        rate_(options.learning_rate, theta),
        mean_(at::zeros_like(theta)),
        square_(at::zeros_like(theta)),
        step_(at::zeros({}, theta.options().dtype(at::kFloat))) {}

  void step(const at::Tensor& theta, const at::Tensor& gradient, const at::Tensor& skip) override {
    if (skip.defined()) {
      step_.add_(1 - skip);
    } else {
      step_.add_(1);
    }
    const auto parameters = pieces(theta);
    const std::vector<at::Tensor> steps(parameters.size(), step_);
    rate_.apply([&](const auto& rate) {
      at::_fused_adam_(parameters, pieces(gradient), pieces(mean_), pieces(square_), {}, steps, rate,
                       options_.beta1, options_.beta2, /*weight_decay=*/0, options_.epsilon,
                       /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, found_inf(skip));
    });
  }

  void set_learning_rate(double rate) override { rate_.set(rate); }

  std::map<std::string, at::Tensor> state() const override {
    return {{"exp_avg", mean_}, {"exp_avg_sq", square_}, {"step", step_}};
  }

  void load_state(const std::map<std::string, at::Tensor>& state) override {
    OuterOptimizer::load_state(state);
    if (!square_.ge(0).all().item<bool>() || !step_.ge(0).item<bool>()) {
      throw DataError("optimizer.exp_avg_sq and optimizer.step: need at least 0, got less");
    }
  }

 private:
  run::OuterOptions options_;
  LearningRate rate_;
  at::Tensor mean_, square_, step_;
};

class Sgd final : public OuterOptimizer {
 public:
  Sgd(const run::OuterOptions& options, const at::Tensor& theta)
      : options_(options), rate_(options.learning_rate, theta) {
    if (options.momentum != 0) {
      momentum_ = at::zeros_like(theta);
    }
  }

  /// From a buffer of zeros the general step gives what torch.optim does in its first step: buffer =
  /// gradient.
  void step(const at::Tensor& theta, const at::Tensor& gradient, const at::Tensor& skip) override {
    const auto momentum = momentum_.defined() ? pieces(momentum_) : std::vector<at::Tensor>();
    rate_.apply([&](const auto& rate) {
      at::_fused_sgd_(pieces(theta), pieces(gradient), momentum, /*weight_decay=*/0, options_.momentum, rate,
                      /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/false,
                      /*grad_scale=*/{}, found_inf(skip));
    });
  }

  void set_learning_rate(double rate) override { rate_.set(rate); }

  std::map<std::string, at::Tensor> state() const override {
    return momentum_.defined() ? std::map<std::string, at::Tensor>{{"momentum_buffer", momentum_}}
                               : std::map<std::string, at::Tensor>{};
  }

 private:
  run::OuterOptions options_;
  LearningRate rate_;
  at::Tensor momentum_;
};

/// Four sums, so that additions need not wait for each other.
template <class Number>
double sum_of_squares(const Number* values, int64_t count) {
  std::array<double, 4> sums{};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (int64_t j = 0; j < 4; ++j) {
      sums[j] += static_cast<double>(values[i + j]) * static_cast<double>(values[i + j]);
    }
  }
  for (; i < count; ++i) {
    sums[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

void OuterOptimizer::load_state(const std::map<std::string, at::Tensor>& state) {
  for (const auto& [name, own] : this->state()) {
    const auto it = state.find(name);
    if (it == state.end() || it->second.sizes() != own.sizes()) {
      throw DataError("optimizer." + name + ": need " + c10::str(own.sizes()) + ", got " +
                      (it == state.end() ? "none: the checkpoint is of another optimizer, or of none"
                                         : c10::str(it->second.sizes())));
    }
    own.copy_(it->second);
  }
}

std::unique_ptr<OuterOptimizer> make_outer_optimizer(const run::OuterOptions& options,
                                                     const at::Tensor& theta) {
  if (options.optimizer == run::Optimizer::sgd) {
    return std::make_unique<Sgd>(options, theta);
  }
  return std::make_unique<Adam>(options, theta);
}

at::Tensor gradient_norm(const at::Tensor& gradient) {
  if (!gradient.is_cpu()) {
    return gradient.norm(2, at::kDouble);
  }
  const at::Tensor values = gradient.contiguous();
  const double norm = AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "gradient_norm", [&] {
    return std::sqrt(sum_of_squares(values.const_data_ptr<scalar_t>(), values.numel()));
  });
  return at::scalar_tensor(norm, at::kDouble);
}

void clip_gradient(const at::Tensor& gradient, double clip_value, double clip_norm) {
  if (clip_value > 0) {
    gradient.clamp_(-clip_value, clip_value);
  }
  if (clip_norm > 0) {
    gradient.mul_((clip_norm / gradient_norm(gradient)).clamp_max(1));
  }
}

}  // namespace ufo::train
