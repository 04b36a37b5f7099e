#include "support/temporary_folder.h"

#include <bit>
#include <cstring>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/run/tensorboard.h>

namespace ufo::run {
namespace {

namespace fs = std::filesystem;

template <class Number>
Number number_at(const std::string& bytes, size_t offset) {
  Number value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

uint32_t unmask(uint32_t masked) { return std::rotl(masked - 0xA282EAD8u, 15); }

/// The records of a TFRecord file, each checksum checked.
std::vector<std::string> records(const fs::path& path) {
  const std::string bytes = read_file(path);
  std::vector<std::string> found;
  for (size_t at = 0; at < bytes.size();) {
    const auto length = number_at<uint64_t>(bytes, at);
    EXPECT_EQ(unmask(number_at<uint32_t>(bytes, at + 8)), crc32c(bytes.substr(at, 8)));
    found.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(unmask(number_at<uint32_t>(bytes, at + 12 + length)), crc32c(found.back()));
    at += 16 + length;
  }
  return found;
}

std::vector<fs::path> event_files(const fs::path& folder) {
  const std::set<fs::path> sorted{fs::directory_iterator(folder), {}};
  return {sorted.begin(), sorted.end()};
}

TEST(Crc32c, GivesTheValuesOfRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
}

TEST(TensorBoardSink, WritesFramedEvents) {
  const TemporaryFolder folder;
  {
    TensorBoardSink sink(folder.path(), 0, 2);
    for (int64_t step = 1; step <= 4; ++step) {
      sink.record({.step = step, .loss = 0.5, .accuracy = 0.25});
    }
    sink.record({.step = 300, .split = data::Split::validation, .loss = 1, .accuracy = 0.25});
  }
  const auto files = event_files(folder.path());
  ASSERT_EQ(files.size(), 1u);
  const auto events = records(files[0]);
  ASSERT_EQ(events.size(), 4u);  // the version, steps 2 and 4, the validation
  EXPECT_THAT(events[0], testing::EndsWith("\x1A\x0D"
                                           "brain.Event:2"));
  EXPECT_THAT(events[1], testing::HasSubstr("train/loss"));
  EXPECT_EQ(events[1].substr(9, 2), "\x10\x02");      // step 2
  EXPECT_EQ(events[3].substr(9, 3), "\x10\xAC\x02");  // step 300 as a varint
  // Summary.Value of a tag of 19 letters and simple_value 0.25.
  EXPECT_THAT(events[3],
              testing::HasSubstr(std::string("\x0A\x1A\x0A\x13validation/accuracy\x15\0\0\x80\x3E", 28)));
}

TEST(TensorBoardSink, AResumedRunVoidsWhatCameLater) {
  const TemporaryFolder folder;
  { TensorBoardSink sink(folder.path(), 0, 1); }
  { TensorBoardSink sink(folder.path(), 7, 1); }
  const auto files = event_files(folder.path());
  ASSERT_EQ(files.size(), 2u);
  const auto events = records(files[1]);  // the later file has the later name
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].substr(9),
            std::string("\x10\x08\x3A\x02\x08\x01", 6));  // step 8, session_log {status: START}
}

}  // namespace
}  // namespace ufo::run
