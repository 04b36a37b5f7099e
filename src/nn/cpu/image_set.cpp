#include "image_set.h"

#include "part_timer.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>

namespace ufo::nn::cpu {
namespace {

/// Sums in single precision are that long.
constexpr int64_t kPixelsAtOnce = 256;

/// The kernel's rows that meet row `row` of a padded image: from one of `outputs` rows of patches each.
struct Taps {
  int64_t begin, end, step;

  static Taps meeting(int64_t row, int64_t kernel, int64_t stride, int64_t outputs) {
    const int64_t first = row % stride, beyond = row - stride * (outputs - 1);
    return {std::max(first, beyond), std::min(row, kernel - 1), stride};
  }
  bool operator==(const Taps&) const = default;
};

}  // namespace

PatchPlan::PatchPlan(const BlockGeometry& g)
    : kernel(g.kernel),
      stride(g.stride),
      channels(g.in_channels),
      row((g.in_width + 2 * g.padding) * g.in_channels),
      image(g.input_image()),
      images(g.sizes.images),
      height(g.sizes.height),
      width(g.sizes.width) {
  for (int64_t y = 0; y < kernel; ++y) {
    for (int64_t i = 0; i < kernel * channels; ++i) {
      offset.push_back(static_cast<int32_t>(y * row + i));
    }
  }
}

template <class T>
ImageSet<T>::ImageSet(const BlockGeometry& first) : geometry_(first), plan_(first) {
  const PatchSizes sizes = plan_.sizes();
  const int64_t lanes = kernels<T>().lanes, k = plan_.numbers();
  margin_ = sizes.window(lanes);
  padded_ = at::zeros({plan_.images * plan_.image + 2 * margin_}, c10::CppTypeToScalarType<T>::value);
  mean_.resize(k), covariance_.resize(k * k);
  row_sums_.resize(sizes.row_sums(lanes)), row_products_.resize(plan_.kernel * sizes.distance(lanes));
}

template <class T>
template <class Row>
bool ImageSet<T>::each_row(Row&& row) const {
  const BlockGeometry& g = geometry_;
  const int64_t length = g.in_width * g.in_channels;
  for (int64_t i = 0; i < plan_.images; ++i) {
    for (int64_t y = 0; y < g.in_height; ++y) {
      if (!row((i * g.in_height + y) * length,
               margin_ + i * plan_.image + (y + g.padding) * plan_.row + g.padding * g.in_channels)) {
        return false;
      }
    }
  }
  return true;
}

template <class T>
bool ImageSet<T>::holds(const T* images) const {
  const T* padded = padded_.template const_data_ptr<T>();
  const size_t bytes = geometry_.in_width * geometry_.in_channels * sizeof(T);
  return loaded_ && each_row([&](int64_t from, int64_t at) {
           return std::memcmp(images + from, padded + at, bytes) == 0;
         });
}

template <class T>
void ImageSet<T>::load(const T* images) {
  T* padded = padded_.template mutable_data_ptr<T>();
  each_row([&](int64_t from, int64_t at) {
    std::copy_n(images + from, geometry_.in_width * geometry_.in_channels, padded + at);
    return true;
  });
  const PartTimer timer(Part::normalisation);
  std::fill(mean_.begin(), mean_.end(), 0), std::fill(covariance_.begin(), covariance_.end(), 0);
  for (int64_t i = 0; i < plan_.images; ++i) {
    add_patches_of(i);
  }
  take_moments();
  loaded_ = true;
}

// Two numbers of a patch, in rows d apart, are multiplied wherever a row of the kernel meets a row of the
// image. So the products of each row with the next ones are taken once, and added for all taps that meet it.
template <class T>
void ImageSet<T>::add_patches_of(int64_t image) {
  const PatchSizes sizes = plan_.sizes();
  const int64_t kernel = plan_.kernel, stride = plan_.stride, channels = plan_.channels, k = plan_.numbers();
  const int64_t lanes = kernels<T>().lanes, run = kernel * channels;
  const int64_t window = sizes.window(lanes), distance = sizes.distance(lanes);
  const T* x = padded() + image * plan_.image;
  const auto add = [&](const Taps& taps) {
    for (int64_t y = taps.begin; y <= taps.end; y += taps.step) {
      for (int64_t i = 0; i < run; ++i) {
        mean_[y * run + i] += row_sums_[i];
        const int64_t tap = i / channels, channel = i % channels;
        for (int64_t d = 0; y + d < kernel; ++d) {
          const double* total = row_products_.data() + d * distance + channel * window;
          const double* inside = total + tap % stride * channels * window;
          const double* beside = total + (stride + tap) * channels * window;
          const int64_t first = (kernel - 1 - tap) * channels;  // of the window that begins with the patch
          double* to = covariance_.data() + (y * run + i) * k + (y + d) * run;
          for (int64_t j = 0; j < run; ++j) {
            to[j] += inside[first + j] + beside[first + j];
          }
        }
      }
    }
    std::fill(row_sums_.begin(), row_sums_.end(), 0);
    std::fill(row_products_.begin(), row_products_.end(), 0);
  };
  const int64_t rows = stride * (plan_.height - 1) + kernel;
  const int64_t at_once = std::max<int64_t>(1, kPixelsAtOnce / plan_.width);
  for (int64_t phase = 0; phase < stride; ++phase) {
    for (int64_t row = phase; row < rows;) {
      const Taps taps = Taps::meeting(row, kernel, stride, plan_.height);
      int64_t end = row + stride;  // of the rows that the same taps meet
      while (end < rows && Taps::meeting(end, kernel, stride, plan_.height) == taps) {
        end += stride;
      }
      for (; row < end && taps.begin <= taps.end; row += stride * at_once) {
        const int64_t count = std::min(at_once, (end - row) / stride);
        kernels<T>().patch_products(sizes, count, plan_.width, x + row * plan_.row, kernel - taps.begin,
                                    row_sums_.data(), row_products_.data());
      }
      row = end;
      add(taps);
    }
  }
}

template <class T>
void ImageSet<T>::take_moments() {
  const int64_t k = plan_.numbers();
  const double count = static_cast<double>(plan_.images * plan_.height * plan_.width);
  for (double& m : mean_) {
    m /= count;
  }
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = i; j < k; ++j) {
      const double s = covariance_[i * k + j] / count - mean_[i] * mean_[j];
      covariance_[i * k + j] = covariance_[j * k + i] = s;
    }
  }
}

template class ImageSet<float>;
template class ImageSet<double>;

}  // namespace ufo::nn::cpu
