#pragma once

#include "base/json.h"
#include "run/json.h"

#include <cstdint>
#include <string>

#include <ufo/run/metric_names.h>
#include <ufo/run/options.h>

namespace ufo::run {

/// A line of metrics.jsonl, an object with at least metric::kStep, from 0, and metric::kSplit; null where it
/// is no such record.
inline Json metric_line(const std::string& line) {
  Json record;
  try {
    record = ufo::parse_json(line);
  } catch (const JsonFault&) {
    return {};
  }
  if (!record.is_object() || !record.contains(metric::kStep) || !record.contains(metric::kSplit)) {
    return {};
  }
  const Json& step = record[metric::kStep];
  const bool whole =
      step.is_number_unsigned() && step.get<uint64_t>() <= kMostSteps && record[metric::kSplit].is_string();
  return whole ? std::move(record) : Json();
}

}  // namespace ufo::run
