#include "convolution.h"

#include "part_timer.h"

#include <algorithm>

#include <ufo/base/parallel.h>

namespace ufo::nn::cpu {
namespace {

bool threads_are_idle() { return !inside_parallel_tasks() && task_threads() > 1; }

/// Calls work(begin, end) on parts of [0, count), each a multiple of `grain` but the last: in one piece
/// unless threads are idle and every piece is worth waking one.
template <class Work>
void split(int64_t count, int64_t grain, double flops, Work&& work) {
  constexpr double kWorthAThread = 4e6;
  const int64_t threads = threads_are_idle() ? task_threads() : 1;
  const int64_t pieces = std::min({threads, static_cast<int64_t>(flops / kWorthAThread), count / grain});
  if (pieces <= 1) {
    work(0, count);
    return;
  }
  const auto bound = [&](int64_t piece) {
    return piece == pieces ? count : count * piece / pieces / grain * grain;
  };
  parallel_tasks(pieces, [&](int64_t piece) { work(bound(piece), bound(piece + 1)); });
}

/// What a transform costs beside the products at its points, roughly.
constexpr double kTransformShare = 0.15;

}  // namespace

template <class T>
Convolution<T>::Convolution(const BlockGeometry& geometry, Scratch<T>& scratch)
    : geometry_(geometry), kernels_(kernels<T>()), scratch_(scratch) {}

template <class T>
const T* Convolution<T>::filters(const T* weights, typename Scratch<T>::Slot slot) {
  if (!geometry_.tiles) {
    return weights;
  }
  const PartTimer timer(Part::transposition);
  const int64_t point = geometry_.tiles->matrix(filter_size());
  T* points = scratch_.at(slot, geometry_.tiles->points() * point);
  transforms().filter(weights, filter_size(), point, points);
  return points;
}

template <class T>
void Convolution<T>::value(int64_t images, Factors x, Factors x2, T* u) const {
  if (geometry_.tiles) {
    multiply_tiles(images, geometry_.in_channels, geometry_.sizes.channels, x, x2, u);
    return;
  }
  multiply_rows(geometry_.value, images, x, u, false);
  if (x2.image != nullptr) {
    multiply_rows(geometry_.value, images, x2, u, true);
  }
}

template <class T>
void Convolution<T>::input_gradient(int64_t images, Factors du, Factors du2, T* dx) const {
  if (geometry_.tiles) {
    multiply_tiles(images, geometry_.sizes.channels, geometry_.in_channels, du, du2, dx);
    return;
  }
  multiply_rows(geometry_.gradients, images, du, dx, false);
  if (du2.image != nullptr) {
    multiply_rows(geometry_.gradients, images, du2, dx, true);
  }
}

template <class T>
void Convolution<T>::weight_gradient(int64_t images, const T* x, const T* du, T* dw, bool accumulate) const {
  if (geometry_.tiles) {
    multiply_tiles(images, x, du, accumulate);
  } else {
    multiply_rows(geometry_.weights, images, x, du, dw, accumulate);
  }
}

template <class T>
void Convolution<T>::finish_weights(T* dw) const {
  if (geometry_.tiles) {
    const PartTimer timer(Part::transposition);
    const int64_t point = geometry_.tiles->matrix(filter_size());
    const T* points = scratch_.at(Scratch<T>::filter_gradient, geometry_.tiles->points() * point);
    transforms().filter_gradient(points, filter_size(), point, dw);
  }
}

template <class T>
void Convolution<T>::multiply_rows(const std::vector<RowsPlan>& plans, int64_t images, Factors factors, T* c,
                                   bool accumulate) const {
  for (const RowsPlan& plan : plans) {
    const RowsProduct product = plan.product();
    const int64_t rows = plan.image_rows * images;
    const double flops =
        2.0 * static_cast<double>(rows * product.segments * product.length * product.columns);
    const PartTimer timer(Part::convolution, {flops, flops});
    split(rows, kernels_.tile_rows, flops, [&](int64_t begin, int64_t end) {
      kernels_.rows(product, begin, end, factors.image, factors.filters, c, accumulate);
    });
  }
}

template <class T>
void Convolution<T>::multiply_rows(const std::vector<WeightsPlan>& plans, int64_t images, const T* x,
                                   const T* du, T* dw, bool accumulate) const {
  for (const WeightsPlan& plan : plans) {
    const WeightsProduct product = plan.product();
    const int64_t pixels = plan.image_pixels * images;
    const double flops = 2.0 * static_cast<double>(product.rows * pixels * product.columns);
    const PartTimer timer(Part::convolution, {flops, flops});
    split(product.rows, kernels_.tile_rows, flops, [&](int64_t begin, int64_t end) {
      WeightsProduct part = product;
      part.row += begin;
      part.rows = end - begin;
      kernels_.weights(part, pixels, x, du, dw + (plan.first_row + begin) * product.columns, accumulate);
    });
  }
}

// Idle threads share the points of one step, so that it must be a large one.
template <class T>
int64_t Convolution<T>::tile_step(int64_t units) const {
  return threads_are_idle() ? units : std::min(units, geometry_.tiles->units);
}

template <class T>
void Convolution<T>::multiply_tiles(int64_t images, int64_t in, int64_t out, Factors first, Factors second,
                                    T* c) const {
  const TilesPlan& plan = *geometry_.tiles;
  const int64_t units = images * plan.rows, step = tile_step(units), points = plan.points();
  const Tiles from = plan.tiles(in, step), to = plan.tiles(out, step);
  const bool two = second.image != nullptr;
  T* inputs = scratch_.at(Scratch<T>::inputs, points * from.point);
  T* inputs2 = two ? scratch_.at(Scratch<T>::second_inputs, points * from.point) : nullptr;
  T* outputs = scratch_.at(Scratch<T>::outputs, points * to.point);
  for (int64_t begin = 0; begin < units; begin += step) {
    const int64_t count = std::min(step, units - begin);
    const PointsProduct product{count * plan.columns, in, out, from.point, plan.matrix(in * out), to.point};
    const Flops flops = plan.flops(count, in * out * (two ? 2 : 1));
    const PartTimer timer(Part::convolution, flops);
    split(count, 1, kTransformShare * flops.done, [&](int64_t row, int64_t end) {
      const int64_t offset = row * plan.columns * in;
      transforms().inputs(from, begin + row, begin + end, first.image, inputs + offset);
      if (two) {
        transforms().inputs(from, begin + row, begin + end, second.image, inputs2 + offset);
      }
    });
    split(points, 1, flops.done, [&](int64_t point, int64_t end) {
      kernels_.points(product, point, end, inputs, first.filters, inputs2, second.filters, outputs);
    });
    split(count, 1, kTransformShare * flops.done, [&](int64_t row, int64_t end) {
      transforms().outputs(to, begin + row, begin + end, outputs + row * plan.columns * out, c);
    });
  }
}

// The sum over the tiles goes by as many rows of tiles at a time whether threads are idle or not: a sum in
// another order would have other bytes.
template <class T>
void Convolution<T>::multiply_tiles(int64_t images, const T* x, const T* du, bool accumulate) const {
  const TilesPlan& plan = *geometry_.tiles;
  const int64_t in = geometry_.in_channels, out = geometry_.sizes.channels, points = plan.points();
  const int64_t units = images * plan.rows, step = tile_step(units);
  const Tiles from = plan.tiles(in, step), to = plan.tiles(out, step);
  T* inputs = scratch_.at(Scratch<T>::inputs, points * from.point);
  T* gradients = scratch_.at(Scratch<T>::outputs, points * to.point);
  T* dw = scratch_.at(Scratch<T>::filter_gradient, points * plan.matrix(in * out));
  for (int64_t begin = 0; begin < units; begin += step) {
    const int64_t count = std::min(step, units - begin);
    const Flops flops = plan.flops(count, in * out);
    const PartTimer timer(Part::convolution, flops);
    split(count, 1, kTransformShare * flops.done, [&](int64_t row, int64_t end) {
      transforms().inputs(from, begin + row, begin + end, x, inputs + row * plan.columns * in);
      transforms().gradients(to, begin + row, begin + end, du, gradients + row * plan.columns * out);
    });
    split(points, 1, flops.done, [&](int64_t point, int64_t end) {
      for (int64_t row = 0; row < count; row += plan.units) {
        const int64_t rows = std::min(plan.units, count - row) * plan.columns;
        kernels_.points_weights({rows, in, out, from.point, plan.matrix(in * out), to.point}, point, end,
                                inputs + row * plan.columns * in, gradients + row * plan.columns * out, dw,
                                accumulate || begin + row > 0);
      }
    });
  }
}

template class Convolution<float>;
template class Convolution<double>;

}  // namespace ufo::nn::cpu
