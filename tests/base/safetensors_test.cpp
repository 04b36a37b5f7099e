#include "support/temporary_folder.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <ufo/base/error.h>
#include <ufo/base/safetensors.h>

namespace ufo {
namespace {

using nlohmann::json;

class Safetensors : public testing::Test {
 protected:
  std::filesystem::path path() const { return folder_.path() / "a.safetensors"; }

  static TensorFile example() {
    return {.tensors = {{"bytes", at::tensor({1, 2, 255}, at::kByte)},
                        {"empty", at::empty({0, 3}, at::kFloat)},
                        {"float", at::tensor({1.5f, -0.0f, 1e-45f})},
                        {"double", at::arange(6, at::kDouble).reshape({2, 3}).t()},
                        {"long", at::tensor({int64_t{-1}, int64_t{1} << 60}, at::kLong)},
                        {"scalar", at::scalar_tensor(3.25, at::kFloat)}},
            .metadata = {{"note", "a \"quoted\" line\nand \u00e9"}}};
  }

  /// What load_safetensors says of a file of these bytes.
  std::string complaint(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary) << bytes;
    try {
      load_safetensors(path());
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }

  std::string with_header(const json& header, size_t payload) const {
    const std::string text = header.dump();
    const uint64_t length = text.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    return bytes + text + std::string(payload, '\1');
  }

  static json slot(const json& dtype, const json& shape, uint64_t begin, uint64_t end) {
    return {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, end}}};
  }

  TemporaryFolder folder_;
};

TEST_F(Safetensors, RoundTrip) {
  const TensorFile file = example();
  save_safetensors(path(), file);
  const TensorFile back = load_safetensors(path());
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    ASSERT_TRUE(back.tensors.contains(name)) << name;
    EXPECT_EQ(back.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(back.tensors.at(name).equal(tensor)) << name;
  }
}

TEST_F(Safetensors, IsDeterministicAlignedAndInTheReferenceOrder) {
  save_safetensors(path(), example());
  const std::string first = read_file(path());
  save_safetensors(path(), example());
  EXPECT_EQ(read_file(path()), first);
  uint64_t length = 0;
  std::memcpy(&length, first.data(), sizeof length);
  EXPECT_EQ(length % 8, 0u);
  const auto header = nlohmann::ordered_json::parse(first.substr(8, length));
  std::vector<std::string> names;
  for (const auto& [name, value] : header.items()) {
    names.push_back(name);
  }
  EXPECT_THAT(names,
              testing::ElementsAre("__metadata__", "double", "long", "empty", "float", "scalar", "bytes"));
}

TEST_F(Safetensors, ReadsFilesWithoutChecksum) {
  EXPECT_EQ(complaint(with_header({{"x", slot("U8", {4}, 0, 4)}}, 4)), "");
}

TEST_F(Safetensors, EveryFlippedByteIsFound) {
  save_safetensors(path(), example());
  const std::string good = read_file(path());
  const size_t padding = good.find("  ");  // spaces after the header may become other white space
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    const bool blank = i >= padding && good[i] == ' ';
    // Where the name of the checksum itself is hit there is none to compare with, and nothing else is wrong.
    const size_t name = good.find("ufo_crc32");
    if (!blank && (i < name || i >= name + 9)) {
      EXPECT_THAT(complaint(bad), testing::StartsWith(path().string() + ": ")) << "byte " << i;
    }
  }
}

TEST_F(Safetensors, EveryTruncationIsFound) {
  save_safetensors(path(), example());
  const std::string good = read_file(path());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(complaint(good.substr(0, size)), testing::StartsWith(path().string() + ": ")) << size;
  }
  EXPECT_NE(complaint(good + "x"), "");
}

TEST_F(Safetensors, RefusesAnAbsurdHeaderLength) {
  for (uint64_t length : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{100}, uint64_t{1} << 40}) {
    const std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    EXPECT_THAT(complaint(bytes + "{}"), testing::HasSubstr("header claims " + std::to_string(length)));
  }
}

