#include "run/options_json.h"
#include "run/provenance_json.h"

#include <algorithm>
#include <functional>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>
#include <ufo/run/config.h>

namespace ufo::run {
namespace {

namespace fs = std::filesystem;

Json value_of(const std::string& text) {
  // A bare word needs no quotes: --set meta_gradient.estimator=exact
  return Json::accept(text) ? parse_json(text, "--set") : Json(text);
}

/// inner.steps=3 to {"inner": {"steps": 3}}.
Json as_object(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  std::string path = assignment.substr(0, equals);
  if (equals == std::string::npos || path.empty() || path.front() == '.' || path.back() == '.' ||
      path.find("..") != std::string::npos) {
    throw ConfigError("config: --set needs PATH=VALUE, as in inner.steps=3, got " + assignment);
  }
  Json value = value_of(assignment.substr(equals + 1));
  while (!path.empty()) {
    const size_t dot = path.rfind('.');
    const std::string name = dot == std::string::npos ? path : path.substr(dot + 1);
    value = Json{{name, std::move(value)}};
    path.resize(dot == std::string::npos ? 0 : dot);
  }
  return value;
}

/// The path that printable() shows as `text`: JSON has UTF-8 alone, and a path may be something else.
fs::path path_of(const std::string& text) {
  const std::string bytes = from_printable(text);
  return bytes.find('\0') == std::string::npos ? bytes : text;
}

/// See load_config. Where there is no such folder, the place in the current folder is named by later errors.
fs::path find_root(const fs::path& root, const fs::path& config_file, const std::string& place_of_training) {
  std::vector<fs::path> bases = {fs::current_path()};
  for (fs::path folder = fs::absolute(config_file).parent_path();; folder = folder.parent_path()) {
    bases.push_back(folder);
    if (folder == folder.parent_path()) {
      break;
    }
  }
  std::error_code ignored;
  for (const fs::path& name : {root, path_of(root.string())}) {
    for (const fs::path& base : bases) {
      if (fs::exists(base / name, ignored)) {
        return fs::weakly_canonical(base / name);
      }
    }
  }
  return place_of_training.empty() ? bases.front() / root : path_of(place_of_training);
}

/// The data set that `json` names, or else `otherwise`; a name of a wrong type is for read_options to refuse.
std::string dataset_name(const Json& json, const std::string& otherwise) {
  const Json dataset = json.is_object() ? json.value("dataset", Json::object()) : Json::object();
  const Json name = dataset.is_object() ? dataset.value("name", Json()) : Json();
  return name.is_string() ? name.get<std::string>() : otherwise;
}

/// Without an inner step only a prototype tells classes apart.
void check_steps(const char* path, int64_t steps, nn::Head head) {
  if (steps == 0 && head != nn::Head::prototype) {
    throw ConfigError("config: " + std::string(path) + ": need at least 1 where the head is " +
                      word_of(head) + ", got 0: only a prototype tells classes apart without an inner step");
  }
}

/// A classifier of all training classes takes no inner step, and its head has no part in its evaluation.
void check_classifier(const RunOptions& options) {
  const auto refuse = [](const std::string& need, const std::string& got) {
    throw ConfigError("config: " + need + " where meta_gradient.estimator is classifier, got " + got);
  };
  if (options.inner.steps != 0) {
    refuse("inner.steps: need 0", std::to_string(options.inner.steps));
  }
  if (options.inner.rates.learned) {
    refuse("inner.rates.learned: need false", "true");
  }
  if (options.model.head != nn::Head::prototype && options.model.head != nn::Head::zero) {
    refuse("model.head: need prototype or zero", word_of(options.model.head));
  }
}

void check_methods(const RunOptions& options) {
  if (bilevel::trains_classifier(options.meta_gradient)) {
    check_classifier(options);
  } else {
    check_steps("inner.steps", options.inner.steps, options.model.head);
  }
  if (options.validation.every > 0) {
    check_steps("validation.inner_steps", options.validation.inner_steps, options.evaluation_head());
  }
  check_steps("evaluation.inner_steps", options.evaluation.inner_steps, options.evaluation_head());
  if (options.evaluation.ways == 1) {
    throw ConfigError("config: evaluation.ways: need 0 or at least 2, got 1");
  }
  if (options.inner.steps == 0 && options.outer.multi_step_loss > 0) {
    throw ConfigError("config: outer.multi_step_loss: need 0 where inner.steps is 0, got " +
                      std::to_string(options.outer.multi_step_loss));
  }
  if (options.model.head == nn::Head::prototype && !bilevel::has_outer_gradient(options.meta_gradient)) {
    throw ConfigError(
        "config: meta_gradient.estimator: need one with a gradient of the outer objective where model.head is "
        "prototype, got " +
        options.meta_gradient.estimator);
  }
}

/// What concerns more than one option.
void check_together(const RunOptions& options) {
  data::check_dataset_options(options.dataset, "config: dataset");
  check_methods(options);
}

void collect_differences(const Json& before, const Json& now, const std::string& path,
                         const std::vector<std::string>& ignored, std::vector<std::string>& found) {
  if (before.is_object()) {
    for (const auto& [key, value] : before.items()) {
      collect_differences(value, now.at(key), Place::joined(path, key), ignored, found);
    }
  } else if (before != now && std::find(ignored.begin(), ignored.end(), path) == ignored.end()) {
    found.push_back(path + ": was " + brief(before) + ", is now " + brief(now));
  }
}

/// Whether `path` is one of `paths` or lies in the group that one of them names.
bool lies_in(const std::string& path, const std::vector<std::string>& paths) {
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& other) {
    return path == other || path.starts_with(other + ".");
  });
}

