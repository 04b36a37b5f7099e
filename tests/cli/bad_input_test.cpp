#include "bmp_image.h"
#include "process.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"
#include "tiny_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

/// A folder with a tiny config in it, in which the program runs.
class BadInput : public testing::Test {
 protected:
  BadInput() { folder.write("tiny.json", tiny_config()); }

  Outcome run(const std::vector<std::string>& arguments) { return run_program(arguments, folder.path()); }

  /// Expects exit code 2 and one line on standard error that has all of `parts`, and nothing new in the
  /// folder.
  void expect_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& parts) {
    const auto before = files();
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
    EXPECT_EQ(outcome.output, "");
    EXPECT_THAT(outcome.errors, testing::StartsWith("ufo-maml: "));
    for (const std::string& part : parts) {
      EXPECT_THAT(outcome.errors, HasSubstr(part));
    }
    EXPECT_EQ(files(), before);
  }

  /// The same for training the tiny config, or another command on it, with some --set.
  void expect_set_refused(const std::vector<std::string>& assignments, const std::vector<std::string>& parts,
                          const std::string& command = "train") {
    std::vector<std::string> arguments = {command, "tiny.json"};
    for (const std::string& assignment : assignments) {
      arguments.insert(arguments.end(), {"--set", assignment});
    }
    expect_refused(arguments, parts);
  }

  /// Writes four images of each class into the folder set.
  void write_classes(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      for (int i = 0; i < 4; ++i) {
        folder.write("set/" + name + "/" + std::to_string(i) + ".bmp", bmp_image(name[0] * 7 + 9 * i, 5));
      }
    }
  }

  static std::string own_config() {
    return R"({"dataset": {"name": "image_folder", "root": "set", "image_size": 32},
               "episode": {"ways": 2, "shots": 1, "queries": 1}, "model": {"filters": 4},
               "outer": {"meta_batch": 2, "steps": 2}, "evaluation": {"queries": 1, "tasks": 4}})";
  }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
      names.push_back(entry.path());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryFolder folder;
};

TEST_F(BadInput, NoSubcommand) {
  expect_refused({}, {"--help"});
  expect_refused({"trian", "tiny.json"}, {"there is no subcommand trian; need one of train, evaluate"});
  expect_refused({"train"}, {"CONFIG is required", "ufo-maml train --help"});
  expect_refused({"train", "tiny.json", "--sett", "x=1"}, {"--sett"});
  expect_refused({"data", "preview"}, {"CONFIG is required", "ufo-maml data preview --help"});
}

TEST_F(BadInput, MissingConfig) {
  expect_refused({"train", "none.json"}, {"cannot read none.json: No such file"});
}

TEST_F(BadInput, MissingData) { expect_set_refused({"dataset.root=no/such/folder"}, {"no/such/folder"}); }

TEST_F(BadInput, TruncatedArchive) {
  const fs::path omniglot = source_path("data/omniglot");
  const std::string archive = read_file(omniglot / "images_evaluation.zip");
  folder.write("cut/images_evaluation.zip", archive.substr(0, archive.size() / 2));
  fs::create_symlink(omniglot / "images_background.zip", folder / "cut/images_background.zip");
  expect_set_refused({"dataset.root=cut"}, {"images_evaluation.zip"});
}

TEST_F(BadInput, ClassWithNineteenDrawings) {
  // Drawings are counted before one is decoded, so that these need no content.
  for (int drawing = 1; drawing <= 19; ++drawing) {
    char name[96];
    std::snprintf(name, sizeof name, "few/images_background/Greek/character01/0001_%02d.png", drawing);
    folder.write(name, "");
  }
  fs::create_directories(folder / "few/images_evaluation");
  expect_set_refused({"dataset.root=few"}, {"need 20", "19", "Greek/character01"});
}

TEST_F(BadInput, SplitOfAnotherDataset) {
  expect_set_refused({"dataset.name=mini_imagenet", "dataset.split=vinyals"},
                     {"dataset.split of mini_imagenet: need one of ravi, got \"vinyals\""});
}

TEST_F(BadInput, MiniImagenetWithoutListsOrImages) {
  const std::vector<std::string> mini = {"dataset.name=mini_imagenet", "dataset.root=mini_of_this_test"};
  expect_set_refused(
      mini, {"mini_imagenet: need a folder or an archive of images, found none at", "mini_of_this_test"});
  folder.write("mini_of_this_test/train.csv", "filename,label\nx.jpg,n01\n");
  expect_set_refused(mini, {"mini_imagenet: need train.csv, val.csv and test.csv, found no val.csv in"});
  folder.write("mini_of_this_test/val.csv", "filename,label\n");
  folder.write("mini_of_this_test/test.csv", "image,label\n");
  expect_set_refused(mini, {"test.csv: need the header filename,label, got \"image,label\""});
  folder.write("mini_of_this_test/test.csv", "filename,label\n");
  expect_set_refused(mini, {"mini_imagenet: need 64 classes in train.csv, got 1"});
}

