#include "image_folder.h"

#include "data/image/decode.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string_view>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

/// The classes of a tree, and how it divides them.
struct Listing {
  ClassedImages images;
  FolderDivision division;
};

std::string where(const FileTree& tree) { return " in " + tree.location().string(); }

std::shared_ptr<const FileTree> open_image_folder(const DatasetOptions& options) {
  std::error_code unreadable;
  return open_root("image_folder", options.root, [&](const fs::path& entry) {
    return fs::is_directory(entry, unreadable) && !is_hidden(entry.filename().string());
  });
}

/// What all paths begin with: the folder's own name, which an archive may have or not.
std::string prefix_of(const FileTree& tree, const std::vector<std::string>& paths) {
  if (fs::is_directory(tree.location())) {
    return tree.location().filename().string() + "/";
  }
  std::vector<std::string> images;
  const auto take = [&](const std::function<bool(const std::string&)>& fits) {
    std::copy_if(paths.begin(), paths.end(), std::back_inserter(images),
                 [&](const std::string& path) { return is_image(path) && fits(path); });
  };
  take([](const std::string& path) { return !is_hidden(path); });
  if (images.empty()) {  // the folder's own name may begin with a dot
    take([](const std::string& path) { return path.starts_with("."); });
  }
  if (images.empty()) {
    return {};
  }
  const std::string& first = images.front();
  const std::string prefix = first.substr(0, first.find('/') + 1);
  const bool shared = std::all_of(images.begin(), images.end(), [&](const std::string& path) {
    return path.starts_with(prefix) && std::count(path.begin(), path.end(), '/') >= 2;
  });
  return shared ? prefix : "";
}

/// The folder that a file lies in.
std::string class_of(const std::string& path) {
  const size_t end = path.rfind('/');
  const size_t before = path.rfind('/', end - 1);
  const size_t start = before == std::string::npos ? 0 : before + 1;
  return path.substr(start, end - start);
}

std::string read_list(const FileTree& tree, const std::string& path) {
  std::string text;
  tree.read([&](const std::string& other) { return other == path; },
            [&](const std::string&, const std::vector<unsigned char>& bytes) {
              text.assign(bytes.begin(), bytes.end());
            });
  return text.empty() ? " " : text;  // an empty file is a damaged list, no missing one
}

/// The image files of a tree, as paths below its prefix.
struct Images {
  std::string prefix;
  std::vector<std::string> inner;  // sorted
  PassedOver passed_over;
};

Images find_images(const FileTree& tree, const TreeListing& listing) {
  Images images{.prefix = prefix_of(tree, listing.paths), .inner = {}, .passed_over = listing.passed_over};
  for (const std::string& path : listing.paths) {
    std::string inner = path.starts_with(images.prefix) ? path.substr(images.prefix.size()) : path;
    if (is_image(inner) && !is_hidden(inner)) {
      images.inner.push_back(std::move(inner));
    } else if (inner != kSplitsFile && inner != kManifest) {
      images.passed_over.add(kind_of_other(inner), inner);
    }
  }
  if (images.inner.empty()) {
    const std::string line = images.passed_over.line();
    throw DataError("image_folder: need images as <class>/<file> of " + decoded_formats() + ", found none" +
                    where(tree) + (line.empty() ? "" : "; " + line));
  }
  return images;
}

/// Which split a folder's name stands for.
std::optional<int64_t> split_of(const std::string& folder) {
  constexpr std::pair<std::string_view, Split> kFolders[] = {{"train", Split::train},
                                                             {"val", Split::validation},
                                                             {"valid", Split::validation},
                                                             {"validation", Split::validation},
                                                             {"test", Split::test}};
  for (const auto& [name, split] : kFolders) {
    if (folder == name) {
      return static_cast<int64_t>(split);
    }
  }
  return std::nullopt;
}

/// Whether all images lie as train/<class>/<file>, val/<class>/<file> and so on.
bool lie_by_split(const std::vector<std::string>& inner) {
  return std::all_of(inner.begin(), inner.end(), [](const std::string& path) {
    return std::count(path.begin(), path.end(), '/') == 2 && split_of(path.substr(0, path.find('/')));
  });
}

