// Convolutions and their gradients as products of matrices: src/nn/cuda/convolution.h.

__device__ inline int quotient(int n, const Divider& by) {
  return static_cast<int>((__umulhi(static_cast<unsigned>(n), by.multiplier) + static_cast<unsigned>(n)) >>
                          by.shift);
}

/// A pointer of each term. Not an array, which the compiler would index in memory.
struct Pair {
  const REAL *first, *second;
  __device__ const REAL* operator[](int term) const { return term == 0 ? first : second; }
};
__device__ inline Pair weights_of(const Products& p, int task) {
  return {p.term[0].weights + task * p.term[0].weights_stride,
          p.term[1].weights + task * p.term[1].weights_stride};
}
/// From a task's activations to the next one's.
__device__ inline long long input_stride(const ConvolutionSizes& n) {
  return static_cast<long long>(n.channels) * n.images * n.height * n.width;
}
__device__ inline long long output_stride(const ConvolutionSizes& n) {
  return static_cast<long long>(n.filters) * n.images * n.out_height * n.out_width;
}
__device__ inline Pair activations_of(const Products& p, long long start) {
  return {p.term[0].activations + start, p.term[1].activations + start};
}

/// A tap of a filter, and where the window of an output pixel begins.
struct Tap {
  int y, x, channel;
};
struct Window {
  int image, y, x;
};
__device__ inline Tap tap_of(int k, const ConvolutionSizes& n) {
  const int tap = quotient(k, n.by_channels), y = quotient(tap, n.by_kernel);
  return {y, tap - y * n.kernel, k - tap * n.channels};
}
__device__ inline Window window_of(int pixel, const ConvolutionSizes& n) {
  const int image = quotient(pixel, n.by_out_pixels), rest = pixel - image * n.out_height * n.out_width,
            y = quotient(rest, n.by_out_width);
  return {image, y * n.stride - n.padding, (rest - y * n.out_width) * n.stride - n.padding};
}
__device__ inline bool is_inside(int y, int x, int height, int width) {
  return static_cast<unsigned>(y) < static_cast<unsigned>(height) &&
         static_cast<unsigned>(x) < static_cast<unsigned>(width);
}
__device__ inline int smaller(int a, int b) { return a < b ? a : b; }

// Indices beyond a factor's last row or column are those of the last one: what comes of them is not stored.

/// The weights as the matrix [F, k k C].
template <int kWidth, int kDepth, int kThreads>
struct FiltersByTaps : Reading<kWidth, kDepth, kThreads, false> {
  using Base = Reading<kWidth, kDepth, kThreads, false>;
  const ConvolutionSizes& n;
  Pair weights;
  int filter;

  __device__ FiltersByTaps(const ConvolutionSizes& sizes, const Products& p, int task, int row)
      : n(sizes), weights(weights_of(p, task)), filter(smaller(row + Base::index(0), n.filters - 1)) {}

  __device__ void load(REAL (&to)[Base::kLoads], int term, int k, int end) const {
    const REAL* const from = weights[term] + static_cast<long long>(k) * n.filters + filter;
#pragma unroll
    for (int i = 0; i < Base::kLoads; ++i) {
      to[i] = k + Base::depth(i) < end ? from[Base::depth(i) * n.filters] : REAL(0);
    }
  }
};

/// The unfolded images as the matrix [k k C, S H' W'].
template <int kWidth, int kDepth, int kThreads>
struct TapsByPixels : Reading<kWidth, kDepth, kThreads, false> {
  using Base = Reading<kWidth, kDepth, kThreads, false>;
  const ConvolutionSizes& n;
  Pair images;
  Window window;
  int plane;
  bool one_tap;  // a tile's

  __device__ TapsByPixels(const ConvolutionSizes& sizes, const Products& p, int task, int column)
      : n(sizes),
        images(activations_of(p, input_stride(sizes) * task)),
        window(window_of(smaller(column + Base::index(0), n.images * n.out_height * n.out_width - 1), n)),
        plane(n.images * n.height * n.width),
        one_tap(n.channels % kDepth == 0) {}

  __device__ REAL at(const REAL* from, const Tap& tap) const {
    const int y = window.y + tap.y, x = window.x + tap.x;
    return is_inside(y, x, n.height, n.width) ? from[static_cast<long long>(tap.channel) * plane +
                                                     (window.image * n.height + y) * n.width + x]
                                              : REAL(0);
  }
  __device__ void load(REAL (&to)[Base::kLoads], int term, int k, int end) const {
    const REAL* const from = images[term];
    if (one_tap) {
      const Tap tap = tap_of(k, n);
      const int y = window.y + tap.y, x = window.x + tap.x;
      const bool inside = is_inside(y, x, n.height, n.width);
      const REAL* const first =
          from + static_cast<long long>(tap.channel) * plane + (window.image * n.height + y) * n.width + x;
#pragma unroll
      for (int i = 0; i < Base::kLoads; ++i) {
        to[i] = inside ? first[static_cast<long long>(Base::depth(i)) * plane] : REAL(0);
      }
    } else {
#pragma unroll
      for (int i = 0; i < Base::kLoads; ++i) {
        to[i] = k + Base::depth(i) < end ? at(from, tap_of(k + Base::depth(i), n)) : REAL(0);
      }
    }
  }
};

