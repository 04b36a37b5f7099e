#include "safetensors_format.h"

#include <algorithm>

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

void save_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, tensor] : file.tensors) {
    kind_name(tensor.scalar_type(), name);
    tensors.emplace_back(name, tensor.detach().cpu().contiguous());
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return a.second.itemsize() > b.second.itemsize(); });

  nlohmann::ordered_json header{{"__metadata__", nullptr}};
  std::vector<std::span<const std::byte>> parts(2);
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + tensor.nbytes();
    header[name] = {{"dtype", kind_name(tensor.scalar_type(), name)},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
    parts.push_back(bytes_of(tensor));
  }
  nlohmann::json metadata = file.metadata;
  header["__metadata__"] = metadata;
  metadata[kChecksumKey] = safetensors_checksum(nlohmann::json(header), std::span(parts).subspan(2));
  header["__metadata__"] = metadata;

  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  parts[0] = std::as_bytes(std::span(&length, 1));
  parts[1] = std::as_bytes(std::span(text));
  write_file_atomically(path, parts);
}

}  // namespace ufo
