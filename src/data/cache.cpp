#include "cache.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <span>

#include <ATen/ATen.h>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/mapped_file.h>
#include <ufo/base/parallel.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

// The file: a Header; class_offsets; ChannelSums; the key's content; the attachment; the class names, each
// ended by a newline; zeros up to a multiple of kAlignment; the pixels.
constexpr std::array<char, 8> kMagic = {'U', 'F', 'O', 'I', 'M', 'G', 'S', '\n'};
constexpr uint32_t kVersion = 2;
constexpr int64_t kAlignment = 64;
constexpr int64_t kChecksummedPixels = int64_t{256} << 20;  // bytes; see read_cache

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kVersion;
  uint32_t checksum =
      0;  // of all before the pixels, with this field zero, and of the pixels unless they are many
  int64_t images = 0, height = 0, width = 0, channels = 0;
  int64_t classes = 0, key_bytes = 0, attachment_bytes = 0, name_bytes = 0;
};
static_assert(sizeof(Header) == 80 && std::is_trivially_copyable_v<Header>);

/// Where the parts of a file lie, in bytes from its beginning.
struct Layout {
  int64_t offsets, sums, key, attachment, names, pixels, end;

  explicit Layout(const Header& header)
      : offsets(sizeof(Header)),
        sums(offsets + (header.classes + 1) * static_cast<int64_t>(sizeof(int64_t))),
        key(sums + header.classes * header.channels * static_cast<int64_t>(sizeof(ChannelSums))),
        attachment(key + header.key_bytes),
        names(attachment + header.attachment_bytes),
        pixels((names + header.name_bytes + kAlignment - 1) / kAlignment * kAlignment),
        end(pixels + header.images * header.height * header.width * header.channels) {}
};

