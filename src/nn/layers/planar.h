#pragma once

#include <ATen/ATen.h>

namespace ufo::nn {

// Activations [S, T, C, H, W] may lie in memory as [T, C, S, H, W], where a channel of a task is a row of all
// its pixels: batch norm then reads rows, and batched matrix products write them.

inline at::Tensor planar(const at::Tensor& x) { return x.permute({1, 2, 0, 3, 4}).contiguous(); }

/// The activations that lie in `rows` [T, C, S, H, W].
inline at::Tensor from_planar(const at::Tensor& rows) { return rows.permute({2, 0, 1, 3, 4}); }

inline bool is_planar(const at::Tensor& x) { return x.permute({1, 2, 0, 3, 4}).is_contiguous(); }

}  // namespace ufo::nn
