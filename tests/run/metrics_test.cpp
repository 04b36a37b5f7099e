#include "support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <ufo/base/error.h>
#include <ufo/run/metrics.h>

namespace ufo::run {
namespace {

using nlohmann::json;

class Metrics : public testing::Test {
 protected:
  std::filesystem::path path() const { return folder_.path() / "metrics.jsonl"; }
  TemporaryFolder folder_;
};

TEST_F(Metrics, ALineHasTheAgreedKeys) {
  const MetricRecord record{.step = 3,
                            .loss = 0.5,
                            .accuracy = 0.75,
                            .gradient_norm = 2,
                            .tasks_per_second = 100,
                            .seconds = 1.5,
                            .coins = CoinMetrics{.probability = 0.1,
                                                 .exact_tasks = 2,
                                                 .bias_squared = 4,
                                                 .norm_squared = 5,
                                                 .means = bilevel::Moments{6, 7}},
                            .gradient_calls = 64,
                            .hessian_products = 10};
  const json expected = {{"step", 3},
                         {"split", "train"},
                         {"loss", 0.5},
                         {"accuracy", 0.75},
                         {"gradient_norm", 2.0},
                         {"tasks_per_second", 100.0},
                         {"seconds", 1.5},
                         {"q", 0.1},
                         {"exact_tasks", 2},
                         {"d2", 4.0},
                         {"v2", 5.0},
                         {"d2_mean", 6.0},
                         {"v2_mean", 7.0},
                         {"gradient_calls", 64},
                         {"hessian_products", 10}};
  EXPECT_EQ(json::parse(to_json(record)), expected);
}

TEST_F(Metrics, NumbersThatAreNotFiniteBecomeNull) {
  const json line = json::parse(
      to_json({.step = 1, .loss = std::numeric_limits<double>::infinity(), .coins = CoinMetrics{}}));
  EXPECT_TRUE(line["loss"].is_null());
  EXPECT_TRUE(line["gradient_norm"].is_null());
  EXPECT_TRUE(line["d2"].is_null());
}

TEST_F(Metrics, LogsEveryNthStepAndAllValidations) {
  {
    MetricsFile file(path(), 0, 3);
    for (int64_t step = 1; step <= 7; ++step) {
      file.record({.step = step});
    }
    file.record({.step = 7, .split = data::Split::validation});
  }
  std::vector<std::string> steps;
  std::istringstream lines(read_file(path()));
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line);
    steps.push_back(record["split"].get<std::string>() + std::to_string(record["step"].get<int>()));
  }
  EXPECT_THAT(steps, testing::ElementsAre("train3", "train6", "validation7"));
}

TEST_F(Metrics, ResumingDropsWhatLiesBeyondTheCheckpoint) {
  std::string kept, all;
  for (int step = 1; step <= 6; ++step) {
    const std::string line = to_json({.step = step, .seconds = 2.0 * step}) + "\n";
    all += line;
    kept += step <= 4 ? line : "";
  }
  for (const std::string& tail :
       {std::string(), std::string("{\"step\": 7, \"los"), std::string("\0\0\0", 3)}) {
    std::ofstream(path(), std::ios::binary) << all << tail;
    EXPECT_EQ(MetricsFile(path(), 4, 1).seconds_before(), 8);
    EXPECT_EQ(read_file(path()), kept);
  }
  std::ofstream(path(), std::ios::binary) << all << "{\"step\": 7}";
  EXPECT_EQ(MetricsFile(path(), 9, 1).seconds_before(), 12);
  EXPECT_EQ(read_file(path()), all) << "a last line without its end was cut short";
  EXPECT_EQ(MetricsFile(path(), 0, 1).seconds_before(), 0);
  EXPECT_EQ(read_file(path()), "");
}

TEST_F(Metrics, ResumingKeepsWhatStandsBehindALineThatCannotBeRead) {
  std::string good, all;
  for (int step = 1; step <= 4; ++step) {
    const std::string line = to_json({.step = step, .seconds = 2.0 * step}) + "\n";
    good += line;
    all += line + (step == 2 ? "{\"step\": 2, \"spl\n\0\0\n" : "");
  }
  std::ofstream(path(), std::ios::binary) << all;
  const MetricsFile file(path(), 4, 1);
  EXPECT_EQ(file.seconds_before(), 8);
  EXPECT_EQ(read_file(path()), good);
  EXPECT_EQ(read_file(folder_ / "metrics.damaged-1.jsonl"), all);
  EXPECT_THAT(file.notes(), testing::ElementsAre(testing::HasSubstr("metrics.damaged-1.jsonl")));
  EXPECT_THAT(MetricsFile(path(), 3, 1).notes(),
              testing::ElementsAre(testing::HasSubstr("left out 1 line beyond step 3")));
}

TEST_F(Metrics, KeepsAWholeLastLineWithoutItsEnd) {
  const std::string line = to_json({.step = 1});
  std::ofstream(path()) << line;
  MetricsFile(path(), 1, 1).record({.step = 2});
  EXPECT_EQ(read_file(path()), line + "\n" + to_json({.step = 2}) + "\n");
}

TEST_F(Metrics, NeverShortensAFileThatCannotBeRead) {
  std::filesystem::create_directories(path() / "inside");
  EXPECT_THROW(MetricsFile(path(), 3, 1), DataError);
  EXPECT_TRUE(std::filesystem::exists(path() / "inside"));
}

TEST_F(Metrics, NamesAFileThatCannotBeWritten) {
  EXPECT_THROW(MetricsFile(folder_.path() / "missing" / "metrics.jsonl", 0, 1), UserError);
  AppendFile full("/dev/full");
  full.append("x");
  EXPECT_THROW(full.flush(), UserError);
}

}  // namespace
}  // namespace ufo::run
