#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// The first `count` tasks of `problem`; the problem itself where these are all.
class FirstTasks {
 public:
  FirstTasks(const Problem& problem, int64_t count) : all_(problem) {
    if (count < problem.tasks()) {
      std::vector<int64_t> tasks(static_cast<size_t>(count));
      std::iota(tasks.begin(), tasks.end(), int64_t{0});
      some_ = problem.select(tasks);
    }
  }

  const Problem& operator*() const { return some_ ? *some_ : all_; }
  const Problem* operator->() const { return &**this; }

 private:
  const Problem& all_;
  std::unique_ptr<Problem> some_;
};

/// All but the first `count` tasks of `problem`, which must be fewer than all.
inline std::unique_ptr<Problem> tasks_after(const Problem& problem, int64_t count) {
  std::vector<int64_t> tasks(static_cast<size_t>(problem.tasks() - count));
  std::iota(tasks.begin(), tasks.end(), count);
  return problem.select(tasks);
}

}  // namespace ufo::bilevel
