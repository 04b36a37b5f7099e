#include "process.h"
#include "run/json.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::cli {
namespace {

using testing::HasSubstr;

const std::string kOmniglot = source_path("data/omniglot");

TEST(ExperimentCommand, CounterexamplePrintsATableAndWritesTheRuns) {
  const TemporaryFolder folder;
  const auto outcome =
      run_program({"experiment", "counterexample", "--steps", "50", "--output", "deep/out"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("ufo q=0.1"));
  const run::Json json = run::read_json_file(folder / "deep/out/counterexample.json");
  EXPECT_EQ(json["config"]["steps"], 50);
  EXPECT_NEAR(json["family"]["gradient_norm_at_first_order_limit"].get<double>(), 0.34641, 1e-5);
  ASSERT_EQ(json["estimators"].size(), 3u);
  for (const run::Json& estimator : json["estimators"]) {
    ASSERT_EQ(estimator["runs"].size(), 10u);
    EXPECT_EQ(estimator["runs"][9]["gradient_norms"].size(), json["steps"].size());
  }
}

TEST(ExperimentCommand, HypercleaningPrintsATableAndWritesTheWeights) {
  const TemporaryFolder folder;
  const auto outcome = run_program({"experiment", "hypercleaning", "--steps", "2", "--inner-steps", "2",
                                    "--omniglot", kOmniglot, "--output", "out"},
                                   folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("1200 training examples, 600 of them mislabelled"));
  const run::Json json = run::read_json_file(folder / "out/hypercleaning.json");
  EXPECT_EQ(json["config"]["inner"]["steps"], 2);
  EXPECT_EQ(json["corrupted"].size(), 1200u);
  ASSERT_EQ(json["runs"].size(), 4u);
  EXPECT_EQ(json["runs"][0]["weights"].size(), 1200u);
  EXPECT_EQ(json["runs"][0]["records"].back()["gradients"], 2 * (3 + 2 * 2));
}

TEST(ExperimentCommand, RefusesBadInputInOneLineAndWritesNothing) {
  const TemporaryFolder folder;
  folder.write("file", "");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"counterexample", "--q", "0"}, "counterexample.q: need above 0 and at most 1, got 0"},
      {{"counterexample", "--steps", "0"}, "counterexample.steps"},
      {{"counterexample", "--output", "file/out"}, "cannot make the folder file/out"},
      {{"hypercleaning", "--corruption", "1.5", "--omniglot", kOmniglot}, "hypercleaning.corruption"},
      {{"hypercleaning", "--inner-steps", "0", "--omniglot", kOmniglot}, "hypercleaning.inner.steps"},
      {{"hypercleaning", "--omniglot", "nowhere"}, "found neither in nowhere"},
      {{"hypercleaning", "--mnist", "nowhere"}, "need train-images-idx3-ubyte"},
  };
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> whole = {"experiment"};
    whole.insert(whole.end(), arguments.begin(), arguments.end());
    const auto outcome = run_program(whole, folder.path());
    EXPECT_EQ(outcome.exit_code, 2) << message;
    EXPECT_EQ(outcome.output, "");
    EXPECT_THAT(outcome.errors, HasSubstr(message));
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
}

}  // namespace
}  // namespace ufo::cli
