#include "distributed/processes.h"

#include "run/json.h"

#include <algorithm>
#include <cstdlib>

#include <ATen/Parallel.h>

#include <ufo/base/error.h>
#include <ufo/run/config.h>
#include <ufo/train/distributed/data_parallel.h>

namespace ufo::train {

void check_share(const run::RunOptions& options, const ProcessPlace& place) {
  if (place.size > options.outer.meta_batch) {
    throw ConfigError("outer.meta_batch: need at least a task for each of " + std::to_string(place.size) +
                      " processes (WORLD_SIZE), got " + std::to_string(options.outer.meta_batch) + " tasks");
  }
}

void share_cores(const ProcessPlace& place) {
  if (place.local_size > 1 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    at::set_num_threads(std::max(1, at::get_num_threads() / static_cast<int>(place.local_size)));
  }
}

void check_same_config(const run::RunOptions& options, Communicator& communicator) {
  run::RunOptions comparable = options;
  comparable.device = {};
  comparable.dataset.root = "";
  const run::Json own = run::Json::parse(run::print_config(comparable));
  std::string text = own.dump();
  broadcast(text, communicator);
  const run::Json difference = run::Json::diff(run::Json::parse(text), own);
  if (max_over_ranks(communicator, difference.empty() ? 0 : 1) == 0) {
    return;
  }
  std::string what = "another process has another one";
  if (!difference.empty()) {
    std::string path = difference.front()["path"].get<std::string>().substr(1);
    std::replace(path.begin(), path.end(), '/', '.');
    what = path + " of rank " + std::to_string(communicator.rank()) + " is not that of rank 0";
  }
  throw ConfigError("need the same config for all processes: " + what);
}

}  // namespace ufo::train
