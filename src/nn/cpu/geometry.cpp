#include "geometry.h"

#include <compare>
#include <map>

namespace ufo::nn::cpu {
namespace {

/// The result of one chunk of a convolution stays in the second-level cache.
constexpr int64_t kChunkBytes = 256 * 1024;

int32_t index(int64_t i) { return static_cast<int32_t>(i); }

/// Neighbouring taps [begin, end) of the kernel along one axis.
struct Taps {
  int64_t begin, end;

  auto operator<=>(const Taps&) const = default;
};

/// The taps that see a pixel inside [0, size) from output `at`: tap k reads pixel at * stride + k - padding.
Taps taps_inside(const BlockGeometry& g, int64_t at, int64_t size) {
  const int64_t first = at * g.stride - g.padding;
  return {std::max<int64_t>(0, -first), std::min(g.kernel, size - first)};
}

/// x [chunk, H + 2p, W + 2p, C] with w [K, K, C, F] to u [chunk, OH, OW, F]: one segment a row of the kernel.
void plan_value(BlockGeometry& g) {
  const int64_t row = (g.in_width + 2 * g.padding) * g.in_channels, f = g.sizes.channels;
  std::map<std::pair<Taps, Taps>, RowsPlan> plans;
  for (int64_t i = 0; i < g.chunk; ++i) {
    for (int64_t y = 0; y < g.sizes.height; ++y) {
      for (int64_t x = 0; x < g.sizes.width; ++x) {
        const Taps rows = taps_inside(g, y, g.in_height), columns = taps_inside(g, x, g.in_width);
        RowsPlan& plan = plans[{rows, columns}];
        plan.a.push_back(index(i * g.input_image() + y * g.stride * row + x * g.stride * g.in_channels));
        plan.c.push_back(index(((i * g.sizes.height + y) * g.sizes.width + x) * f));
      }
    }
  }
  for (auto& [taps, plan] : plans) {
    const auto& [rows, columns] = taps;
    plan.length = (columns.end - columns.begin) * g.in_channels;
    plan.columns = f;
    plan.image_rows = static_cast<int64_t>(plan.a.size()) / g.chunk;
    for (int64_t k = rows.begin; k < rows.end; ++k) {
      plan.a_segment.push_back(index(k * row + columns.begin * g.in_channels));
      plan.b_segment.push_back(index((k * g.kernel + columns.begin) * g.in_channels));
    }
    g.value.push_back(std::move(plan));
  }
}

/// The product for the weights of the taps of `rows` and `columns`, over the pixels that `sees` admits.
template <class Sees>
WeightsPlan plan_weights(const BlockGeometry& g, Taps rows, Taps columns, Sees&& sees) {
  const int64_t row = (g.in_width + 2 * g.padding) * g.in_channels, f = g.sizes.channels;
  const int64_t gradient_row = (g.sizes.width + 2 * g.padding) * f;
  WeightsPlan plan{.first_row = (rows.begin * g.kernel + columns.begin) * g.in_channels, .columns = f};
  for (int64_t k = rows.begin; k < rows.end; ++k) {
    for (int64_t j = columns.begin * g.in_channels; j < columns.end * g.in_channels; ++j) {
      plan.row.push_back(index(k * row + j));
    }
  }
  for (int64_t i = 0; i < g.chunk; ++i) {
    for (int64_t y = 0; y < g.sizes.height; ++y) {
      for (int64_t x = 0; x < g.sizes.width; ++x) {
        if (sees(y, x)) {
          plan.a.push_back(index(i * g.input_image() + y * g.stride * row + x * g.stride * g.in_channels));
          plan.b.push_back(
              index(i * g.gradient_image() + (y + g.padding) * gradient_row + (x + g.padding) * f));
        }
      }
    }
  }
  plan.image_pixels = static_cast<int64_t>(plan.a.size()) / g.chunk;
  return plan;
}

/// One product a tap, without the pixels where it sees padding; or one for all taps, where a tap alone has
/// too few channels to fill the tiles, or where padding is too rare to matter.
void plan_weights(BlockGeometry& g) {
  constexpr int64_t kFewChannels = 16;
  constexpr double kRare = 0.05;
  std::vector<WeightsPlan> taps;
  int64_t seen = 0;
  for (int64_t ky = 0; ky < g.kernel; ++ky) {
    for (int64_t kx = 0; kx < g.kernel; ++kx) {
      taps.push_back(plan_weights(g, {ky, ky + 1}, {kx, kx + 1}, [&](int64_t y, int64_t x) {
        const Taps rows = taps_inside(g, y, g.in_height), columns = taps_inside(g, x, g.in_width);
        return rows.begin <= ky && ky < rows.end && columns.begin <= kx && kx < columns.end;
      }));
      seen += taps.back().image_pixels;
    }
  }
  const double padding = 1 - static_cast<double>(seen) / static_cast<double>(g.taps() * g.conv_pixels());
  if (g.in_channels >= kFewChannels && padding > kRare) {
    g.weights = std::move(taps);
  } else {
    g.weights.push_back(plan_weights(g, {0, g.kernel}, {0, g.kernel}, [](int64_t, int64_t) { return true; }));
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

/// Those of `taps` (as indices into it) whose output (at + padding - tap) / stride lies in [0, size).
Taps outputs_inside(const BlockGeometry& g, const std::vector<int64_t>& taps, int64_t at, int64_t size) {
  const auto outside = [&](int64_t k) {
    const int64_t output = (at + g.padding - taps[k]) / g.stride;
    return at + g.padding < taps[k] || output >= size;
  };
  Taps inside{0, static_cast<int64_t>(taps.size())};
  while (inside.begin < inside.end && outside(inside.begin)) {
    ++inside.begin;
  }
  while (inside.begin < inside.end && outside(inside.end - 1)) {
    --inside.end;
  }
  return inside;
}

/// du [chunk, OH + 2p, OW + 2p, F] with transposed w to dx [chunk, H, W, C] for the input pixels of class
/// (cy, cx): pixel (cy + s i, cx + s j) gathers the outputs (i + (cy + p - ky) / s, j + (cx + p - kx) / s)
/// with tap (ky, kx). The class's taps lie one behind the other in the transposed weights, from `first_tap`
/// on.
void plan_gradient(BlockGeometry& g, int64_t cy, int64_t cx, int64_t first_tap) {
  const int64_t f = g.sizes.channels, row = (g.sizes.width + 2 * g.padding) * f;
  const auto row_taps = taps_of_class(g, cy), column_taps = taps_of_class(g, cx);
  std::map<std::pair<Taps, Taps>, RowsPlan> plans;
  for (int64_t i = 0; i < g.chunk; ++i) {
    for (int64_t y = cy; y < g.in_height; y += g.stride) {
      for (int64_t x = cx; x < g.in_width; x += g.stride) {
        RowsPlan& plan = plans[{outputs_inside(g, row_taps, y, g.sizes.height),
                                outputs_inside(g, column_taps, x, g.sizes.width)}];
        plan.a.push_back(index(i * g.gradient_image() + (y / g.stride) * row + (x / g.stride) * f));
        plan.c.push_back(index(((i * g.in_height + y) * g.in_width + x) * g.in_channels));
      }
    }
  }
  for (auto& [taps, plan] : plans) {
    const auto& [rows, columns] = taps;
    plan.length = (columns.end - columns.begin) * f;
    plan.columns = g.in_channels;
    plan.image_rows = static_cast<int64_t>(plan.a.size()) / g.chunk;
    for (int64_t k = rows.begin; k < rows.end && plan.length > 0; ++k) {
      const int64_t dy = (cy + g.padding - row_taps[k]) / g.stride;
      const int64_t dx = (cx + g.padding - column_taps[columns.begin]) / g.stride;
      const int64_t tap = first_tap + k * static_cast<int64_t>(column_taps.size()) + columns.begin;
      plan.a_segment.push_back(index((dy + g.padding) * row + (dx + g.padding) * f));
      plan.b_segment.push_back(index(tap * f));
    }
    g.gradients.push_back(std::move(plan));
  }
}

/// Multiplications of the direct form along one axis, padding left out.
int64_t taps_seen(const BlockGeometry& g, int64_t outputs, int64_t size) {
  int64_t seen = 0;
  for (int64_t at = 0; at < outputs; ++at) {
    const Taps taps = taps_inside(g, at, size);
    seen += taps.end - taps.begin;
  }
  return seen;
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// One matrix a point of a tile.
TilesPlan plan_winograd(const BlockGeometry& g, Algorithm algorithm) {
  const int64_t size = algorithm == Algorithm::winograd3 ? 3 : 4, points = (size + 2) * (size + 2);
  TilesPlan plan{
      .algorithm = algorithm, .rows = divide_up(g.in_height, size), .columns = divide_up(g.in_width, size)};
  plan.image_units = plan.rows;
  for (int64_t point = 0; point <= points; ++point) {
    plan.first_row.push_back(point * plan.columns);
  }
  plan.tap.assign(points, -1);
  return plan;
}

/// Points of a kind along an axis of so many pixels.
int64_t polyphase_points(int64_t pixels, int64_t kind) {
  const int64_t whole = (pixels - 1) / kPolyphaseTile, rest = pixels - whole * kPolyphaseTile;
  return kind == 0 ? divide_up(pixels, 2) : whole + (kind <= kOddPoints[rest] ? 1 : 0);
}

/// One matrix a pair of kinds.
TilesPlan plan_polyphase(const BlockGeometry& g) {
  TilesPlan plan{.algorithm = Algorithm::polyphase,
                 .rows = divide_up(g.in_height, kPolyphaseTile),
                 .columns = divide_up(g.in_width, kPolyphaseTile),
                 .image_units = 1,
                 .first_row = {0}};
  for (int64_t down = 0; down < kPolyphaseKinds; ++down) {
    for (int64_t across = 0; across < kPolyphaseKinds; ++across) {
      plan.first_row.push_back(plan.first_row.back() +
                               polyphase_points(g.in_height, down) * polyphase_points(g.in_width, across));
      const int64_t row = kPolyphaseTap[down], column = kPolyphaseTap[across];
      plan.tap.push_back(row < 0 || column < 0 ? -1 : row * g.kernel + column);
    }
  }
  return plan;
}

std::vector<TilesPlan> tile_plans(const BlockGeometry& g) {
  if (g.kernel == 3 && g.stride == 1) {
    return {plan_winograd(g, Algorithm::winograd3), plan_winograd(g, Algorithm::winograd4)};
  }
  if (g.kernel == 3 && g.stride == 2) {
    return {plan_polyphase(g)};
  }
  return {};
}

/// Units at once, whose points stay in the second-level cache from one transform to the other; more of them
/// where the matrices of the weights are large and every step loads them again. In steps of nearly equal
/// length.
int64_t units_at_once(const TilesPlan& plan, const BlockGeometry& g, int64_t bytes) {
  const int64_t point_bytes = (plan.algorithm == Algorithm::polyphase ? 400 : 200) * 1024;
  const int64_t channels = std::max(g.in_channels, g.sizes.channels), all = g.chunk * plan.image_units;
  const int64_t most = std::max<int64_t>(1, point_bytes / (plan.unit_rows() * channels * bytes));
  return divide_up(all, divide_up(all, most));
}

/// The algorithm that needs the fewest products, transforms counted: what they do at a point for a channel
/// costs about as much as six multiply-adds, and at a matrix of the weights, once for all images, as three.
void plan_tiles(BlockGeometry& g, int64_t bytes) {
  constexpr double kTransform = 6, kFilter = 3;
  constexpr int64_t kCacheLine = 64;
  const double transforms =
      kTransform / static_cast<double>(g.in_channels) + kTransform / static_cast<double>(g.sizes.channels);
  double least = static_cast<double>(g.image_taps);
  for (TilesPlan& plan : tile_plans(g)) {
    const double filter =
        kFilter * static_cast<double>(plan.matrices()) / static_cast<double>(g.sizes.images);
    const double products =
        static_cast<double>(plan.image_units * plan.unit_rows()) * (1 + transforms) + filter;
    if (products < least) {
      least = products;
      plan.height = g.in_height, plan.width = g.in_width;
      plan.line = kCacheLine / bytes;
      plan.units = units_at_once(plan, g, bytes);
      g.tiles = std::move(plan);
    }
  }
}

/// The taps of the transposed weights in the order of the algorithm: Winograd's convolves with them flipped,
/// the adjoint of the other one takes them as they are.
void plan_transposed_taps(BlockGeometry& g) {
  const bool flipped = g.tiles->algorithm != Algorithm::polyphase;
  for (int64_t tap = 0; tap < g.taps(); ++tap) {
    g.transposed_tap.push_back(flipped ? g.taps() - 1 - tap : tap);
  }
}

/// The products of all classes of input pixels.
void plan_gradients(BlockGeometry& g) {
  g.transposed_tap.assign(g.taps(), 0);
  int64_t next_tap = 0;
  for (int64_t cy = 0; cy < g.stride; ++cy) {
    for (int64_t cx = 0; cx < g.stride; ++cx) {
      plan_gradient(g, cy, cx, next_tap);
      for (int64_t ky : taps_of_class(g, cy)) {
        for (int64_t kx : taps_of_class(g, cx)) {
          g.transposed_tap[ky * g.kernel + kx] = next_tap++;
        }
      }
    }
  }
}

void plan_products(BlockGeometry& g, int64_t bytes) {
  plan_tiles(g, bytes);
  if (g.tiles) {
    plan_transposed_taps(g);
  } else {
    plan_value(g);
    plan_weights(g);
    plan_gradients(g);
  }
}

}  // namespace

Flops TilesPlan::flops(int64_t count, int64_t channel_pairs, int64_t image_taps) const {
  const double pairs = 2.0 * static_cast<double>(channel_pairs);
  const double share = static_cast<double>(count) / static_cast<double>(image_units);
  return {.done = pairs * static_cast<double>(unit_rows() * count),
          .direct = pairs * share * static_cast<double>(image_taps)};
}

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
               .pooled = net.pooled(),
               .negative_slope = net.options().negative_slope};
    g.image_taps = taps_seen(g, g.sizes.height, g.in_height) * taps_seen(g, g.sizes.width, g.in_width);
    g.chunk = std::clamp<int64_t>(kChunkBytes / (g.conv_image() * bytes), 1, images);
    if (i > 0) {  // the first block has passes of its own
      plan_products(g, bytes);
    }
    blocks.push_back(std::move(g));
  }
  return blocks;
}

}  // namespace ufo::nn::cpu
