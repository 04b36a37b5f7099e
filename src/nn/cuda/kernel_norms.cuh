// Batch norm, its adjoint and their tangents, a block a channel of a task: src/nn/cuda/layers.h.

template <int kCount>
__device__ void sum_over_warp(REAL (&value)[kCount]) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      value[i] += __shfl_xor_sync(0xffffffffu, value[i], lanes);
    }
  }
}

/// Sums over the block's threads, whole warps of them, the same in all.
template <int kCount>
__device__ void sum_over_threads(REAL (&value)[kCount]) {
  __shared__ REAL of_warp[kCount][32];
  const int thread = static_cast<int>(threadIdx.x), warps = static_cast<int>(blockDim.x) / 32,
            lane = thread % 32;
  sum_over_warp(value);
  if (warps == 1) {
    return;
  }
  __syncthreads();
  if (lane == 0) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      of_warp[i][thread / 32] = value[i];
    }
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    value[i] = lane < warps ? of_warp[i][lane] : REAL(0);
  }
  sum_over_warp(value);
}

/// The block's row, and where it begins.
struct Row {
  int row, task, channel, thread, threads;
  long long start;
};
__device__ inline Row row_of(const NormSizes& n) {
  const int row = static_cast<int>(blockIdx.x), task = row / n.channels;
  return {row,
          task,
          row - task * n.channels,
          static_cast<int>(threadIdx.x),
          static_cast<int>(blockDim.x),
          static_cast<long long>(row) * n.pixels};
}

/// y = gamma h + beta with h = (x - mean) r, r = 1 / sqrt(variance + eps). Gives mean and r a row.
KERNEL void normalize(NormSizes n, const REAL* x, const REAL* gamma, const REAL* beta, REAL eps, REAL* y,
                      REAL* mean, REAL* r) {
  const auto [row, task, channel, thread, threads, start] = row_of(n);
  x += start, y += start;
  REAL sum[1] = {0};
  for (int i = thread; i < n.pixels; i += threads) {
    sum[0] += x[i];
  }
  sum_over_threads(sum);
  const REAL centre = sum[0] / static_cast<REAL>(n.pixels);
  sum[0] = 0;
  for (int i = thread; i < n.pixels; i += threads) {
    sum[0] += (x[i] - centre) * (x[i] - centre);
  }
  sum_over_threads(sum);
  const REAL scale = REAL(1) / sqrt(sum[0] / static_cast<REAL>(n.pixels) + eps);
  const REAL g = gamma[task * n.gamma_stride + channel], b = beta[task * n.beta_stride + channel];
  for (int i = thread; i < n.pixels; i += threads) {
    y[i] = g * ((x[i] - centre) * scale) + b;
  }
  if (thread == 0) {
    mean[row] = centre;
    r[row] = scale;
  }
}

/// dx = gamma r (dy - mean(dy) - h mean(h dy)), dgamma = sum(h dy), dbeta = sum(dy).
KERNEL void normalize_adjoint(NormSizes n, const REAL* x, const REAL* mean, const REAL* r, const REAL* gamma,
                              const REAL* dy, REAL* dx, REAL* dgamma, REAL* dbeta) {
  const auto [row, task, channel, thread, threads, start] = row_of(n);
  x += start, dy += start, dx += start;
  const REAL centre = mean[row], scale = r[row];
  REAL sum[2] = {0, 0};
  for (int i = thread; i < n.pixels; i += threads) {
    sum[0] += (x[i] - centre) * scale * dy[i];
    sum[1] += dy[i];
  }
  sum_over_threads(sum);
  const REAL share = REAL(1) / static_cast<REAL>(n.pixels), along_h = sum[0] * share,
             along_one = sum[1] * share;
  const REAL factor = gamma[task * n.gamma_stride + channel] * scale;
  for (int i = thread; i < n.pixels; i += threads) {
    dx[i] = factor * (dy[i] - along_one - (x[i] - centre) * scale * along_h);
  }
  if (thread == 0) {
    dgamma[row] = sum[0];
    dbeta[row] = sum[1];
  }
}

