#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/random.h>
#include <ufo/data/dataset.h>
#include <ufo/data/idx.h>
#include <ufo/experiment/cleaning_data.h>

namespace ufo::experiment {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCharacters = 20, kImageSize = 14;
constexpr int64_t kTrainDrawings = 12, kValidationDrawings = 3, kTestDrawings = 5;
constexpr int64_t kMnistClasses = 10;

at::Tensor as_index(const std::vector<uint32_t>& numbers) {
  const std::vector<int64_t> wide(numbers.begin(), numbers.end());
  return at::tensor(wide, at::kLong);
}

/// Images [n, H, W] uint8 as rows of numbers in [0, 1].
at::Tensor as_features(const at::Tensor& images) { return images.flatten(1).to(at::kFloat) / 255; }

/// Images [n, H, W] as they are and moved by one pixel in each direction, ink that leaves the image lost.
at::Tensor with_shifts(const at::Tensor& images) {
  const int64_t height = images.size(1), width = images.size(2);
  const at::Tensor padded = at::constant_pad_nd(images, {1, 1, 1, 1});
  std::vector<at::Tensor> views;
  for (const auto& [y, x] : {std::pair{1, 1}, {0, 1}, {2, 1}, {1, 0}, {1, 2}}) {
    views.push_back(padded.slice(1, y, y + height).slice(2, x, x + width));
  }
  return at::cat(views);
}

/// Drawings [from, from + count) of `order` of each character [K, drawings, H, W].
Labelled drawings(const at::Tensor& characters, int64_t from, int64_t count) {
  const at::Tensor chosen = characters.narrow(1, from, count);
  const at::Tensor images = with_shifts(chosen.flatten(0, 1));
  const at::Tensor labels = at::arange(characters.size(0)).repeat_interleave(count);
  return {.features = as_features(images), .labels = labels.repeat(images.size(0) / labels.size(0))};
}

at::Tensor read_published(const fs::path& folder, const std::string& name, int64_t dimensions) {
  for (const fs::path& file : {folder / name, folder / (name + ".gz")}) {
    if (fs::exists(file)) {
      const at::Tensor values = data::read_idx(file);
      if (values.dim() != dimensions) {
        throw DataError(file.string() + ": need " + std::to_string(dimensions) + " dimensions, got " +
                        std::to_string(values.dim()));
      }
      return values;
    }
  }
  throw DataError("mnist: need " + name + " or " + name + ".gz in " + folder.string() + ", found neither");
}

/// One of MNIST's two pairs of files: "train" or "t10k".
Labelled read_mnist(const fs::path& folder, const std::string& part) {
  const at::Tensor images = read_published(folder, part + "-images-idx3-ubyte", 3);
  const at::Tensor labels = read_published(folder, part + "-labels-idx1-ubyte", 1);
  const auto refuse = [&](const std::string& message) {
    throw DataError("mnist: " + message + " in " + folder.string());
  };
  if (images.size(0) != labels.size(0) || images.size(0) == 0) {
    refuse("need a label for each " + part + " image, got " + std::to_string(labels.size(0)) +
           " labels for " + std::to_string(images.size(0)) + " images");
  }
  if (const auto largest = labels.max().item<int64_t>(); largest >= kMnistClasses) {
    refuse("need " + part + " labels from 0 to 9, got " + std::to_string(largest));
  }
  return {.features = as_features(images), .labels = labels.to(at::kLong)};
}

Labelled chosen(const Labelled& from, const at::Tensor& index) {
  return {.features = from.features.index_select(0, index), .labels = from.labels.index_select(0, index)};
}

}  // namespace

CleaningData omniglot_cleaning_data(const fs::path& root, uint64_t seed) {
  const auto dataset = data::load_dataset(
      {.name = "omniglot", .root = root.string(), .rotations = false, .image_size = kImageSize});
  const auto& set = dataset.images;
  RandomStream random(seed, Purpose::split, 0);
  constexpr int64_t kDrawings = kTrainDrawings + kValidationDrawings + kTestDrawings;
  std::vector<at::Tensor> characters;
  for (const uint32_t c : random.sample(kCharacters, static_cast<uint32_t>(set.classes()))) {
    const auto order = random.sample(kDrawings, static_cast<uint32_t>(set.class_size(c)));
    characters.push_back(set.images.select(3, 0)
                             .narrow(0, set.class_offsets[c], set.class_size(c))
                             .index_select(0, as_index(order)));
  }
  const at::Tensor stacked = at::stack(characters);
  return {.description =
              "Omniglot, 20 characters, 14x14 pixels, each drawing also shifted by one pixel four ways",
          .classes = kCharacters,
          .train = drawings(stacked, 0, kTrainDrawings),
          .validation = drawings(stacked, kTrainDrawings, kValidationDrawings),
          .test = drawings(stacked, kTrainDrawings + kValidationDrawings, kTestDrawings)};
}

CleaningData mnist_cleaning_data(const fs::path& folder, uint64_t seed, const MnistCounts& counts) {
  const Labelled train = read_mnist(folder, "train"), test = read_mnist(folder, "t10k");
  const int64_t needed = counts.train + counts.validation, found = train.labels.size(0);
  if (found < needed) {
    throw DataError("mnist: need at least " + std::to_string(needed) + " train images, got " +
                    std::to_string(found) + " in " + folder.string());
  }
  if (train.features.size(1) != test.features.size(1)) {
    throw DataError("mnist: need train and test images of one size, got " +
                    std::to_string(train.features.size(1)) + " and " + std::to_string(test.features.size(1)) +
                    " pixels in " + folder.string());
  }
  RandomStream random(seed, Purpose::split, 0);
  const at::Tensor order =
      as_index(random.sample(static_cast<uint32_t>(needed), static_cast<uint32_t>(found)));
  return {.description = "MNIST",
          .classes = kMnistClasses,
          .train = chosen(train, order.narrow(0, 0, counts.train)),
          .validation = chosen(train, order.narrow(0, counts.train, counts.validation)),
          .test = test};
}

}  // namespace ufo::experiment
