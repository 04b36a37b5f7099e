#include "bmp_image.h"
#include "process.h"
#include "report/csv.h"
#include "run/json.h"
#include "support/temporary_folder.h"
#include "tiny_config.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace fs = std::filesystem;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

/// What stands in a line behind the file and the predicted class.
std::vector<double> probabilities(const std::string& line) {
  std::istringstream fields(line.substr(line.find(',', line.find(',') + 1) + 1));
  std::vector<double> numbers;
  for (std::string field; std::getline(fields, field, ',');) {
    numbers.push_back(std::stod(field));
  }
  return numbers;
}

/// Two short runs, one in each mode of batch norm, and images of three classes.
class Predict : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    runs_ = std::make_unique<TemporaryFolder>();
    runs_->write("tiny.json", tiny_config());
    for (const std::string mode : {"batch", "support"}) {
      const Outcome outcome = run_program(
          {"train", "tiny.json", "--run-dir", mode, "--set", "model.batch_norm=" + mode}, runs_->path());
      ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    }
  }
  static void TearDownTestSuite() { runs_.reset(); }

  Predict() {
    for (const int slope : {1, 3, 7}) {
      for (int i = 0; i < 3; ++i) {
        const std::string part = i == 0 ? "support/slope " : "query/slope ";
        folder_.write(part + std::to_string(slope) + "/" + std::to_string(i) + ".bmp",
                      bmp_image(40 * i, slope));
      }
    }
  }

  Outcome predict(const std::string& mode, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"predict", (*runs_ / mode).string(), "--support", "support"};
    if (std::find(more.begin(), more.end(), "--query") == more.end()) {
      more.insert(more.end(), {"--query", "query"});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, folder_.path());
  }

  /// Expects exit code 2 and one line on standard error that has `part`.
  void expect_refused(const Outcome& outcome, const std::string& part) const {
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    EXPECT_EQ(lines_of(outcome.errors).size(), 1u) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(part));
    EXPECT_EQ(outcome.output, "");
  }

  static std::unique_ptr<TemporaryFolder> runs_;
  TemporaryFolder folder_;
};

std::unique_ptr<TemporaryFolder> Predict::runs_;

TEST_F(Predict, WritesTheProbabilitiesOfEveryQueryImage) {
  const Outcome outcome = predict("support");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const auto lines = lines_of(outcome.output);
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[0], "file,predicted,slope 1,slope 3,slope 7");
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto numbers = probabilities(lines[i]);
    ASSERT_EQ(numbers.size(), 3u);
    EXPECT_NEAR(numbers[0] + numbers[1] + numbers[2], 1, 1e-5);
    const char* const names[] = {"slope 1", "slope 3", "slope 7"};
    const auto best = std::max_element(numbers.begin(), numbers.end()) - numbers.begin();
    EXPECT_THAT(lines[i], HasSubstr(std::string(".bmp,") + names[best] + ","));
  }
  EXPECT_THAT(lines[1], StartsWith("slope 1/1.bmp,"));
  EXPECT_THAT(outcome.errors, HasSubstr("of 6 query images in folders named like a class)"));
  EXPECT_THAT(outcome.errors, HasSubstr("trained for 5 classes"));
}

TEST_F(Predict, WritesAFileAndTakesCheckpointAndSteps) {
  const std::string expected = predict("support", {"--checkpoint", "last", "--steps", "4"}).output;
  const Outcome outcome =
      predict("support", {"--checkpoint", (*runs_ / "support/checkpoints/last.safetensors").string(),
                          "--steps", "4", "--output", "out.csv"});
  EXPECT_EQ(outcome.output, "written      out.csv\n");
  EXPECT_EQ(read_file(folder_ / "out.csv"), expected);
  EXPECT_NE(predict("support", {"--checkpoint", "last", "--steps", "1"}).output, expected);
}

TEST_F(Predict, TakesAnImageByItselfUnderSupportStatisticsAlone) {
  folder_.write("alone/1.bmp", read_file(folder_ / "query/slope 1/1.bmp"));
  for (const std::string mode : {"support", "batch"}) {
    const Outcome together = predict(mode), alone = predict(mode, {"--query", "alone"});
    const auto a = probabilities(lines_of(together.output).at(1)),
               b = probabilities(lines_of(alone.output).at(1));
    double difference = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      difference = std::max(difference, std::abs(a[i] - b.at(i)));
    }
    EXPECT_EQ(difference < 1e-5, mode == "support") << difference;
    EXPECT_THAT(alone.errors, Not(HasSubstr("accuracy")));
    EXPECT_EQ(alone.errors.find("transductive") != std::string::npos, mode == "batch");
  }
}

TEST_F(Predict, KeepsTheHeadOfTheRunForItsNumberOfClasses) {
  for (const char* more : {"support/x/0.bmp", "support/y/0.bmp"}) {
    folder_.write(more, bmp_image(7, 11));
  }
  const Outcome outcome = predict("support");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.errors, Not(HasSubstr("mean of the trained rows")));
  EXPECT_THAT(outcome.output, StartsWith("file,predicted,slope 1,slope 3,slope 7,x,y\n"));
}

TEST_F(Predict, IsThoughtOfWhereARunWithBatchStatisticsIsTrained) {
  EXPECT_THAT(read_file(*runs_ / "batch/log.txt"), HasSubstr("train with model.batch_norm=support"));
  EXPECT_THAT(read_file(*runs_ / "support/log.txt"), Not(HasSubstr("train with model.batch_norm=support")));
}

