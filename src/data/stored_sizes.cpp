#include "image_reader.h"

#include <algorithm>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::data {
namespace {

struct Size {
  int64_t height, width;

  int64_t shorter() const { return std::min(height, width); }
  std::string text() const { return std::to_string(width) + "x" + std::to_string(height); }
};

/// "1200 of 1300 images have 20x30 to 40x41 pixels and are enlarged to 84x84"; `sizes` is not empty.
std::string describe(const std::vector<Size>& sizes, int64_t all, const std::string& what, int64_t size) {
  const auto [least, most] = std::minmax_element(
      sizes.begin(), sizes.end(),
      [](const Size& a, const Size& b) { return a.height * a.width < b.height * b.width; });
  const std::string range = least->text() + (least->text() == most->text() ? "" : " to " + most->text());
  const auto count = static_cast<int64_t>(sizes.size());
  const std::string text = std::to_string(size);
  return (count == all ? "" : std::to_string(count) + " of ") + std::to_string(all) + " images have " +
         range + " pixels and are " + what + " to " + text + "x" + text;
}

/// The size to set: the median of the shorter sides, within the range of the option.
std::string advice(std::vector<Size> sizes) {
  const auto middle = sizes.begin() + std::ssize(sizes) / 2;
  std::nth_element(sizes.begin(), middle, sizes.end(),
                   [](const Size& a, const Size& b) { return a.shorter() < b.shorter(); });
  return ": set dataset.image_size=" + std::to_string(std::clamp<int64_t>(middle->shorter(), 8, 512));
}

}  // namespace

std::string line_of_sizes(const at::Tensor& files, int64_t size) {
  constexpr int64_t kMuchSmaller = 2, kMuchLarger = 8;
  const auto* const values = files.const_data_ptr<int64_t>();
  const int64_t all = files.size(0);
  std::vector<Size> small, large;
  for (int64_t i = 0; i < all; ++i) {
    const Size stored{.height = values[3 * i], .width = values[3 * i + 1]};
    if (stored.shorter() == 0) {
      continue;  // it could not be decoded
    }
    if (kMuchSmaller * stored.shorter() < size) {
      small.push_back(stored);
    } else if (stored.shorter() > kMuchLarger * size) {
      large.push_back(stored);
    }
  }
  std::string line;
  if (!small.empty()) {
    const bool most = 2 * std::ssize(small) > all;
    line = describe(small, all, "enlarged", size) + (most ? advice(small) : "");
  }
  if (!large.empty()) {
    line += (line.empty() ? "" : "; ") + describe(large, all, "shrunk", size);
  }
  return line;
}

}  // namespace ufo::data