/// y_t = gamma_t h + gamma h_t + beta_t with h_t = r (x_t - mean(x_t) - h mean(h x_t)); x_t may be null, for
/// zero. Gives the two means a row.
KERNEL void normalize_tangent(NormSizes n, const REAL* x, const REAL* mean, const REAL* r, const REAL* gamma,
                              long long direction_stride, const REAL* gamma_t, const REAL* beta_t,
                              const REAL* x_t, REAL* y_t, REAL* mean_t, REAL* along_h_t) {
  const auto [row, task, channel, thread, threads, start] = row_of(n);
  x += start, y_t += start;
  const REAL centre = mean[row], scale = r[row];
  REAL sum[2] = {0, 0};
  if (x_t != nullptr) {
    x_t += start;
    for (int i = thread; i < n.pixels; i += threads) {
      sum[0] += (x[i] - centre) * scale * x_t[i];
      sum[1] += x_t[i];
    }
    sum_over_threads(sum);
  }
  const REAL share = REAL(1) / static_cast<REAL>(n.pixels), along_h = sum[0] * share,
             along_one = sum[1] * share;
  const REAL g = gamma[task * n.gamma_stride + channel], g_t = gamma_t[task * direction_stride + channel],
             b_t = beta_t[task * direction_stride + channel];
  for (int i = thread; i < n.pixels; i += threads) {
    const REAL h = (x[i] - centre) * scale;
    const REAL h_t = x_t != nullptr ? scale * (x_t[i] - along_one - h * along_h) : REAL(0);
    y_t[i] = g_t * h + g * h_t + b_t;
  }
  if (thread == 0) {
    mean_t[row] = along_one;
    along_h_t[row] = along_h;
  }
}

/// The derivative of normalize_adjoint along x_t, gamma_t and dy_t. With core = r (dy - mean(dy) - h mean(h
/// dy)), so that dx = gamma core, and r_t = -r^2 mean(h x_t):
///   dx_t = gamma r (dy_t - mean(dy_t) - h mean(h dy_t)) + (gamma_t + gamma r_t / r) core
///          - gamma r (h_t mean(h dy) + h mean(h_t dy))
///   dgamma_t = sum(h dy_t + h_t dy), dbeta_t = sum(dy_t)
KERNEL void normalize_adjoint_tangent(NormSizes n, const REAL* x, const REAL* mean, const REAL* r,
                                      const REAL* gamma, long long direction_stride, const REAL* gamma_t,
                                      const REAL* x_t, const REAL* mean_t, const REAL* along_h_t,
                                      const REAL* dy, const REAL* dgamma, const REAL* dbeta, const REAL* dy_t,
                                      REAL* dx_t, REAL* dgamma_t, REAL* dbeta_t) {
  const auto [row, task, channel, thread, threads, start] = row_of(n);
  x += start, dy += start, dy_t += start, dx_t += start;
  if (x_t != nullptr) {
    x_t += start;
  }
  const REAL centre = mean[row], scale = r[row], one_t = mean_t[row], along_t = along_h_t[row];
  const auto h_t_at = [&](int i, REAL h) {
    return x_t != nullptr ? scale * (x_t[i] - one_t - h * along_t) : REAL(0);
  };
  REAL sum[3] = {0, 0, 0};
  for (int i = thread; i < n.pixels; i += threads) {
    const REAL h = (x[i] - centre) * scale;
    sum[0] += h * dy_t[i];
    sum[1] += dy_t[i];
    sum[2] += h_t_at(i, h) * dy[i];
  }
  sum_over_threads(sum);
  const REAL share = REAL(1) / static_cast<REAL>(n.pixels);
  const REAL g = gamma[task * n.gamma_stride + channel], factor = g * scale;
  const REAL of_core = (gamma_t[task * direction_stride + channel] - factor * along_t) * scale;
  const REAL dy_along_h = dgamma[row] * share, dy_along_one = dbeta[row] * share;
  for (int i = thread; i < n.pixels; i += threads) {
    const REAL h = (x[i] - centre) * scale;
    dx_t[i] =
        factor * (dy_t[i] - sum[1] * share - h * (sum[0] + sum[2]) * share - h_t_at(i, h) * dy_along_h) +
        of_core * (dy[i] - dy_along_one - h * dy_along_h);
  }
  if (thread == 0) {
    dgamma_t[row] = sum[0] + sum[2];
    dbeta_t[row] = sum[1];
  }
}
