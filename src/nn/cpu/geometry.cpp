#include "geometry.h"

namespace ufo::nn::cpu {
namespace {

/// The result of one chunk of a convolution stays in the second-level cache.
constexpr int64_t kChunkBytes = 256 * 1024;

int32_t index(int64_t i) { return static_cast<int32_t>(i); }

/// x [chunk, H + 2p, W + 2p, C] with w [K, K, C, F] to u [chunk, OH, OW, F]: one segment a row of the kernel.
void plan_value(BlockGeometry& g) {
  const int64_t row = (g.in_width + 2 * g.padding) * g.in_channels, f = g.sizes.channels;
  g.value.length = g.kernel * g.in_channels;
  g.value.columns = f;
  for (int64_t k = 0; k < g.kernel; ++k) {
    g.value.a_segment.push_back(index(k * row));
    g.value.b_segment.push_back(index(k * g.value.length));
  }
  const int64_t gradient_row = (g.sizes.width + 2 * g.padding) * f;
  for (int64_t i = 0; i < g.chunk; ++i) {
    for (int64_t y = 0; y < g.sizes.height; ++y) {
      for (int64_t x = 0; x < g.sizes.width; ++x) {
        const int64_t from = i * g.input_image() + y * g.stride * row + x * g.stride * g.in_channels;
        g.value.a.push_back(index(from));
        g.value.c.push_back(index(((i * g.sizes.height + y) * g.sizes.width + x) * f));
        g.weight_b.push_back(
            index(i * g.gradient_image() + (y + g.padding) * gradient_row + (x + g.padding) * f));
      }
    }
  }
  g.weight_a = g.value.a;
  for (int64_t k = 0; k < g.kernel; ++k) {
    for (int64_t j = 0; j < g.value.length; ++j) {
      g.weight_row.push_back(index(k * row + j));
    }
  }
}

/// The taps along one axis that reach input pixels of class c (those at c, c + stride, ...), from the last to
/// the first: so the outputs they come from ascend one by one.
std::vector<int64_t> taps_of_class(const BlockGeometry& g, int64_t c) {
  std::vector<int64_t> taps;
  for (int64_t k = g.kernel - 1; k >= 0; --k) {
    if ((c + g.padding - k) % g.stride == 0) {
      taps.push_back(k);
    }
  }
  return taps;
}

/// du [chunk, OH + 2p, OW + 2p, F] with transposed w to dx [chunk, H, W, C] for the input pixels of class
/// (cy, cx): pixel (cy + s i, cx + s j) gathers the outputs (i + (cy + p - ky) / s, j + (cx + p - kx) / s)
/// with tap (ky, kx).
RowsPlan plan_gradient(BlockGeometry& g, int64_t cy, int64_t cx, int64_t& next_tap) {
  const int64_t f = g.sizes.channels, row = (g.sizes.width + 2 * g.padding) * f;
  const auto rows = taps_of_class(g, cy), columns = taps_of_class(g, cx);
  RowsPlan plan;
  plan.length = static_cast<int64_t>(columns.size()) * f;
  plan.columns = g.in_channels;
  if (!columns.empty()) {
    for (int64_t ky : rows) {
      const int64_t dy = (cy + g.padding - ky) / g.stride, dx = (cx + g.padding - columns.front()) / g.stride;
      plan.a_segment.push_back(index((dy + g.padding) * row + (dx + g.padding) * f));
      plan.b_segment.push_back(index(next_tap * f));
      for (int64_t kx : columns) {
        g.transposed_tap[ky * g.kernel + kx] = next_tap++;
      }
    }
  }
  for (int64_t i = 0; i < g.chunk; ++i) {
    for (int64_t y = cy; y < g.in_height; y += g.stride) {
      for (int64_t x = cx; x < g.in_width; x += g.stride) {
        plan.a.push_back(index(i * g.gradient_image() + (y / g.stride) * row + (x / g.stride) * f));
        plan.c.push_back(index(((i * g.in_height + y) * g.in_width + x) * g.in_channels));
      }
    }
  }
  return plan;
}

void plan_gradients(BlockGeometry& g) {
  g.transposed_tap.assign(g.taps(), 0);
  int64_t next_tap = 0;
  for (int64_t cy = 0; cy < g.stride; ++cy) {
    for (int64_t cx = 0; cx < g.stride; ++cx) {
      g.gradients.push_back(plan_gradient(g, cy, cx, next_tap));
    }
  }
}

}  // namespace

std::vector<BlockGeometry> make_geometry(const ConvNet& net, int64_t images, int64_t lanes, int64_t bytes) {
  std::vector<BlockGeometry> blocks;
  const int64_t padding = net.options().kernel / 2;
  const auto whole_vectors = [&](int64_t channels) { return (channels + lanes - 1) / lanes * lanes; };
  for (size_t i = 0; i < net.blocks().size(); ++i) {
    const BlockShape& shape = net.blocks()[i];
    const bool last = i + 1 == net.blocks().size();
    BlockGeometry g{.kernel = net.options().kernel,
                    .padding = padding,
                    .stride = net.stride(),
                    .in_height = shape.in_height,
                    .in_width = shape.in_width,
                    .in_channels = i == 0 ? shape.in_channels : whole_vectors(shape.in_channels)};
    g.sizes = {.images = images,
               .height = shape.conv_height,
               .width = shape.conv_width,
               .out_height = shape.out_height,
               .out_width = shape.out_width,
               .channels = whole_vectors(shape.out_channels),
               .out_padding = last ? 0 : padding,
               .gradient_padding = padding,
               .pooled = net.pooled()};
    g.chunk = std::clamp<int64_t>(kChunkBytes / (g.conv_image() * bytes), 1, images);
    plan_value(g);
    if (i > 0) {  // nobody asks for the gradient by the images
      plan_gradients(g);
    }
    blocks.push_back(std::move(g));
  }
  return blocks;
}

}  // namespace ufo::nn::cpu
