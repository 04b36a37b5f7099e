#include "support/source_folder.h"
#include "support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/run/config.h>

namespace ufo::run {
namespace {

using testing::HasSubstr;

/// The message with which `text` (and the assignments) are refused, with FILE for the file's name; "" where
/// they are accepted.
std::string refusal(const std::string& text, const std::vector<std::string>& assignments = {}) {
  const TemporaryFolder folder;
  const std::string file = folder.write("x.json", text);
  try {
    load_config(file, assignments);
  } catch (const ConfigError& error) {
    std::string message = error.what();
    if (const size_t at = message.find(file); at != std::string::npos) {
      message.replace(at, file.size(), "FILE");
    }
    return message;
  }
  return "";
}

RunOptions accepted(const std::string& text, const std::vector<std::string>& assignments = {}) {
  const TemporaryFolder folder;
  return load_config(folder.write("x.json", text), assignments).options;
}

TEST(Config, AnEmptyObjectGivesTheDefaults) {
  EXPECT_EQ(print_config(accepted("{}")), print_config(RunOptions{}));
}

TEST(Config, WhatIsPrintedReadsBackTheSame) {
  RunOptions options;
  options.seed = 7;
  options.dataset.rotations = false;
  options.episode.ways = 20;
  options.model.hidden = {3, 2};
  options.inner.learning_rate = 0.1;
  options.meta_gradient.q.value = 0.3;
  options.outer.epsilon = 1e-12;
  const std::string text = print_config(options, Provenance{.revision = "abc"});
  const auto read = accepted(text);
  EXPECT_EQ(print_config(read), print_config(options));
  EXPECT_EQ(read.inner.learning_rate, 0.1);
  EXPECT_EQ(first_difference(read, options, {}), std::nullopt);
}

TEST(Config, NamesTheNearestKeyOfAnUnknownOne) {
  EXPECT_EQ(refusal(R"({"inner": {"step": 3}})"),
            "config: unknown key inner.step in FILE; did you mean inner.steps?");
  EXPECT_EQ(refusal(R"({"episod": {}})"), "config: unknown key episod in FILE; did you mean episode?");
  EXPECT_EQ(refusal(R"({"ways": 5})"), "config: unknown key ways in FILE; did you mean episode.ways?");
  EXPECT_EQ(refusal(R"({"outer": {"lr": 1}})").substr(0, 74),
            "config: unknown key outer.lr in FILE; the keys here are optimizer, learnin");
}

TEST(Config, NamesNeedAndValueOfAWrongType) {
  EXPECT_EQ(refusal(R"({"episode": {"ways": "five"}})"),
            "config: episode.ways in FILE: need an integer, got \"five\"");
  EXPECT_EQ(refusal(R"({"episode": {"ways": 5.5}})"),
            "config: episode.ways in FILE: need an integer, got 5.5");
  EXPECT_EQ(refusal(R"({"inner": {"learning_rate": null}})"),
            "config: inner.learning_rate in FILE: need a number, got null");
  EXPECT_EQ(refusal(R"({"dataset": {"rotations": 1}})"),
            "config: dataset.rotations in FILE: need true or false, got 1");
  EXPECT_EQ(refusal(R"({"device": 0})"), "config: device in FILE: need auto, cpu, cuda or cuda:N, got 0");
  EXPECT_EQ(refusal(R"({"inner": 3})"), "config: inner in FILE: need an object, got 3");
  EXPECT_EQ(refusal(R"({"model": {"hidden": 3}})"),
            "config: model.hidden in FILE: need a list of integers, got 3");
  EXPECT_EQ(refusal(R"({"model": {"hidden": [3, "x"]}})"),
            "config: model.hidden[1] in FILE: need an integer, got \"x\"");
  EXPECT_EQ(refusal("[1]"), "config: FILE: need an object, got [1]");
}

TEST(Config, NamesTheRangeOfAValueOutOfIt) {
  EXPECT_EQ(refusal(R"({"inner": {"steps": -1}})"),
            "config: inner.steps in FILE: need at least 0 and at most 1048576, got -1");
  EXPECT_EQ(refusal(R"({"meta_gradient": {"q": 0}})"),
            "config: meta_gradient.q in FILE: need above 0 and at most 1, got 0");
  EXPECT_EQ(refusal(R"({"meta_gradient": {"q": 1.5}})"),
            "config: meta_gradient.q in FILE: need above 0 and at most 1, got 1.5");
  EXPECT_EQ(
      refusal(R"({"meta_gradient": {"q": "fast"}})"),
      "config: meta_gradient.q in FILE: need a number above 0 and at most 1, {\"from\": a, \"to\": b} or \"adaptive\", got \"fast\"");
  EXPECT_EQ(refusal(R"({"model": {"kernel": 4}})"),
            "config: model.kernel in FILE: need one of 1, 3, 5, 7, got 4");
  EXPECT_EQ(refusal(R"({"outer": {"optimizer": "adamw"}})"),
            "config: outer.optimizer in FILE: need one of adam, sgd, got \"adamw\"");
}

TEST(Config, RefusesSizesWhoseProductsOverflow) {
  for (const std::string group : {"episode\": {\"ways", "episode\": {\"shots", "episode\": {\"queries",
                                  "outer\": {\"meta_batch", "outer\": {\"steps", "validation\": {\"tasks",
                                  "evaluation\": {\"tasks", "evaluation\": {\"queries"}) {
    EXPECT_THAT(refusal("{\"" + group + "\": 4611686018427387904}}"), testing::HasSubstr("and at most "))
        << group;
  }
}

TEST(Config, NamesALimitToItsLastDigit) {
  EXPECT_EQ(refusal(R"({"outer": {"beta1": 1}})"),
            "config: outer.beta1 in FILE: need at least 0 and at most 0.9999999, got 1");
}

TEST(Config, TakesIntegersThatAreWrittenAsDecimals) {
  EXPECT_EQ(accepted(R"({"outer": {"steps": 1e3}, "episode": {"ways": 5.0}})").outer.steps, 1000);
  EXPECT_EQ(refusal(R"({"seed": 1e300})"), "config: seed in FILE: need an integer, got 1e+300");
  EXPECT_EQ(refusal(R"({"seed": 18446744073709551615})"),
            "config: seed in FILE: need an integer, got 18446744073709551615");
}

TEST(Config, RefusesBadJsonWithLineAndColumn) {
  EXPECT_THAT(refusal("{\n  \"seed\": 1,\n}"), testing::StartsWith("config: FILE: line 3, column 1: "));
  EXPECT_THAT(refusal("{\"seed\": 1 // one\n}"), testing::StartsWith("config: FILE: line 1, column 12: "));
  EXPECT_THAT(refusal(""), testing::StartsWith("config: FILE: line 1, column 1: "));
  EXPECT_THAT(refusal("{\"seed\": 1e999}"), testing::StartsWith("config: FILE: number overflow"));
}

TEST(Config, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(refusal(R"({"inner": {"steps": 1, "steps": 2}})"), "config: FILE: inner.steps stands twice");
  EXPECT_EQ(refusal(R"({"inner": {"steps": 1}, "seed": 1, "inner": {}})"),
            "config: FILE: inner stands twice");
}

TEST(Config, RefusesAFileThatIsNotThere) {
  EXPECT_THROW(
      {
        try {
          load_config("/nowhere/x.json");
        } catch (const ConfigError& error) {
          EXPECT_STREQ(error.what(), "config: cannot read /nowhere/x.json: No such file or directory");
          throw;
        }
      },
      ConfigError);
}

TEST(Config, SetChangesOneOption) {
  const auto options = accepted(R"({"inner": {"steps": 3, "learning_rate": 0.5}})",
                                {"inner.steps=5", "meta_gradient.estimator=exact", "meta_gradient.q=0.2",
                                 "dataset.rotations=false", "model.hidden=[4,5]", "dataset.root=a=b"});
  EXPECT_EQ(options.inner.steps, 5);
  EXPECT_EQ(options.inner.learning_rate, 0.5);
  EXPECT_EQ(options.meta_gradient.estimator, "exact");
  EXPECT_EQ(options.meta_gradient.q.value, 0.2);
  EXPECT_FALSE(options.dataset.rotations);
  EXPECT_EQ(options.model.hidden, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(options.dataset.root, "a=b");
}

TEST(Config, DatasetsHaveDefaultsOfTheirOwn) {
  const auto mini = accepted(R"({"dataset": {"name": "mini_imagenet"}})").dataset;
  EXPECT_EQ(mini.root, "data/mini_imagenet");
  EXPECT_EQ(mini.split, "ravi");
  EXPECT_EQ(mini.image_size, 84);
  EXPECT_EQ(mini.channels, 3);
  EXPECT_FALSE(mini.rotations);
  EXPECT_EQ(accepted("{}", {"dataset.name=mini_imagenet"}).dataset.image_size, 84);
  EXPECT_EQ(accepted(R"({"dataset": {"image_size": 42}})", {"dataset.name=mini_imagenet"}).dataset.image_size,
            42);
}

TEST(Config, RefusesTheOptionsOfAnotherDataset) {
  EXPECT_EQ(refusal(R"({"dataset": {"name": "mini_imagenet", "split": "vinyals"}})"),
            "config: dataset.split of mini_imagenet: need one of ravi, got \"vinyals\"");
  EXPECT_EQ(refusal(R"({"dataset": {"split": "maml"}})", {"dataset.name=mini_imagenet"}),
            "config: dataset.split of mini_imagenet: need one of ravi, got \"maml\"");
}

TEST(Config, SetIsCheckedLikeTheFile) {
  EXPECT_EQ(refusal("{}", {"inner.step=3"}),
            "config: unknown key inner.step in --set inner.step=3; did you mean inner.steps?");
  EXPECT_EQ(refusal("{}", {"inner.steps=many"}),
            "config: inner.steps in --set inner.steps=many: need an integer, got \"many\"");
  EXPECT_EQ(refusal("{}", {"seed.x=1"}), "config: seed in --set seed.x=1: need an integer, got {\"x\":1}");
  for (const std::string bad : {"inner.steps", "=3", ".steps=3", "inner..steps=3"}) {
    EXPECT_EQ(refusal("{}", {bad}), "config: --set needs PATH=VALUE, as in inner.steps=3, got " + bad);
  }
}

TEST(Config, QMayBeAdaptive) {
  EXPECT_EQ(refusal(R"({"meta_gradient": {"q": "adaptive", "q_minimum": 0.1, "q_cost": "seconds"}})"), "");
  EXPECT_EQ(refusal(R"({"meta_gradient": {"q_cost": "hours"}})"),
            "config: meta_gradient.q_cost in FILE: need one of gradient_calls, seconds, got \"hours\"");
}

TEST(Config, ChecksTheNameOfTheDevice) {
  EXPECT_EQ(refusal(R"({"device": "gpu"})"),
            "config: device in FILE: need auto, cpu, cuda or cuda:N, got \"gpu\"");
  EXPECT_EQ(refusal(R"({"device": "cuda:x"})"),
            "config: device in FILE: need auto, cpu, cuda or cuda:N, got \"cuda:x\"");
  EXPECT_EQ(refusal(R"({"device": "cuda:1"})"), "");
}

TEST(Config, PassesOverSchemaAndProvenance) {
  EXPECT_EQ(refusal(R"({"$schema": "ufo-maml.schema.json", "provenance": {"revision": "x"}})"), "");
  EXPECT_THAT(refusal(R"({"inner": {"$schema": ""}})"), HasSubstr("unknown key inner.$schema"));
}

TEST(Config, ReadsTheProvenanceThatARunWasWrittenWith) {
  const TemporaryFolder folder;
  Provenance made{.seed = 7, .revision = "abc", .threads = 2, .mean = {0.25f, 0.1f}, .notes = {"a cut"}};
  const Config config = load_config(folder.write("x.json", print_config({}, made)));
  EXPECT_EQ(config.provenance.seed, 7);
  EXPECT_EQ(config.provenance.revision, "abc");
  EXPECT_EQ(config.provenance.threads, 2);
  EXPECT_EQ(config.provenance.mean, made.mean);
  EXPECT_EQ(config.provenance.notes, made.notes);
}

TEST(Config, LeavesEmptyWhatAProvenanceLacks) {
  const TemporaryFolder folder;
  const Config config =
      load_config(folder.write("x.json", R"({"provenance": {"threads": null, "revision": "x"}})"));
  EXPECT_TRUE(config.provenance.mean.empty());
  EXPECT_EQ(config.provenance.threads, 0);
  EXPECT_EQ(config.provenance.revision, "x");
}

TEST(Config, FindsTheDataAboveTheConfigFile) {
  const TemporaryFolder folder;
  folder.write("data/set/images", "");
  const std::string file = folder.write("configs/deep/x.json", R"({"dataset": {"root": "data/set"}})");
  const Config config = load_config(file);
  EXPECT_EQ(config.dataset_root, std::filesystem::weakly_canonical(folder / "data/set"));
  EXPECT_EQ(config.options.dataset.root, "data/set");
}

TEST(Config, ARunAwayFromItsDataKnowsWhereItWas) {
  const TemporaryFolder folder;
  const std::string file = folder.write(
      "x.json",
      R"({"dataset": {"root": "no/such/data"}, "provenance": {"dataset_root": "/place/of/training"}})");
  EXPECT_EQ(load_config(file).dataset_root, "/place/of/training");
}

TEST(Config, RefusesAProvenanceOfWrongTypes) {
  EXPECT_EQ(refusal(R"({"provenance": {"dataset_root": 5}})"),
            "config: provenance.dataset_root in FILE: need a string, got 5");
  EXPECT_EQ(refusal(R"({"provenance": {"mean": "none"}})"),
            "config: provenance.mean in FILE: need a list of numbers, got \"none\"");
  EXPECT_EQ(refusal(R"({"provenance": {"threads": 1.5}})"),
            "config: provenance.threads in FILE: need an integer, got 1.5");
  EXPECT_EQ(refusal(R"({"provenance": {"mean": [0, 1e300]}})"),
            "config: provenance.mean in FILE: need a list of numbers, got [0,1e+300]");
  EXPECT_EQ(refusal(R"({"provenance": 5})"), "config: provenance in FILE: need an object, got 5");
}

TEST(Config, FindsAFolderWhoseNameIsNotUtf8) {
  const TemporaryFolder folder;
  folder.write("caf\xe9/images", "");
  const std::string file = folder.write("x.json", R"({"dataset": {"root": "caf\\xe9"}})");
  EXPECT_EQ(load_config(file).dataset_root, std::filesystem::weakly_canonical(folder / "caf\xe9"));
  EXPECT_EQ(load_config(file, {"dataset.root=caf\xe9"}).dataset_root,
            std::filesystem::weakly_canonical(folder / "caf\xe9"));
}

TEST(Config, NamesTheFirstDifference) {
  RunOptions before, now;
  now.outer.steps = 70000;
  now.inner.steps = 5;
  EXPECT_EQ(first_difference(before, now, {"outer.steps"}), "inner.steps: was 1, is now 5");
  EXPECT_EQ(first_difference(before, now, {"outer.steps", "inner.steps"}), std::nullopt);
}

TEST(Config, EveryConfigOfTheRepositoryIsAcceptedAndFindsOmniglot) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(source_path("configs"))) {
    if (entry.is_regular_file()) {
      SCOPED_TRACE(entry.path());
      const Config config = load_config(entry.path());
      const bool comes_along = config.options.dataset.name == "omniglot";
      EXPECT_TRUE(!comes_along || std::filesystem::exists(config.dataset_root));
      ++count;
    }
  }
  EXPECT_GE(count, 29);
}

TEST(Config, TakesNoInnerStepsWhereTheHeadIsAPrototypeAlone) {
  const std::string reason =
      ": need at least 1 where the head is linear, got 0: only a prototype tells classes apart without an inner "
      "step";
  EXPECT_EQ(refusal(R"({"inner": {"steps": 0}})"), "config: inner.steps" + reason);
  EXPECT_EQ(refusal(R"({"validation": {"inner_steps": 0}})"), "config: validation.inner_steps" + reason);
  EXPECT_EQ(refusal(R"({"evaluation": {"inner_steps": 0}})"), "config: evaluation.inner_steps" + reason);
  EXPECT_EQ(refusal(R"({"model": {"head": "prototype"}, "inner": {"steps": 0}})"), "");
  EXPECT_EQ(refusal(R"({"evaluation": {"inner_steps": 0, "head": "prototype"}, "validation": {"every": 0}})"),
            "");
  EXPECT_EQ(
      refusal(R"({"model": {"head": "prototype"}, "meta_gradient": {"estimator": "reptile"}})"),
      "config: meta_gradient.estimator: need one with a gradient of the outer objective where model.head is "
      "prototype, got reptile");
  EXPECT_THAT(refusal(R"({"evaluation": {"ways": 1}})"),
              HasSubstr("evaluation.ways: need 0 or at least 2, got 1"));
}

TEST(Config, TakesAClassifierWithoutAnInnerLoop) {
  EXPECT_EQ(refusal(R"({"meta_gradient": {"estimator": "classifier"}, "inner": {"steps": 0},
                        "model": {"head": "prototype"}})"),
            "");
  EXPECT_EQ(refusal(R"({"meta_gradient": {"estimator": "classifier"}})"),
            "config: inner.steps: need 0 where meta_gradient.estimator is classifier, got 1");
  EXPECT_EQ(
      refusal(R"({"meta_gradient": {"estimator": "classifier"}, "inner": {"steps": 0}})"),
      "config: model.head: need prototype or zero where meta_gradient.estimator is classifier, got linear");
}

TEST(Config, PassesOverCommentsInAnyObject) {
  EXPECT_EQ(refusal(R"({"_comment": "mine", "inner": {"_comment": ["two", 2], "steps": 3}})"), "");
  EXPECT_EQ(refusal(R"({"meta_gradient": {"q": {"_comment": "falls", "from": 0.5, "to": 0.1}}})"), "");
  EXPECT_THAT(refusal(R"({"inner": {"comment": "no"}})"), HasSubstr("unknown key inner.comment"));
}

TEST(DifferingOptions, AreThoseInWhichAnyTwoConfigsDiffer) {
  RunOptions a, b;
  b.seed = 2;
  b.inner.learning_rate = 0.5;
  b.evaluation.tasks = 7;
  const auto found = differing_options({a, a, b}, {"evaluation"});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].path, "seed");
  EXPECT_EQ(found[0].values, (std::vector<std::string>{"1", "1", "2"}));
  EXPECT_EQ(found[1].path, "inner.learning_rate");
  EXPECT_TRUE(differing_options({a}, {}).empty());
}

}  // namespace
}  // namespace ufo::run