/// The same matrix turned round: a row is a tap, k a pixel.
template <int kWidth, int kDepth, int kThreads>
struct TapsAlongPixels : Reading<kWidth, kDepth, kThreads, true> {
  using Base = Reading<kWidth, kDepth, kThreads, true>;
  const ConvolutionSizes& n;
  Pair images;
  Tap tap[Base::kLoads];
  int start[Base::kLoads];

  __device__ TapsAlongPixels(const ConvolutionSizes& sizes, const Products& p, int task, int row)
      : n(sizes), images(activations_of(p, input_stride(sizes) * task)) {
#pragma unroll
    for (int i = 0; i < Base::kLoads; ++i) {
      tap[i] = tap_of(smaller(row + Base::index(i), n.kernel * n.kernel * n.channels - 1), n);
      start[i] = tap[i].channel * n.images * n.height * n.width + tap[i].y * n.width + tap[i].x;
    }
  }

  __device__ void load(REAL (&to)[Base::kLoads], int term, int k, int end) const {
    const int pixel = k + Base::depth(0);
    const Window window = window_of(pixel, n);
    const REAL* const from = images[term] + (window.image * n.height + window.y) * n.width + window.x;
#pragma unroll
    for (int i = 0; i < Base::kLoads; ++i) {
      const bool inside =
          pixel < end && is_inside(window.y + tap[i].y, window.x + tap[i].x, n.height, n.width);
      to[i] = inside ? from[start[i]] : REAL(0);
    }
  }
};

/// dy, which stands for the weights, as the matrix [F, S H' W']; k is a pixel.
template <int kWidth, int kDepth, int kThreads>
struct FiltersAlongPixels : Reading<kWidth, kDepth, kThreads, true> {
  using Base = Reading<kWidth, kDepth, kThreads, true>;
  Pair dy;
  int start[Base::kLoads];

  __device__ FiltersAlongPixels(const ConvolutionSizes& n, const Products& p, int task, int column)
      : dy(weights_of(p, task)) {
#pragma unroll
    for (int i = 0; i < Base::kLoads; ++i) {
      start[i] = smaller(column + Base::index(i), n.filters - 1) * n.images * n.out_height * n.out_width;
    }
  }

  __device__ void load(REAL (&to)[Base::kLoads], int term, int k, int end) const {
    const int pixel = k + Base::depth(0);
    const REAL* const from = dy[term] + pixel;
#pragma unroll
    for (int i = 0; i < Base::kLoads; ++i) {
      to[i] = pixel < end ? from[start[i]] : REAL(0);
    }
  }
};

/// The pixels (y, x) of the input with y mod stride and x mod stride given, and the taps that reach them.
struct Phase {
  int y, x, height, width, tap_y, tap_x, taps_y, taps_x;
};
__device__ inline Phase phase_of(int number, const ConvolutionSizes& n) {
  Phase phase;
  phase.y = number / n.stride;
  phase.x = number - phase.y * n.stride;
  phase.height = (n.height - phase.y + n.stride - 1) / n.stride;
  phase.width = (n.width - phase.x + n.stride - 1) / n.stride;
  phase.tap_y = (phase.y + n.padding) % n.stride;
  phase.tap_x = (phase.x + n.padding) % n.stride;
  phase.taps_y = (n.kernel - phase.tap_y + n.stride - 1) / n.stride;
  phase.taps_x = (n.kernel - phase.tap_x + n.stride - 1) / n.stride;
  return phase;
}

/// A tap of a phase, counted within it, and a filter.
struct PhaseTap {
  int y, x, filter;
};
__device__ inline PhaseTap phase_tap_of(int k, const ConvolutionSizes& n, const Phase& phase) {
  const int tap = quotient(k, n.by_filters);
  int y = 0;
  for (int left = tap; left >= phase.taps_x; left -= phase.taps_x) {  // few
    ++y;
  }
  return {y, tap - y * phase.taps_x, k - tap * n.filters};
}

/// The weights of a phase's taps as the matrix [C, taps F].
template <int kWidth, int kDepth, int kThreads>
struct ChannelsByTaps : Reading<kWidth, kDepth, kThreads, true> {
  using Base = Reading<kWidth, kDepth, kThreads, true>;
  const ConvolutionSizes& n;
  const Phase& phase;
  Pair weights;
  int start[Base::kLoads];
  bool one_tap;

