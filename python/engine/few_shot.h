#pragma once

#include <torch/csrc/utils/pybind.h>

namespace ufo::python {

/// meta_gradient, adapt and predict.
void bind_few_shot(pybind11::module_& module);

}  // namespace ufo::python
