#include <gtest/gtest.h>

#include <ufo/base/device.h>

namespace ufo {
namespace {

using Kind = DeviceChoice::Kind;

TEST(DeviceChoice, IsReadFromItsWordAndWrittenAsIt) {
  const std::pair<const char*, DeviceChoice> words[] = {{"auto", {}},
                                                        {"cpu", {Kind::cpu}},
                                                        {"cuda", {Kind::cuda}},
                                                        {"cuda:0", {Kind::cuda, 0}},
                                                        {"cuda:127", {Kind::cuda, 127}}};
  for (const auto& [word, device] : words) {
    EXPECT_EQ(parse_device(word), device) << word;
    EXPECT_EQ(to_string(device), word);
  }
}

TEST(DeviceChoice, IsNoOtherWord) {
  for (const char* word : {"", "gpu", "CPU", "cpu ", "cpu:0", "cuda:", "cuda:x", "cuda:1x", "cuda:-1",
                           "cuda: 1", "cuda:1000", "auto:0"}) {
    EXPECT_EQ(parse_device(word), std::nullopt) << word;
  }
}

}  // namespace
}  // namespace ufo