  __device__ ChannelsByTaps(const ConvolutionSizes& sizes, const Phase& of, const Products& p, int task,
                            int row)
      : n(sizes), phase(of), weights(weights_of(p, task)), one_tap(n.filters % kDepth == 0) {
#pragma unroll
    for (int i = 0; i < Base::kLoads; ++i) {
      start[i] = smaller(row + Base::index(i), n.channels - 1) * n.filters;
    }
  }

  __device__ void load(REAL (&to)[Base::kLoads], int term, int k, int end) const {
    const int own = k + Base::depth(0);
    const PhaseTap tap = phase_tap_of(one_tap ? k : own, n, phase);
    const int place = (phase.tap_y + tap.y * n.stride) * n.kernel + phase.tap_x + tap.x * n.stride;
    const REAL* const from = weights[term] + static_cast<long long>(place) * n.channels * n.filters +
                             tap.filter + (one_tap ? Base::depth(0) : 0);
#pragma unroll
    for (int i = 0; i < Base::kLoads; ++i) {
      to[i] = own < end ? from[start[i]] : REAL(0);
    }
  }
};

/// What the taps of a phase see of dy, as the matrix [taps F, pixels of the phase].
template <int kWidth, int kDepth, int kThreads>
struct TapsByPhase : Reading<kWidth, kDepth, kThreads, false> {
  using Base = Reading<kWidth, kDepth, kThreads, false>;
  const ConvolutionSizes& n;
  const Phase& phase;
  Pair dy;
  Window window;  // where the phase's first tap looks
  int plane;
  bool one_tap;

  __device__ TapsByPhase(const ConvolutionSizes& sizes, const Phase& of, const Products& p, int task,
                         int column)
      : n(sizes),
        phase(of),
        dy(activations_of(p, output_stride(sizes) * task)),
        plane(n.images * n.out_height * n.out_width),
        one_tap(n.filters % kDepth == 0) {
    const int pixels = phase.height * phase.width,
              index = smaller(column + Base::index(0), n.images * pixels - 1), image = index / pixels,
              rest = index - image * pixels, y = rest / phase.width;
    window = {image, y + (phase.y + n.padding - phase.tap_y) / n.stride,
              rest - y * phase.width + (phase.x + n.padding - phase.tap_x) / n.stride};
  }

  __device__ void load(REAL (&to)[Base::kLoads], int term, int k, int end) const {
    if (one_tap) {
      const PhaseTap tap = phase_tap_of(k, n, phase);
      const int y = window.y - tap.y, x = window.x - tap.x;
      const bool inside = is_inside(y, x, n.out_height, n.out_width);
      const REAL* const from = dy[term] + static_cast<long long>(tap.filter) * plane +
                               (window.image * n.out_height + y) * n.out_width + x;
#pragma unroll
      for (int i = 0; i < Base::kLoads; ++i) {
        to[i] = inside ? from[static_cast<long long>(Base::depth(i)) * plane] : REAL(0);
      }
    } else {
#pragma unroll
      for (int i = 0; i < Base::kLoads; ++i) {
        const int own = k + Base::depth(i);
        const PhaseTap tap = phase_tap_of(own, n, phase);
        const int y = window.y - tap.y, x = window.x - tap.x;
        to[i] = own < end && is_inside(y, x, n.out_height, n.out_width)
                    ? dy[term][static_cast<long long>(tap.filter) * plane +
                               (window.image * n.out_height + y) * n.out_width + x]
                    : REAL(0);
      }
    }
  }
};

/// y [T, F, S, H', W'] of images x and weights: a block is (tile of pixels, tile of filters, task).
template <int kRows, int kColumns, int kDepth, int kSlices>
__device__ void convolve(const ConvolutionSizes& n, const Products& p, REAL* y) {
  constexpr int kThreads = kRows / 4 * (kColumns / 4) * kSlices;
  const int task = static_cast<int>(blockIdx.z), row = static_cast<int>(blockIdx.y) * kRows,
            column = static_cast<int>(blockIdx.x) * kColumns, pixels = n.images * n.out_height * n.out_width;
  const auto store = [&](int filter, int pixel, REAL value) {
    if (filter < n.filters && pixel < pixels) {
      y[static_cast<long long>(task * n.filters + filter) * pixels + pixel] = value;
    }
  };
  multiply<kRows, kColumns, kDepth, kSlices>(FiltersByTaps<kRows, kDepth, kThreads>(n, p, task, row),
                                             TapsByPixels<kColumns, kDepth, kThreads>(n, p, task, column),
                                             p.count, row, column, 0, n.kernel * n.kernel * n.channels,
                                             store);
}

