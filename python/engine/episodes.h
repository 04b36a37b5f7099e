#pragma once

#include "network.h"

#include <string>

#include <ATen/core/Tensor.h>

namespace ufo::python {

// T tasks, S images, N ways, C channels, H x W pixels, P parameters.

/// Images [T, S, C, H, W] of the network's form, and their labels [T, S].
struct Images {
  at::Tensor images, labels;
};

/// `images` and `labels` as the engine reads them: contiguous, the labels int64; not copied where they are so
/// already. Throws std::invalid_argument, with `name` ("support", "query"), unless there are T tasks of at
/// least one image each of the network's form, of the dtype and on the device of `parameters`, and every
/// label is in [0, N).
Images checked_images(const ImageNetwork& network, const std::string& name, int64_t tasks,
                      const at::Tensor& parameters, const at::Tensor& images, const at::Tensor& labels);

/// The images alone.
at::Tensor checked_images(const ImageNetwork& network, const std::string& name, int64_t tasks,
                          const at::Tensor& parameters, const at::Tensor& images);

/// `flat` without its history. Throws std::invalid_argument unless it is float32 or float64 of shape `sizes`;
/// a negative size stands for any.
at::Tensor checked_parameters(const std::string& name, const at::Tensor& flat,
                              const std::vector<int64_t>& sizes);

}  // namespace ufo::python
