#include "image_folder.h"

#include "image_reader.h"

#include <algorithm>
#include <optional>

#include <ufo/base/error.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

/// The classes of a tree and what its splits.json says; empty where there is none.
struct Listing {
  ClassedImages images;
  std::string list;
};

std::string where(const FileTree& tree) { return " in " + tree.location().string(); }

std::shared_ptr<const FileTree> open_image_folder(const DatasetOptions& options) {
  std::error_code unreadable;
  return open_root("image_folder", options.root, [&](const fs::path& entry) {
    return fs::is_directory(entry, unreadable) && !is_hidden(entry.filename().string());
  });
}

/// What all paths begin with: the folder's own name, which an archive may have or not.
std::string prefix_of(const FileTree& tree, const std::vector<std::string>& images) {
  if (fs::is_directory(tree.location())) {
    return tree.location().filename().string() + "/";
  }
  const std::string& first = images.front();
  const std::string prefix = first.substr(0, first.find('/') + 1);
  const bool shared = std::all_of(images.begin(), images.end(), [&](const std::string& path) {
    return path.starts_with(prefix) && std::count(path.begin(), path.end(), '/') >= 2;
  });
  return shared ? prefix : "";
}

std::string read_list(const FileTree& tree, const std::string& path) {
  std::string text;
  tree.read([&](const std::string& other) { return other == path; },
            [&](const std::string&, const std::vector<unsigned char>& bytes) {
              text.assign(bytes.begin(), bytes.end());
            });
  return text.empty() ? " " : text;  // an empty file is a damaged list, no missing one
}

Listing list_images(std::shared_ptr<const FileTree> tree) {
  std::vector<std::string> images;
  const std::vector<std::string> paths = tree->paths();
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(images),
               [](const std::string& path) { return is_image(path) && !is_hidden(path); });
  if (images.empty()) {
    throw DataError("image_folder: need images as <class>/<file>.png, jpg, jpeg, bmp or webp, found none" +
                    where(*tree));
  }
  const std::string prefix = prefix_of(*tree, images);
  std::vector<std::string> names;
  std::vector<ImageFile> files;
  for (const std::string& path : images) {
    const std::string inner = path.substr(prefix.size());
    if (std::count(inner.begin(), inner.end(), '/') != 1) {
      throw DataError("image_folder: need images as <class>/<file>, got " + inner + where(*tree));
    }
    std::string name = inner.substr(0, inner.find('/'));
    if (names.empty() || names.back() != name) {  // the paths of a class follow one another
      names.push_back(std::move(name));
    }
    files.push_back({path, static_cast<int32_t>(names.size()) - 1});
  }
  Listing listing;
  if (std::binary_search(paths.begin(), paths.end(), prefix + kSplitsFile)) {
    listing.list = read_list(*tree, prefix + kSplitsFile);
  }
  listing.images = classify(std::move(tree), std::move(names), std::move(files));
  return listing;
}

}  // namespace

Dataset load_image_folder(const DatasetOptions& options) {
  const std::shared_ptr<const FileTree> tree = open_image_folder(options);
  const std::string shape = std::to_string(options.image_size) + "x" + std::to_string(options.image_size) +
                            "x" + std::to_string(options.channels);
  const CacheKey key{.name = "image_folder-" + shape,
                     .content = "image_folder " + shape + ", area; " + tree->fingerprint()};
  CachedImages cached = load_through_cache(key, [&] {
    Listing listing = list_images(tree);
    split_image_folder(listing.images.class_names, listing.list, options, where(*tree));  // before the work
    ImagePlan plan = plan_images(std::move(listing.images), options.image_size, options.channels);
    plan.attachment = std::move(listing.list);
    return plan;
  });
  Dataset dataset;
  dataset.images = std::move(cached.images);
  dataset.cache = std::move(cached.cache);
  dataset.classes = split_image_folder(dataset.images.class_names, cached.attachment, options, where(*tree));
  normalize(dataset, cached.sums);
  return dataset;
}

VerificationReport verify_image_folder(const DatasetOptions& options) {
  const std::shared_ptr<const FileTree> tree = open_image_folder(options);
  const Listing listing = list_images(tree);
  const auto classes = split_image_folder(listing.images.class_names, listing.list, options, where(*tree));
  VerificationReport report = verify_images(listing.images, options.image_size, options.channels);
  for (size_t split = 0; split < classes.size(); ++split) {
    report.classes[split] = static_cast<int64_t>(classes[split].size());
  }
  return report;
}

}  // namespace ufo::data
