#include "bilevel.h"
#include "few_shot.h"
#include "network.h"

#include <torch/csrc/utils/pybind.h>

#include <ufo/base/error.h>

// What _engine.pyi describes; the package's own functions stand before it.
PYBIND11_MODULE(_engine, module) {
  pybind11::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const ufo::UserError& error) {
      pybind11::set_error(PyExc_ValueError, error.what());
    }
  });
  module.attr("torch_version") = UFO_TORCH_VERSION;
  ufo::python::bind_network(module);
  ufo::python::bind_few_shot(module);
  ufo::python::bind_bilevel(module);
}
