// A block's tile of a product of two matrices that are read where they lie.

struct alignas(4 * sizeof(REAL)) Four {
  REAL number[4];
};

/// How the threads of a block read a factor's tile of kWidth rows or columns and kDepth steps along k: the
/// thread's i-th element is number depth(i) along k and number index(i) across. With kDepthFirst neighbouring
/// threads read along k, which is right where the factor is contiguous there.
template <int kWidth, int kDepth, int kThreads, bool kDepthFirst>
struct Reading {
  static constexpr int kLoads = kWidth * kDepth / kThreads;
  static_assert(kLoads * kThreads == kWidth * kDepth && kThreads % kWidth == 0 && kThreads % kDepth == 0);

  __device__ static int depth(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return kDepthFirst ? thread % kDepth : thread / kWidth + i * (kThreads / kWidth);
  }
  __device__ static int index(int i) {
    const int thread = static_cast<int>(threadIdx.x);
    return kDepthFirst ? thread / kDepth + i * (kThreads / kDepth) : thread % kWidth;
  }
};

/// sum_k a(row, k) b(k, column) over all terms and begin <= k < end, of the block's tile of kRows x kColumns,
/// by a 4x4 tile a thread; kSlices groups of threads share the k. A and B read the factors as their Reading
/// says:
///   load(to, term, k, end)   the thread's elements of the tile that begins at k; 0 from `end` on
template <int kRows, int kColumns, int kDepth, int kSlices, class A, class B, class Store>
__device__ void multiply(A a, B b, int terms, int row, int column, int begin, int end, const Store& store) {
  constexpr int kThreads = kRows / 4 * (kColumns / 4) * kSlices, kPadding = 4, kGroup = kThreads / kSlices;
  // While one of a pair of tiles is read, the next is written.
  alignas(4 * sizeof(REAL)) __shared__ REAL tile_a[2][kDepth][kRows + kPadding];
  alignas(4 * sizeof(REAL)) __shared__ REAL tile_b[2][kDepth][kColumns + kPadding];
  const int thread = static_cast<int>(threadIdx.x), slice = thread / kGroup, own = thread % kGroup,
            own_row = own / (kColumns / 4) * 4, own_column = own % (kColumns / 4) * 4;
  const int steps = (end - begin + kDepth - 1) / kDepth, all_steps = steps * terms;

  REAL next_a[A::kLoads], next_b[B::kLoads], sum[4][4] = {};
  const auto fetch = [&](int step) {
    const int term = step < steps ? 0 : 1, k = begin + (step - term * steps) * kDepth;
    a.load(next_a, term, k, end);
    b.load(next_b, term, k, end);
  };
  const auto put = [&](int step) {
#pragma unroll
    for (int i = 0; i < A::kLoads; ++i) {
      tile_a[step % 2][a.depth(i)][a.index(i)] = next_a[i];
    }
#pragma unroll
    for (int i = 0; i < B::kLoads; ++i) {
      tile_b[step % 2][b.depth(i)][b.index(i)] = next_b[i];
    }
    __syncthreads();
  };
  if (all_steps > 0) {  // none where no tap of a filter reaches the pixels of a phase
    fetch(0);
    put(0);
  }
  for (int step = 0; step < all_steps; ++step) {
    if (step + 1 < all_steps) {
      fetch(step + 1);
    }
#pragma unroll
    for (int k = 0; k < kDepth / kSlices; ++k) {
      const int place = kSlices == 1 ? k : k * kSlices + slice;
      const Four left = *reinterpret_cast<const Four*>(&tile_a[step % 2][place][own_row]);
      const Four right = *reinterpret_cast<const Four*>(&tile_b[step % 2][place][own_column]);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sum[i][j] += left.number[i] * right.number[j];
        }
      }
    }
    if (step + 1 < all_steps) {
      put(step + 1);
    }
  }

  if (kSlices > 1) {
    __shared__ REAL part[kSlices > 1 ? kRows * kColumns : 1];
    for (int from = 1; from < kSlices; ++from) {
      __syncthreads();
      if (slice == from) {
#pragma unroll
        for (int i = 0; i < 16; ++i) {
          part[i * kGroup + own] = sum[i / 4][i % 4];
        }
      }
      __syncthreads();
      if (slice == 0) {
#pragma unroll
        for (int i = 0; i < 16; ++i) {
          sum[i / 4][i % 4] += part[i * kGroup + own];
        }
      }
    }
  }
  if (slice == 0) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        store(row + own_row + i, column + own_column + j, sum[i][j]);
      }
    }
  }
}