TEST_F(Safetensors, RefusesHostileSlots) {
  const uint64_t huge = uint64_t{1} << 62;
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"x", slot("U8", {4}, 0, 4)}, {"y", slot("U8", {4}, 2, 6)}}, "\"y\": need its data at byte 4"},
      {{{"x", slot("U8", {4}, 4, 8)}}, "need its data at byte 0"},
      {{{"x", slot("U8", {16}, 0, 16)}}, "of 8, got [0, 16)"},
      {{{"x", slot("BF16", {4}, 0, 8)}}, "need dtype F64, I64, F32, I32 or U8, got \"BF16\""},
      {{{"x", slot(7, {4}, 0, 8)}}, "got 7"},
      {{{"x", slot("U8", {-8}, 0, 8)}}, "need a shape of sizes"},
      {{{"x", slot("U8", {8.0}, 0, 8)}}, "need a shape of sizes"},
      {{{"x", slot("F32", {huge, 4, 4}, 0, 8)}}, "another number of bytes"},
      {{{"x", slot("F32", {0, huge, huge}, 0, 0)}}, "another number of bytes"},
      {{{"x", slot("F32", {3}, 0, 8)}}, "another number of bytes"},
      {{{"x", slot("U8", "abc", 0, 8)}}, "need a shape"},
      {{{"x", {{"dtype", "U8"}, {"shape", {8}}, {"data_offsets", {8, 0}}}}}, "need data_offsets"},
      {{{"x", {{"dtype", "U8"}, {"shape", {8}}, {"data_offsets", {0}}}}}, "need data_offsets"},
      {{{"x", 5}}, "need an object"},
      {{{"__metadata__", {{"a", 1}}}}, "\"a\" is none"},
      {{{"__metadata__", "text"}}, "object of strings"},
      {json::array({1}), "no JSON object"}};
  for (const auto& [header, expected] : cases) {
    EXPECT_THAT(complaint(with_header(header, 8)), testing::HasSubstr(expected)) << header;
  }
  EXPECT_THAT(complaint(with_header(json::object(), 8)),
              testing::HasSubstr("need 0 bytes of tensors, got 8"));
  const std::string nested = std::string(100000, '[');
  const uint64_t length = nested.size();
  EXPECT_THAT(complaint(std::string(reinterpret_cast<const char*>(&length), 8) + nested),
              testing::HasSubstr("need at most 64 levels"));
}

TEST_F(Safetensors, MapsWhatWasSaved) {
  save_safetensors(path(), example());
  TensorFile mapped = map_safetensors(path(), 1 << 20);
  const TensorFile loaded = load_safetensors(path());
  EXPECT_EQ(mapped.metadata, loaded.metadata);
  ASSERT_EQ(mapped.tensors.size(), loaded.tensors.size());
  for (const auto& [name, tensor] : loaded.tensors) {
    EXPECT_TRUE(mapped.tensors.at(name).equal(tensor)) << name;
    EXPECT_EQ(mapped.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
  }
  const at::Tensor bytes = mapped.tensors.at("bytes");
  mapped = {};
  std::filesystem::remove(path());
  EXPECT_TRUE(
      bytes.equal(at::tensor({1, 2, 255}, at::kByte)));  // the mapping lives as long as a tensor of it
}

TEST_F(Safetensors, ChecksWhatItMapsUpToASize) {
  save_safetensors(path(), example());
  std::string bytes = read_file(path());
  bytes.back() ^= 1;
  std::ofstream(path(), std::ios::binary) << bytes;
  EXPECT_THROW(map_safetensors(path(), bytes.size()), DataError);
  EXPECT_NO_THROW(map_safetensors(path(), bytes.size() - 1));
  std::ofstream(path(), std::ios::binary) << bytes.substr(0, bytes.size() - 1);
  EXPECT_THROW(map_safetensors(path(), 0), DataError);
}

TEST_F(Safetensors, FillsTensorsInTheFileAsIfTheyHadBeenSaved) {
  const TensorFile whole = example();
  save_safetensors(path(), whole);
  const std::string expected = read_file(path());
  std::vector<TensorPlan> plans;
  for (const auto& [name, tensor] : whole.tensors) {
    plans.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  }
  save_safetensors(path(), plans, whole.metadata, [&](const std::map<std::string, at::Tensor>& tensors) {
    for (const auto& [name, tensor] : tensors) {
      tensor.copy_(whole.tensors.at(name));
    }
  });
  EXPECT_EQ(read_file(path()), expected);
  const auto fail = [](const std::map<std::string, at::Tensor>&) { throw DataError("no images"); };
  EXPECT_THROW(save_safetensors(path(), plans, {}, fail), DataError);
  EXPECT_EQ(read_file(path()), expected);
}

TEST_F(Safetensors, NamesAMissingFileAndAFolder) {
  const auto complaint_of = [](const std::filesystem::path& path) -> std::string {
    try {
      load_safetensors(path);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(complaint_of(path()), path().string() + ": no such file");
  EXPECT_EQ(complaint_of(folder_.path()), folder_.path().string() + ": cannot read the file");
}

TEST_F(Safetensors, RefusesToSaveOtherTypes) {
  EXPECT_THROW(save_safetensors(path(), {.tensors = {{"x", at::zeros({1}, at::kHalf)}}}),
               std::invalid_argument);
}

}  // namespace
}  // namespace ufo
