#include "base/json.h"
#include "run/options_json.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/run/evaluation.h>
#include <ufo/run/options.h>

namespace ufo::run {
namespace {

/// Fields that older files lack; the default of each is what held for these.
constexpr std::string_view kAddedLater[] = {"batch_norm", "ensemble", "ensemble_mean", "head", "inner_batch"};

/// Every field by its name in the file, with what it may be, for writing and for reading.
template <class Result, class Visitor>
void visit(Result& result, Visitor&& field) {
  const Range count = between(0, kMostSteps), share = between(0, 1);
  field("split", result.split, anything());
  field("estimator", result.estimator, anything());
  field("checkpoint", result.checkpoint, anything());
  field("checkpoint_step", result.checkpoint_step, count);
  field("ensemble", result.ensemble, count);
  field("ensemble_mean", result.ensemble_mean, one_of_words<EnsembleMean>());
  field("seed", result.seed, anything());
  field("tasks", result.tasks, between(2, kMostTasks));
  field("ways", result.ways, between(0, episode::kMostImages));
  field("shots", result.shots, between(0, episode::kMostImages));
  field("queries", result.queries, between(0, episode::kMostImages));
  field("inner_steps", result.inner_steps, count);
  field("inner_learning_rate", result.inner_learning_rate, at_least(0));
  field("inner_batch", result.inner_batch, between(0, bilevel::kMostInnerBatch));
  field("batch_norm", result.batch_norm, one_of_words<nn::BatchNorm>());
  field("head", result.head, one_of_words<nn::Head>());
  field("accuracy_after_step", result.accuracy_after_step, share);
  field("interval_after_step", result.interval_after_step, at_least(0));
  field("loss_after_step", result.loss_after_step, at_least(0));
  field("task_accuracies", result.task_accuracies, share);
  field("notes", result.notes, anything());
}

void read(const Json& json, const Place& place, const Range&, uint64_t& value) {
  if (!json.is_number_unsigned()) {
    place.refuse("an integer from 0", json);
  }
  value = json.get<uint64_t>();
}

/// Losses of older files may be null, where they were not finite.
void read(const Json& json, const Place& place, const Range& range, std::vector<double>& value) {
  if (!json.is_array()) {
    place.refuse("a list of numbers", json);
  }
  value.clear();
  for (const Json& number : json) {
    value.push_back(std::numeric_limits<double>::quiet_NaN());
    if (!number.is_null() || range.maximum == 1) {
      read_value(number, place, range, value.back());
    }
  }
}

void read(const Json& json, const Place& place, const Range& range, std::vector<std::string>& value) {
  if (!json.is_array()) {
    place.refuse("a list of strings", json);
  }
  value.clear();
  for (const Json& text : json) {
    read_value(text, place, range, value.emplace_back());
  }
}

void read(const Json& json, const Place& place, const Range& range, auto& value) {
  read_value(json, place, range, value);
}

}  // namespace

std::string to_json(const EvaluationResult& result) {
  Json object = {{"accuracy", result.accuracy()},
                 {"interval", result.interval()},
                 {"transductive", result.transductive()}};
  visit(result, [&](const char* name, const auto& value, const Range&) {
    if constexpr (WordOption<std::remove_cvref_t<decltype(value)>>) {
      object[name] = word_of(value);
    } else {
      object[name] = value;
    }
  });
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";  // NaN is written as null
}

EvaluationResult load_evaluation(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& what) { throw DataError(path.string() + ": " + what); };
  Json object;
  try {
    object = ufo::parse_json(read_text_file(path));
  } catch (const JsonFault& fault) {
    fail("need an evaluation as a JSON object: " + std::string(fault.what()));
  }
  if (!object.is_object()) {
    fail("need an evaluation as a JSON object");
  }
  EvaluationResult result;
  visit(result, [&](const char* name, auto& value, const Range& range) {
    if (object.contains(name)) {
      read(object[name], {name, path.string(), "evaluation"}, range, value);
    } else if (std::find(std::begin(kAddedLater), std::end(kAddedLater), name) == std::end(kAddedLater)) {
      fail("need an evaluation; it has no \"" + std::string(name) + "\"");
    }
  });
  const auto steps = static_cast<size_t>(result.inner_steps) + 1;
  if (result.inner_steps < 0 || result.accuracy_after_step.size() != steps ||
      result.interval_after_step.size() != steps || result.loss_after_step.size() != steps) {
    fail(
        "need inner_steps + 1 values in each of accuracy_after_step, interval_after_step and "
        "loss_after_step");
  }
  if (static_cast<int64_t>(result.task_accuracies.size()) != result.tasks) {
    fail("need as many task_accuracies as tasks");
  }
  return result;
}

}  // namespace ufo::run
