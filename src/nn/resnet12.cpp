#include "resnet12.h"

#include "joined.h"

#include <algorithm>

#include <ufo/base/error.h>
#include <ufo/base/text.h>

namespace ufo::nn {
namespace {

constexpr double kSlope = 0.1;  // of leaky ReLU below zero

std::unique_ptr<Layer> convolution(const std::string& name, int64_t in, int64_t out, int64_t kernel) {
  return conv2d(name, in, out, {.kernel = kernel, .bias = Bias::none, .start = Start::he});
}

}  // namespace

ResNet12::ResNet12(const ModelOptions& options, const InputShape& input) : norm_(options.batch_norm) {
  const auto norm = [&](const std::string& name, int64_t width) {
    return batch_norm(name, width, options.batch_norm_eps);
  };
  int64_t in = input.channels, height = input.height, width = input.width;
  for (size_t i = 0; i < options.widths.size(); ++i) {
    const int64_t out = options.widths[i];
    const std::string name = "layer" + std::to_string(i + 1) + ".";
    if (std::min(height, width) < 2) {
      throw ConfigError("model.widths: images of " + std::to_string(input.height) + "x" +
                        std::to_string(input.width) + " pixels allow at most " + std::to_string(i) +
                        " blocks, got " + std::to_string(options.widths.size()));
    }
    auto body = chain(convolution(name + "conv1", in, out, 3), norm(name + "bn1", out), leaky_relu(kSlope),
                      convolution(name + "conv2", out, out, 3), norm(name + "bn2", out), leaky_relu(kSlope),
                      convolution(name + "conv3", out, out, 3), norm(name + "bn3", out));
    auto shortcut = chain(convolution(name + "downsample.0", in, out, 1), norm(name + "downsample.1", out));
    add(chain(residual(std::move(body), std::move(shortcut)), leaky_relu(kSlope), max_pool()));
    largest_map_ = std::max(largest_map_, out * height * width);
    in = out, height /= 2, width /= 2;
  }
  add(spatial_mean());
  add_head(linear("head", in, input.ways));
}

int64_t ResNet12::activations() const {
  const int64_t maps = batch_norm_mode() == BatchNorm::support ? 9 : 5;  // seen: 7.7 and 4.0 of the largest
  return maps * largest_map_;
}

std::string ResNet12::title(const ModelOptions& options) { return "resnet12 " + joined(options.widths, "-"); }

std::map<std::string, std::string> ResNet12::facts(const ModelOptions& options) {
  return {{"batch_norm_eps", exact_text(options.batch_norm_eps)},
          {"batch_norm", word_of(options.batch_norm)},
          {"widths", text("[%s]", joined(options.widths, ",").c_str())}};
}

}  // namespace ufo::nn
