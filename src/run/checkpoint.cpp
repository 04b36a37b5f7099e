#include <charconv>
#include <cmath>
#include <iterator>
#include <sstream>

#include <ufo/base/error.h>
#include <ufo/base/safetensors.h>
#include <ufo/base/text.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/options.h>

namespace ufo::run {
namespace {

constexpr const char* kFormat = "ufo-maml checkpoint 1";
constexpr const char* kOptimizerPrefix = "optimizer.";

template <class Number>
Number parse(const std::filesystem::path& path, const std::string& key, const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw DataError(path.string() + ": metadata \"" + key + "\": need a number, got \"" + text + "\"");
  }
  return value;
}

/// Throws unless `value` lies in `range`, which nothing but a number does.
template <class Number>
void check(const std::filesystem::path& path, const std::string& key, Number value, const Range& range) {
  if (!std::isfinite(static_cast<double>(value)) || !range.contains(static_cast<double>(value))) {
    throw DataError(path.string() + ": metadata \"" + key + "\": need " +
                    (to_string(range).empty() ? "a finite number" : to_string(range)) + ", got " +
                    exact_text(value));
  }
}

void check_finite(const std::filesystem::path& path, const std::string& name, const at::Tensor& values) {
  if (!values.isfinite().all().item<bool>()) {
    throw DataError(path.string() + ": " + name + ": need finite numbers, got some that are not");
  }
}

/// "0.5 0.25": a value of each validation.
template <class Value>
std::string list_of(const std::vector<Validated>& best, Value Validated::*member) {
  std::string text;
  for (const Validated& validated : best) {
    text += text.empty() ? "" : " ";
    text += exact_text(validated.*member);
  }
  return text;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

/// The validations in two such lists. Older files have a "nan" before the first validation.
std::vector<Validated> read_best(const std::filesystem::path& path,
                                 const std::map<std::string, std::string>& metadata) {
  const auto list = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::vector<std::string>() : words_of(found->second);
  };
  const std::vector<std::string> accuracies = list("best_accuracy"), steps = list("best_step");
  if (accuracies.size() != steps.size()) {
    throw DataError(path.string() +
                    ": metadata: need as many numbers in \"best_accuracy\" as in \"best_step\", got " +
                    std::to_string(accuracies.size()) + " and " + std::to_string(steps.size()));
  }
  std::vector<Validated> best;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Validated validated{.step = parse<int64_t>(path, "best_step", steps[i]),
                              .accuracy = parse<double>(path, "best_accuracy", accuracies[i])};
    if (!std::isnan(validated.accuracy)) {
      check(path, "best_step", validated.step, between(0, kMostSteps));
      check(path, "best_accuracy", validated.accuracy, between(0, 1));
      best.push_back(validated);
    }
  }
  return best;
}

void add_parameters(TensorFile& file, const std::string& prefix, const at::Tensor& flat,
                    const nn::Layout& layout) {
  if (flat.dim() != 1 || flat.size(0) != layout.size()) {
    throw std::invalid_argument("save_checkpoint: need " + prefix + "* of [" + std::to_string(layout.size()) +
                                "] numbers, got " + c10::str(flat.sizes()));
  }
  const std::vector<at::Tensor> tensors = layout.unpack(flat.detach());
  for (size_t i = 0; i < tensors.size(); ++i) {
    file.tensors[prefix + layout.entries()[i].name] = tensors[i];
  }
}

/// The tensors `prefix` + name for every parameter of `layout`, packed. Throws DataError for the first that
/// disagrees.
at::Tensor take_parameters(const std::filesystem::path& path, TensorFile& file, const std::string& prefix,
                           const nn::Layout& layout) {
  std::vector<at::Tensor> tensors;
  for (const nn::ParameterEntry& entry : layout.entries()) {
    const auto node = file.tensors.extract(prefix + entry.name);
    const std::string need = path.string() + ": a checkpoint of another model: " + prefix + entry.name +
                             ": need " + c10::str(at::IntArrayRef(entry.shape)) + ", got ";
    if (node.empty()) {
      throw DataError(need + "none");
    }
    if (node.mapped().sizes() != at::IntArrayRef(entry.shape)) {
      throw DataError(need + c10::str(node.mapped().sizes()));
    }
    if (!node.mapped().is_floating_point()) {
      throw DataError(path.string() + ": " + prefix + entry.name + ": need float32 or float64, got " +
                      c10::toString(node.mapped().scalar_type()));
    }
    tensors.push_back(node.mapped().to(at::kFloat));
    check_finite(path, prefix + entry.name, tensors.back());
  }
  return layout.pack(tensors);
}

