#include "support/temporary_folder.h"

#include <array>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/safetensors.h>
#include <ufo/nn/network.h>
#include <ufo/run/checkpoint.h>

namespace ufo::run {
namespace {

std::unique_ptr<nn::Network> small_network(int64_t filters, int64_t blocks = 2) {
  nn::ModelOptions options;
  options.name = "conv4";
  options.filters = filters;
  options.blocks = blocks;
  return nn::make_network(options, {.channels = 1, .height = 8, .width = 8, .ways = 3});
}

class CheckpointFile : public testing::Test {
 protected:
  std::filesystem::path path() const { return folder_.path() / "a.safetensors"; }

  Checkpoint example() const {
    const int64_t size = network_->layout().size();
    return {.parameters = at::rand({size}),
            .optimizer = {{"exp_avg", at::rand({size})}, {"step", at::scalar_tensor(7.0, at::kFloat)}},
            .step = 7,
            .best = {{.step = 4, .accuracy = 0.1 + 0.2}, {.step = 1, .accuracy = 0.25}},
            .estimator_state = {{"d2", 1e-300}, {"q", std::nextafter(0.1, 1)}},
            .config = "{\"seed\": 1}"};
  }

  std::string complaint(const nn::Layout& layout) const {
    try {
      load_checkpoint(path(), layout);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }

  std::unique_ptr<nn::Network> network_ = small_network(5);
  TemporaryFolder folder_;
};

TEST_F(CheckpointFile, RoundTripIsExact) {
  const Checkpoint saved = example();
  save_checkpoint(path(), saved, network_->layout());
  const Checkpoint loaded = load_checkpoint(path(), network_->layout());
  EXPECT_TRUE(loaded.parameters.equal(saved.parameters));
  ASSERT_EQ(loaded.optimizer.size(), 2u);
  EXPECT_TRUE(loaded.optimizer.at("exp_avg").equal(saved.optimizer.at("exp_avg")));
  EXPECT_TRUE(loaded.optimizer.at("step").equal(saved.optimizer.at("step")));
  EXPECT_EQ(loaded.step, 7);
  EXPECT_EQ(loaded.best, saved.best);
  EXPECT_EQ(loaded.estimator_state, saved.estimator_state);
  EXPECT_EQ(loaded.config, saved.config);
  EXPECT_EQ(checkpoint_config(path()), saved.config);
}

TEST_F(CheckpointFile, HasTheBytesThatGoToOtherProcesses) {
  const Checkpoint saved = example();
  save_checkpoint(path(), saved, network_->layout());
  const std::string bytes = to_bytes(saved, network_->layout());
  EXPECT_EQ(bytes, read_text_file(path()));
  EXPECT_EQ(to_bytes(parse_checkpoint(bytes, "here", network_->layout()), network_->layout()), bytes);
}

TEST_F(CheckpointFile, NamesTheOriginOfBytesThatAreDamaged) {
  std::string bytes = to_bytes(example(), network_->layout());
  bytes.pop_back();
  try {
    parse_checkpoint(bytes, "rank 0", network_->layout());
    FAIL() << "need a refusal";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("rank 0: "));
  }
}

TEST_F(CheckpointFile, HasNoBestValidationBeforeTheFirst) {
  Checkpoint checkpoint = example();
  checkpoint.best.clear();
  save_checkpoint(path(), checkpoint, network_->layout());
  EXPECT_TRUE(load_checkpoint(path(), network_->layout()).best.empty());
  TensorFile older = load_safetensors(path());
  older.metadata["best_accuracy"] = "nan";
  older.metadata["best_step"] = "0";
  save_safetensors(path(), older);
  EXPECT_TRUE(load_checkpoint(path(), network_->layout()).best.empty());
}

TEST_F(CheckpointFile, RefusesListsOfValidationsThatDoNotFit) {
  save_checkpoint(path(), example(), network_->layout());
  TensorFile file = load_safetensors(path());
  file.metadata["best_accuracy"] = "0.5";
  save_safetensors(path(), file);
  EXPECT_THAT(complaint(network_->layout()), testing::HasSubstr("\"best_step\", got 1 and 2"));
  file.metadata["best_accuracy"] = "0.5 most";
  save_safetensors(path(), file);
  EXPECT_THAT(complaint(network_->layout()), testing::HasSubstr("metadata \"best_accuracy\": need a number"));
}

TEST_F(CheckpointFile, HasPyTorchsNamesAndShapes) {
  save_checkpoint(path(), example(), network_->layout());
  const TensorFile file = load_safetensors(path());
  EXPECT_EQ(file.tensors.at("blocks.0.conv.weight").sizes(), (std::vector<int64_t>{5, 1, 3, 3}));
  EXPECT_EQ(file.tensors.at("optimizer.exp_avg.head.bias").sizes(), (std::vector<int64_t>{3}));
  EXPECT_EQ(file.tensors.at("optimizer.step").dim(), 0);
}

TEST_F(CheckpointFile, NamesTheFirstParameterOfAnotherModel) {
  save_checkpoint(path(), example(), network_->layout());
  EXPECT_EQ(complaint(small_network(6)->layout()),
            path().string() +
                ": a checkpoint of another model: blocks.0.conv.weight: need [6, 1, 3, 3], got "
                "[5, 1, 3, 3]");
  EXPECT_THAT(complaint(small_network(5, 3)->layout()),
              testing::HasSubstr("blocks.2.conv.weight: need [5, 5, 3, 3], got none"));
  EXPECT_THAT(complaint(small_network(5, 1)->layout()), testing::HasSubstr("another model: "));
}

TEST_F(CheckpointFile, TakesParametersAlone) {
  TensorFile file;
  for (const auto& entry : network_->layout().entries()) {
    file.tensors[entry.name] = at::ones(entry.shape, at::kDouble);
  }
  save_safetensors(path(), file);
  const Checkpoint loaded = load_checkpoint(path(), network_->layout());
  EXPECT_TRUE(loaded.parameters.equal(at::ones({network_->layout().size()})));
  EXPECT_EQ(loaded.step, 0);
  EXPECT_TRUE(loaded.optimizer.empty());
  EXPECT_THROW(checkpoint_config(path()), DataError);
}

TEST_F(CheckpointFile, RefusesTensorsThatAreNotFinite) {
  for (const char* name : {"blocks.0.conv.weight", "optimizer.exp_avg.head.bias", "optimizer.step"}) {
    save_checkpoint(path(), example(), network_->layout());
    TensorFile file = load_safetensors(path());
    file.tensors.at(name).view(-1)[0] = NAN;
    save_safetensors(path(), file);
    EXPECT_EQ(complaint(network_->layout()),
              path().string() + ": " + name + ": need finite numbers, got some that are not");
  }
}

TEST_F(CheckpointFile, RefusesNumbersOutOfRange) {
  for (const auto& [key, value, need] :
       {std::array{"step", "9223372036854775807", "need at least 0 and at most 9007199254740992"},
        {"step", "-1", "need at least 0 and at most 9007199254740992"},
        {"gradient_calls", "inf", "need at least 0"},
        {"best_accuracy", "0.5 1.5", "need at least 0 and at most 1"},
        {"best_step", "4 -1", "need at least 0 and at most 9007199254740992"},
        {"estimator.q", "nan", "need a finite number"}}) {
    save_checkpoint(path(), example(), network_->layout());
    TensorFile file = load_safetensors(path());
    file.metadata[key] = value;
    save_safetensors(path(), file);
    EXPECT_THAT(complaint(network_->layout()),
                testing::StartsWith(path().string() + ": metadata \"" + key + "\": " + need))
        << value;
  }
}

TEST_F(CheckpointFile, RefusesMetadataThatIsNoNumber) {
  save_checkpoint(path(), example(), network_->layout());
  TensorFile file = load_safetensors(path());
  file.metadata["step"] = "7x";
  save_safetensors(path(), file);
  EXPECT_EQ(complaint(network_->layout()),
            path().string() + ": metadata \"step\": need a number, got \"7x\"");
  file.metadata["step"] = "7";
  file.metadata["format"] = "ufo-maml checkpoint 9";
  save_safetensors(path(), file);
  EXPECT_THAT(complaint(network_->layout()), testing::HasSubstr("got \"ufo-maml checkpoint 9\""));
}

}  // namespace
}  // namespace ufo::run
