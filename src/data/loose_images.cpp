#include "data/image/decode.h"
#include "file_tree.h"
#include "image_reader.h"
#include "traits.h"

#include <algorithm>

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

LooseImages decode(Listing listing, const ImageForm& form) {
  const auto count = static_cast<int64_t>(listing.paths.size());
  const ImageTarget target{
      .images = at::empty({count, form.size, form.size, static_cast<int64_t>(form.mean.size())}, at::kByte),
      .files = at::zeros({count, 3}, at::kLong)};
  read_images(*listing.tree, listing.paths, {.inverted = form.inverted}, target);
  return {.paths = std::move(listing.relative),
          .pixels = target.images,
          .passed_over = listing.passed_over.line()};
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

}  // namespace

ImageForm image_form(const DatasetOptions& options, std::vector<float> mean, std::vector<float> deviation) {
  const auto channels = static_cast<size_t>(options.channels);
  if (mean.size() != channels || deviation.size() != channels ||
      !std::all_of(deviation.begin(), deviation.end(), [](float d) { return d > 0; })) {
    throw DataError(options.name + ": need " + std::to_string(channels) +
                    " numbers of mean and of deviation, the latter above 0, got " +
                    std::to_string(mean.size()) + " and " + std::to_string(deviation.size()));
  }
  const Traits* const traits = traits_of(options.name);
  return {.size = options.image_size,
          .inverted = traits != nullptr && traits->inverted,
          .mean = std::move(mean),
          .deviation = std::move(deviation)};
}

LooseImages read_loose_images(const std::string& what, const fs::path& folder, const ImageForm& form) {
  Listing listing = list_images(what, folder);
  if (listing.paths.empty()) {
    throw DataError(what + ": need images of " + decoded_formats() + ", found none in " + folder.string());
  }
  return decode(std::move(listing), form);
}

LabelledImages read_labelled_images(const std::string& what, const fs::path& folder, const ImageForm& form) {
  Listing listing = list_images(what, folder);
  LabelledImages result;
  result.class_names = class_folders(what, folder);
  std::vector<int64_t> labels, sizes(result.class_names.size());
  for (const std::string& path : listing.relative) {
    if (std::count(path.begin(), path.end(), '/') != 1) {
      throw DataError(what + ": need images as <class>/<file>, got " + printable(path) + " in " +
                      folder.string());
    }
    const auto found = std::lower_bound(result.class_names.begin(), result.class_names.end(),
                                        path.substr(0, path.find('/')));
    labels.push_back(found - result.class_names.begin());
    ++sizes[static_cast<size_t>(labels.back())];
  }
  const auto empty = std::find(sizes.begin(), sizes.end(), 0);
  if (empty != sizes.end()) {
    throw DataError(what + ": need at least one image (" + decoded_formats() +
                    ") of each class, found none in " +
                    (folder / result.class_names[static_cast<size_t>(empty - sizes.begin())]).string());
  }
  result.labels = at::tensor(labels, at::kLong);
  result.images = decode(std::move(listing), form);
  return result;
}

at::Tensor values_of(const at::Tensor& pixels, const ImageForm& form) {
  const at::Tensor shares = pixels.to(at::kFloat).div_(255.0);
  return shares.sub_(at::tensor(form.mean)).div_(at::tensor(form.deviation)).permute({0, 3, 1, 2});
}

}  // namespace ufo::data
