#include <array>
#include <bit>
#include <chrono>
#include <cstring>

#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/run/metric_names.h>
#include <ufo/run/tensorboard.h>

namespace ufo::run {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

template <class Number>
std::string raw(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// A TFRecord's checksum is rotated and shifted, since one of data that hold checksums themselves would be
/// weak.
std::string masked_crc(std::string_view bytes) {
  return raw<uint32_t>(std::rotr(crc32c(bytes), 15) + 0xA282EAD8u);
}

// Protocol buffers' wire format: a key of field number and wire type, then the value.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes += static_cast<char>(value | 0x80);
  }
  return bytes + static_cast<char>(value);
}
std::string integer_field(int field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string double_field(int field, double value) { return varint(field << 3 | 1) + raw(value); }
std::string float_field(int field, float value) { return varint(field << 3 | 5) + raw(value); }
std::string bytes_field(int field, std::string_view value) {
  return varint(field << 3 | 2) + varint(value.size()) + std::string(value);
}

/// The fields of tensorflow.Event that every event has: wall_time = 1, step = 2.
std::string event(int64_t step) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return double_field(1, now) + integer_field(2, static_cast<uint64_t>(step));
}

/// Event.summary = 5, a tensorflow.Summary whose values (1) have tag = 1 and simple_value = 2.
std::string summary_value(std::string_view tag, double value) {
  return bytes_field(1, bytes_field(1, tag) + float_field(2, static_cast<float>(value)));
}

/// TensorBoard reads the files of a folder in the order of their names, which begin with a time in seconds.
std::filesystem::path next_event_file(const std::filesystem::path& folder) {
  constexpr std::string_view kPrefix = "events.out.tfevents.";
  long long seconds = static_cast<long long>(std::time(nullptr));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix)) {
      seconds = std::max(seconds, std::atoll(name.c_str() + kPrefix.size()) + 1);
    }
  }
  if (error) {
    throw UserError(folder.string() + ": cannot read: " + error.message());
  }
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') {
    std::strcpy(host.data(), "localhost");
  }
  return folder / (std::string(kPrefix) + std::to_string(seconds) + "." + host.data() + "." +
                   std::to_string(::getpid()));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (unsigned char byte : bytes) {
    crc = kCrcTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

TensorBoardSink::TensorBoardSink(const std::filesystem::path& folder, int64_t first_step, int64_t every)
    : every_(every), file_(next_event_file(folder)) {
  write(event(0) + bytes_field(3, "brain.Event:2"));  // Event.file_version
  if (first_step > 0) {
    // Event.session_log = 7 with status (1) START (1): events from this step on in earlier files are void.
    write(event(first_step + 1) + bytes_field(7, integer_field(1, 1)));
  }
}

void TensorBoardSink::record(const MetricRecord& record) {
  const bool training = record.split == data::Split::train;
  if (training && record.step % every_ != 0) {
    return;
  }
  const std::string split = data::kSplitNames[static_cast<size_t>(record.split)];
  std::string values;
  const auto add = [&](const std::string& group, const char* name, double value) {
    values += summary_value(group + "/" + name, value);
  };
  add(split, metric::kLoss, record.loss);
  add(split, metric::kAccuracy, record.accuracy);
  if (training) {
    add(split, metric::kGradientNorm, record.gradient_norm);
    add(split, metric::kTasksPerSecond, record.tasks_per_second);
  }
  if (record.coins) {
    add("ufo", metric::kProbability, record.coins->probability);
    if (record.coins->means && std::isfinite(record.coins->means->bias_squared)) {
      add("ufo", metric::kBiasSquaredMean, record.coins->means->bias_squared);
      add("ufo", metric::kNormSquaredMean, record.coins->means->norm_squared);
    }
  }
  write(event(record.step) + bytes_field(5, values));
}

/// A TFRecord: length, its checksum, the bytes, their checksum.
void TensorBoardSink::write(std::string_view event) {
  const std::string length = raw<uint64_t>(event.size());
  file_.append(length + masked_crc(length) + std::string(event) + masked_crc(event));
}

}  // namespace ufo::run
