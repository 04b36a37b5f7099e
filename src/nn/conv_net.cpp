#include "conv_net.h"

#include "cpu/conv_net_engine.h"

#include <ATen/ATen.h>

#include <ufo/base/error.h>

namespace ufo::nn {

ConvNet::ConvNet(const ModelOptions& options, const InputShape& input) : options_(options), input_(input) {
  int64_t channels = input.channels, height = input.height, width = input.width;
  const int64_t filters = options.filters, kernel = options.kernel;
  for (int64_t i = 0; i < options.blocks; ++i) {
    BlockShape block{.in_channels = channels,
                     .out_channels = filters,
                     .in_height = height,
                     .in_width = width,
                     .conv_height = (height - 1) / stride() + 1,
                     .conv_width = (width - 1) / stride() + 1,
                     .out_height = 0,
                     .out_width = 0};
    block.out_height = pooled() ? block.conv_height / 2 : block.conv_height;
    block.out_width = pooled() ? block.conv_width / 2 : block.conv_width;
    if (block.out_height < 1 || block.out_width < 1) {
      throw ConfigError("model.blocks: images of " + std::to_string(input.height) + "x" +
                        std::to_string(input.width) + " pixels allow at most " + std::to_string(i) +
                        " blocks with max_pool, got " + std::to_string(options.blocks));
    }
    const std::string prefix = "blocks." + std::to_string(i);
    layout_.add(prefix + ".conv.weight", {filters, channels, kernel, kernel}, {}, {2, 3, 1, 0});
    layout_.add(prefix + ".conv.bias", {filters});
    layout_.add(prefix + ".norm.weight", {filters});
    layout_.add(prefix + ".norm.bias", {filters});
    blocks_.push_back(block);
    channels = filters, height = block.out_height, width = block.out_width;
  }
  const int64_t pixels = pooled() ? height * width : 1;
  layout_.add("head.weight", {input.ways, channels * pixels},
              {input.ways, channels, pooled() ? height : 1, pooled() ? width : 1}, {0, 2, 3, 1});
  layout_.add("head.bias", {input.ways});
  float_engine_ = cpu::ConvNetEngine::make<float>(*this);
  double_engine_ = cpu::ConvNetEngine::make<double>(*this);
}

ConvNet::~ConvNet() = default;

std::unique_ptr<LossTape> ConvNet::tape(const at::Tensor& parameters, const at::Tensor& images,
                                        const at::Tensor& labels, Derivatives derivatives) const {
  if (!parameters.is_cpu()) {
    return nullptr;
  }
  switch (parameters.scalar_type()) {
    case at::kFloat:
      return float_engine_->tape(parameters, images, labels, derivatives);
    case at::kDouble:
      return double_engine_->tape(parameters, images, labels, derivatives);
    default:
      return nullptr;
  }
}

at::Tensor ConvNet::logits(const at::Tensor& parameters, const at::Tensor& images) const {
  const int64_t tasks = images.size(0), samples = images.size(1);
  const auto p = layout_.unpack(parameters);
  // The tasks lie side by side in the channels, so that one grouped convolution serves them all.
  at::Tensor x =
      images.transpose(0, 1).reshape({samples, tasks * input_.channels, input_.height, input_.width});
  for (int64_t i = 0; i < options_.blocks; ++i) {
    const auto weight = p[4 * i].flatten(0, 1), bias = p[4 * i + 1].flatten();
    x = at::conv2d(x, weight, bias, stride(), options_.kernel / 2, 1, tasks);
    x = at::batch_norm(x, p[4 * i + 2].flatten(), p[4 * i + 3].flatten(), {}, {}, true, 0.1,
                       options_.batch_norm_eps, false);
    x = at::relu(x);
    if (pooled()) {
      x = at::max_pool2d(x, 2);
    }
  }
  const int64_t filters = options_.filters;
  const auto features =
      pooled() ? x.view({samples, tasks, -1}) : x.mean({2, 3}).view({samples, tasks, filters});
  const size_t head = p.size() - 2;
  return at::baddbmm(p[head + 1].unsqueeze(1), features.transpose(0, 1), p[head].transpose(1, 2));
}

}  // namespace ufo::nn