/// The classes by name, each with the folder that it lies in: a split's, or none. Throws DataError for images
/// that lie otherwise, and for a class of two folders.
std::map<std::string, std::string> find_classes(const std::vector<std::string>& inner, bool by_split,
                                                const std::string& where) {
  std::map<std::string, std::string> folders;
  for (const std::string& path : inner) {
    if (!by_split && std::count(path.begin(), path.end(), '/') != 1) {
      throw DataError("image_folder: need images as <class>/<file>, got " + printable(path) + where);
    }
    const std::string folder = by_split ? path.substr(0, path.find('/')) : "";
    const std::string name = class_of(path);
    const auto [first, is_new] = folders.try_emplace(name, folder);
    if (first->second != folder) {
      throw DataError("image_folder: need each class in one split, for what is tested must be new, got " +
                      printable(name) + " in " + first->second + " and in " + folder + where);
    }
  }
  return folders;
}

/// "3 classes are in no split and left out: ant, bee, cat"; empty where every class has one.
std::string line_of_left_out(const std::vector<std::string>& names,
                             const std::array<std::vector<EpisodeClass>, 3>& classes) {
  std::vector<bool> taken(names.size());
  for (const auto& split : classes) {
    for (const EpisodeClass& c : split) {
      taken[static_cast<size_t>(c.image_class)] = true;
    }
  }
  constexpr int64_t kShown = 5;
  const int64_t left = std::count(taken.begin(), taken.end(), false);
  std::string text;
  for (size_t c = 0, shown = 0; c < names.size() && shown < kShown; ++c) {
    if (!taken[c]) {
      text += (shown++ == 0 ? "" : ", ") + printable(names[c]);
    }
  }
  return left == 0 ? ""
                   : std::to_string(left) + (left == 1 ? " class is" : " classes are") +
                         " in no split and left out: " + text + (left > kShown ? ", ..." : "");
}

Listing list_images(std::shared_ptr<const FileTree> tree) {
  const TreeListing all = tree->list();
  Images images = find_images(*tree, all);
  const bool by_split = lie_by_split(images.inner);
  Listing listing;
  std::vector<std::string> names;
  for (const auto& [name, folder] : find_classes(images.inner, by_split, where(*tree))) {
    names.push_back(name);
    if (by_split) {
      listing.division.splits.push_back(*split_of(folder));
    }
  }
  std::vector<ImageFile> files;
  for (const std::string& path : images.inner) {
    const auto c = std::lower_bound(names.begin(), names.end(), class_of(path)) - names.begin();
    files.push_back({images.prefix + path, static_cast<int32_t>(c)});
  }
  if (std::binary_search(all.paths.begin(), all.paths.end(), images.prefix + kSplitsFile)) {
    listing.division.list = read_list(*tree, images.prefix + kSplitsFile);
  }
  listing.images = classify(std::move(tree), std::move(names), std::move(files));
  listing.images.passed_over = std::move(images.passed_over);
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
    split_image_folder(listing.images.class_names, listing.division, options,
                       where(*tree));  // before the work
    ImagePlan plan = plan_images(std::move(listing.images), options.image_size, options.channels);
    plan.attachment = std::move(listing.division.list);
    plan.splits = std::move(listing.division.splits);
    return plan;
  });
  const FolderDivision division{.list = std::move(cached.attachment), .splits = std::move(cached.splits)};
  const std::vector<ChannelSums> sums = std::move(cached.sums);
  Dataset dataset = dataset_of(std::move(cached));
  dataset.classes = split_image_folder(dataset.images.class_names, division, options, where(*tree));
  add_line(dataset.remarks, line_of_left_out(dataset.images.class_names, dataset.classes));
  normalize(dataset, sums);
  return dataset;
}

Verification verify_image_folder(const DatasetOptions& options) {
  const std::shared_ptr<const FileTree> tree = open_image_folder(options);
  const Listing listing = list_images(tree);
  const auto classes =
      split_image_folder(listing.images.class_names, listing.division, options, where(*tree));
  Verification found = verify_images(listing.images, options.image_size, options.channels);
  add_line(found.remarks, line_of_left_out(listing.images.class_names, classes));
  for (size_t split = 0; split < classes.size(); ++split) {
    found.classes[split] = static_cast<int64_t>(classes[split].size());
  }
  return found;
}

}  // namespace ufo::data
