#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/utils/pybind.h>

#include <ufo/nn/network.h>

namespace ufo::python {

/// A network and the images that it is for.
struct ImageNetwork {
  ImageNetwork(const pybind11::dict& options, const nn::InputShape& input);

  nn::InputShape input;
  nn::Head head;
  std::unique_ptr<nn::Network> network;
  std::map<std::string, std::string> facts;  ///< nn::facts_of
};

void bind_network(pybind11::module_& module);

}  // namespace ufo::python