TEST_F(BadInput, ImageFolderWithAClassOfTooFewImages) {
  const TemporaryFolder cache;
  ::setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    for (int i = 0; i < (*name == 'c' ? 2 : 6); ++i) {
      folder.write(std::string("set/") + name + "/" + std::to_string(i) + ".bmp", bmp_image(*name * 10 + i));
    }
  }
  expect_set_refused(
      {"dataset.name=image_folder", "dataset.root=set", "dataset.split_seed=3",
       "dataset.validation_fraction=0", "dataset.test_fraction=0", "dataset.image_size=8", "model.blocks=2"},
      {"need at least 3 images a class (shots 1 + queries 2), class c has 2"});
  ::unsetenv("XDG_CACHE_HOME");
}

TEST_F(BadInput, AnInstructionSetThatTheProcessorLacks) {
  ::setenv("UFO_CPU", "avx1024", 1);
  expect_set_refused({},
                     {"UFO_CPU: need an instruction set of this processor (", "baseline), got 'avx1024'"});
  expect_refused({"--version"}, {"UFO_CPU: need an instruction set of this processor ("});
  ::unsetenv("UFO_CPU");
}

TEST_F(BadInput, VerifyingNamesEachBrokenImage) {
  folder.write("set/a/0.bmp", bmp_image(1));
  folder.write("set/a/1.bmp", bmp_image(2).substr(0, 150));
  folder.write("set/b/0.bmp", "no image");
  folder.write("set.json", R"({"dataset": {"name": "image_folder", "root": "set"}})");
  const Outcome outcome = run({"data", "verify", "set.json"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(
      outcome.output,
      AllOf(HasSubstr("need an image, cannot decode set/a/1.bmp: it ends before its image does\n"),
            HasSubstr("need an image, cannot decode set/b/0.bmp: its content is of no known format\n"),
            HasSubstr("1 of 3 images have 8x8 pixels and are enlarged to 84x84\n")));
  EXPECT_EQ(outcome.errors, "ufo-maml: need whole images, found 2 broken in " +
                                (fs::weakly_canonical(folder.path()) / "set").string() + "\n");
}

TEST_F(BadInput, MoreWaysThanClasses) { expect_set_refused({"episode.ways=2000"}, {"2000", "classes"}); }

TEST_F(BadInput, MoreShotsAndQueriesThanDrawings) {
  expect_set_refused({"episode.shots=15", "episode.queries=6"}, {"20"});
  expect_set_refused({"evaluation.queries=20"}, {"20"});
}

TEST_F(BadInput, UnknownKeyWrongTypeAndRange) {
  expect_set_refused({"inner.step=3"}, {"unknown key inner.step", "did you mean inner.steps?"});
  expect_set_refused({"episode.ways=five"}, {"episode.ways", "need an integer", "\"five\""});
  expect_set_refused({"meta_gradient.q=0"}, {"meta_gradient.q", "need above 0 and at most 1, got 0"});
  expect_set_refused({"meta_gradient.q=1.01"}, {"meta_gradient.q", "got 1.01"});
}

TEST_F(BadInput, AConfigWhosePartsDoNotGoTogetherIsRefusedWithoutItsData) {
  const auto expect_config_refused = [&](std::vector<std::string> assignments,
                                         const std::vector<std::string>& parts) {
    assignments.emplace_back("dataset.root=no/such/folder");
    expect_set_refused(assignments, parts, "config");
  };
  expect_config_refused({"inner.optimizer=adam"},
                        {"inner.optimizer: need gradient_descent, got adam", "ufo"});
  expect_config_refused({"inner.batch=2"}, {"inner.batch: need 0, got 2"});
  expect_config_refused({"meta_gradient.base=9"}, {"meta_gradient.base: need at most 4", "got 9"});
  expect_config_refused({"model.batch_norm=per_step", "inner.steps=2", "meta_gradient.estimator=reptile"},
                        {"model.batch_norm: need batch or support for reptile"});
  expect_config_refused({"model.downsampling=max_pool", "model.blocks=5"}, {"model.blocks: images of 28x28"});
  expect_config_refused({"evaluation.ways=7"}, {"evaluation.ways: need the 5 of episode.ways", "got 7"});
}

TEST_F(BadInput, ASweepWithAConfigThatCannotBeTrained) {
  expect_refused({"benchmark", "tiny.json", "--sweep", "inner.optimizer=gradient_descent,adam"},
                 {"inner.optimizer: need gradient_descent, got adam"});
}

TEST_F(BadInput, DeviceThatIsNotThere) {
  expect_refused({"train", "tiny.json", "--device", "tpu"}, {"need auto, cpu, cuda or cuda:N, got \"tpu\""});
  expect_refused({"train", "tiny.json", "--device", "cuda:99"}, {"cuda"});
}

TEST_F(BadInput, UnwritableRunDirectory) {
  // A path below a file cannot be made, not even by root.
  expect_refused({"train", "tiny.json", "--run-dir", "tiny.json/run"},
                 {"run directory: cannot make the folder tiny.json"});
  expect_refused({"train", "tiny.json", "--run-dir", "/proc/run"}, {"/proc/run"});
}

TEST_F(BadInput, UnwritableOutput) {
  expect_refused({"gradient", "tiny.json", "--output", "tiny.json/gradient"}, {"tiny.json/gradient"});
  expect_refused({"data", "preview", "tiny.json", "--output", "tiny.json/a.png"}, {"tiny.json/a.png"});
}

TEST_F(BadInput, SplitsWithoutTheClassesOfAnEpisode) {
  write_classes({"cat", "dog"});
  folder.write("own.json", own_config());
  expect_refused({"train", "own.json"}, {"need at least 2 classes (ways), split validation has 0",
                                         "validation.every=0 does without", "dataset.validation_fraction"});
  expect_refused({"train", "own.json", "--set", "episode.ways=3"}, {"split train has 2"});
  expect_refused({"data", "summary", "own.json", "--set", R"(dataset.root="set\u0000/x")"},
                 {"dataset.root: need a path, got one with a zero byte"});
}

TEST_F(BadInput, DataThatChangedUnderARun) {
  write_classes({"ant", "bee", "cat", "dog"});
  folder.write("own.json", own_config());
  const std::vector<std::string> train = {"train", "own.json",
                                          "--set", "validation.every=0",
                                          "--set", "dataset.validation_fraction=0",
                                          "--set", "dataset.test_fraction=0.5"};
  const Outcome done = run(train);
  ASSERT_EQ(done.exit_code, 0) << done.errors;
  write_classes({"elk"});
  std::vector<std::string> resume = train;
  resume.push_back("--resume");
  expect_refused(resume, {"need the data that runs/own was trained on", "(elk)"});
  expect_refused({"evaluate", "runs/own"}, {"need the data that runs/own was trained on", "(elk)"});
}

TEST_F(BadInput, NoRunToEvaluateOrToTabulate) {
  expect_refused({"evaluate", "nowhere"}, {"nowhere"});
  expect_refused({"table", "nowhere"}, {"nowhere"});
}

TEST_F(BadInput, WhatARunRefuses) {
  ASSERT_EQ(run({"train", "tiny.json"}).exit_code, 0);
  const std::string run_directory = "runs/tiny";
  expect_refused({"train", "tiny.json"}, {"runs/tiny", "already holds a run", "--resume"});
  expect_refused({"train", "tiny.json", "--resume", "--set", "inner.steps=2"},
                 {"another config", "inner.steps: was 1, is now 2"});
  expect_refused({"table", run_directory}, {"not evaluated yet", "ufo-maml evaluate runs/tiny"});
  expect_refused({"evaluate", run_directory, "--checkpoint", "none.safetensors"}, {"none.safetensors"});
  expect_refused({"evaluate", run_directory, "--split", "exam"}, {"exam"});
  expect_refused({"evaluate", run_directory, "--tasks", "1"}, {"--tasks"});

  const fs::path checkpoint = folder / "runs/tiny/checkpoints/last.safetensors";
  expect_refused(
      {"gradient", "tiny.json", "--output", "g", "--checkpoint", checkpoint, "--set", "model.filters=8"},
      {"blocks.0.conv.weight", "last.safetensors"});
  const std::string bytes = read_file(checkpoint);
  folder.write("cut.safetensors", bytes.substr(0, bytes.size() - 7));
  expect_refused({"evaluate", run_directory, "--checkpoint", "cut.safetensors"}, {"cut.safetensors"});
}

}  // namespace
}  // namespace ufo::cli
