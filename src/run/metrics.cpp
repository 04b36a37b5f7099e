#include <cerrno>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

#include <ufo/base/error.h>
#include <ufo/run/metrics.h>

namespace ufo::run {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// Cuts `path` after the last whole line whose step is at most `step`; the lines are in the order of their
/// steps. Returns the `seconds` of that line, 0 where there is none.
double keep_until(const std::filesystem::path& path, int64_t step) {
  if (!std::filesystem::exists(path)) {
    return 0;
  }
  std::ifstream file(path, std::ios::binary);
  double seconds = 0;
  uint64_t kept = 0;
  std::string line;
  while (std::getline(file, line) && !file.eof()) {  // a line that ends with the file was cut short
    const Json record = Json::parse(line, nullptr, false);
    if (!record.is_object() || !record.contains("step") || !record["step"].is_number_integer() ||
        record["step"].get<int64_t>() > step) {
      break;
    }
    if (record.contains("seconds") && record["seconds"].is_number()) {
      seconds = record["seconds"].get<double>();
    }
    kept += line.size() + 1;
  }
  std::error_code error;
  std::filesystem::resize_file(path, kept, error);
  if (error) {
    throw UserError(path.string() + ": cannot write: " + error.message());
  }
  return seconds;
}

}  // namespace

std::string to_json(const MetricRecord& record) {
  const bool training = record.split == data::Split::train;
  Json object = {{"step", record.step},
                 {"split", data::kSplitNames[static_cast<size_t>(record.split)]},
                 {"loss", number(record.loss)},
                 {"accuracy", number(record.accuracy)}};
  if (training) {
    object["gradient_norm"] = number(record.gradient_norm);
  }
  object["tasks_per_second"] = number(record.tasks_per_second);
  object["seconds"] = number(record.seconds);
  if (record.coins) {
    object["q"] = number(record.coins->probability);
    object["coins"] = record.coins->exact_tasks;
    object["d2"] = number(record.coins->bias_squared);
    object["v2"] = number(record.coins->norm_squared);
    if (record.coins->means) {
      object["d2_mean"] = number(record.coins->means->bias_squared);
      object["v2_mean"] = number(record.coins->means->norm_squared);
    }
  }
  if (training) {
    object["gradient_calls"] = record.gradient_calls;
    object["hessian_products"] = record.hessian_products;
  }
  for (const auto& [layer, rates] : record.inner_rates) {
    object["inner_rates"][layer] = rates;
  }
  return object.dump();
}

MetricsFile::MetricsFile(const std::filesystem::path& path, int64_t first_step, int64_t every)
    : seconds_before_(keep_until(path, first_step)), every_(every), file_(path) {}

void MetricsFile::record(const MetricRecord& record) {
  if (record.split != data::Split::train || record.step % every_ == 0) {
    file_.append(to_json(record) + "\n");
  }
}

}  // namespace ufo::run
