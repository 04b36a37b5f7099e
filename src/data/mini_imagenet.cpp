#include "mini_imagenet.h"

#include "classed_images.h"
#include "data/image/decode.h"

#include <algorithm>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const FileTree> open_mini_imagenet(const DatasetOptions& options) {
  std::error_code unreadable;
  if (!fs::exists(options.root, unreadable)) {
    throw DataError("mini_imagenet: need a folder or an archive of images, found none at " + options.root +
                    "; data_scripts/get_mini_imagenet.py builds it from your own ImageNet");
  }
  return open_root("mini_imagenet", options.root, [&](const fs::path& entry) {
    return entry.filename() == "train.csv" || fs::exists(entry / "train.csv", unreadable);
  });
}

/// The file of an image, or "": images/x.jpg, or x.jpg in a folder of its class, or beside the lists.
std::string find_file(const MiniImagenetLists& lists, const ListedImage& image,
                      const std::vector<std::string>& paths) {
  const std::string& label = lists.class_names[static_cast<size_t>(image.image_class)];
  for (const std::string& folder :
       {std::string("images/"), label + "/", "images/" + label + "/", std::string()}) {
    std::string path = lists.folder + folder + image.filename;
    if (std::binary_search(paths.begin(), paths.end(), path)) {
      return path;
    }
  }
  return {};
}

/// Whether `path` is a list or the image of a row.
bool is_used(const ClassedImages& images, const MiniImagenetLists& lists, const std::string& path) {
  if (path == lists.folder + kManifest) {
    return true;
  }
  for (const char* list : kMiniImagenetLists) {
    if (path == lists.folder + list) {
      return true;
    }
  }
  return std::binary_search(images.files.begin(), images.files.end(), ImageFile{path, 0},
                            [](const ImageFile& a, const ImageFile& b) { return a.path < b.path; });
}

ClassedImages list_images(std::shared_ptr<const FileTree> tree, const MiniImagenetCounts& counts) {
  TreeListing listing = tree->list();
  const std::vector<std::string>& paths = listing.paths;
  MiniImagenetLists lists = read_lists(*tree, paths, counts);
  std::vector<ImageFile> files;
  std::string missing_names;
  constexpr size_t kShown = 5;
  size_t missing = 0;
  for (const ListedImage& image : lists.images) {
    files.push_back({find_file(lists, image, paths), image.image_class});
    if (files.back().path.empty() && ++missing <= kShown) {
      missing_names += (missing == 1 ? "" : ", ") + printable(image.filename);
    }
  }
  if (missing > 0) {
    throw DataError("mini_imagenet: need an image for each of the " + std::to_string(files.size()) +
                    " rows of train.csv, val.csv and test.csv, " + std::to_string(missing) +
                    " are missing in " + tree->location().string() + ": " + missing_names +
                    (missing > kShown ? ", ..." : ""));
  }
  ClassedImages images = classify(std::move(tree), std::move(lists.class_names), std::move(files));
  images.passed_over = std::move(listing.passed_over);
  for (const std::string& path : paths) {
    if (!is_used(images, lists, path)) {
      images.passed_over.add(is_image(path) && !is_hidden(path) ? "that no row names" : kind_of_other(path),
                             path);
    }
  }
  return images;
}

std::array<std::vector<EpisodeClass>, 3> split_classes(const MiniImagenetCounts& counts) {
  std::array<std::vector<EpisodeClass>, 3> classes;
  int32_t next = 0;
  for (size_t split = 0; split < classes.size(); ++split) {
    for (int64_t c = 0; c < counts.classes[split]; ++c) {
      classes[split].push_back({.image_class = next++, .quarter_turns = 0});
    }
  }
  return classes;
}

/// What every table must say where images were left out; "" where all are there.
std::string note_of_size(const ImageSet& set, int64_t full) {
  const DatasetSummary found = summarize({.images = set});
  if (found.smallest_class == full) {
    return {};
  }
  const std::string least = std::to_string(found.smallest_class), most = std::to_string(found.largest_class);
  return (least == most ? least : least + " to " + most) + " of " + std::to_string(full) +
         " images a class; accuracies are not comparable with published ones";
}

}  // namespace

Dataset load_mini_imagenet(const DatasetOptions& options, const MiniImagenetCounts& counts) {
  const std::shared_ptr<const FileTree> tree = open_mini_imagenet(options);
  const std::string shape = std::to_string(options.image_size) + "x" + std::to_string(options.image_size);
  const std::string needed = std::to_string(counts.classes[0]) + " + " + std::to_string(counts.classes[1]) +
                             " + " + std::to_string(counts.classes[2]) + " classes of up to " +
                             std::to_string(counts.images);
  const CacheKey key{
      .name = "mini_imagenet-" + shape,
      .content = "mini_imagenet " + shape + ", colour, area; " + needed + "; " + tree->fingerprint()};
  CachedImages cached = load_through_cache(
      key, [&] { return plan_images(list_images(tree, counts), options.image_size, options.channels); });
  const std::vector<ChannelSums> sums = std::move(cached.sums);
  Dataset dataset = dataset_of(std::move(cached));
  dataset.classes = split_classes(counts);
  normalize(dataset, sums);
  if (std::string note = note_of_size(dataset.images, counts.images); !note.empty()) {
    dataset.notes.push_back(std::move(note));
  }
  return dataset;
}

Verification verify_mini_imagenet(const DatasetOptions& options, const MiniImagenetCounts& counts) {
  const ClassedImages images = list_images(open_mini_imagenet(options), counts);
  Verification found = verify_images(images, options.image_size, options.channels);
  found.classes = counts.classes;
  return found;
}

}  // namespace ufo::data
