#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace ufo::cli {

/// How a program ended and what it printed.
struct Outcome {
  int exit_code = -1;  ///< 128 + the signal's number where it was killed
  std::string output;  ///< standard output
  std::string errors;  ///< standard error
};

/// Runs the built ufo-maml with `arguments` in `folder`. `while_running` is called once, with the process's
/// id, as soon as it runs.
Outcome run_program(const std::vector<std::string>& arguments, const std::string& folder,
                    const std::function<void(pid_t)>& while_running = {});

}  // namespace ufo::cli
