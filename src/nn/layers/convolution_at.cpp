#include "convolution_at.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <ufo/base/error.h>

namespace ufo::nn {
namespace {

class Grouped final : public ConvolutionAt {
 public:
  Grouped(const at::Tensor& x, int64_t kernel, int64_t stride) : x_(x), kernel_(kernel), stride_(stride) {}

  at::Tensor value(const at::Tensor& w, const at::Tensor& bias) const override {
    const bool plain = shared_by_tasks(w) && (!bias.defined() || shared_by_tasks(bias));
    const auto bias_of = [&] { return !bias.defined() ? bias : plain ? bias[0] : bias.flatten(); };
    const at::Tensor y =
        at::conv2d(plain ? x_.flatten(0, 1) : x_.flatten(1, 2), plain ? w[0] : w.flatten(0, 1), bias_of(),
                   stride_, kernel_ / 2, 1, plain ? 1 : x_.size(1));
    return y.view({x_.size(0), x_.size(1), w.size(1), y.size(2), y.size(3)});
  }

  std::pair<at::Tensor, at::Tensor> adjoint(const at::Tensor& dy, const at::Tensor& w, bool wants_dx,
                                            bool wants_dw) const override {
    if (!wants_dx) {  // then only the sizes of w are looked at
      const at::Tensor sizes = x_.new_empty({1}).expand({w.size(0) * w.size(1), w.size(2), kernel_, kernel_});
      const at::Tensor dw =
          std::get<1>(backward(dy.flatten(1, 2), x_.flatten(1, 2), sizes, x_.size(1), false, true));
      return {at::Tensor(), dw.view(w.sizes())};
    }
    if (shared_by_tasks(w)) {
      const at::Tensor dx = std::get<0>(backward(dy.flatten(0, 1), x_.flatten(0, 1), w[0], 1, true, false));
      return {dx.view(x_.sizes()), wants_dw ? adjoint(dy, w, false, true).second : at::Tensor()};
    }
    const auto [dx, dw, bias] =
        backward(dy.flatten(1, 2), x_.flatten(1, 2), w.flatten(0, 1), x_.size(1), true, wants_dw);
    return {dx.view(x_.sizes()), wants_dw ? dw.view(w.sizes()) : at::Tensor()};
  }

  void keep(int64_t tasks) override { x_ = x_.narrow(1, 0, tasks).contiguous(); }

 private:
  std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const at::Tensor& dy, const at::Tensor& x,
                                                          const at::Tensor& w, int64_t groups, bool wants_dx,
                                                          bool wants_dw) const {
    const std::array<int64_t, 2> strides = {stride_, stride_}, padding = {kernel_ / 2, kernel_ / 2},
                                 one = {1, 1}, none = {0, 0};
    return at::convolution_backward(dy, x, w, c10::nullopt, strides, padding, one, false, none, groups,
                                    {wants_dx, wants_dw, false});
  }

  at::Tensor x_;
  int64_t kernel_, stride_;
};

class Unfolded final : public ConvolutionAt {
 public:
  Unfolded(const at::Tensor& x, int64_t kernel, int64_t stride)
      : kernel_(kernel), stride_(stride), sizes_(x.sizes().vec()) {
    const int64_t padding = kernel / 2;
    const at::Tensor windows = at::constant_pad_nd(x, {padding, padding, padding, padding})
                                   .unfold(3, kernel, stride)
                                   .unfold(4, kernel, stride);  // [S, T, C, H', W', k, k]
    height_ = windows.size(3), width_ = windows.size(4);
    columns_ = windows.permute({1, 2, 5, 6, 0, 3, 4}).reshape({tasks(), rows(), images() * height_ * width_});
  }

  at::Tensor value(const at::Tensor& w, const at::Tensor& bias) const override {
    const at::Tensor y = bias.defined() ? at::baddbmm(bias.unsqueeze(2), matrices(w), columns_)
                                        : at::bmm(matrices(w), columns_);
    return y.view({tasks(), w.size(1), images(), height_, width_}).permute({2, 0, 1, 3, 4}).contiguous();
  }

