#include "prototypes.h"

#include <ATen/ATen.h>

namespace ufo::bilevel {
namespace {

/// [T, N, S]: the share of each support image in its class's mean. Waits for no device.
at::Tensor shares(const at::Tensor& labels, int64_t ways, const at::TensorOptions& like) {
  const at::Tensor classes = at::arange(ways, labels.options()).view({1, -1, 1});
  const at::Tensor members = labels.unsqueeze(1).eq(classes).to(like.dtype().toScalarType());
  return members / members.sum(-1, true).clamp_min(1);
}

at::Tensor head_of(const at::Tensor& weight, const at::Tensor& bias) {
  return at::cat({weight.flatten(1), bias}, 1);
}

}  // namespace

at::Tensor shared_head(const at::Tensor& row, int64_t ways) {
  const int64_t tasks = row.size(0), features = row.size(1) - 1;
  return head_of(row.narrow(1, 0, features).unsqueeze(1).expand({tasks, ways, features}),
                 row.narrow(1, features, 1).expand({tasks, ways}));
}

at::Tensor prototypes(const at::Tensor& features, const at::Tensor& labels, int64_t ways) {
  return at::bmm(shares(labels, ways, features.options()), features);
}

at::Tensor prototype_head(const at::Tensor& prototypes) {
  return head_of(2 * prototypes, -prototypes.square().sum(-1));
}

at::Tensor prototype_head_adjoint(const at::Tensor& v, const at::Tensor& features, const at::Tensor& labels,
                                  int64_t ways) {
  const at::Tensor share = shares(labels, ways, features.options()), mu = at::bmm(share, features);
  const at::Tensor by_weight = v.narrow(1, 0, v.size(1) - ways).view_as(mu),
                   by_bias = v.slice(1, -ways).unsqueeze(-1);
  return at::bmm(share.transpose(1, 2), 2 * (by_weight - mu * by_bias));
}

}  // namespace ufo::bilevel