TEST_F(Predict, SkipsBadImagesWhereAskedAndCountsThem) {
  folder_.write("query/damaged.bmp", "no image");
  folder_.write("support/slope 1/damaged.bmp", "no image");
  const Outcome outcome = predict("support", {"--skip-bad"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_EQ(lines_of(outcome.output).size(), 7u);
  EXPECT_THAT(outcome.errors,
              HasSubstr("--query: skipped 1 image: need an image, cannot decode query/damaged.bmp"));
  EXPECT_THAT(outcome.errors, HasSubstr("--support: skipped 1 image: need an image"));
  EXPECT_THAT(outcome.output, Not(HasSubstr("damaged")));
}

TEST_F(Predict, NamesTheRemedyWhereThereAreOtherWaysThanInTraining) {
  EXPECT_THAT(predict("support").errors, HasSubstr("try --steps 20"));
  EXPECT_THAT(predict("support", {"--steps", "20"}).errors, Not(HasSubstr("try --steps")));
}

TEST_F(Predict, AdaptsOnceAndPredictsFromThatFile) {
  for (const std::string mode : {"support", "batch"}) {
    const Outcome saved = predict(mode, {"--save-adapted", mode + ".safetensors"});
    ASSERT_EQ(saved.exit_code, 0) << saved.errors;
    const Outcome again =
        run_program({"predict", "--adapted", mode + ".safetensors", "--query", "query"}, folder_.path());
    ASSERT_EQ(again.exit_code, 0) << again.errors;
    EXPECT_EQ(again.output, saved.output);
  }
  const Outcome alone = run_program({"predict", (*runs_ / "support").string(), "--support", "support",
                                     "--save-adapted", "alone.safetensors"},
                                    folder_.path());
  EXPECT_EQ(alone.exit_code, 0) << alone.errors;
  EXPECT_EQ(alone.output, "");
  EXPECT_TRUE(read_file(folder_ / "alone.safetensors") == read_file(folder_ / "support.safetensors"));
}

TEST_F(Predict, RefusesWhatIsNoAdaptedFileAndTooLittleToDo) {
  const auto adapted = [&](const std::string& file) {
    return run_program({"predict", "--adapted", file, "--query", "query"}, folder_.path());
  };
  expect_refused(adapted((*runs_ / "support/checkpoints/last.safetensors").string()),
                 "need a file that predict --save-adapted wrote: its format is \"ufo-maml checkpoint 1\"");
  expect_refused(adapted("none"), "none");
  expect_refused(run_program({"predict", "--query", "query"}, folder_.path()),
                 "need RUN and --support, or --adapted");
  expect_refused(
      run_program({"predict", (*runs_ / "support").string(), "--support", "support"}, folder_.path()),
      "need --query, or --save-adapted");
}

TEST_F(Predict, RefusesALoneImageThatBatchStatisticsCannotSee) {
  const Outcome trained = run_program(
      {"train", "tiny.json", "--run-dir", "one_pixel", "--set", "outer.steps=1", "--set", "model.blocks=5"},
      runs_->path());
  ASSERT_EQ(trained.exit_code, 0) << trained.errors;
  folder_.write("alone/1.bmp", read_file(folder_ / "query/slope 1/1.bmp"));
  expect_refused(predict("one_pixel", {"--query", "alone"}),
                 "the last convolution of this network gives one pixel");
  EXPECT_EQ(predict("one_pixel").exit_code, 0) << "six images together";
}

TEST_F(Predict, RefusesBadFolders) {
  expect_refused(predict("support", {"--query", "none"}),
                 "predict: --query: need a folder of images, got none");
  fs::create_directories(folder_ / "empty");
  expect_refused(predict("support", {"--query", "empty"}), "predict: --query: need images");
  fs::create_directories(folder_ / "support/zero");
  expect_refused(predict("support"), "predict: --support: need at least one whole image");
  fs::remove(folder_ / "support/zero");
  folder_.write("query/damaged.bmp", "no image");
  expect_refused(predict("support"), "cannot decode query/damaged.bmp");
  fs::remove(folder_ / "query/damaged.bmp");
  fs::remove_all(folder_ / "support/slope 1");
  fs::remove_all(folder_ / "support/slope 3");
  expect_refused(predict("support"), "need at least 2 classes");
}

TEST_F(Predict, RefusesAnotherCheckpointAndARunWithoutStatistics) {
  const Outcome other = run_program(
      {"train", "tiny.json", "--run-dir", "other", "--set", "model.filters=8", "--set", "outer.steps=1"},
      runs_->path());
  ASSERT_EQ(other.exit_code, 0) << other.errors;
  expect_refused(
      predict("support", {"--checkpoint", (*runs_ / "other/checkpoints/last.safetensors").string()}),
      "a checkpoint of another model");
  run::Json config = run::Json::parse(read_file(*runs_ / "other/config.json"));
  config["provenance"].erase("mean");
  runs_->write("other/config.json", config.dump());
  expect_refused(predict("other"), "need a list of numbers as provenance.mean, found none");
}

TEST(CsvField, IsQuotedWhereItMustBe) {
  EXPECT_EQ(report::csv_field("a b"), "a b");
  EXPECT_EQ(report::csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(report::csv_field("say \"a\""), "\"say \"\"a\"\"\"");
  EXPECT_EQ(report::csv_field("a\r\nb\x1b"), R"(a\x0d\x0ab\x1b)");
  EXPECT_EQ(report::csv_field("=1+1"), "'=1+1") << "no formula to a spreadsheet";
  EXPECT_EQ(report::csv_field("@a,b"), "\"'@a,b\"");
}

}  // namespace
}  // namespace ufo::cli
