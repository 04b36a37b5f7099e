#include "omniglot.h"

#include "cache.h"
#include "classed_images.h"
#include "file_tree.h"
#include "image_reader.h"
#include "traits.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <opencv2/core.hpp>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>
#include <ufo/base/printable.h>

namespace ufo::data {
namespace {

/// The checksums of the published drawings, computed as verify_half does.
constexpr const char* kPublishedBackground = "crc32 6e248db4";
constexpr const char* kPublishedEvaluation = "crc32 e5872b4d";

/// One archive: its drawings by character.
struct Half {
  std::unique_ptr<FileTree> tree;
  std::vector<std::string> paths;  // of the drawings, sorted
  std::vector<std::string> characters;
  std::vector<int64_t> drawings;  // of each character
  PassedOver passed_over;
};

/// images_background/Greek/character03/0333_01.png and nothing else, such as what file managers leave behind.
bool is_drawing(const std::string& path, const std::string& half) {
  return path.starts_with(half + "/") && path.ends_with(".png") &&
         std::count(path.begin(), path.end(), '/') == 3 && !is_hidden(path);
}

Half open_half(const DatasetOptions& options, const std::string& name) {
  Half half;
  half.tree = find_tree("omniglot", options.root, name);
  return half;
}

void list_drawings(Half& half, const std::string& name) {
  TreeListing listing = half.tree->list();
  half.passed_over = std::move(listing.passed_over);
  for (const std::string& path : listing.paths) {
    if (!is_drawing(path, name)) {
      half.passed_over.add(kind_of_other(path), path);
      continue;
    }
    const size_t start = name.size() + 1;
    const std::string character = path.substr(start, path.rfind('/') - start);
    if (half.characters.empty() || half.characters.back() != character) {
      half.characters.push_back(character);
      half.drawings.push_back(0);
    }
    half.paths.push_back(path);
    ++half.drawings.back();
  }
}

int64_t count_alphabets(const std::vector<std::string>& characters) {
  std::vector<std::string> alphabets;
  for (const std::string& character : characters) {
    alphabets.push_back(character.substr(0, character.find('/')));
  }
  return std::unique(alphabets.begin(), alphabets.end()) - alphabets.begin();
}

/// `sizes` holds the number of drawings of each of `characters`.
void check_half(const std::string& name, const std::vector<std::string>& characters,
                const std::vector<int64_t>& sizes, int64_t needed_characters, int64_t needed_drawings) {
  for (size_t c = 0; c < characters.size(); ++c) {
    if (sizes[c] != needed_drawings) {
      throw DataError("omniglot: need " + std::to_string(needed_drawings) + " images per character, got " +
                      std::to_string(sizes[c]) + " in " + name + "/" + printable(characters[c]));
    }
  }
  const auto found = static_cast<int64_t>(characters.size());
  if (found != needed_characters) {
    throw DataError("omniglot: need " + std::to_string(needed_characters) + " characters, got " +
                    std::to_string(found) + " in " + name);
  }
}

struct Halves {
  Half background, evaluation;
};

Halves open_halves(const DatasetOptions& options) {
  return {open_half(options, kOmniglotBackground), open_half(options, kOmniglotEvaluation)};
}

void list_and_check(Halves& halves, const OmniglotCounts& counts) {
  list_drawings(halves.background, kOmniglotBackground);
  list_drawings(halves.evaluation, kOmniglotEvaluation);
  check_half(kOmniglotBackground, halves.background.characters, halves.background.drawings, counts.background,
             counts.drawings);
  check_half(kOmniglotEvaluation, halves.evaluation.characters, halves.evaluation.drawings, counts.evaluation,
             counts.drawings);
}

std::string passed_over(const Halves& halves) {
  PassedOver all = halves.background.passed_over;
  all.add(halves.evaluation.passed_over);
  return all.line();
}

ImagePlan plan_halves(Halves& halves, const DatasetOptions& options, const OmniglotCounts& counts) {
  list_and_check(halves, counts);
  const int64_t size = options.image_size;
  ImagePlan plan{.class_offsets = {0},
                 .class_names = {},
                 .height = size,
                 .width = size,
                 .channels = 1,
                 .attachment = {},
                 .splits = {},
                 .passed_over = passed_over(halves),
                 .decode = {}};
  for (const Half* half : {&halves.background, &halves.evaluation}) {
    for (size_t c = 0; c < half->characters.size(); ++c) {
      plan.class_names.push_back(half->characters[c]);
      plan.class_offsets.push_back(plan.class_offsets.back() + half->drawings[c]);
    }
  }
  plan.decode = [&halves, inverted = is_inverted(options.name)](const ImageTarget& target) {
    int64_t first = 0;
    for (const Half* half : {&halves.background, &halves.evaluation}) {
      const auto count = static_cast<int64_t>(half->paths.size());
      read_images(*half->tree, half->paths, {.inverted = inverted}, target.narrow(first, count));
      first += count;
    }
  };
  return plan;
}

/// The checksum of the checksums of the decoded drawings, in order: archives packed anew and extracted
/// folders give that of the published release as long as no pixel changed.
VerifiedSource verify_half(const Half& half, const char* published) {
  std::vector<uint32_t> checksums(half.paths.size());
  decode_images(*half.tree, half.paths, 1, [&](size_t index, const ReadImage& image) {
    Checksum checksum;
    checksum.add(image.pixels.ptr(), image.pixels.total());
    checksums[index] = checksum.value();
  });
  Checksum all;
  all.add(checksums.data(), checksums.size() * sizeof(uint32_t));
  const std::string digest = "crc32 " + all.text();
  return {.path = half.tree->location(),
          .groups = count_alphabets(half.characters),
          .classes = static_cast<int64_t>(half.characters.size()),
          .images = static_cast<int64_t>(half.paths.size()),
          .digest = digest,
          .has_published_digest = true,
          .as_published = digest == published};
}

}  // namespace

Dataset load_omniglot(const DatasetOptions& options, const OmniglotCounts& counts) {
  Halves halves = open_halves(options);
  const std::string size = std::to_string(options.image_size);
  const std::string shape = size + "x" + size;
  const std::string needed = std::to_string(counts.background) + " + " + std::to_string(counts.evaluation) +
                             " characters of " + std::to_string(counts.drawings);
  const CacheKey key{.name = "omniglot-" + shape,
                     .content = "omniglot " + shape + ", grey, area" +
                                (is_inverted(options.name) ? ", inverted; " : "; ") + needed + "; " +
                                halves.background.tree->fingerprint() + "; " +
                                halves.evaluation.tree->fingerprint()};
  CachedImages cached = load_through_cache(key, [&] { return plan_halves(halves, options, counts); });
  Dataset dataset = dataset_of(std::move(cached));
  dataset.classes = split_omniglot(dataset.images.class_names, options, counts);
  dataset.mean = {0};
  dataset.deviation = {1};
  return dataset;
}

Verification verify_omniglot(const DatasetOptions& options, const OmniglotCounts& counts) {
  Halves halves = open_halves(options);
  list_and_check(halves, counts);
  std::vector<std::string> characters = halves.background.characters;
  characters.insert(characters.end(), halves.evaluation.characters.begin(),
                    halves.evaluation.characters.end());

  Verification found;
  const auto classes = split_omniglot(characters, options, counts);
  for (size_t split = 0; split < classes.size(); ++split) {
    found.classes[split] = static_cast<int64_t>(classes[split].size());
  }
  add_line(found.remarks, passed_over(halves));
  found.sources = {verify_half(halves.background, kPublishedBackground),
                   verify_half(halves.evaluation, kPublishedEvaluation)};
  return found;
}

}  // namespace ufo::data
