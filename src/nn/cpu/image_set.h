#pragma once

#include "geometry.h"

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::nn::cpu {

/// Where the first block's patches lie in images with their border of zeros. A patch is what the kernel sees
/// at one pixel of the convolution: K numbers in the order of the weights [kernel, kernel, C, F].
struct PatchPlan {
  explicit PatchPlan(const BlockGeometry& first);

  PatchSizes sizes() const { return {kernel, stride, channels, row, image, offset.data()}; }
  int64_t numbers() const { return kernel * kernel * channels; }

  int64_t kernel, stride, channels;
  int64_t row, image;
  int64_t images, height, width;  ///< images and the patches of one
  std::vector<int32_t> offset;
};

/// The images of one task as the first block wants them: with their border, and with the mean and the
/// covariance of their patches. These alone decide about batch norm's statistics behind a convolution without
/// any block before it: of u = w' x over all patches x the mean is w' m and the variance w' S w.
template <class T>
class ImageSet {
 public:
  explicit ImageSet(const BlockGeometry& first);

  /// images [S, H, W, C] contiguous.
  void load(const T* images);
  /// Whether the images of the last load() were these.
  bool holds(const T* images) const;

  const PatchPlan& plan() const { return plan_; }
  const T* padded() const { return padded_.template const_data_ptr<T>() + margin_; }
  const double* mean() const { return mean_.data(); }              ///< m [K]
  const double* covariance() const { return covariance_.data(); }  ///< S [K, K]

 private:
  /// Calls row(of the image, where it lies in the padded ones) until one gives false, whether none did.
  template <class Row>
  bool each_row(Row&& row) const;
  void add_patches_of(int64_t image);
  void take_moments();

  const BlockGeometry& geometry_;
  PatchPlan plan_;
  int64_t margin_;  ///< that windows at the edges may reach beyond all images
  at::Tensor padded_;
  std::vector<double> mean_, covariance_;
  std::vector<double> row_sums_, row_products_;
  bool loaded_ = false;
};

}  // namespace ufo::nn::cpu
