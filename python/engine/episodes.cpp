#include "episodes.h"

#include "options.h"

#include <ATen/ATen.h>

namespace ufo::python {
namespace {

/// "[T, S, 1, 28, 28]" with the sizes that are given, and `any` for those that are negative.
std::string shape(const std::vector<int64_t>& sizes, const std::vector<std::string>& any) {
  std::string text;
  for (size_t i = 0; i < sizes.size(); ++i) {
    text += (i ? ", " : "") + (sizes[i] < 0 ? any[i] : std::to_string(sizes[i]));
  }
  return "[" + text + "]";
}

std::string description(const at::Tensor& tensor) {
  const auto sizes = tensor.sizes().vec();
  return std::string(c10::toString(tensor.scalar_type())) + " " + shape(sizes, {}) + " on " +
         tensor.device().str();
}

bool fits(const at::Tensor& tensor, const std::vector<int64_t>& sizes) {
  bool same = tensor.dim() == static_cast<int64_t>(sizes.size());
  for (size_t i = 0; same && i < sizes.size(); ++i) {
    same = sizes[i] < 0 ? tensor.size(i) > 0 : tensor.size(i) == sizes[i];
  }
  return same;
}

[[noreturn]] void refuse_tensor(const std::string& name, const std::string& need, const at::Tensor& got) {
  throw std::invalid_argument(name + ": need " + need + ", got " + description(got));
}

at::Tensor checked_labels(const ImageNetwork& network, const std::string& name, const at::Tensor& images,
                          const at::Tensor& labels) {
  const std::vector<int64_t> sizes = {images.size(0), images.size(1)};
  if (!fits(labels, sizes) || !at::isIntegralType(labels.scalar_type(), /*includeBool=*/false) ||
      labels.device() != images.device()) {
    refuse_tensor(name, "integers " + shape(sizes, {}) + " on " + images.device().str() + ", one an image",
                  labels);
  }
  const auto least = labels.min().item<int64_t>(), most = labels.max().item<int64_t>();
  if (least < 0 || most >= network.input.ways) {
    throw std::invalid_argument(name + ": need labels from 0 to " + std::to_string(network.input.ways - 1) +
                                ", got " + std::to_string(least < 0 ? least : most));
  }
  return labels.to(at::kLong).contiguous();
}

}  // namespace

at::Tensor checked_images(const ImageNetwork& network, const std::string& name, int64_t tasks,
                          const at::Tensor& parameters, const at::Tensor& images) {
  const nn::InputShape& input = network.input;
  const std::vector<int64_t> sizes = {tasks, -1, input.channels, input.height, input.width};
  if (!fits(images, sizes) || images.scalar_type() != parameters.scalar_type() ||
      images.device() != parameters.device()) {
    refuse_tensor(name + "_images",
                  std::string(c10::toString(parameters.scalar_type())) + " " +
                      shape(sizes, {"T", "S", "", "", ""}) + " on " + parameters.device().str() +
                      " as the parameters",
                  images);
  }
  return images.detach().contiguous();
}

Images checked_images(const ImageNetwork& network, const std::string& name, int64_t tasks,
                      const at::Tensor& parameters, const at::Tensor& images, const at::Tensor& labels) {
  const at::Tensor pixels = checked_images(network, name, tasks, parameters, images);
  return {.images = pixels, .labels = checked_labels(network, name + "_labels", pixels, labels)};
}

at::Tensor checked_parameters(const std::string& name, const at::Tensor& flat,
                              const std::vector<int64_t>& sizes) {
  if (!fits(flat, sizes) || (flat.scalar_type() != at::kFloat && flat.scalar_type() != at::kDouble)) {
    refuse_tensor(name, "float32 or float64 parameters " + shape(sizes, {"T", ""}), flat);
  }
  return flat.detach().contiguous();
}

}  // namespace ufo::python
