#include "network.h"

#include "options.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/learner.h>

namespace ufo::python {
namespace {

nn::ModelOptions model_options(const py::dict& given) {
  nn::ModelOptions options;
  read_options(given, "model", options);
  return options;
}

/// The network with the inner rates of `options`, a group `inner`.
bilevel::Learner learner(const ImageNetwork& network, const py::dict& options) {
  bilevel::InnerOptions inner;
  read_options(options, "inner", inner);
  return {*network.network, inner, at::kFloat, network.head};
}

/// (name, shape) of every parameter and learned rate, in the order of the flat vector.
std::vector<std::pair<std::string, std::vector<int64_t>>> parameters(const ImageNetwork& network,
                                                                     const py::dict& inner) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> result;
  const nn::Layout layout = learner(network, inner).layout();
  for (const nn::ParameterEntry& entry : layout.entries()) {
    result.emplace_back(entry.name, entry.shape);
  }
  return result;
}

}  // namespace

ImageNetwork::ImageNetwork(const py::dict& options, const nn::InputShape& input)
    : input(input),
      head(model_options(options).head),
      network(nn::make_network(model_options(options), input)),
      facts(nn::facts_of(model_options(options))) {}

void bind_network(py::module_& module) {
  const auto release = py::call_guard<py::gil_scoped_release>();
  py::class_<ImageNetwork>(module, "Network")
      .def(py::init([](const py::dict& options, int64_t channels, int64_t height, int64_t width,
                       int64_t ways) {
        return std::make_unique<ImageNetwork>(
            options, nn::InputShape{.channels = channels, .height = height, .width = width, .ways = ways});
      }))
      .def_property_readonly("size", [](const ImageNetwork& self) { return self.network->layout().size(); })
      .def_property_readonly("blocks",
                             [](const ImageNetwork& self) { return self.network->layout().depth(); })
      .def_readonly("facts", &ImageNetwork::facts)
      .def("parameters", parameters)
      .def_property_readonly(
          "batch_norm", [](const ImageNetwork& self) { return word_of(self.network->batch_norm_mode()); })
      .def("initial", [](const ImageNetwork& self, uint64_t seed,
                         const py::dict& inner) { return learner(self, inner).initial(seed); })
      .def("unpack", [](const ImageNetwork& self, const at::Tensor& flat,
                        const py::dict& inner) { return learner(self, inner).layout().unpack(flat); })
      .def("pack", [](const ImageNetwork& self, const std::vector<at::Tensor>& tensors,
                      const py::dict& inner) { return learner(self, inner).layout().pack(tensors); })
      .def(
          "query_logits",
          [](const ImageNetwork& self, const at::Tensor& parameters, const at::Tensor& query,
             const at::Tensor& support) { return self.network->query_logits(parameters, query, support); },
          release);
}

}  // namespace ufo::python
