#include "conv_net.h"
#include "mlp.h"
#include "resnet12.h"

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

constexpr NetworkKind kNetworks[] = {kind<ConvNet>("conv4"), kind<Mlp>("mlp"), kind<ResNet12>("resnet12")};

const NetworkKind& kind_of(const ModelOptions& options) {
  for (const NetworkKind& kind : kNetworks) {
    if (options.name == kind.name) {
      return kind;
    }
  }
  throw ConfigError("model.name: there is no network named " + options.name);
}

at::Tensor initial(const ParameterEntry& entry, RandomStream random) {
  at::Tensor tensor = at::full(entry.shape, entry.start == Start::ones ? 1 : 0, at::kFloat);
  if (entry.start != Start::glorot && entry.start != Start::he) {
    return tensor;
  }
  const auto out = static_cast<double>(entry.shape[0]), in = static_cast<double>(entry.shape[1]);
  const double field = static_cast<double>(entry.size) / (out * in);
  const double bound = std::sqrt(6 / ((out + in) * field)), deviation = std::sqrt(2 / (out * field));
  float* values = tensor.mutable_data_ptr<float>();
  for (int64_t k = 0; k < entry.size; ++k) {
    values[k] = static_cast<float>(entry.start == Start::glorot ? bound * (2 * random.uniform() - 1)
                                                                : deviation * random.normal());
  }
  return tensor;
}

}  // namespace

at::Tensor initial_parameters(const Layout& layout, uint64_t seed) {
  std::vector<at::Tensor> tensors;
  for (const ParameterEntry& entry : layout.entries()) {
    tensors.push_back(initial(entry, RandomStream(seed, Purpose::parameters, tensors.size())));
  }
  return layout.pack(tensors);
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