/// inner.steps to /inner/steps.
Json::json_pointer pointer_to(std::string path) {
  std::replace(path.begin(), path.end(), '.', '/');
  return Json::json_pointer("/" + path);
}

}  // namespace

RunOptions parse_config(const std::string& text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  RunOptions options;
  options.dataset = data::dataset_defaults(dataset_name(json, options.dataset.name));
  read_options(json, {"", origin}, options, option_paths(options));
  check_together(options);
  return options;
}

Config load_config(const fs::path& file, const std::vector<std::string>& assignments) {
  Config config{.options = {}, .file = file};
  const std::vector<std::string> known = option_paths(config.options);
  Json json = read_json_file(file);
  if (json.is_object()) {
    config.provenance = read_provenance(json.value("provenance", Json::object()), file.string());
    json.erase("provenance");
    json.erase("$schema");
  }
  std::vector<Json> changes;
  std::string dataset = dataset_name(json, config.options.dataset.name);
  for (const std::string& assignment : assignments) {
    changes.push_back(as_object(assignment));
    dataset = dataset_name(changes.back(), dataset);
  }
  config.options.dataset = data::dataset_defaults(dataset);
  read_options(json, {"", file.string()}, config.options, known);
  for (size_t i = 0; i < changes.size(); ++i) {
    read_options(changes[i], {"", "--set " + assignments[i]}, config.options, known);
  }
  check_together(config.options);
  config.dataset_root = find_root(config.options.dataset.root, file, config.provenance.dataset_root);
  return config;
}

std::string print_config(const RunOptions& options) { return print_options(options).dump(2) + "\n"; }

std::string print_config(const RunOptions& options, const Provenance& provenance) {
  Json json = print_options(options);
  json["provenance"] = print_provenance(provenance);
  return json.dump(2) + "\n";
}

std::string config_schema() {
  Json schema = {
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "UFO-MAML config"},
      {"description", "What a run depends on; ufo-maml config CONFIG prints one with all defaults."}};
  schema.update(options_schema(RunOptions{}));
  schema["properties"]["$schema"] = {{"type", "string"}, {"description", "where editors find this schema"}};
  schema["properties"]["provenance"] = {{"type", "object"},
                                        {"description", "written into a run's config.json"}};
  return schema.dump(2);
}

std::optional<std::string> first_difference(const RunOptions& before, const RunOptions& now,
                                            const std::vector<std::string>& ignored) {
  std::vector<std::string> found;
  collect_differences(print_options(before), print_options(now), "", ignored, found);
  return found.empty() ? std::nullopt : std::optional(found.front());
}

std::vector<DifferingOption> differing_options(const std::vector<RunOptions>& configs,
                                               const std::vector<std::string>& ignored) {
  std::vector<Json> printed;
  for (const RunOptions& options : configs) {
    printed.push_back(print_options(options));
  }
  std::vector<DifferingOption> found;
  const std::vector<std::string> known = option_paths(RunOptions());
  for (size_t i = 0; i < known.size(); ++i) {
    const bool group = i + 1 < known.size() && known[i + 1].starts_with(known[i] + ".");
    if (group || lies_in(known[i], ignored)) {
      continue;
    }
    DifferingOption option{.path = known[i], .values = {}};
    for (const Json& config : printed) {
      option.values.push_back(config.at(pointer_to(known[i])).dump());
    }
    if (std::adjacent_find(option.values.begin(), option.values.end(), std::not_equal_to<>()) !=
        option.values.end()) {
      found.push_back(std::move(option));
    }
  }
  return found;
}

}  // namespace ufo::run
