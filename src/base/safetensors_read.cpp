#include "base/json.h"
#include "safetensors_format.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/mapped_file.h>
#include <ufo/base/safetensors.h>

namespace ufo {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kLargestHeader = 100'000'000;  // the limit of the reference implementation

/// A safetensors file as it is read: the path for messages, and the bytes.
struct Source {
  const std::filesystem::path& path;
  std::span<const std::byte> bytes;

  [[noreturn]] void fail(const std::string& what) const { throw DataError(path.string() + ": " + what); }
};

/// One tensor's line of the header.
struct Slot {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin, end;
};

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  const Source source{path, {}};
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream) {
    source.fail(std::filesystem::exists(path) ? "cannot read the file" : "no such file");
  }
  std::vector<std::byte> bytes(size);
  if (!stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    source.fail("cannot read the file");
  }
  return bytes;
}

/// The header's length, checked against the file's.
uint64_t header_length(const Source& source) {
  uint64_t length = 0;
  if (source.bytes.size() < sizeof length) {
    source.fail("need a safetensors file, got " + std::to_string(source.bytes.size()) + " bytes");
  }
  std::memcpy(&length, source.bytes.data(), sizeof length);
  if (length > kLargestHeader || length > source.bytes.size() - sizeof length) {
    source.fail("need a safetensors file, or it was cut short: its header claims " + std::to_string(length) +
                " bytes, the file has " + std::to_string(source.bytes.size()));
  }
  return length;
}

Json parse_header(const Source& source, std::string_view text) {
  try {
    if (Json header = parse_json(text); header.is_object()) {
      return header;
    }
  } catch (const JsonFault& fault) {
    source.fail("need a safetensors file; its header: " + std::string(fault.what()));
  }
  source.fail("need a safetensors file; its header is no JSON object");
}

std::optional<uint64_t> as_size(const Json& value) {
  if (!value.is_number_unsigned()) {
    return std::nullopt;
  }
  return value.get<uint64_t>();
}

/// The number of bytes of a tensor of this kind, or nothing where it does not fit 63 bits, or the strides of
/// an empty one do not.
std::optional<uint64_t> byte_count(const std::vector<int64_t>& shape, at::ScalarType type) {
  uint64_t count = c10::elementSize(type);
  for (int64_t extent : shape) {
    const auto factor = static_cast<uint64_t>(std::max<int64_t>(extent, 1));
    if (__builtin_mul_overflow(count, factor, &count) || count >> 63) {
      return std::nullopt;
    }
  }
  return std::find(shape.begin(), shape.end(), 0) != shape.end() ? 0 : count;
}

