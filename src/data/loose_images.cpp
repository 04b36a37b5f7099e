#include "data/image/decode.h"
#include "file_tree.h"
#include "image_reader.h"
#include "traits.h"

#include <algorithm>
#include <map>
#include <mutex>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>
#include <ufo/data/loose_images.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

/// `folder` by its real name, which its FileTree puts in front of every path.
fs::path real_folder(const std::string& what, const fs::path& folder) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error || !fs::is_directory(real, error)) {
    throw DataError(what + ": need a folder of images, got " + folder.string() +
                    (error ? ": " + error.message() : ", which is a file"));
  }
  return real;
}

/// The image files of a tree.
struct Listing {
  std::unique_ptr<FileTree> tree;
  std::vector<std::string> paths;     // in the tree
  std::vector<std::string> relative;  // to its folder
  PassedOver passed_over;
};

Listing list_images(const std::string& what, const fs::path& folder) {
  const fs::path real = real_folder(what, folder);
  const std::string name = real.filename().string();
  const size_t prefix = name.empty() ? 0 : name.size() + 1;
  Listing listing;
  listing.tree = open_folder(real);
  TreeListing found = listing.tree->list();
  listing.passed_over = std::move(found.passed_over);
  for (const std::string& path : found.paths) {
    std::string relative = path.substr(prefix);
    if (is_image(relative) && !is_hidden(relative)) {
      listing.paths.push_back(path);
      listing.relative.push_back(std::move(relative));
    } else {
      listing.passed_over.add(kind_of_other(relative), relative);
    }
  }
  return listing;
}

/// "skipped 2 images; the first: need an image, cannot decode ...": `broken` has the fault of each by its
/// number.
std::string line_of_skipped(const std::map<size_t, std::string>& broken) {
  return broken.empty()
             ? ""
             : "skipped " + std::to_string(broken.size()) +
                   (broken.size() == 1 ? " image: " : " images; the first: ") + broken.begin()->second;
}

LooseImages decode(Listing listing, const ImageForm& form, BadImages bad) {
  const auto count = static_cast<int64_t>(listing.paths.size());
  const ImageTarget target{
      .images = at::empty({count, form.size, form.size, static_cast<int64_t>(form.mean.size())}, at::kByte),
      .files = at::zeros({count, 3}, at::kLong)};
  std::mutex mutex;
  std::map<size_t, std::string> broken;
  const auto skip = [&](size_t index, const std::string& fault) {
    const std::lock_guard lock(mutex);
    broken[index] = fault;
  };
  read_images(*listing.tree, listing.paths, {.inverted = form.inverted}, target,
              bad == BadImages::skip ? BrokenUse(skip) : BrokenUse());
  LooseImages images{.paths = {},
                     .pixels = {},
                     .passed_over = listing.passed_over.line(),
                     .skipped = line_of_skipped(broken)};
  std::vector<int64_t> whole;
  for (size_t i = 0; i < listing.relative.size(); ++i) {
    if (!broken.contains(i)) {
      whole.push_back(static_cast<int64_t>(i));
      images.paths.push_back(std::move(listing.relative[i]));
    }
  }
  images.pixels = target.images.index_select(0, at::tensor(whole, at::kLong));
  return images;
}

std::vector<std::string> class_folders(const std::string& what, const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(error) && !is_hidden(name + "/")) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  if (names.size() < 2) {
    throw DataError(what + ": need at least 2 classes, each a sub-folder of images, got " +
                    (names.empty() ? "none" : "only " + names.front()) + " in " + folder.string());
  }
  return names;
}

/// The class of each of `images`, which lie in the folders `class_names` of `folder`. Throws DataError where
/// one lies elsewhere, and for a class without any.
std::vector<int64_t> labels_of(const std::string& what, const fs::path& folder,
                               const std::vector<std::string>& class_names,
                               const std::vector<std::string>& images) {
  std::vector<int64_t> labels, sizes(class_names.size());
  for (const std::string& path : images) {
    if (std::count(path.begin(), path.end(), '/') != 1) {
      throw DataError(what + ": need images as <class>/<file>, got " + printable(path) + " in " +
                      folder.string());
    }
    const auto found =
        std::lower_bound(class_names.begin(), class_names.end(), path.substr(0, path.find('/')));
    labels.push_back(found - class_names.begin());
    ++sizes[static_cast<size_t>(labels.back())];
  }
  const auto empty = std::find(sizes.begin(), sizes.end(), 0);
  if (empty != sizes.end()) {
    throw DataError(what + ": need at least one whole image (" + decoded_formats() +
                    ") of each class, found none in " +
                    (folder / class_names[static_cast<size_t>(empty - sizes.begin())]).string());
  }
  return labels;
}

}  // namespace

ImageForm image_form(const DatasetOptions& options, std::vector<float> mean, std::vector<float> deviation) {
  const auto channels = static_cast<size_t>(options.channels);
  if (mean.size() != channels || deviation.size() != channels ||
      !std::all_of(deviation.begin(), deviation.end(), [](float d) { return d > 0; })) {
    throw DataError(options.name + ": need " + std::to_string(channels) +
                    " numbers of mean and of deviation, the latter above 0, got " +
                    std::to_string(mean.size()) + " and " + std::to_string(deviation.size()));
  }
  return {.size = options.image_size,
          .inverted = is_inverted(options.name),
          .mean = std::move(mean),
          .deviation = std::move(deviation)};
}

LooseImages read_loose_images(const std::string& what, const fs::path& folder, const ImageForm& form,
                              BadImages bad) {
  Listing listing = list_images(what, folder);
  if (listing.paths.empty()) {
    throw DataError(what + ": need images of " + decoded_formats() + ", found none in " + folder.string());
  }
  LooseImages images = decode(std::move(listing), form, bad);
  if (images.paths.empty()) {
    throw DataError(what + ": need whole images, found none in " + folder.string() + ": " + images.skipped);
  }
  return images;
}

LabelledImages read_labelled_images(const std::string& what, const fs::path& folder, const ImageForm& form,
                                    BadImages bad) {
  Listing listing = list_images(what, folder);
  LabelledImages result;
  result.class_names = class_folders(what, folder);
  labels_of(what, folder, result.class_names, listing.relative);  // refuses before it decodes
  result.images = decode(std::move(listing), form, bad);
  result.labels = at::tensor(labels_of(what, folder, result.class_names, result.images.paths), at::kLong);
  return result;
}

at::Tensor values_of(const at::Tensor& pixels, const ImageForm& form) {
  const at::Tensor shares = pixels.to(at::kFloat).div_(255.0);
  return shares.sub_(at::tensor(form.mean)).div_(at::tensor(form.deviation)).permute({0, 3, 1, 2});
}

}  // namespace ufo::data
