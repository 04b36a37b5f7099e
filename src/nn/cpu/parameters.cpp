#include "parameters.h"

namespace ufo::nn::cpu {

PaddedParameters::PaddedParameters(const ConvNet& net, int64_t lanes) {
  const auto whole = [&](int64_t channels) { return (channels + lanes - 1) / lanes * lanes; };
  const auto offset = [&](const std::string& name) { return net.layout().entry(name).offset; };
  const int64_t taps = net.options().kernel * net.options().kernel;
  for (size_t i = 0; i < net.blocks().size(); ++i) {
    const BlockShape& shape = net.blocks()[i];
    const std::string prefix = "blocks." + std::to_string(i);
    const int64_t in = shape.in_channels, out = shape.out_channels;
    Block block{};
    block.weight =
        append(offset(prefix + ".conv.weight"), taps, in, i == 0 ? in : whole(in), out, whole(out));
    append(offset(prefix + ".conv.bias"), 1, 1, 1, out, whole(out));
    block.norm_weight = append(offset(prefix + ".norm.weight"), 1, 1, 1, out, whole(out));
    block.norm_bias = append(offset(prefix + ".norm.bias"), 1, 1, 1, out, whole(out));
    blocks_.push_back(block);
  }
  const int64_t ways = net.input().ways, channels = net.options().filters;
  const int64_t pixels = net.layout().entry("head.weight").size / (ways * channels);
  head_weight_ = append(offset("head.weight"), ways * pixels, 1, 1, channels, whole(channels));
  head_bias_ = append(offset("head.bias"), 1, 1, 1, ways, ways);
  same_ = size_ == net.layout().size();
}

int64_t PaddedParameters::append(int64_t flat, int64_t groups, int64_t group, int64_t padded_group,
                                 int64_t length, int64_t padded_length) {
  const int64_t at = size_;
  pieces_.push_back({flat, at, groups * group, length, padded_length, group, padded_group});
  size_ += groups * padded_group * padded_length;
  return at;
}

}  // namespace ufo::nn::cpu
