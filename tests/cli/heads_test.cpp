// Methods whose evaluation has other ways, or another head, than their training.

#include "bmp_image.h"
#include "process.h"
#include "support/temporary_folder.h"
#include "tiny_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

std::vector<std::string> settings(const std::vector<std::string>& assignments) {
  std::vector<std::string> words;
  for (const std::string& assignment : assignments) {
    words.insert(words.end(), {"--set", assignment});
  }
  return words;
}

const std::vector<std::string> kProtoNet =
    settings({"model.head=prototype", "inner.steps=0", "episode.ways=9", "evaluation.ways=5",
              "evaluation.inner_steps=0", "validation.inner_steps=0"});

class HeadsOfRuns : public testing::Test {
 protected:
  HeadsOfRuns() { folder.write("tiny.json", tiny_config()); }

  Outcome run(std::vector<std::string> words, const std::vector<std::string>& more = {}) const {
    words.insert(words.end(), more.begin(), more.end());
    return run_program(words, folder.path());
  }

  Outcome train(const std::string& name, const std::vector<std::string>& more) const {
    return run({"train", "tiny.json", "--run-dir", name}, more);
  }

  void expect_refused(const Outcome& outcome, const std::string& complaint) const {
    EXPECT_EQ(outcome.exit_code, 2) << outcome.output;
    EXPECT_THAT(outcome.errors, HasSubstr(complaint));
  }

  /// The bytes of the last checkpoint, and whether a run in two parts ends in the same.
  void expect_resumable(const std::string& name, const std::vector<std::string>& more) const {
    auto shorter = more, on = more;
    shorter.insert(shorter.end(), {"--set", "outer.steps=3"});
    on.push_back("--resume");
    ASSERT_EQ(train(name + "2", shorter).exit_code, 0);
    const Outcome outcome = train(name + "2", on);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    const auto last = [&](const std::string& of) {
      return read_file(folder / (of + "/checkpoints/last.safetensors"));
    };
    EXPECT_TRUE(last(name) == last(name + "2"));
  }

  TemporaryFolder folder;
};

TEST_F(HeadsOfRuns, ProtoNetTrainsWithMoreWaysThanItIsEvaluatedWith) {
  const Outcome trained = train("proto", kProtoNet);
  ASSERT_EQ(trained.exit_code, 0) << trained.errors;
  EXPECT_THAT(trained.errors, HasSubstr("ProtoNet, 9-way"));
  const Outcome evaluated = run({"evaluate", "proto"}), wide = run({"evaluate", "proto", "--ways", "20"});
  EXPECT_THAT(evaluated.output, HasSubstr("ProtoNet, 5-way 1-shot omniglot"));
  EXPECT_THAT(wide.output, HasSubstr("ProtoNet, 20-way 1-shot omniglot"));
  EXPECT_TRUE(fs::exists(folder / "proto/evaluation/test.json"));
  EXPECT_TRUE(fs::exists(folder / "proto/evaluation/test_ways20.json"));
  expect_resumable("proto", kProtoNet);
}

TEST_F(HeadsOfRuns, PredictTakesAsManyClassesAsThereAreWhereTheHeadHasNoRows) {
  for (const int slope : {1, 3, 7}) {
    for (int i = 0; i < 3; ++i) {
      folder.write((i == 0 ? "support/slope " : "query/slope ") + std::to_string(slope) + "/" +
                       std::to_string(i) + ".bmp",
                   bmp_image(40 * i, slope));
    }
  }
  ASSERT_EQ(train("proto", kProtoNet).exit_code, 0);
  ASSERT_EQ(train("shared", settings({"model.head=shared", "inner.steps=2"})).exit_code, 0);
  for (const char* name : {"proto", "shared"}) {
    const Outcome outcome = run({"predict", name, "--support", "support", "--query", "query"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    EXPECT_THAT(outcome.output, HasSubstr("file,predicted,slope 1,slope 3,slope 7"));
    EXPECT_THAT(outcome.errors, Not(HasSubstr("mean of the trained rows")));
  }
  expect_refused(run({"predict", "shared", "--support", "support", "--query", "query", "--steps", "0"}),
                 "predict: --steps: need at least 1 where model.head is shared, got 0");
}

TEST_F(HeadsOfRuns, AClassifierIsEvaluatedByClassMeansAndByLogisticRegression) {
  const auto classifier =
      settings({"meta_gradient.estimator=classifier", "model.head=prototype", "inner.steps=0",
                "inner.adapt=head", "inner.weight_decay=0.01", "episode.ways=16", "evaluation.ways=5",
                "evaluation.inner_steps=0", "validation.inner_steps=0"});
  const Outcome trained = train("classes", classifier);
  ASSERT_EQ(trained.exit_code, 0) << trained.errors;
  EXPECT_THAT(run({"evaluate", "classes"}).output, HasSubstr("Nearest class mean, 5-way"));
  EXPECT_THAT(run({"evaluate", "classes", "--head", "zero", "--steps", "7"}).output,
              HasSubstr("Logistic regression, 5-way"));
  const Outcome table = run({"table", "classes", "--format", "csv"});
  EXPECT_THAT(table.output, HasSubstr("Nearest class mean"));
  EXPECT_THAT(table.output, HasSubstr("Logistic regression"));
  expect_resumable("classes", classifier);
}

TEST_F(HeadsOfRuns, RefuseWhatALinearHeadCannotDo) {
  ASSERT_EQ(train("linear", {}).exit_code, 0);
  expect_refused(run({"evaluate", "linear", "--ways", "7"}),
                 "evaluation.ways: need the 5 of episode.ways where model.head is linear");
  expect_refused(run({"evaluate", "linear", "--steps", "0"}), "evaluation.inner_steps: need at least 1");
  EXPECT_THAT(run({"evaluate", "linear", "--head", "prototype", "--steps", "0", "--ways", "7"}).output,
              HasSubstr("UFO-MAML (q=0.5), evaluated with a prototype head, 7-way"));
  expect_refused(train("no", settings({"inner.steps=0"})),
                 "inner.steps: need at least 1 where the head is linear, got 0");
  expect_refused(train("no", settings({"meta_gradient.estimator=classifier"})),
                 "inner.steps: need 0 where meta_gradient.estimator is classifier, got 1");
  EXPECT_FALSE(fs::exists(folder / "no"));
}

TEST_F(HeadsOfRuns, AreCheckedInFloat64) {
  for (const char* head : {"zero", "shared", "prototype"}) {
    const Outcome outcome =
        run({"check", "tiny.json"}, settings({std::string("model.head=") + head, "inner.steps=2"}));
    EXPECT_EQ(outcome.exit_code, 0) << head << outcome.output << outcome.errors;
  }
  const Outcome protonet = run({"check", "tiny.json"}, kProtoNet);
  EXPECT_EQ(protonet.exit_code, 0) << protonet.output;
  EXPECT_THAT(protonet.output, HasSubstr("there is no bias to measure"));
}

}  // namespace
}  // namespace ufo::cli