Slot parse_slot(const Source& source, const std::string& name, const Json& value) {
  const auto fail = [&](const std::string& what) { source.fail("tensor \"" + name + "\": " + what); };
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    fail("need an object with dtype, shape and data_offsets");
  }
  Slot slot{.name = name, .type = at::kFloat, .shape = {}, .begin = 0, .end = 0};
  const Json& dtype = value["dtype"];
  const auto kind = std::find_if(kTensorKinds.begin(), kTensorKinds.end(),
                                 [&](const TensorKind& k) { return dtype == k.name; });
  if (kind == kTensorKinds.end()) {
    fail("need dtype F64, I64, F32, I32 or U8, got " +
         dtype.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  slot.type = kind->type;
  const Json& shape = value["shape"];
  const Json& offsets = value["data_offsets"];
  if (!shape.is_array() || shape.size() > 64) {
    fail("need a shape of at most 64 sizes");
  }
  for (const Json& extent : shape) {
    const auto size = as_size(extent);
    if (!size || *size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      fail("need a shape of sizes from 0");
    }
    slot.shape.push_back(static_cast<int64_t>(*size));
  }
  const auto begin = offsets.is_array() && offsets.size() == 2 ? as_size(offsets[0]) : std::nullopt;
  const auto end = begin ? as_size(offsets[1]) : std::nullopt;
  if (!end || *end < *begin) {
    fail("need data_offsets of two sizes, the first not above the second");
  }
  slot.begin = *begin;
  slot.end = *end;
  if (byte_count(slot.shape, slot.type) != slot.end - slot.begin) {
    fail("its shape and dtype need another number of bytes than the " +
         std::to_string(slot.end - slot.begin) + " that its data_offsets span");
  }
  return slot;
}

std::map<std::string, std::string> parse_metadata(const Source& source, const Json& value) {
  if (!value.is_object()) {
    source.fail("need __metadata__ to be an object of strings");
  }
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      source.fail("need __metadata__ to be an object of strings; \"" + key + "\" is none");
    }
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

/// The slots must cover the payload without gap or overlap, as the format demands.
void check_coverage(const Source& source, std::vector<Slot>& slots, uint64_t payload_size) {
  std::stable_sort(slots.begin(), slots.end(), [](const Slot& a, const Slot& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t reached = 0;
  for (const Slot& slot : slots) {
    if (slot.begin != reached || slot.end > payload_size) {
      source.fail("tensor \"" + slot.name + "\": need its data at byte " + std::to_string(reached) + " of " +
                  std::to_string(payload_size) + ", got [" + std::to_string(slot.begin) + ", " +
                  std::to_string(slot.end) + "): the file is damaged or was cut short");
    }
    reached = slot.end;
  }
  if (reached != payload_size) {
    source.fail("need " + std::to_string(reached) + " bytes of tensors, got " + std::to_string(payload_size));
  }
}

/// Gives each tensor's slot and data to `make`, after everything was checked; the checksum where it is asked
/// for.
TensorFile parse(const Source& source, bool check_sum,
                 const std::function<at::Tensor(const Slot& slot, const std::byte* data)>& make) {
  const uint64_t length = header_length(source);
  const std::span<const std::byte> payload = source.bytes.subspan(sizeof length + length);
  const char* text = reinterpret_cast<const char*>(source.bytes.data()) + sizeof length;
  const Json header = parse_header(source, {text, length});

  TensorFile file;
  std::vector<Slot> slots;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      file.metadata = parse_metadata(source, value);
    } else {
      slots.push_back(parse_slot(source, name, value));
    }
  }
  check_coverage(source, slots, payload.size());
  const auto expected = file.metadata.extract(kChecksumKey);
  if (!expected.empty() && check_sum) {
    const std::string found = safetensors_checksum(header, std::span(&payload, 1));
    if (found != expected.mapped()) {
      source.fail("damaged: need the checksum " + expected.mapped() + ", got " + found);
    }
  }
  for (const Slot& slot : slots) {
    file.tensors[slot.name] = make(slot, payload.data() + slot.begin);
  }
  return file;
}

at::Tensor copy(const Slot& slot, const std::byte* data) {
  at::Tensor tensor = at::empty(slot.shape, slot.type);
  if (slot.end > slot.begin) {
    std::memcpy(tensor.mutable_data_ptr(), data, slot.end - slot.begin);
  }
  return tensor;
}

}  // namespace

TensorFile load_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_file(path), path);
}

TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::filesystem::path& origin) {
  return parse({origin, bytes}, true, &copy);
}

TensorFile map_safetensors(const std::filesystem::path& path, size_t most_checked) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const Source source{path, file ? std::span(file->data(), file->size()) : std::span<const std::byte>()};
  if (!file) {
    source.fail(std::filesystem::exists(path) ? "cannot read the file" : "no such file");
  }
  return parse(source, file->size() <= most_checked, [&](const Slot& slot, const std::byte* data) {
    if (slot.begin == slot.end || reinterpret_cast<uintptr_t>(data) % c10::elementSize(slot.type) != 0) {
      return copy(slot, data);  // of another writer, who did not align it
    }
    return at::from_blob(
        const_cast<std::byte*>(data), slot.shape, [file](void*) mutable { file.reset(); }, slot.type);
  });
}

}  // namespace ufo
