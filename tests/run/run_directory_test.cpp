#include "support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/run/provenance.h>
#include <ufo/run/run_directory.h>

namespace ufo::run {
namespace {

namespace fs = std::filesystem;

std::string refusal(const fs::path& path, IfThereIsARun existing = IfThereIsARun::refuse) {
  try {
    RunDirectory::prepare(path, "{}", existing);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(RunDirectory, MakesTheFolders) {
  const TemporaryFolder folder;
  const RunDirectory run =
      RunDirectory::prepare(folder.path() / "a" / "b", "{\"seed\": 1}", IfThereIsARun::refuse);
  EXPECT_EQ(run.config(), "{\"seed\": 1}");
  EXPECT_TRUE(fs::is_directory(run.last_checkpoint().parent_path()));
  EXPECT_TRUE(fs::is_directory(run.tensorboard_folder()));
  EXPECT_EQ(run.evaluation_file(data::Split::test), folder.path() / "a/b/evaluation/test.json");
  EXPECT_EQ(RunDirectory::open(folder.path() / "a" / "b").config(), "{\"seed\": 1}");
}

TEST(RunDirectory, RefusesAFolderThatHoldsARun) {
  const TemporaryFolder folder;
  RunDirectory::prepare(folder.path(), "{\"seed\": 1}", IfThereIsARun::refuse);
  EXPECT_THAT(refusal(folder.path()), testing::HasSubstr("holds a run already"));
  EXPECT_EQ(RunDirectory::prepare(folder.path(), "{\"seed\": 2}", IfThereIsARun::resume).config(),
            "{\"seed\": 1}");
}

TEST(RunDirectory, RefusesAFolderThatCannotBeMadeAndLeavesNothing) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  EXPECT_THAT(refusal(folder.path() / "file" / "run"),
              testing::StartsWith("run directory: cannot make the folder "));
  EXPECT_THAT(refusal(folder.path() / "file"), testing::HasSubstr("there is a file of that name"));
  EXPECT_THAT(refusal("/proc/run"), testing::StartsWith("run directory: cannot make the folder /proc/run: "));
  fs::create_directories(folder.path() / "half");
  fs::create_symlink("none/file", folder.path() / "half" / "config.json");  // so that the last write fails
  EXPECT_NE(refusal(folder.path() / "half"), "");
  EXPECT_FALSE(fs::exists(folder.path() / "half" / "checkpoints"));
  EXPECT_FALSE(fs::exists(folder.path() / "half" / "config.json"));
}

TEST(RunDirectory, RefusesAFolderWithoutWritePermission) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "root may write everywhere";
  }
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_NE(refusal(folder.path()), "");
  EXPECT_NE(refusal(folder.path() / "run"), "");
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST(RunDirectory, RefusesWhatIsLeftOfARunWithoutItsConfig) {
  const TemporaryFolder folder;
  folder.write("metrics.jsonl", "{}");
  EXPECT_THAT(refusal(folder.path()), testing::HasSubstr("with metrics.jsonl but no config.json"));
  EXPECT_THAT(refusal(folder.path(), IfThereIsARun::resume), testing::HasSubstr("but no config.json"));
  EXPECT_EQ(read_file(folder.path() / "metrics.jsonl"), "{}");
}

TEST(RunDirectory, KnowsWhenAnotherFolderHasTakenItsPlace) {
  const TemporaryFolder folder;
  const RunDirectory run = RunDirectory::prepare(folder.path() / "run", "{}", IfThereIsARun::refuse);
  EXPECT_NO_THROW(run.check_in_place());
  fs::rename(folder.path() / "run", folder.path() / "moved");
  EXPECT_THROW(run.check_in_place(), ConfigError);
  fs::create_directories(folder.path() / "run");
  EXPECT_THROW(run.check_in_place(), ConfigError);
}

TEST(RunDirectory, OnlyOneProcessTrainsInIt) {
  const TemporaryFolder folder;
  {
    const RunDirectory run = RunDirectory::prepare(folder.path(), "{}", IfThereIsARun::refuse);
    EXPECT_THAT(refusal(folder.path(), IfThereIsARun::resume),
                testing::HasSubstr("another process is training in"));
  }
  EXPECT_EQ(refusal(folder.path(), IfThereIsARun::resume), "");
}

TEST(RunDirectory, FindsCheckpoints) {
  const TemporaryFolder folder;
  const RunDirectory run = RunDirectory::prepare(folder.path(), "{}", IfThereIsARun::refuse);
  EXPECT_THROW(run.find_checkpoint("last"), DataError);
  EXPECT_THROW(run.find_checkpoint("bset"), DataError);
  std::ofstream(run.last_checkpoint()) << "x";
  EXPECT_EQ(run.find_checkpoint("best"), run.last_checkpoint());
  std::ofstream(run.best_checkpoint()) << "x";
  EXPECT_EQ(run.find_checkpoint("best"), run.best_checkpoint());
  EXPECT_EQ(run.find_checkpoint(run.best_checkpoint().string()), run.best_checkpoint());
}

TEST(RunDirectory, KnowsWhetherTrainingHasSavedACheckpoint) {
  const TemporaryFolder folder;
  EXPECT_FALSE(RunDirectory::has_a_checkpoint(folder / "run"));
  folder.write("run/checkpoints/last.safetensors", "x");
  EXPECT_TRUE(RunDirectory::has_a_checkpoint(folder / "run"));
}

TEST(RunDirectory, OpensNothingButARun) {
  const TemporaryFolder folder;
  EXPECT_THROW(RunDirectory::open(folder.path()), ConfigError);
}

TEST(Provenance, NamesTheBuildAndTheDevice) {
  const Provenance facts = provenance_of_program(7, at::kCPU, processor_name());
  EXPECT_EQ(facts.seed, 7);
  EXPECT_EQ(facts.device, "cpu");
  EXPECT_THAT(facts.libtorch, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
  EXPECT_THAT(facts.revision, testing::MatchesRegex("unknown|[0-9a-f]{40}([+]changes)?"));
  EXPECT_GE(facts.threads, 1);
  EXPECT_FALSE(facts.hardware.empty());
}

}  // namespace
}  // namespace ufo::run