  std::pair<at::Tensor, at::Tensor> adjoint(const at::Tensor& dy, const at::Tensor& w, bool wants_dx,
                                            bool wants_dw) const override {
    const at::Tensor of_y = dy.permute({1, 2, 0, 3, 4}).reshape({tasks(), w.size(1), columns_.size(2)});
    at::Tensor dx, dw;
    if (wants_dw) {
      dw = at::bmm(of_y, columns_.transpose(1, 2)).view(w.sizes());
    }
    if (wants_dx) {
      const std::array<int64_t, 2> image = {sizes_[3], sizes_[4]}, kernel = {kernel_, kernel_}, one = {1, 1},
                                   padding = {kernel_ / 2, kernel_ / 2}, stride = {stride_, stride_};
      const at::Tensor columns = at::bmm(matrices(w).transpose(1, 2), of_y)
                                     .view({tasks(), rows(), images(), height_ * width_})
                                     .transpose(1, 2)
                                     .reshape({tasks() * images(), rows(), height_ * width_});
      dx = at::col2im(columns, image, kernel, one, padding, stride)
               .view({tasks(), images(), sizes_[2], sizes_[3], sizes_[4]})
               .transpose(0, 1);
    }
    return {dx, dw};
  }

  void keep(int64_t tasks) override {
    sizes_[1] = tasks;
    columns_ = columns_.narrow(0, 0, tasks);
  }

 private:
  int64_t images() const { return sizes_[0]; }
  int64_t tasks() const { return sizes_[1]; }
  int64_t rows() const { return sizes_[2] * kernel_ * kernel_; }
  at::Tensor matrices(const at::Tensor& w) const { return w.reshape({tasks(), w.size(1), rows()}); }

  int64_t kernel_, stride_, height_, width_;
  std::vector<int64_t> sizes_;  // of x
  at::Tensor columns_;
};

void wait_for(at::Device device) {
  if (!device.is_cpu()) {
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
  }
}

/// The fastest of three values with their adjoints, after one that lets the libraries choose their
/// algorithms.
double seconds_of(ConvolutionForm form, const at::Tensor& x, const at::Tensor& w, int64_t stride) {
  const c10::NoGradGuard no_grad;
  double best = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 4; ++repeat) {
    wait_for(x.device());
    const auto start = std::chrono::steady_clock::now();
    const auto at_x = convolution_at(form, x, w.size(-1), stride);
    at_x->adjoint(at_x->value(w, {}), w, true, true);
    wait_for(x.device());
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = repeat > 0 ? std::min(best, taken.count()) : best;
  }
  return best;
}

ConvolutionForm faster_form(const at::Tensor& x, const at::Tensor& w, int64_t stride) {
  using Sizes = std::tuple<std::string, at::ScalarType, std::vector<int64_t>, std::vector<int64_t>, int64_t>;
  static std::mutex mutex;
  static std::map<Sizes, ConvolutionForm> chosen;
  const std::lock_guard lock(mutex);
  const auto [entry, is_new] =
      chosen.try_emplace(Sizes(x.device().str(), x.scalar_type(), x.sizes().vec(), w.sizes().vec(), stride),
                         ConvolutionForm::grouped);
  if (is_new && seconds_of(ConvolutionForm::unfolded, x, w, stride) <
                    seconds_of(ConvolutionForm::grouped, x, w, stride)) {
    entry->second = ConvolutionForm::unfolded;
  }
  return entry->second;
}

}  // namespace

bool shared_by_tasks(const at::Tensor& w) {
  const bool differentiated = c10::GradMode::is_enabled() && w.requires_grad();
  return w.size(0) > 1 && w.stride(0) == 0 && !differentiated;
}

std::unique_ptr<ConvolutionAt> convolution_at(ConvolutionForm form, const at::Tensor& x, int64_t kernel,
                                              int64_t stride) {
  if (form == ConvolutionForm::unfolded) {
    return std::make_unique<Unfolded>(x, kernel, stride);
  }
  return std::make_unique<Grouped>(x, kernel, stride);
}

ConvolutionForm convolution_form(const at::Tensor& x, const at::Tensor& w, int64_t stride) {
  const char* const variable = std::getenv("UFO_CONVOLUTION");
  const std::string asked = variable ? variable : x.is_cuda() ? "fastest" : "grouped";
  if (asked == "fastest") {
    return faster_form(x, w, stride);
  }
  if (asked != "grouped" && asked != "unfolded") {
    throw UserError("UFO_CONVOLUTION: need grouped, unfolded or fastest, got '" + asked + "'");
  }
  return asked == "unfolded" ? ConvolutionForm::unfolded : ConvolutionForm::grouped;
}

}  // namespace ufo::nn
