#pragma once

#include "image_set.h"
#include "part_timer.h"
#include "scratch.h"

namespace ufo::nn::cpu {

/// What the value and the gradient of the first block leave for its Hessian products, by filter f and number
/// k of a patch; K and F of them.
struct FirstBlockState {
  double *mean, *scale;    ///< of batch norm [F]
  double* spread;          ///< S w [K, F]
  double* products;        ///< sum of x dz [K, F]
  double* beta_gradient;   ///< sum of dz [F]
  double* gamma_gradient;  ///< sum of dz h [F]
};

/// What its tangent leaves for the tangent of its adjoint.
struct FirstBlockTangents {
  double* spread_t;   ///< S v [K, F]
  double* mean_t;     ///< [F]
  double* mean_hu_t;  ///< [F]
};

/// The first block in closed form. Its convolution is linear in patches x of the images, whose mean m and
/// covariance S are known: so batch norm's statistics are known before the convolution, which gives z itself,
///   z = x' filters + bias,  filters = gamma scale w,  bias = beta - gamma scale m' w,
///   scale = 1 / sqrt(w' S w + eps),
/// and rectifier and pooling follow in the same pass. With D = sum x dz, B = sum dz, G = sum dz h,
///   G = scale (w' D - m' w B),  dw = gamma scale (D - m B - scale S w G),
/// since sum x h = M scale S w over all M patches (block_kernels.h has du). Neither u nor du ever exist. The
/// tangents of z and of these three lines are taken along (v, gamma_t, beta_t), with
///   mean_hu_t = scale w' S v,  scale_t = -scale^2 mean_hu_t.
template <class T>
class FirstBlock {
 public:
  struct Parameters {
    const T *weight, *gamma, *beta;  ///< [K, F], [F], [F]
  };
  struct Gradients {
    T *weight, *gamma, *beta;
  };

  /// The state must outlive this; `outputs` names y and winner, where value() puts them and the others find
  /// them.
  FirstBlock(const BlockGeometry& geometry, const ImageSet<T>& images, const FirstBlockState& state,
             const BlockBuffers<T>& outputs, Scratch<T>& scratch);

  void value(Parameters p, double eps);
  /// From dy [images, out_height, out_width, F].
  void adjoint(Parameters p, const T* dy, Gradients gradients);
  void tangent(Parameters p, Parameters v, const FirstBlockTangents& tangents, T* y_t);
  void tangent_adjoint(Parameters p, Parameters v, const FirstBlockTangents& tangents, const T* dy_t,
                       Gradients gradients_t);

 private:
  /// S w
  void spread_of(const T* w, double* spread) const;
  using Pass = void (*)(const PatchSizes&, const BlockSizes&, const PatchBuffers<T>&, int64_t, int64_t);
  /// A pass over all images, which idle threads share.
  void run(Pass pass) const;
  /// D and B of dy.
  void add_up(const T* dy, double* products, double* sums);

  const BlockGeometry& geometry_;
  const ImageSet<T>& images_;
  const FirstBlockState& state_;
  int64_t k_, f_;
  T *filters_, *bias_;
  PatchBuffers<T> buffers_{};
  Scratch<T>& scratch_;
};

}  // namespace ufo::nn::cpu
