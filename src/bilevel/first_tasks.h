#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// The tasks of `problem` from number `first` to before `end`.
inline std::unique_ptr<Problem> tasks_between(const Problem& problem, int64_t first, int64_t end) {
  std::vector<int64_t> tasks(static_cast<size_t>(end - first));
  std::iota(tasks.begin(), tasks.end(), first);
  return problem.select(tasks);
}

/// The first `count` tasks of `problem`; the problem itself where these are all.
class FirstTasks {
 public:
  FirstTasks(const Problem& problem, int64_t count)
      : all_(problem), some_(count < problem.tasks() ? tasks_between(problem, 0, count) : nullptr) {}

  const Problem& operator*() const { return some_ ? *some_ : all_; }
  const Problem* operator->() const { return &**this; }

 private:
  const Problem& all_;
  std::unique_ptr<Problem> some_;
};

}  // namespace ufo::bilevel