/// dx [T, C, S, H, W] of dy, which stand for the activations, and weights: a block is (tile of pixels of one
/// phase, task, phase and tile of channels). Phases of many taps come first, so that short blocks are the
/// last to run.
template <int kRows, int kColumns, int kDepth, int kSlices>
__device__ void differentiate_by_input(const ConvolutionSizes& n, const Products& p, REAL* dx) {
  constexpr int kThreads = kRows / 4 * (kColumns / 4) * kSlices;
  const int task = static_cast<int>(blockIdx.y), phases = n.stride * n.stride,
            row_tiles = (n.channels + kRows - 1) / kRows,
            row = static_cast<int>(blockIdx.z) % row_tiles * kRows,
            column = static_cast<int>(blockIdx.x) * kColumns;
  const Phase phase = phase_of(phases - 1 - static_cast<int>(blockIdx.z) / row_tiles, n);
  const int pixels = phase.height * phase.width, all = n.images * pixels;
  if (column >= all) {
    return;
  }
  const auto store = [&](int channel, int index, REAL value) {
    if (channel < n.channels && index < all) {
      const int image = index / pixels, rest = index - image * pixels, y = rest / phase.width,
                x = rest - y * phase.width;
      dx[(static_cast<long long>((task * n.channels + channel)) * n.images + image) * n.height * n.width +
         (y * n.stride + phase.y) * n.width + x * n.stride + phase.x] = value;
    }
  };
  multiply<kRows, kColumns, kDepth, kSlices>(
      ChannelsByTaps<kRows, kDepth, kThreads>(n, phase, p, task, row),
      TapsByPhase<kColumns, kDepth, kThreads>(n, phase, p, task, column), p.count, row, column, 0,
      phase.taps_y * phase.taps_x * n.filters, store);
}

/// dw [parts, T, k, k, C, F] of images x and dy, which stand for the weights: a block is (tile of filters,
/// tile of taps, task and part). Each part sums over a share of the pixels.
template <int kRows, int kColumns, int kDepth, int kSlices>
__device__ void differentiate_by_weights(const ConvolutionSizes& n, const Products& p, int tasks, int parts,
                                         REAL* dw) {
  constexpr int kThreads = kRows / 4 * (kColumns / 4) * kSlices;
  const int part = static_cast<int>(blockIdx.z) / tasks, task = static_cast<int>(blockIdx.z) - part * tasks,
            row = static_cast<int>(blockIdx.y) * kRows, column = static_cast<int>(blockIdx.x) * kColumns,
            taps = n.kernel * n.kernel * n.channels, pixels = n.images * n.out_height * n.out_width,
            share = (pixels + parts - 1) / parts, begin = smaller(part * share, pixels),
            end = smaller(begin + share, pixels);
  const auto store = [&](int tap, int filter, REAL value) {
    if (tap < taps && filter < n.filters) {
      dw[(static_cast<long long>(blockIdx.z) * taps + tap) * n.filters + filter] = value;
    }
  };
  multiply<kRows, kColumns, kDepth, kSlices>(
      TapsAlongPixels<kRows, kDepth, kThreads>(n, p, task, row),
      FiltersAlongPixels<kColumns, kDepth, kThreads>(n, p, task, column), p.count, row, column, begin, end,
      store);
}

/// `depth` is that of tiles of floats; those of doubles have half of it, for the same shared memory.
#define CONVOLUTIONS(rows, columns, depth, slices)                                                           \
  KERNEL void __launch_bounds__(rows / 4 * (columns / 4) * slices) convolve_##rows##x##columns(              \
      const __grid_constant__ ConvolutionSizes n, const __grid_constant__ Products p, REAL* y) {             \
    convolve<rows, columns, depth * 4 / static_cast<int>(sizeof(REAL)), slices>(n, p, y);                    \
  }                                                                                                          \
  KERNEL void __launch_bounds__(rows / 4 * (columns / 4) * slices)                                           \
      differentiate_by_input_##rows##x##columns(const __grid_constant__ ConvolutionSizes n,                  \
                                                const __grid_constant__ Products p, REAL* dx) {              \
    differentiate_by_input<rows, columns, depth * 4 / static_cast<int>(sizeof(REAL)), slices>(n, p, dx);     \
  }                                                                                                          \
  KERNEL void __launch_bounds__(rows / 4 * (columns / 4) * slices)                                           \
      differentiate_by_weights_##rows##x##columns(const __grid_constant__ ConvolutionSizes n,                \
                                                  const __grid_constant__ Products p, int tasks, int parts,  \
                                                  REAL* dw) {                                                \
    differentiate_by_weights<rows, columns, depth * 4 / static_cast<int>(sizeof(REAL)), slices>(n, p, tasks, \
                                                                                                parts, dw);  \
  }

// The tiles that src/nn/cuda/convolution.cpp chooses from.
CONVOLUTIONS(64, 64, 32, 1)
CONVOLUTIONS(32, 128, 32, 1)
CONVOLUTIONS(32, 32, 64, 4)
