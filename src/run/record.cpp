#include "run/record.h"

#include "run/metric_line.h"

#include <cmath>
#include <sstream>

#include <ufo/base/files.h>
#include <ufo/base/printable.h>
#include <ufo/base/text.h>
#include <ufo/run/config.h>
#include <ufo/run/metric_names.h>
#include <ufo/run/run_directory.h>

namespace ufo::run {
namespace {

namespace fs = std::filesystem;

constexpr double kMostSeconds = 1e10;  // three hundred years

/// A number of a record; NaN where it is missing, null or something else.
double number(const Json& record, const char* name) {
  const auto found = record.find(name);
  return found != record.end() && found->is_number() ? found->get<double>()
                                                     : std::numeric_limits<double>::quiet_NaN();
}

int64_t count(const Json& record, const char* name) {
  constexpr double kMost = 1e12;  // of one step: sums of them fit 64 bits
  const double value = number(record, name);
  return value >= 0 && value <= kMost ? std::llround(value) : 0;
}

void add_point(Curve& curve, int64_t step, double value) {
  if (std::isfinite(value)) {
    curve.push_back({.x = static_cast<double>(step), .y = value});
  }
}

void add_training_step(TrainingRecord& training, const Json& record, int64_t step) {
  add_point(training.loss, step, number(record, metric::kLoss));
  add_point(training.tasks_per_second, step, number(record, metric::kTasksPerSecond));
  add_point(training.probability, step, number(record, metric::kProbability));
  add_point(training.bias_squared, step, number(record, metric::kBiasSquaredMean));
  add_point(training.norm_squared, step, number(record, metric::kNormSquaredMean));
  ++training.logged_steps;
  training.gradient_calls += count(record, metric::kGradientCalls);
  training.hessian_products += count(record, metric::kHessianProducts);
  training.exact_tasks += count(record, metric::kExactTasks) + count(record, metric::kExactTasksBefore);
}

void read_training(RunRecord& run, const fs::path& file) {
  std::error_code unreadable;
  if (!fs::exists(file, unreadable)) {
    run.notes.emplace_back("There is no metrics.jsonl: the run has no curves and no costs.");
    return;
  }
  run.training = parse_metrics(read_text_file(file), run.notes);
  if (run.training.steps < run.options.outer.steps) {
    run.notes.push_back("The training is not finished: metrics.jsonl ends after " +
                        grouped(run.training.steps) + " of " + grouped(run.options.outer.steps) +
                        " outer steps.");
  }
}

/// Those of `record` in place of earlier ones, where it has some.
void read_inner_rates(TrainingRecord& training, const Json& record) {
  if (!record.contains(metric::kInnerRates) || !record[metric::kInnerRates].is_object()) {
    return;
  }
  training.inner_rates.clear();
  for (const auto& [layer, rates] : record[metric::kInnerRates].items()) {
    std::vector<double> numbers;
    for (const Json& rate : rates) {
      if (rate.is_number()) {
        numbers.push_back(rate.get<double>());
      }
    }
    training.inner_rates.push_back({layer, std::move(numbers)});
  }
}

/// The last folder of `path`, which may end with a slash.
std::string name_of(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

}  // namespace

std::string RunRecord::evaluated() const {
  const bool told = !settings.empty();  // they name an ensemble too
  return evaluation && !told ? evaluated_name(name, evaluation->ensemble.size(), evaluation->ensemble_mean)
                             : name;
}

TrainingRecord parse_metrics(const std::string& text, std::vector<std::string>& notes) {
  TrainingRecord training;
  std::istringstream lines(text);
  int64_t unreadable = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json record = metric_line(line);
    if (record.is_null()) {
      if (lines.eof()) {
        notes.emplace_back("The last line of metrics.jsonl was cut short and is left out.");
      } else {
        ++unreadable;
      }
      continue;
    }
    const int64_t step = record[metric::kStep].get<int64_t>();
    if (record[metric::kSplit] == "train") {
      add_training_step(training, record, step);
    } else if (record[metric::kSplit] == "validation") {
      add_point(training.validation_accuracy, step, number(record, metric::kAccuracy));
      read_inner_rates(training, record);
    }
    training.steps = std::max(training.steps, step);
    const double seconds = number(record, metric::kSeconds);
    training.seconds = seconds >= 0 && seconds < kMostSeconds ? seconds : training.seconds;
  }
  if (unreadable > 0) {
    notes.push_back(grouped(unreadable) +
                    (unreadable == 1 ? " line of metrics.jsonl is no record and is"
                                     : " lines of metrics.jsonl are no records and are") +
                    " left out.");
  }
  return training;
}

std::vector<RunRecord> read_run(const std::string& path, data::Split split) {
  const auto directory = RunDirectory::open(path);
  Config config = load_config(directory.config_file());
  RunRecord run{.path = path,
                .name = name_of(path),
                .settings = {},
                .options = std::move(config.options),
                .provenance = std::move(config.provenance),
                .config_text = directory.config(),
                .training = {},
                .evaluation = {},
                .notes = {}};
  read_training(run, directory.metrics_file());
  const std::string name = data::kSplitNames[static_cast<size_t>(split)];
  std::vector<RunRecord> records;
  for (const fs::path& file : directory.evaluation_files(split)) {
    records.push_back(run);
    records.back().further = records.size() > 1;
    records.back().evaluation = load_evaluation(file);
    if (file != directory.evaluation_file(split)) {
      records.back().settings = file.stem().string().substr(name.size() + 1);
    }
  }
  if (records.empty()) {
    run.notes.push_back("Its " + name + " split was not evaluated: ufo-maml evaluate " + shell_word(path) +
                        (split == data::Split::test ? "" : " --split " + name));
    records.push_back(run);
  }
  return records;
}

}  // namespace ufo::run
