#include "process.h"
#include "run/json.h"
#include "support/temporary_folder.h"
#include "tiny_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/safetensors.h>

namespace ufo::cli {
namespace {

using testing::HasSubstr;

TEST(Advise, TablesEveryEstimatorAndRecommendsALine) {
  const TemporaryFolder folder;
  folder.write("tiny.json", tiny_config());
  const auto printed = run_program({"advise", "tiny.json", "--tasks", "3"}, folder.path());
  ASSERT_EQ(printed.exit_code, 0) << printed.errors;
  EXPECT_THAT(printed.output, HasSubstr("Partial MAML (head + 3)"));
  EXPECT_THAT(printed.output, HasSubstr("recommended: {\"meta_gradient\":{\"estimator\":"));
}

TEST(Advise, SaysExactWhereOneInnerStepMakesItCheap) {
  const TemporaryFolder folder;
  folder.write("tiny.json", tiny_config());
  const auto printed = run_program({"advise", "tiny.json", "--tasks", "3", "--json"}, folder.path());
  ASSERT_EQ(printed.exit_code, 0) << printed.errors;
  const auto advice = run::parse_json(printed.output, "advise");
  EXPECT_EQ(advice.at("bases").size(), 5u);
  EXPECT_EQ(advice.at("bases")[0].at("base"), "first_order");
  double left = 1e300;
  for (const auto& base : advice.at("bases")) {
    EXPECT_GT(base.at("q"), 0);
    left = std::min(left, base.at("d2").get<double>());
  }
  EXPECT_LT(left, advice.at("bases")[0].at("d2"));
  // Each choice is a config of its own.
  for (const auto& choice : advice.at("choices")) {
    EXPECT_TRUE(choice.at("config").at("meta_gradient").contains("estimator"));
    EXPECT_EQ(choice.contains("variance_times_cost"), choice.at("left_out") == 0);
  }
}

TEST(Initialise, BeginsWithAnotherRunsWeights) {
  const TemporaryFolder folder;
  folder.write("tiny.json", tiny_config());
  ASSERT_EQ(run_program({"train", "tiny.json", "--run-dir", "a"}, folder.path()).exit_code, 0);
  const std::string weights = "a/checkpoints/last.safetensors";
  const auto begun = run_program({"train", "tiny.json", "--run-dir", "b", "--initialise", weights, "--set",
                                  "meta_gradient.estimator=exact", "--set", "outer.steps=1", "--set",
                                  "outer.learning_rate=1e-30", "--set", "validation.every=0"},
                                 folder.path());
  ASSERT_EQ(begun.exit_code, 0) << begun.errors;
  const auto before = load_safetensors(folder / weights),
             after = load_safetensors(folder / "b/checkpoints/last.safetensors");
  EXPECT_TRUE(after.tensors.at("blocks.0.conv.weight").equal(before.tensors.at("blocks.0.conv.weight")));
  EXPECT_EQ(after.metadata.at("step"), "1");

  const auto refused = run_program(
      {"train", "tiny.json", "--run-dir", "a", "--resume", "--initialise", weights}, folder.path());
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr("goes on from its own checkpoint"));
  const auto missing = run_program(
      {"train", "tiny.json", "--run-dir", "c", "--initialise", "none.safetensors"}, folder.path());
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "c"));
}

}  // namespace
}  // namespace ufo::cli
