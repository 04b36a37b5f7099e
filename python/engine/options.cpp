#include "options.h"

namespace ufo::python {

void refuse(const std::string& path, const std::string& need, py::handle got) {
  throw std::invalid_argument(path + ": need " + need + ", got " + std::string(py::repr(got)));
}

void refuse_name(const std::string& path, const std::string& name, const std::vector<std::string>& known) {
  const py::list near = py::module_::import("difflib").attr("get_close_matches")(name, known, 1);
  std::string message = path + ": there is no option " + name;
  if (!near.empty()) {
    message += "; did you mean " + near[0].cast<std::string>() + "?";
  } else {
    message += "; the options are " + py::str(", ").attr("join")(known).cast<std::string>();
  }
  throw std::invalid_argument(message);
}

void read_value(py::handle given, const std::string& path, const Range&, bilevel::CoinProbability& value) {
  const bool word = py::isinstance<py::str>(given);
  if (word ? given.cast<std::string>() != "adaptive"
           : !py::isinstance<py::float_>(given) && !py::isinstance<py::int_>(given)) {
    refuse(path, "a number above 0 and at most 1 or \"adaptive\"", given);
  }
  value = word ? bilevel::CoinProbability{.adaptive = true}
               : bilevel::CoinProbability{.value = given.cast<double>()};
}

void read_value(py::handle given, const std::string& path, const Range&, bilevel::Base& value) {
  const std::string word = py::isinstance<py::str>(given) ? given.cast<std::string>() : "";
  if (word == "first_order") {
    value = bilevel::Base::first_order();
  } else if (word == "head") {
    value = bilevel::Base::last(0);
  } else if (py::isinstance<py::int_>(given) && given.cast<int64_t>() >= 0) {
    value = bilevel::Base::last(given.cast<int64_t>());
  } else {
    refuse(path, "\"first_order\", \"head\" or a number of blocks", given);
  }
}

}  // namespace ufo::python
