#pragma once

#include <torch/csrc/utils/pybind.h>

namespace ufo::python {

/// The estimators on objectives that are Python functions of tensors.
void bind_bilevel(pybind11::module_& module);

}  // namespace ufo::python
