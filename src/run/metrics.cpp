#include "run/metric_line.h"

#include <algorithm>
#include <cmath>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/run/metric_names.h>
#include <ufo/run/metrics.h>

namespace ufo::run {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string lines(int64_t count) { return std::to_string(count) + (count == 1 ? " line" : " lines"); }

/// What a metrics.jsonl holds for a run that goes on after some step.
struct History {
  std::string kept;        ///< the records up to that step
  double seconds = 0;      ///< of the last of them
  int64_t beyond = 0;      ///< records of later steps
  int64_t unreadable = 0;  ///< lines that are no records
};

History history_until(int64_t step, const std::string& text) {
  History history;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const Json record = metric_line(line);
    if (record.is_null()) {
      history.unreadable += end < text.size();  // the last may have been cut short when the process ended
    } else if (record[metric::kStep].get<int64_t>() > step) {
      ++history.beyond;
    } else {
      history.kept += line + "\n";
      const Json seconds = record.value(metric::kSeconds, Json());
      history.seconds = seconds.is_number() ? seconds.get<double>() : history.seconds;
    }
  }
  return history;
}

/// Beside `path`, a name that no file has: metrics.damaged-1.jsonl.
std::filesystem::path name_for_a_copy(const std::filesystem::path& path) {
  for (int number = 1;; ++number) {
    auto copy = path.parent_path() / path.stem();
    copy += ".damaged-" + std::to_string(number) + path.extension().string();
    if (!std::filesystem::exists(copy)) {
      return copy;
    }
  }
}

/// Leaves in `path` the records up to `step`, and gives the `seconds` of the last of them, 0 where there is
/// none. What else it did is added to `notes`.
double keep_until(int64_t step, const std::filesystem::path& path, std::vector<std::string>& notes) {
  if (std::error_code error; !std::filesystem::exists(path, error) && !error) {
    return 0;
  }
  const std::string text = read_text_file(path);
  const History history = history_until(step, text);
  if (history.beyond > 0) {
    notes.push_back(path.string() + ": left out " + lines(history.beyond) + " beyond step " +
                    std::to_string(step) + ", from which the run goes on");
  }
  if (history.unreadable > 0) {
    const auto copy = name_for_a_copy(path);
    write_file_atomically(copy, text);
    notes.push_back(path.string() + ": left out " + lines(history.unreadable) +
                    " that cannot be read; the file as it was is " + copy.string());
  }
  if (history.kept != text) {
    write_file_atomically(path, history.kept);
  }
  return history.seconds;
}

}  // namespace

std::string to_json(const MetricRecord& record) {
  const bool training = record.split == data::Split::train;
  Json object = {{metric::kStep, record.step},
                 {metric::kSplit, data::kSplitNames[static_cast<size_t>(record.split)]},
                 {metric::kLoss, number(record.loss)},
                 {metric::kAccuracy, number(record.accuracy)}};
  if (training) {
    object[metric::kGradientNorm] = number(record.gradient_norm);
  }
  object[metric::kTasksPerSecond] = number(record.tasks_per_second);
  object[metric::kSeconds] = number(record.seconds);
  if (record.coins) {
    object[metric::kProbability] = number(record.coins->probability);
    object[metric::kExactTasks] = record.coins->exact_tasks;
    object[metric::kBiasSquared] = number(record.coins->bias_squared);
    object[metric::kNormSquared] = number(record.coins->norm_squared);
    if (record.coins->means) {
      object[metric::kBiasSquaredMean] = number(record.coins->means->bias_squared);
      object[metric::kNormSquaredMean] = number(record.coins->means->norm_squared);
    }
  }
  if (training) {
    object[metric::kGradientCalls] = record.gradient_calls;
    object[metric::kHessianProducts] = record.hessian_products;
  }
  for (const auto& [layer, rates] : record.inner_rates) {
    object[metric::kInnerRates][layer] = rates;
  }
  return object.dump();
}

MetricsFile::MetricsFile(const std::filesystem::path& path, int64_t first_step, int64_t every)
    : seconds_before_(keep_until(first_step, path, notes_)), every_(every), file_(path) {}

void MetricsFile::record(const MetricRecord& record) {
  if (record.split != data::Split::train || record.step % every_ == 0) {
    file_.append(to_json(record) + "\n");
  }
}

}  // namespace ufo::run
