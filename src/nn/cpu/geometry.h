#pragma once

#include "../conv_net.h"
#include "kernels.h"

#include <cstdint>
#include <vector>

namespace ufo::nn::cpu {

/// The index lists of one RowsProduct, and the product over them.
struct RowsPlan {
  std::vector<int32_t> a, c, a_segment, b_segment;
  int64_t length = 0;
  int64_t columns = 0;

  RowsProduct product() const {
    return {a.data(), c.data(), a_segment.data(), b_segment.data(), static_cast<int64_t>(a_segment.size()),
            length,   columns};
  }
};

/// One block of the conv net for some number of images: sizes with channels rounded up to whole vectors, and
/// the index lists of its three products, each for one chunk of images. A chunk is as many images as keep a
/// convolution's result in the second-level cache while batch norm and the products next to it pass over it.
struct BlockGeometry {
  int64_t kernel, padding, stride;
  int64_t in_height, in_width, in_channels;  ///< in_channels rounded up, except for images
  BlockSizes sizes;
  int64_t chunk;  ///< images

  RowsPlan value;                   ///< x with w to u
  std::vector<RowsPlan> gradients;  ///< du with the transposed w to dx, one plan a class of pixels
  std::vector<int32_t> weight_row, weight_a, weight_b;

  WeightsProduct weights() const {
    return {weight_row.data(), weight_a.data(), weight_b.data(), static_cast<int64_t>(weight_row.size()),
            sizes.channels};
  }

  /// Where tap (row, column) of the kernel lies in the transposed weights, in units of one tap. Taps that
  /// serve the same class of input pixels are neighbours there, so that one class reads runs of several taps.
  std::vector<int64_t> transposed_tap;

  int64_t taps() const { return kernel * kernel; }
  int64_t input_image() const { return (in_height + 2 * padding) * (in_width + 2 * padding) * in_channels; }
  int64_t input_gradient_image() const { return in_height * in_width * in_channels; }
  int64_t conv_pixels() const { return sizes.height * sizes.width; }
  int64_t conv_image() const { return conv_pixels() * sizes.channels; }
  int64_t gradient_image() const {
    return (sizes.height + 2 * padding) * (sizes.width + 2 * padding) * sizes.channels;
  }
  int64_t out_image() const { return sizes.out_height * sizes.out_width * sizes.channels; }
  int64_t padded_out_image() const {
    return (sizes.out_height + 2 * sizes.out_padding) * (sizes.out_width + 2 * sizes.out_padding) *
           sizes.channels;
  }
};

/// The geometry of every block for `images` images in vectors of `lanes` numbers of `bytes` bytes.
std::vector<BlockGeometry> make_geometry(const ConvNet& net, int64_t images, int64_t lanes, int64_t bytes);

}  // namespace ufo::nn::cpu
