#include <algorithm>
#include <string_view>
#include <type_traits>

#include <nlohmann/json.hpp>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/run/evaluation.h>

namespace ufo::run {
namespace {

using Json = nlohmann::ordered_json;

/// Fields that older files lack; the default of each is what held for these.
constexpr std::string_view kAddedLater[] = {"batch_norm", "ensemble"};

/// Every field by its name in the file, for writing and for reading.
template <class Result, class Visitor>
void visit(Result& result, Visitor&& field) {
  field("split", result.split);
  field("estimator", result.estimator);
  field("checkpoint", result.checkpoint);
  field("checkpoint_step", result.checkpoint_step);
  field("ensemble", result.ensemble);
  field("seed", result.seed);
  field("tasks", result.tasks);
  field("ways", result.ways);
  field("shots", result.shots);
  field("queries", result.queries);
  field("inner_steps", result.inner_steps);
  field("inner_learning_rate", result.inner_learning_rate);
  field("batch_norm", result.batch_norm);
  field("accuracy_after_step", result.accuracy_after_step);
  field("interval_after_step", result.interval_after_step);
  field("loss_after_step", result.loss_after_step);
  field("task_accuracies", result.task_accuracies);
  field("notes", result.notes);
}

}  // namespace

std::string to_json(const EvaluationResult& result) {
  Json object = {{"accuracy", result.accuracy()},
                 {"interval", result.interval()},
                 {"transductive", result.transductive()}};
  visit(result,
        [&](const char* name, const auto& value) { object[name] = value; });  // NaN is written as null
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

EvaluationResult load_evaluation(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& what) { throw DataError(path.string() + ": " + what); };
  const Json object = Json::parse(read_text_file(path), nullptr, false);
  if (!object.is_object()) {
    fail("need an evaluation as a JSON object");
  }
  EvaluationResult result;
  visit(result, [&](const char* name, auto& value) {
    using Value = std::remove_cvref_t<decltype(value)>;
    if (!object.contains(name)) {
      if (std::find(std::begin(kAddedLater), std::end(kAddedLater), name) != std::end(kAddedLater)) {
        return;
      }
      fail("need an evaluation; it has no \"" + std::string(name) + "\"");
    }
    try {
      if constexpr (std::is_same_v<Value, std::vector<double>>) {
        value.clear();
        for (const Json& number : object[name]) {
          value.push_back(number.is_null() ? std::numeric_limits<double>::quiet_NaN() : number.get<double>());
        }
      } else {
        value = object[name].get<Value>();
      }
    } catch (const Json::exception&) {
      fail("\"" + std::string(name) + "\" is of the wrong type");
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
