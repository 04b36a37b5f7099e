#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace ufo {

/// The sum of values number 0 to `count` - 1, which may come in any order and from any thread. Floating-point
/// sums depend on their order; this one is a binary tree over the numbers: the values [first, first + n) are
/// the sum of [first, first + n / 2) and of the rest. So it has the same bytes whoever finishes first; and
/// 2^k equal parts in a row may add up their own values, and then a tree of the parts has these bytes too.
/// Needs `+=`, with a + b the same as b + a.
template <class Value>
class TreeSum {
 public:
  explicit TreeSum(int64_t count) : all_{0, count} {}

  /// Each number once.
  void add(int64_t number, Value value) {
    std::lock_guard lock(mutex_);
    total_ = rise(all_, number, std::move(value));
  }

  /// The sum, once all values are there; to be asked for once.
  Value take() { return *std::exchange(total_, {}); }

 private:
  struct Range {
    int64_t first, count;
    auto operator<=>(const Range&) const = default;
  };

  /// The sum of `range`, where value `number` of it was the last to come.
  std::optional<Value> rise(const Range& range, int64_t number, Value&& value) {
    if (range.count == 1) {
      return std::move(value);
    }
    const int64_t half = range.count / 2, middle = range.first + half;
    const Range part = number < middle ? Range{range.first, half} : Range{middle, range.count - half};
    std::optional<Value> sum = rise(part, number, std::move(value));
    if (!sum) {
      return {};
    }
    auto other = waiting_.extract(range);
    if (other.empty()) {
      waiting_.emplace(range, std::move(*sum));
      return {};
    }
    *sum += other.mapped();
    return sum;
  }

  std::mutex mutex_;
  Range all_;
  std::map<Range, Value> waiting_;  ///< of ranges, the sum of the half that came first
  std::optional<Value> total_;
};

}  // namespace ufo
