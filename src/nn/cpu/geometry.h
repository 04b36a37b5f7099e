#pragma once

#include "../conv_net.h"
#include "kernels.h"
#include "part_timer.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace ufo::nn::cpu {

/// The index lists of one RowsProduct over the pixels of a chunk that see the same part of the kernel.
struct RowsPlan {
  std::vector<int32_t> a, c, a_segment, b_segment;
  int64_t length = 0;
  int64_t columns = 0;
  int64_t image_rows = 0;  ///< rows of the product an image

  RowsProduct product() const {
    return {a.data(), c.data(), a_segment.data(), b_segment.data(), static_cast<int64_t>(a_segment.size()),
            length,   columns};
  }
};

/// The index lists of one WeightsProduct over the pixels of a chunk that some taps of the kernel see.
struct WeightsPlan {
  std::vector<int32_t> row, a, b;
  int64_t first_row = 0;  ///< of the weights [K K C, F]
  int64_t columns = 0;
  int64_t image_pixels = 0;  ///< pixels an image

  WeightsProduct product() const {
    return {row.data(), a.data(), b.data(), static_cast<int64_t>(row.size()), columns};
  }
};

/// A convolution by fewer multiplications: its tiles, the matrices that their points multiply by, and how
/// many units are worked on at once, so that their points stay in the second-level cache.
struct TilesPlan {
  Algorithm algorithm;
  int64_t height, width;           ///< of the inputs
  int64_t rows, columns;           ///< tiles of an image
  int64_t image_units;             ///< units an image
  std::vector<int64_t> first_row;  ///< of each matrix in a unit; behind the last, all rows
  std::vector<int64_t> tap;        ///< of the weights that each matrix is, -1 where it is made of several
  int64_t line;                    ///< numbers in a cache line
  int64_t units = 1;               ///< at once

  int64_t matrices() const { return static_cast<int64_t>(first_row.size()) - 1; }
  int64_t unit_rows() const { return first_row.back(); }
  int64_t unit_rows(int64_t matrix) const { return first_row[matrix + 1] - first_row[matrix]; }

  /// From one matrix of weights to the next: a cache line beside the power of two that it would often be, at
  /// which all of them would want the same few places of the cache.
  int64_t filter_matrix(int64_t numbers) const { return numbers + line; }

  /// Where the points of a matrix begin, likewise; those of matrices() where all of them end.
  int64_t begin(int64_t matrix, int64_t units_at_once, int64_t channels) const {
    return first_row[matrix] * units_at_once * channels + matrix * line;
  }

  /// The tiles of the units from `first_unit` on.
  Tiles tiles(int64_t channels, int64_t units_at_once, int64_t first_unit) const {
    return {height, width, channels, rows, columns, first_unit, units_at_once, line, first_row.data()};
  }

  /// Of so many units and pairs of channels, whose direct form multiplies `image_taps` times an image.
  Flops flops(int64_t count, int64_t channel_pairs, int64_t image_taps) const;
};

/// One block of the conv net for some number of images: sizes with channels rounded up to whole vectors, and,
/// but in the first, the index lists of its three products, each for one chunk of images. A chunk is as many
/// images as keep a convolution's result in the second-level cache while batch norm and the products next to
/// it pass over it. Pixels near a border see only a part of the kernel: they have plans of their own, so that
/// no zero of the padding is ever multiplied.
struct BlockGeometry {
  int64_t kernel, padding, stride;
  int64_t in_height, in_width, in_channels;  ///< in_channels rounded up, except for images
  BlockSizes sizes;
  int64_t image_taps;  ///< multiplications of the direct form an image and pair of channels, padding left out
  int64_t chunk;       ///< images

  std::vector<RowsPlan> value;       ///< x with w to u
  std::vector<RowsPlan> gradients;   ///< du with the transposed w to dx
  std::vector<WeightsPlan> weights;  ///< x with du to dw
  std::optional<TilesPlan> tiles;    ///< in place of the three

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
