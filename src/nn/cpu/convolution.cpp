#include "convolution.h"

#include "part_timer.h"
#include "split.h"

#include <algorithm>

namespace ufo::nn::cpu {
namespace {

/// What a transform costs beside the products at its points, roughly.
constexpr double kTransformShare = 0.15;

}  // namespace

template <class T>
Convolution<T>::Convolution(const BlockGeometry& geometry, Scratch<T>& scratch)
    : geometry_(geometry), kernels_(kernels<T>()), scratch_(scratch) {}

template <class T>
const T* Convolution<T>::filters(const T* weights, typename Scratch<T>::Slot slot) {
  if (geometry_.tiles) {
    const PartTimer timer(Part::transposition);
    transforms().filter(weights, filter_size(), filter_matrix(), matrices(slot));
  }
  return weights;
}

template <class T>
void Convolution<T>::value(int64_t images, Factors x, Factors x2, T* u) const {
  if (geometry_.tiles) {
    multiply_tiles({transforms().value, geometry_.in_channels, geometry_.sizes.channels}, images, x, x2, u);
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
    multiply_tiles({transforms().input_gradient, geometry_.sizes.channels, geometry_.in_channels}, images, du,
                   du2, dx);
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
    transforms().filter_gradient(matrices(Scratch<T>::filter_gradient), filter_size(), filter_matrix(), dw);
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
  return idle_threads() > 0 ? units : std::min(units, geometry_.tiles->units);
}

// Dealt out by rows, of which matrices have different numbers: a matrix falls to whom its first row falls.
template <class T>
template <class Multiply>
void Convolution<T>::for_matrices(double flops, Multiply&& multiply) const {
  const TilesPlan& plan = *geometry_.tiles;
  split(plan.unit_rows(), 1, flops, [&](int64_t begin, int64_t end) {
    for (int64_t matrix = 0; matrix < plan.matrices(); ++matrix) {
      const int64_t row = std::min(plan.first_row[matrix], plan.unit_rows() - 1);
      if (begin <= row && row < end) {
        multiply(matrix);
      }
    }
  });
}

template <class T>
void Convolution<T>::multiply_tiles(const Path& path, int64_t images, Factors first, Factors second,
                                    T* c) const {
  const TilesPlan& plan = *geometry_.tiles;
  const auto& [transforms, in, out] = path;
  const int64_t units = images * plan.image_units, step = tile_step(units);
  const int64_t input_numbers = plan.begin(plan.matrices(), step, in);
  const bool two = second.image != nullptr;
  T* inputs = scratch_.at(Scratch<T>::inputs, input_numbers);
  T* inputs2 = two ? scratch_.at(Scratch<T>::second_inputs, input_numbers) : nullptr;
  T* outputs = scratch_.at(Scratch<T>::outputs, plan.begin(plan.matrices(), step, out));
  const T* filters = matrices(Scratch<T>::filters);
  const T* filters2 = two ? matrices(Scratch<T>::second_filters) : nullptr;
  for (int64_t begin = 0; begin < units; begin += step) {
    const int64_t count = std::min(step, units - begin);
    const Tiles from = plan.tiles(in, step, begin), to = plan.tiles(out, step, begin);
    const Flops flops = plan.flops(count, in * out * (two ? 2 : 1), geometry_.image_taps);
    const PartTimer timer(Part::convolution, flops);
    split(count, 1, kTransformShare * flops.done, [&](int64_t unit, int64_t end) {
      transforms.inputs(from, begin + unit, begin + end, first.image, inputs);
      if (two) {
        transforms.inputs(from, begin + unit, begin + end, second.image, inputs2);
      }
    });
    for_matrices(flops.done, [&](int64_t m) {
      const int64_t a = plan.begin(m, step, in);
      kernels_.points({count * plan.unit_rows(m), in, out}, inputs + a, matrix(first.filters, filters, m),
                      two ? inputs2 + a : nullptr, two ? matrix(second.filters, filters2, m) : nullptr,
                      outputs + plan.begin(m, step, out));
    });
    split(count, 1, kTransformShare * flops.done,
          [&](int64_t unit, int64_t end) { transforms.outputs(to, begin + unit, begin + end, outputs, c); });
  }
}

// The sum over the units goes by as many of them at a time whether threads are idle or not: a sum in another
// order would have other bytes.
template <class T>
void Convolution<T>::multiply_tiles(int64_t images, const T* x, const T* du, bool accumulate) const {
  const TilesPlan& plan = *geometry_.tiles;
  const int64_t in = geometry_.in_channels, out = geometry_.sizes.channels;
  const int64_t units = images * plan.image_units, step = tile_step(units);
  T* inputs = scratch_.at(Scratch<T>::inputs, plan.begin(plan.matrices(), step, in));
  T* gradients = scratch_.at(Scratch<T>::outputs, plan.begin(plan.matrices(), step, out));
  T* dw = matrices(Scratch<T>::filter_gradient);
  for (int64_t begin = 0; begin < units; begin += step) {
    const int64_t count = std::min(step, units - begin);
    const Tiles from = plan.tiles(in, step, begin), to = plan.tiles(out, step, begin);
    const Flops flops = plan.flops(count, in * out, geometry_.image_taps);
    const PartTimer timer(Part::convolution, flops);
    split(count, 1, kTransformShare * flops.done, [&](int64_t unit, int64_t end) {
      transforms().value.inputs(from, begin + unit, begin + end, x, inputs);
      transforms().gradients(to, begin + unit, begin + end, du, gradients);
    });
    for_matrices(flops.done, [&](int64_t m) {
      const int64_t rows = plan.unit_rows(m);
      const T *a = inputs + plan.begin(m, step, in), *c = gradients + plan.begin(m, step, out);
      for (int64_t unit = 0; unit < count; unit += plan.units) {
        kernels_.points_weights({std::min(plan.units, count - unit) * rows, in, out}, a + unit * rows * in,
                                c + unit * rows * out, dw + m * filter_matrix(),
                                accumulate || begin + unit > 0);
      }
    });
  }
}

template class Convolution<float>;
template class Convolution<double>;

}  // namespace ufo::nn::cpu
