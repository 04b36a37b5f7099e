#include <algorithm>
#include <numeric>

#include <ufo/base/random.h>
#include <ufo/bilevel/coin.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::bilevel {
namespace {

constexpr const char* kKeptQ = "q";  // in a checkpoint

}  // namespace

void check_range(std::string_view path, const CoinProbability& q, const Range& range) {
  if (!q.to) {
    check_range(path, q.value, range);
    return;
  }
  check_range(std::string(path) + ".from", q.value, between(0, 1));
  check_range(std::string(path) + ".to", *q.to, between(0, 1));
}

int64_t Coins::exact_tasks() const { return std::count(exact.begin(), exact.end(), true); }

std::vector<int64_t> Coins::exact_first() const {
  std::vector<int64_t> order(exact.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_partition(order.begin(), order.end(), [&](int64_t task) { return exact[task]; });
  return order;
}

Coins toss_coins(uint64_t seed, uint64_t step, int64_t tasks, double probability) {
  RandomStream random(seed, Purpose::coins, step);
  Coins coins{.probability = probability, .exact = std::vector<bool>(static_cast<size_t>(tasks))};
  for (int64_t task = 0; task < tasks; ++task) {
    coins.exact[task] = random.uniform() < probability;
  }
  return coins;
}

void Coin::observe(const MetaGradient& estimate) {
  if (!statistics_) {
    return;
  }
  const auto mean = [](double sum, int64_t tasks) { return sum / static_cast<double>(tasks); };
  const int64_t others = estimate.tasks - estimate.exact_tasks;
  statistics_->observe({.exact_tasks = estimate.exact_tasks,
                        .first_order_tasks = others,
                        .moments = {estimate.bias_squared, estimate.norm_squared},
                        .exact_seconds = mean(estimate.exact_seconds, estimate.exact_tasks),
                        .first_order_seconds = mean(estimate.first_order_seconds, others)});
}

std::optional<Moments> Coin::moments() const {
  return statistics_ ? std::optional(statistics_->moments()) : std::nullopt;
}

std::map<std::string, double> Coin::state() const {
  auto state = statistics_ ? statistics_->state() : std::map<std::string, double>();
  if (kept_) {
    state[kKeptQ] = *kept_;
  }
  return state;
}

void Coin::restore(const std::map<std::string, double>& state) {
  if (statistics_) {
    statistics_->restore(state);
    const auto kept = state.find(kKeptQ);
    kept_ = q_.adaptive && kept != state.end() ? std::optional(kept->second) : std::nullopt;
  }
}

}  // namespace ufo::bilevel
