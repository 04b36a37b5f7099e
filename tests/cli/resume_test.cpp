#include "process.h"
#include "run/json.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"
#include "tiny_config.h"

#include <chrono>
#include <csignal>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::cli {
namespace {

using testing::HasSubstr;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

std::vector<std::string> operator+(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// How runs are stopped and go on.
class Resume : public testing::Test {
 protected:
  Resume() { folder.write("tiny.json", tiny_config()); }

  Outcome train(const std::string& run, const std::vector<std::string>& more = {},
                const std::function<void(pid_t)>& while_running = {}) {
    return run_program(std::vector<std::string>{"train", "tiny.json", "--run-dir", run} + more, folder.path(),
                       while_running);
  }

  void wait_for(const std::string& file) const {
    for (int i = 0; i < 6000 && !fs::exists(folder / file); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::string last(const std::string& run) const {
    return read_file(folder / (run + "/checkpoints/last.safetensors"));
  }

  /// Expects exit code 2 with `complaint`, and every file of the run as it was.
  void expect_refused(const std::string& run, const std::vector<std::string>& more,
                      const std::string& complaint) {
    const auto before = contents(run);
    const Outcome outcome = train(run, std::vector<std::string>{"--resume"} + more);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(complaint));
    EXPECT_EQ(contents(run), before);
  }

  std::map<std::string, std::string> contents(const std::string& run) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder / run)) {
      files[entry.path()] = entry.is_regular_file() ? read_file(entry.path()) : "";
    }
    return files;
  }

  TemporaryFolder folder;
};

TEST_F(Resume, RefusesFewerStepsThanWereDone) {
  ASSERT_EQ(train("run").exit_code, 0);
  expect_refused("run", {"--set", "outer.steps=4"}, "outer.steps: need at least 6, the step that");
}

TEST_F(Resume, RefusesTheCheckpointOfAnotherRun) {
  ASSERT_EQ(train("one").exit_code, 0);
  ASSERT_EQ(train("other", {"--set", "seed=2"}).exit_code, 0);
  expect_refused("one", {"--checkpoint", "other/checkpoints/last.safetensors", "--set", "outer.steps=9"},
                 "got one of another: seed: was 2, is now 1");
  fs::copy_file(folder / "other/checkpoints/last.safetensors", folder / "one/checkpoints/last.safetensors",
                fs::copy_options::overwrite_existing);
  expect_refused("one", {"--set", "outer.steps=9"}, "got one of another: seed: was 2, is now 1");
}

TEST_F(Resume, WritesNothingWhereTheMetricsCannotBeRead) {
  ASSERT_EQ(train("run").exit_code, 0);
  fs::rename(folder / "run/metrics.jsonl", folder / "metrics.jsonl");
  fs::create_directories(folder / "run/metrics.jsonl");
  expect_refused("run", {"--set", "outer.steps=9"}, "metrics.jsonl: cannot read the file");
}

TEST_F(Resume, DoesNotWriteIntoAFolderThatTookTheRunsPlace) {
  const Outcome moved = train("run", {"--set", "outer.steps=1000000"}, [&](pid_t) {
    wait_for("run/checkpoints/best.safetensors");
    fs::rename(folder / "run", folder / "moved");
    fs::create_directories(folder / "run/checkpoints");
  });
  EXPECT_EQ(moved.exit_code, 2);
  EXPECT_THAT(moved.errors, HasSubstr("run was removed, moved or replaced meanwhile"));
  EXPECT_TRUE(fs::is_empty(folder / "run/checkpoints"));
}

TEST_F(Resume, SigtermEndsAValidationSoon) {
  Clock::time_point signalled;
  const Outcome stopped =
      train("run", {"--set", "validation.tasks=200000", "--set", "validation.every=1"}, [&](pid_t process) {
        wait_for("run/metrics.jsonl");
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        signalled = Clock::now();
        ::kill(process, SIGTERM);
      });
  EXPECT_LT(Clock::now() - signalled, std::chrono::seconds(10)) << "far below 2 s on a machine that is idle";
  EXPECT_EQ(stopped.exit_code, 143) << stopped.errors;
  EXPECT_THAT(stopped.errors, HasSubstr("after outer step 1; go on with"));
  EXPECT_THAT(read_file(folder / "run/metrics.jsonl"), testing::Not(HasSubstr("validation")));
}

TEST_F(Resume, TheHintIsACommandThoughThePathHasSpaces) {
  const Outcome stopped = train("my run", {"--set", "outer.steps=1000000"}, [&](pid_t process) {
    wait_for("my run/checkpoints/best.safetensors");
    ::kill(process, SIGTERM);
  });
  EXPECT_THAT(stopped.errors, HasSubstr("--run-dir 'my run' --resume --set outer.steps=1000000"));
}

TEST_F(Resume, NamesThatAreNotUtf8DoNotEndARun) {
  const std::string name = "caf\xe9";
  fs::create_directories(folder / name);
  fs::create_symlink(source_path("data/omniglot"), folder / (name + "/omniglot"));
  const std::vector<std::string> options = {"--set", "dataset.root=" + name + "/omniglot"};
  const Outcome trained = train(name + "/run", options);
  ASSERT_EQ(trained.exit_code, 0) << trained.errors;
  const Outcome evaluated = run_program({"evaluate", name + "/run"}, folder.path());
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.errors;
  EXPECT_EQ(train(name + "/run", options + std::vector<std::string>{"--resume"}).exit_code, 0);
}

TEST_F(Resume, EvaluateShowsAResultThatItCannotKeep) {
  ASSERT_EQ(train("run").exit_code, 0);
  folder.write("run/evaluation", "in the way");
  const Outcome outcome = run_program({"evaluate", "run"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("test split: "));
  EXPECT_THAT(outcome.errors, HasSubstr("run/evaluation/test.json: cannot write"));
}

TEST_F(Resume, EvaluateStopsAtASignalAndWritesNothing) {
  ASSERT_EQ(train("run").exit_code, 0);
  const Outcome outcome =
      run_program({"evaluate", "run", "--tasks", "1000000"}, folder.path(), [](pid_t process) {
        std::this_thread::sleep_for(std::chrono::seconds(2));
        ::kill(process, SIGTERM);
      });
  EXPECT_EQ(outcome.exit_code, 143);
  EXPECT_FALSE(fs::exists(folder / "run/evaluation"));
}

}  // namespace
}  // namespace ufo::cli
