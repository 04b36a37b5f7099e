#pragma once

#include "base/json.h"
#include "run/json.h"

#include <cstdint>
#include <string>

#include <ufo/run/options.h>

namespace ufo::run {

/// A line of metrics.jsonl, an object with at least `step`, from 0, and `split`; null where it is no such
/// record.
inline Json metric_line(const std::string& line) {
  Json record;
  try {
    record = ufo::parse_json(line);
  } catch (const JsonFault&) {
    return {};
  }
  const bool whole = record.is_object() && record.contains("step") && record["step"].is_number_unsigned() &&
                     record["step"].get<uint64_t>() <= kMostSteps && record.contains("split") &&
                     record["split"].is_string();
  return whole ? std::move(record) : Json();
}

}  // namespace ufo::run
