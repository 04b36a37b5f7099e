#include "safetensors_format.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>
#include <zlib.h>

#include <ufo/base/files.h>
#include <ufo/base/safetensors.h>

namespace ufo {
namespace {

const char* kind_name(at::ScalarType type, const std::string& tensor) {
  for (const TensorKind& kind : kTensorKinds) {
    if (kind.type == type) {
      return kind.name;
    }
  }
  throw std::invalid_argument("save_safetensors: " + tensor +
                              ": need one of float32, float64, int64, int32, uint8, got " +
                              c10::toString(type));
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

}  // namespace

std::string safetensors_checksum(nlohmann::json header, std::span<const std::span<const std::byte>> payload) {
  header["__metadata__"].erase(kChecksumKey);
  const std::string text = header.dump();
  uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size());
  for (const auto& part : payload) {
    if (!part.empty()) {  // zlib takes a null pointer for a request to begin anew
      crc = crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
    }
  }
  std::ostringstream hex;
  hex << std::hex << std::setw(8) << std::setfill('0') << crc;
  return hex.str();
}

namespace {

/// The header without a checksum, and where the tensors end.
nlohmann::ordered_json header_of(const std::vector<TensorPlan>& plans,
                                 const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header{{"__metadata__", metadata}};
  uint64_t offset = 0;
  for (const TensorPlan& plan : plans) {
    const uint64_t end =
        offset + static_cast<uint64_t>(c10::multiply_integers(plan.sizes)) * c10::elementSize(plan.type);
    header[plan.name] = {
        {"dtype", kind_name(plan.type, plan.name)}, {"shape", plan.sizes}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  return header;
}

/// The header's text with its checksum, filled up so that the tensors begin at a multiple of 8.
std::string header_text(nlohmann::ordered_json header, const std::string& checksum) {
  nlohmann::json metadata = header["__metadata__"];
  metadata[kChecksumKey] = checksum;
  header["__metadata__"] = metadata;
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

bool wider(at::ScalarType a, at::ScalarType b) { return c10::elementSize(a) > c10::elementSize(b); }

/// Gives the bytes of `file`, in parts, to `take`.
void write(const TensorFile& file,
           const std::function<void(const std::vector<std::span<const std::byte>>& parts)>& take) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, tensor] : file.tensors) {
    tensors.emplace_back(name, tensor.detach().cpu().contiguous());
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return wider(a.second.scalar_type(), b.second.scalar_type());
  });
  std::vector<TensorPlan> plans;
  std::vector<std::span<const std::byte>> parts(2);
  for (const auto& [name, tensor] : tensors) {
    plans.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
    parts.push_back(bytes_of(tensor));
  }
  const nlohmann::ordered_json header = header_of(plans, file.metadata);
  const std::string text =
      header_text(header, safetensors_checksum(nlohmann::json(header), std::span(parts).subspan(2)));
  const uint64_t length = text.size();
  parts[0] = std::as_bytes(std::span(&length, 1));
  parts[1] = std::as_bytes(std::span(text));
  take(parts);
}

}  // namespace

void save_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  write(file, [&](const auto& parts) { write_file_atomically(path, parts); });
}

std::string to_safetensors(const TensorFile& file) {
  std::string bytes;
  write(file, [&](const auto& parts) {
    for (const std::span<const std::byte> part : parts) {
      bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
  });
  return bytes;
}

void save_safetensors(const std::filesystem::path& path, const std::vector<TensorPlan>& unsorted,
                      const std::map<std::string, std::string>& metadata,
                      const std::function<void(const std::map<std::string, at::Tensor>& tensors)>& fill) {
  std::vector<TensorPlan> plans = unsorted;
  std::stable_sort(plans.begin(), plans.end(),
                   [](const TensorPlan& a, const TensorPlan& b) { return wider(a.type, b.type); });
  const nlohmann::ordered_json header = header_of(plans, metadata);
  const uint64_t length = header_text(header, std::string(8, '0')).size();
  const size_t start = sizeof length + length;
  size_t end = start;
  for (const TensorPlan& plan : plans) {
    end += static_cast<size_t>(c10::multiply_integers(plan.sizes)) * c10::elementSize(plan.type);
  }
  write_file_atomically(path, end, [&](std::span<std::byte> content) {
    std::map<std::string, at::Tensor> tensors;
    size_t at = start;
    for (const TensorPlan& plan : plans) {
      tensors[plan.name] = at::from_blob(content.data() + at, plan.sizes, plan.type);
      at += tensors[plan.name].nbytes();
    }
    fill(tensors);
    const std::span<const std::byte> payload = content.subspan(start);
    const std::string text =
        header_text(header, safetensors_checksum(nlohmann::json(header), std::span(&payload, 1)));
    std::memcpy(content.data(), &length, sizeof length);
    std::memcpy(content.data() + sizeof length, text.data(), text.size());
  });
}

}  // namespace ufo
