#pragma once

#include "run/json.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ufo::cli {

/// One option of a config and the values it is to take, from "inner.steps=1,2,5".
struct SweptOption {
  std::string path;
  std::vector<std::string> values;  ///< each a JSON value
};

/// Throws ConfigError for a text of another form.
SweptOption parse_sweep(const std::string& text);

/// What each cell of a sweep measures.
struct SweepRequest {
  std::string config;
  std::vector<std::string> assignments;
  SweptOption option;
  int64_t warm_up = 3;
  int64_t steps = 30;
};

/// Measures first-order, exact in each of its memory modes, and UFO with q = 0.1, for each value of the
/// option, each by `benchmark --json` in a process of its own, so that its peak memory is its own. Gives
/// {"path", "config", "hardware", "revision", "rows": [...]}; a row has "value", "estimator", "memory",
/// "label" and what the benchmark printed. Each is announced on standard error. Throws ConfigError, before
/// anything is measured, where training would refuse one of the configs, and std::runtime_error where a
/// measurement fails.
run::Json run_sweep(const SweepRequest& request);

/// Tables of time, tensor bytes and resident memory: a line a value, a column an estimator.
std::string sweep_tables(const run::Json& sweep);

}  // namespace ufo::cli
