#include "conv_net.h"
#include "mlp.h"

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/random.h>
#include <ufo/nn/network.h>

namespace ufo::nn {
namespace {

/// A network by its name in configs, and what it says of itself.
struct NetworkKind {
  const char* name;
  std::string (*title)(const ModelOptions&);
  std::map<std::string, std::string> (*facts)(const ModelOptions&);
  std::unique_ptr<Network> (*make)(const ModelOptions&, const InputShape&);
};

template <class T>
constexpr NetworkKind kind(const char* name) {
  return {name, T::title, T::facts, [](const ModelOptions& options, const InputShape& input) {
            return std::unique_ptr<Network>(std::make_unique<T>(options, input));
          }};
}

constexpr NetworkKind kNetworks[] = {kind<ConvNet>("conv4"), kind<Mlp>("mlp")};

const NetworkKind& kind_of(const ModelOptions& options) {
  for (const NetworkKind& kind : kNetworks) {
    if (options.name == kind.name) {
      return kind;
    }
  }
  throw ConfigError("model.name: there is no network named " + options.name);
}

/// Glorot's uniform bound sqrt(6 / (fan_in + fan_out)) of a weight [out, in, receptive field...].
double glorot_bound(const std::vector<int64_t>& shape) {
  int64_t receptive_field = 1;
  for (size_t i = 2; i < shape.size(); ++i) {
    receptive_field *= shape[i];
  }
  return std::sqrt(6.0 / static_cast<double>((shape[0] + shape[1]) * receptive_field));
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

const char* to_string(BatchNorm mode) {
  constexpr const char* kNames[] = {"none", "batch", "support"};
  return kNames[static_cast<size_t>(mode)];
}

at::Tensor Network::initial_parameters(uint64_t seed) const {
  std::vector<at::Tensor> tensors;
  for (size_t i = 0; i < layout_.entries().size(); ++i) {
    const auto& entry = layout_.entries()[i];
    auto tensor = at::zeros(entry.shape, at::kFloat);
    if (ends_with(entry.name, ".norm.weight")) {
      tensor.fill_(1);
    } else if (entry.shape.size() >= 2) {
      const double bound = glorot_bound(entry.shape);
      RandomStream random(seed, Purpose::parameters, i);
      float* values = tensor.mutable_data_ptr<float>();
      for (int64_t k = 0; k < entry.size; ++k) {
        values[k] = static_cast<float>(bound * (2 * random.uniform() - 1));
      }
    }
    tensors.push_back(tensor);
  }
  return layout_.pack(tensors);
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const NetworkKind& kind : kNetworks) {
    names.emplace_back(kind.name);
  }
  return names;
}

std::string title_of(const ModelOptions& options) { return kind_of(options).title(options); }

std::map<std::string, std::string> facts_of(const ModelOptions& options) {
  return kind_of(options).facts(options);
}

std::unique_ptr<Network> make_network(const ModelOptions& options, const InputShape& input) {
  check_ranges(options, "model");
  return kind_of(options).make(options, input);
}

}  // namespace ufo::nn
