#include "support/temporary_folder.h"

#include <cmath>
#include <functional>
#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/base/safetensors.h>
#include <ufo/run/adapted.h>

namespace ufo::run {
namespace {

using testing::HasSubstr;

class AdaptedFile : public testing::Test {
 protected:
  AdaptedFile() {
    adapted_.options.model.filters = 3;
    adapted_.options.evaluation.tasks = 77;
    adapted_.class_names = {"a cat", "b\"og"};
    adapted_.mean = {0.1F};
    adapted_.deviation = {1.0F / 3};
    adapted_.support_pixels = at::randint(0, 256, {2, 28, 28, 1}, at::kByte);
    adapted_.parameters = make_network(adapted_)->initial_parameters(1);
    save_adapted(path_, adapted_);
  }

  /// What load_adapted says of the file once `change` has been made.
  std::string refusal(const std::function<void(TensorFile&)>& change) const {
    TensorFile file = load_safetensors(path_);
    change(file);
    const auto changed = folder_ / "changed.safetensors";
    save_safetensors(changed, file);
    try {
      load_adapted(changed);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "adapted.safetensors";
  Adapted adapted_;
};

TEST_F(AdaptedFile, ComesBackAsItWasSaved) {
  const Adapted read = load_adapted(path_);
  EXPECT_EQ(read.options.model.filters, 3);
  EXPECT_EQ(read.options.evaluation.tasks, 77);
  EXPECT_EQ(read.class_names, adapted_.class_names);
  EXPECT_EQ(read.mean, adapted_.mean);
  EXPECT_EQ(read.deviation, adapted_.deviation);
  EXPECT_TRUE(at::equal(read.support_pixels, adapted_.support_pixels));
  EXPECT_TRUE(at::equal(read.parameters, adapted_.parameters));
}

TEST_F(AdaptedFile, IsRefusedWhereItsPartsDoNotFit) {
  EXPECT_EQ(refusal([](TensorFile&) {}), "");
  const auto with_metadata = [&](const char* key, const char* value) {
    return refusal([&](TensorFile& file) { file.metadata[key] = value; });
  };
  EXPECT_THAT(refusal([](TensorFile& file) { file.metadata.erase("format"); }),
              HasSubstr("has no \"format\""));
  EXPECT_THAT(with_metadata("config", "{\"wayz\": 1}"), HasSubstr("unknown key wayz"));
  EXPECT_THAT(with_metadata("config", "[[["), HasSubstr("changed.safetensors"));
  EXPECT_THAT(with_metadata("classes", "7"), HasSubstr("its \"classes\" is no list"));
  EXPECT_THAT(with_metadata("classes", R"(["b", "a"])"), HasSubstr("need at least 2 classes in order"));
  EXPECT_THAT(with_metadata("classes", R"(["a", "b", "c"])"), HasSubstr("head.weight: need Float [3, "));
  EXPECT_THAT(with_metadata("mean", "[1e39]"), HasSubstr("not finite"));
  EXPECT_THAT(with_metadata("mean", "[0, 0, 0]"), HasSubstr("support.pixels: need Byte [2, 28, 28, 3], got"));
  EXPECT_THAT(refusal([](TensorFile& file) { file.tensors.erase("support.pixels"); }),
              HasSubstr("it has no support images"));
  EXPECT_THAT(refusal([](TensorFile& file) {
                file.tensors["head.bias"][0] = std::numeric_limits<float>::quiet_NaN();
              }),
              HasSubstr("head.bias has numbers that are not finite"));
}

}  // namespace
}  // namespace ufo::run
