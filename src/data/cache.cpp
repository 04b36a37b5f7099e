#include "cache.h"

#include "checksum.h"
#include "mapped_file.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <span>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

// The file: a Header; class_offsets; the key's content; the class names, each ended by a newline; zeros up to
// a multiple of kAlignment; the pixels.
constexpr std::array<char, 8> kMagic = {'U', 'F', 'O', 'I', 'M', 'G', 'S', '\n'};
constexpr uint32_t kVersion = 1;
constexpr int64_t kAlignment = 64;

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kVersion;
  uint32_t checksum = 0;  // of the whole file with this field zero
  int64_t images = 0, height = 0, width = 0, channels = 0;
  int64_t classes = 0, key_bytes = 0, name_bytes = 0;
};
static_assert(sizeof(Header) == 72 && std::is_trivially_copyable_v<Header>);

/// Where the parts of a file lie, in bytes from its beginning.
struct Layout {
  int64_t offsets, key, names, pixels, end;

  explicit Layout(const Header& header)
      : offsets(sizeof(Header)),
        key(offsets + (header.classes + 1) * static_cast<int64_t>(sizeof(int64_t))),
        names(key + header.key_bytes),
        pixels((names + header.name_bytes + kAlignment - 1) / kAlignment * kAlignment),
        end(pixels + header.images * header.height * header.width * header.channels) {}
};

/// False where the sizes are no sizes, so that nothing is computed from them; the checksum finds all else.
bool plausible(const Header& header, size_t file_size) {
  const int64_t limit = static_cast<int64_t>(file_size);
  for (int64_t size : {header.images, header.classes, header.key_bytes, header.name_bytes}) {
    if (size < 0 || size > limit) {
      return false;
    }
  }
  for (int64_t size : {header.height, header.width, header.channels}) {
    if (size < 1 || size > (1 << 14)) {
      return false;
    }
  }
  const double pixels = static_cast<double>(header.images) * static_cast<double>(header.height) *
                        static_cast<double>(header.width) * static_cast<double>(header.channels);
  return pixels <= static_cast<double>(limit) && Layout(header).end == limit;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

fs::path cache_path(const CacheKey& key) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache != nullptr &&
      fs::path(cache).is_absolute()) {  // others are to be ignored, says the XDG specification
    folder = cache;
  } else if (home != nullptr && *home != '\0') {
    folder = fs::path(home) / ".cache";
  } else {
    return {};
  }
  Checksum checksum;
  checksum.add(key.content.data(), key.content.size());
  return folder / "ufo-maml" / (key.name + "-" + checksum.text() + ".images");
}

std::optional<ImageSet> read_cache(const fs::path& path, const CacheKey& key) {
  std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  Header header;
  if (!file || file->size() < sizeof(Header)) {
    return std::nullopt;
  }
  const std::byte* const bytes = file->data();
  std::memcpy(&header, bytes, sizeof(Header));
  if (header.magic != kMagic || header.version != kVersion || !plausible(header, file->size())) {
    return std::nullopt;
  }
  const Layout layout(header);
  Checksum checksum;
  Header unsealed = header;
  unsealed.checksum = 0;
  checksum.add(&unsealed, sizeof(Header));
  checksum.add(bytes + sizeof(Header), file->size() - sizeof(Header));
  const char* const text = reinterpret_cast<const char*>(bytes);
  const std::string_view content(text + layout.key, static_cast<size_t>(header.key_bytes));
  if (checksum.value() != header.checksum || content != key.content) {
    return std::nullopt;
  }

  ImageSet set;
  set.class_offsets.resize(static_cast<size_t>(header.classes) + 1);
  std::memcpy(set.class_offsets.data(), bytes + layout.offsets, set.class_offsets.size() * sizeof(int64_t));
  set.class_names = split_lines({text + layout.names, static_cast<size_t>(header.name_bytes)});
  if (set.classes() != header.classes) {
    return std::nullopt;
  }
  void* const pixels = const_cast<std::byte*>(bytes + layout.pixels);
  set.images = at::from_blob(
      pixels, {header.images, header.height, header.width, header.channels},
      [file](void*) mutable { file.reset(); }, at::kByte);
  return set;
}

void write_cache(const fs::path& path, const CacheKey& key, const ImageSet& set) {
  std::error_code ignored;  // the write names the folder where it cannot be made
  fs::create_directories(path.parent_path(), ignored);
  std::string names;
  for (const std::string& name : set.class_names) {
    names += name + '\n';
  }
  Header header;
  header.images = set.images.size(0);
  header.height = set.images.size(1);
  header.width = set.images.size(2);
  header.channels = set.images.size(3);
  header.classes = set.classes();
  header.key_bytes = static_cast<int64_t>(key.content.size());
  header.name_bytes = static_cast<int64_t>(names.size());
  const Layout layout(header);
  const std::string padding(static_cast<size_t>(layout.pixels - layout.names - header.name_bytes), '\0');
  const at::Tensor images = set.images.contiguous();
  const std::array<std::span<const std::byte>, 6> parts = {
      std::as_bytes(std::span(&header, 1)),
      std::as_bytes(std::span(set.class_offsets)),
      std::as_bytes(std::span(key.content)),
      std::as_bytes(std::span(names)),
      std::as_bytes(std::span(padding)),
      std::span(static_cast<const std::byte*>(images.const_data_ptr()), images.nbytes())};
  Checksum checksum;
  for (const auto& part : parts) {
    checksum.add(part.data(), part.size());
  }
  header.checksum = checksum.value();
  write_file_atomically(path, parts);
}

CachedImages load_through_cache(const CacheKey& key, const std::function<ImageSet()>& build) {
  const fs::path path = cache_path(key);
  if (path.empty()) {
    return {build(), {}};
  }
  if (auto images = read_cache(path, key)) {
    return {std::move(*images), path};
  }
  ImageSet images = build();
  try {
    write_cache(path, key, images);
  } catch (const UserError&) {
    return {std::move(images), {}};
  }
  if (auto mapped = read_cache(path, key)) {  // gives back the memory of the images built
    return {std::move(*mapped), path};
  }
  return {std::move(images), {}};
}

}  // namespace ufo::data
