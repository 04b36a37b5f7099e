#include "conv_net.h"

#include "cpu/conv_net_engine.h"

#include <algorithm>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/text.h>

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
    auto layers = chain(conv2d(prefix + ".conv", channels, filters,
                               {.kernel = kernel, .stride = stride(), .bias = Bias::cancelled}),
                        batch_norm(prefix + ".norm", filters, options.batch_norm_eps),
                        options.negative_slope > 0 ? leaky_relu(options.negative_slope) : relu());
    if (pooled()) {
      layers->add(max_pool());
    }
    add(std::move(layers));
    blocks_.push_back(block);
    channels = filters, height = block.out_height, width = block.out_width;
  }
  if (spatial_mean()) {
    add(nn::spatial_mean());
    add_head(linear("head", channels, input.ways));
  } else {
    add(flatten());
    add_head(linear("head", channels * height * width, input.ways, {channels, height, width}));
  }
  float_engine_ = cpu::ConvNetEngine::make<float>(*this);
  double_engine_ = cpu::ConvNetEngine::make<double>(*this);
}

ConvNet::~ConvNet() = default;

std::string ConvNet::title(const ModelOptions& options) {
  return "conv4, " + std::to_string(options.filters) + " filters, " + word_of(options.downsampling);
}

std::map<std::string, std::string> ConvNet::facts(const ModelOptions& options) {
  const bool pooled = options.downsampling == Downsampling::max_pool;
  return {{"batch_norm_eps", exact_text(options.batch_norm_eps)},
          {"batch_norm", word_of(options.batch_norm)},
          {"stride", pooled ? "1" : "2"},
          {"pool", pooled ? "true" : "false"},
          {"features", word_of(options.features)},
          {"negative_slope", exact_text(options.negative_slope)},
          {"filters", std::to_string(options.filters)},
          {"blocks", std::to_string(options.blocks)},
          {"kernel", std::to_string(options.kernel)}};
}

std::unique_ptr<LossTape> ConvNet::tape(const at::Tensor& parameters, const at::Tensor& images,
                                        const at::Tensor& labels, Derivatives derivatives) const {
  if (parameters.is_cpu() && parameters.scalar_type() == at::kFloat) {
    return float_engine_->tape(parameters, images, labels, derivatives);
  }
  if (parameters.is_cpu() && parameters.scalar_type() == at::kDouble) {
    return double_engine_->tape(parameters, images, labels, derivatives);
  }
  return Sequential::tape(parameters, images, labels, derivatives);
}

int64_t ConvNet::activations() const {
  const int64_t maps = batch_norm_mode() == BatchNorm::support ? 8 : 3;  // seen: 7.2 and 2.4 of the largest
  int64_t largest = 0;
  for (const BlockShape& block : blocks_) {
    largest = std::max(largest, block.out_channels * block.conv_height * block.conv_width);
  }
  return maps * largest;
}

std::unique_ptr<FeatureTape> ConvNet::features(const at::Tensor& parameters, const at::Tensor& images) const {
  if (parameters.is_cpu() && parameters.scalar_type() == at::kFloat) {
    return float_engine_->features(parameters, images);
  }
  if (parameters.is_cpu() && parameters.scalar_type() == at::kDouble) {
    return double_engine_->features(parameters, images);
  }
  return Sequential::features(parameters, images);
}

}  // namespace ufo::nn