/// Moves optimizer.<state> and optimizer.<state>.<name> out of `file`. A state's name has no dot.
std::map<std::string, at::Tensor> take_optimizer(const std::filesystem::path& path, TensorFile& file,
                                                 const nn::Layout& layout) {
  std::map<std::string, at::Tensor> states;
  for (auto it = file.tensors.lower_bound(kOptimizerPrefix);
       it != file.tensors.end() && it->first.starts_with(kOptimizerPrefix);
       it = file.tensors.lower_bound(kOptimizerPrefix)) {
    const size_t begin = std::string_view(kOptimizerPrefix).size();
    const size_t dot = it->first.find('.', begin);
    const std::string state = it->first.substr(begin, dot == std::string::npos ? dot : dot - begin);
    if (dot == std::string::npos) {
      check_finite(path, it->first, it->second);
      states[state] = it->second;
      file.tensors.erase(it);
      continue;
    }
    states[state] = take_parameters(path, file, kOptimizerPrefix + state + ".", layout);
    const auto extra = file.tensors.lower_bound(kOptimizerPrefix + state + ".");
    if (extra != file.tensors.end() && extra->first.starts_with(kOptimizerPrefix + state + ".")) {
      throw DataError(path.string() + ": a checkpoint of another model: " + extra->first +
                      ": need none, got " + c10::str(extra->second.sizes()));
    }
  }
  return states;
}

void read_metadata(const std::filesystem::path& path, const TensorFile& file, Checkpoint& checkpoint) {
  const auto& metadata = file.metadata;
  if (const auto it = metadata.find("format");
      it != metadata.end() && it->second.starts_with("ufo-maml") && it->second != kFormat) {
    throw DataError(path.string() + ": need the format \"" + kFormat + "\", got \"" + it->second + "\"");
  }
  const auto number = [&](const char* key, auto& value) {
    if (const auto it = metadata.find(key); it != metadata.end()) {
      value = parse<std::remove_reference_t<decltype(value)>>(path, key, it->second);
    }
  };
  number("step", checkpoint.step);
  number("gradient_calls", checkpoint.gradient_calls);
  checkpoint.best = read_best(path, metadata);
  checkpoint.validation_due = metadata.contains("validation_due");
  const std::string prefix = "estimator.";
  for (auto it = metadata.lower_bound(prefix); it != metadata.end() && it->first.starts_with(prefix); ++it) {
    const double value = parse<double>(path, it->first, it->second);
    check(path, it->first, value, anything());
    checkpoint.estimator_state[it->first.substr(prefix.size())] = value;
  }
  if (const auto it = metadata.find("config"); it != metadata.end()) {
    checkpoint.config = it->second;
  }
  check(path, "gradient_calls", checkpoint.gradient_calls, at_least(0));
  check(path, "step", checkpoint.step, between(0, kMostSteps));
}

TensorFile pack(const Checkpoint& checkpoint, const nn::Layout& layout) {
  TensorFile file;
  add_parameters(file, "", checkpoint.parameters, layout);
  for (const auto& [state, tensor] : checkpoint.optimizer) {
    if (tensor.dim() == 0) {
      file.tensors[kOptimizerPrefix + state] = tensor;
    } else {
      add_parameters(file, kOptimizerPrefix + state + ".", tensor, layout);
    }
  }
  file.metadata = {{"format", kFormat},
                   {"step", std::to_string(checkpoint.step)},
                   {"gradient_calls", exact_text(checkpoint.gradient_calls)},
                   {"best_accuracy", list_of(checkpoint.best, &Validated::accuracy)},
                   {"best_step", list_of(checkpoint.best, &Validated::step)},
                   {"config", checkpoint.config}};
  if (checkpoint.validation_due) {
    file.metadata["validation_due"] = "true";
  }
  for (const auto& [name, value] : checkpoint.estimator_state) {
    file.metadata["estimator." + name] = exact_text(value);
  }
  return file;
}

Checkpoint unpack(const std::filesystem::path& path, TensorFile file, const nn::Layout& layout) {
  Checkpoint checkpoint;
  checkpoint.parameters = take_parameters(path, file, "", layout);
  checkpoint.optimizer = take_optimizer(path, file, layout);
  if (!file.tensors.empty()) {
    const auto& [name, tensor] = *file.tensors.begin();
    throw DataError(path.string() + ": a checkpoint of another model: " + name + ": need none, got " +
                    c10::str(tensor.sizes()));
  }
  read_metadata(path, file, checkpoint);
  return checkpoint;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint,
                     const nn::Layout& layout) {
  save_safetensors(path, pack(checkpoint, layout));
}

Checkpoint load_checkpoint(const std::filesystem::path& path, const nn::Layout& layout) {
  return unpack(path, load_safetensors(path), layout);
}

std::string to_bytes(const Checkpoint& checkpoint, const nn::Layout& layout) {
  return to_safetensors(pack(checkpoint, layout));
}

Checkpoint parse_checkpoint(std::string_view bytes, const std::filesystem::path& origin,
                            const nn::Layout& layout) {
  return unpack(origin, parse_safetensors(std::as_bytes(std::span(bytes)), origin), layout);
}

std::vector<Validated> checkpoint_ranking(const std::filesystem::path& path) {
  return read_best(path, load_safetensors(path).metadata);
}

std::string checkpoint_config(const std::filesystem::path& path) {
  const TensorFile file = load_safetensors(path);
  const auto it = file.metadata.find("config");
  if (it == file.metadata.end() || it->second.empty()) {
    throw DataError(path.string() + ": need a checkpoint with its config, got one without");
  }
  return it->second;
}

}  // namespace ufo::run