/// False where the sizes are no sizes, so that nothing is computed from them; the checksum finds all else.
bool plausible(const Header& header, size_t file_size) {
  const int64_t limit = static_cast<int64_t>(file_size);
  for (int64_t size :
       {header.images, header.classes, header.key_bytes, header.attachment_bytes, header.name_bytes}) {
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

uint32_t checksum_of(Header header, const std::byte* file, const Layout& layout) {
  header.checksum = 0;
  Checksum checksum;
  checksum.add(&header, sizeof(Header));
  const bool pixels_too = layout.end - layout.pixels <= kChecksummedPixels;
  checksum.add(file + sizeof(Header),
               static_cast<size_t>(pixels_too ? layout.end : layout.pixels) - sizeof(Header));
  return checksum.value();
}

/// The sums of each class in each channel of `images` [I, H, W, C].
std::vector<ChannelSums> sum_classes(const at::Tensor& images, const std::vector<int64_t>& class_offsets) {
  const auto channels = static_cast<size_t>(images.size(3));
  const int64_t image = images.size(1) * images.size(2) * images.size(3);
  const uint8_t* const pixels = images.const_data_ptr<uint8_t>();
  std::vector<ChannelSums> sums((class_offsets.size() - 1) * channels);
  parallel_tasks(static_cast<int64_t>(class_offsets.size()) - 1, [&](int64_t c) {
    const auto row = static_cast<size_t>(c);
    const uint8_t* const end = pixels + class_offsets[row + 1] * image;
    std::vector<ChannelSums> own(channels);
    for (const uint8_t* pixel = pixels + class_offsets[row] * image; pixel < end; pixel += channels) {
      for (size_t channel = 0; channel < channels; ++channel) {
        const int64_t value = pixel[channel];
        own[channel].values += value;
        own[channel].squares += value * value;
      }
    }
    std::copy(own.begin(), own.end(), sums.begin() + c * static_cast<int64_t>(channels));
  });
  return sums;
}

/// The images of `plan`, decoded into memory.
CachedImages decode_into_memory(const ImagePlan& plan) {
  CachedImages result{
      .images = {.images = at::empty({plan.class_offsets.back(), plan.height, plan.width, plan.channels},
                                     at::kByte),
                 .class_offsets = plan.class_offsets,
                 .class_names = plan.class_names},
      .sums = {},
      .attachment = plan.attachment,
      .cache = {}};
  plan.decode(result.images.images);
  result.sums = sum_classes(result.images.images, plan.class_offsets);
  return result;
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

std::optional<CachedImages> read_cache(const fs::path& path, const CacheKey& key) {
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
  const auto text = [&](int64_t start, int64_t size) {
    return std::string_view(reinterpret_cast<const char*>(bytes) + start, static_cast<size_t>(size));
  };
  if (checksum_of(header, bytes, layout) != header.checksum ||
      text(layout.key, header.key_bytes) != key.content) {
    return std::nullopt;
  }

  CachedImages result{.images = {},
                      .sums = std::vector<ChannelSums>(static_cast<size_t>(header.classes * header.channels)),
                      .attachment = std::string(text(layout.attachment, header.attachment_bytes)),
                      .cache = path};
  ImageSet& set = result.images;
  set.class_offsets.resize(static_cast<size_t>(header.classes) + 1);
  std::memcpy(set.class_offsets.data(), bytes + layout.offsets, set.class_offsets.size() * sizeof(int64_t));
  std::memcpy(result.sums.data(), bytes + layout.sums, result.sums.size() * sizeof(ChannelSums));
  set.class_names = split_lines(text(layout.names, header.name_bytes));
  if (set.classes() != header.classes) {
    return std::nullopt;
  }
  void* const pixels = const_cast<std::byte*>(bytes + layout.pixels);
  set.images = at::from_blob(
      pixels, {header.images, header.height, header.width, header.channels},
      [file](void*) mutable { file.reset(); }, at::kByte);
  return result;
}

void write_cache(const fs::path& path, const CacheKey& key, const ImagePlan& plan) {
  std::error_code ignored;  // the write names the folder where it cannot be made
  fs::create_directories(path.parent_path(), ignored);
  std::string names;
  for (const std::string& name : plan.class_names) {
    names += name + '\n';
  }
  Header header;
  header.images = plan.class_offsets.back();
  header.height = plan.height;
  header.width = plan.width;
  header.channels = plan.channels;
  header.classes = static_cast<int64_t>(plan.class_names.size());
  header.key_bytes = static_cast<int64_t>(key.content.size());
  header.attachment_bytes = static_cast<int64_t>(plan.attachment.size());
  header.name_bytes = static_cast<int64_t>(names.size());
  const Layout layout(header);
  write_file_atomically(path, static_cast<size_t>(layout.end), [&](std::span<std::byte> file) {
    const at::Tensor images =
        at::from_blob(file.data() + layout.pixels,
                      {header.images, header.height, header.width, header.channels}, at::kByte);
    plan.decode(images);
    const auto put = [&](int64_t start, const auto& items) {
      const auto part = std::as_bytes(std::span(items));
      std::copy(part.begin(), part.end(), file.begin() + start);
    };
    put(layout.offsets, plan.class_offsets);
    put(layout.sums, sum_classes(images, plan.class_offsets));
    put(layout.key, key.content);
    put(layout.attachment, plan.attachment);
    put(layout.names, names);
    header.checksum = checksum_of(header, file.data(), layout);
    std::memcpy(file.data(), &header, sizeof(Header));
  });
}

CachedImages load_through_cache(const CacheKey& key, const std::function<ImagePlan()>& make_plan) {
  const fs::path path = cache_path(key);
  if (auto images = path.empty() ? std::nullopt : read_cache(path, key)) {
    return std::move(*images);
  }
  const ImagePlan plan = make_plan();
  if (path.empty()) {
    return decode_into_memory(plan);
  }
  try {
    write_cache(path, key, plan);
  } catch (const DataError&) {
    throw;  // the images are at fault, not the cache
  } catch (const UserError&) {
    return decode_into_memory(plan);
  }
  auto images = read_cache(path, key);
  return images ? std::move(*images) : decode_into_memory(plan);
}

}  // namespace ufo::data
