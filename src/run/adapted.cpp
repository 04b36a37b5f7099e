#include "run/json.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/safetensors.h>
#include <ufo/run/adapted.h>
#include <ufo/run/config.h>

namespace ufo::run {
namespace {

constexpr const char* kFormat = "ufo-maml adapted 1";
constexpr const char* kPixels = "support.pixels";

/// A file that is being read, for messages.
struct Reading {
  const std::filesystem::path& path;
  TensorFile file;

  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(path.string() + ": need a file that predict --save-adapted wrote: " + what);
  }

  const std::string& metadata(const std::string& key) const {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) {
      refuse("it has no \"" + key + "\" in its metadata");
    }
    return found->second;
  }

  template <class Value>
  std::vector<Value> list(const std::string& key) const {
    try {
      return parse_json(metadata(key), path.string()).get<std::vector<Value>>();
    } catch (const Json::exception&) {
      refuse("its \"" + key + "\" is no list as it should be");
    }
  }

  /// Moves a tensor out of the file.
  at::Tensor take(const std::string& name, at::IntArrayRef shape, at::ScalarType type) {
    const auto node = file.tensors.extract(name);
    if (node.empty() || node.mapped().sizes() != shape || node.mapped().scalar_type() != type) {
      const std::string got =
          node.empty() ? "none" : c10::str(node.mapped().scalar_type(), " ", node.mapped().sizes());
      refuse(c10::str(name, ": need ", type, " ", shape, ", got ", got));
    }
    return node.mapped();
  }
};

bool are_finite(const std::vector<float>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](float number) { return std::isfinite(number); });
}

at::Tensor take_parameters(Reading& reading, const nn::Layout& layout) {
  std::vector<at::Tensor> tensors;
  for (const nn::ParameterEntry& entry : layout.entries()) {
    tensors.push_back(reading.take(entry.name, entry.shape, at::kFloat));
    if (!tensors.back().isfinite().all().item<bool>()) {
      reading.refuse(entry.name + " has numbers that are not finite");
    }
  }
  return layout.pack(tensors);
}

}  // namespace

std::unique_ptr<nn::Network> make_network(const RunOptions& options, int64_t channels, int64_t ways) {
  return nn::make_network(options.model, {.channels = channels,
                                          .height = options.dataset.image_size,
                                          .width = options.dataset.image_size,
                                          .ways = ways});
}

std::unique_ptr<nn::Network> make_network(const Adapted& adapted) {
  return make_network(adapted.options, static_cast<int64_t>(adapted.mean.size()),
                      static_cast<int64_t>(adapted.class_names.size()));
}

void save_adapted(const std::filesystem::path& path, const Adapted& adapted) {
  const auto network = make_network(adapted);
  const std::vector<at::Tensor> tensors = network->layout().unpack(adapted.parameters.detach());
  TensorFile file;
  for (size_t i = 0; i < tensors.size(); ++i) {
    file.tensors[network->layout().entries()[i].name] = tensors[i];
  }
  file.tensors[kPixels] = adapted.support_pixels;
  file.metadata = {{"format", kFormat},
                   {"config", print_config(adapted.options)},
                   {"classes", Json(adapted.class_names).dump()},
                   {"mean", Json(adapted.mean).dump()},
                   {"deviation", Json(adapted.deviation).dump()}};
  save_safetensors(path, file);
}

Adapted load_adapted(const std::filesystem::path& path) {
  Reading reading{path, load_safetensors(path)};
  if (const std::string& format = reading.metadata("format"); format != kFormat) {
    reading.refuse("its format is \"" + format + "\"");
  }
  Adapted adapted{.options = parse_config(reading.metadata("config"), path.string()),
                  .class_names = reading.list<std::string>("classes"),
                  .mean = reading.list<float>("mean"),
                  .deviation = reading.list<float>("deviation"),
                  .support_pixels = {},
                  .parameters = {}};
  const std::vector<std::string>& names = adapted.class_names;
  if (names.size() < 2 ||
      std::adjacent_find(names.begin(), names.end(), std::greater_equal<>()) != names.end()) {
    reading.refuse("need at least 2 classes in order, got " + std::to_string(names.size()));
  }
  if (!are_finite(adapted.mean) || !are_finite(adapted.deviation)) {
    reading.refuse("its mean or deviation is not finite");
  }
  const int64_t size = adapted.options.dataset.image_size;
  const auto pixels = reading.file.tensors.find(kPixels);
  const int64_t images =
      pixels == reading.file.tensors.end() || pixels->second.dim() == 0 ? 0 : pixels->second.size(0);
  if (images == 0) {
    reading.refuse("it has no support images");
  }
  adapted.support_pixels =
      reading.take(kPixels, {images, size, size, static_cast<int64_t>(adapted.mean.size())}, at::kByte);
  adapted.parameters = take_parameters(reading, make_network(adapted)->layout());
  return adapted;
}

}  // namespace ufo::run
