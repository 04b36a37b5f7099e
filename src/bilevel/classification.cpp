#include "decayed_linearization.h"
#include "feature_cache.h"
#include "head_loss.h"
#include "inner_batch.h"
#include "start.h"

#include <algorithm>
#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/bilevel/classification.h>

namespace ufo::bilevel {
namespace {

/// A network's own derivatives as a Linearization.
class TapeLinearization final : public Linearization {
 public:
  explicit TapeLinearization(std::unique_ptr<nn::LossTape> tape) : tape_(std::move(tape)) {}

  const at::Tensor& gradient() const override { return tape_->gradient; }
  at::Tensor hessian_product(const at::Tensor& v) override { return tape_->hessian_product(v); }
  at::Tensor block_product(const at::Tensor& v, int64_t blocks) override {
    return tape_->block_product(v, blocks);
  }

 private:
  std::unique_ptr<nn::LossTape> tape_;
};

/// Another's whole Hessian products, and from them those of a network's last blocks.
class BlocksOfWhole final : public Linearization {
 public:
  BlocksOfWhole(std::unique_ptr<Linearization> whole, const nn::Layout& layout, Products products)
      : whole_(std::move(whole)), layout_(layout), products_(products) {}

  const at::Tensor& gradient() const override { return whole_->gradient(); }
  at::Tensor hessian_product(const at::Tensor& v) override {
    return products_.whole() ? whole_->hessian_product(v) : block_product(v, products_.blocks());
  }
  at::Tensor block_product(const at::Tensor& v, int64_t blocks) override {
    const int64_t below = layout_.start_of_last(blocks);
    const auto kept = [&](const at::Tensor& all) {
      at::Tensor result = all.clone();
      result.narrow(-1, 0, below).zero_();
      return result;
    };
    return kept(whole_->hessian_product(kept(v)));
  }

 private:
  std::unique_ptr<Linearization> whole_;
  const nn::Layout& layout_;
  Products products_;
};

/// The inner objective as a function of the head, the features held.
class HeadLinearization final : public Linearization {
 public:
  HeadLinearization(const at::Tensor& features, const at::Tensor& phi, const at::Tensor& labels,
                    Products products)
      : loss_(features, phi, labels), gradient_(loss_.by_head()), products_(products) {}

  const at::Tensor& gradient() const override { return gradient_; }
  at::Tensor hessian_product(const at::Tensor& v) override { return loss_.head_product(v); }
  at::Tensor block_product(const at::Tensor& v, int64_t) override { return loss_.head_product(v); }
  at::Tensor mixed_product(const at::Tensor& v) override {
    return products_.whole() ? loss_.features_product(v) : at::Tensor();
  }

 private:
  HeadLoss loss_;
  at::Tensor gradient_;
  Products products_;
};

at::Tensor rows(const at::Tensor& tensor, std::span<const int64_t> tasks) {
  const int64_t count = static_cast<int64_t>(tasks.size());
  const bool adjacent = count > 0 && std::adjacent_find(tasks.begin(), tasks.end(), [](int64_t a, int64_t b) {
                                       return b != a + 1;
                                     }) == tasks.end();
  if (adjacent) {
    return tensor.narrow(0, tasks.front(), count);
  }
  const auto index =
      at::tensor(at::ArrayRef<int64_t>(tasks.data(), tasks.size()), at::kLong).to(tensor.device());
  return tensor.index_select(0, index);
}

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels) {
  const auto log_likelihood = logits.log_softmax(-1).gather(-1, labels.unsqueeze(-1));
  return -log_likelihood.squeeze(-1).mean(1);
}

at::Tensor accuracy(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(-1).eq(labels).to(logits.scalar_type()).mean(1);
}

ClassificationProblem::ClassificationProblem(const Learner& learner, at::Tensor support_images,
                                             at::Tensor support_labels, at::Tensor query_images,
                                             at::Tensor query_labels, Engine engine)
    : learner_(learner),
      network_(learner.network),
      support_images_(std::move(support_images)),
      support_labels_(std::move(support_labels)),
      query_images_(std::move(query_images)),
      query_labels_(std::move(query_labels)),
      engine_(engine) {
  for (const auto* images : {&support_images_, &query_images_}) {
    if (images->dim() != 5 || images->size(0) != support_images_.size(0)) {
      throw std::invalid_argument("ClassificationProblem: need images [T, S, C, H, W], got " +
                                  c10::str(support_images_.sizes()) + " and " +
                                  c10::str(query_images_.sizes()));
    }
  }
  if (support_labels_.sizes() != support_images_.sizes().slice(0, 2) ||
      query_labels_.sizes() != query_images_.sizes().slice(0, 2)) {
    throw std::invalid_argument(
        "ClassificationProblem: need a label an image, got labels " + c10::str(support_labels_.sizes()) +
        " and " + c10::str(query_labels_.sizes()) + " for images " + c10::str(support_images_.sizes()) +
        " and " + c10::str(query_images_.sizes()));
  }
  const bool by_hand = engine != Engine::autograd && network_.has_features(support_images_.options());
  if (by_hand && (learner.body() > 0 || learner.head == nn::Head::prototype)) {
    support_features_ = std::make_shared<const FeatureCache>(learner, support_images_);
  }
  if (by_hand && learner.body() > 0) {
    query_features_ = std::make_shared<const FeatureCache>(learner, query_images_);
  }
}

std::unique_ptr<Problem> ClassificationProblem::select(std::span<const int64_t> tasks) const {
  auto selected = std::make_unique<ClassificationProblem>(
      learner_, rows(support_images_, tasks), rows(support_labels_, tasks), rows(query_images_, tasks),
      rows(query_labels_, tasks), engine_);
  selected->weigh_outer(outer_weights_);
  return selected;
}

Schedule ClassificationProblem::schedule() const {
  return support_images_.is_cpu() ? Schedule::task_by_task : Schedule::whole_batch;
}

at::Tensor ClassificationProblem::initial(const at::Tensor& theta) const {
  const at::Tensor all = start().value(theta);
  return head_alone() ? all.slice(1, learner_.body()) : all;
}

at::Tensor ClassificationProblem::initial_adjoint(const at::Tensor& theta, const at::Tensor& v) const {
  return start().adjoint(theta, head_alone() ? at::constant_pad_nd(v, {learner_.body(), 0}) : v);
}

Start ClassificationProblem::start() const {
  return {learner_, {support_images_, support_labels_, support_features_, engine_}};
}

at::Tensor ClassificationProblem::mixed_adjoint(const at::Tensor& theta, const at::Tensor& w) const {
  // There are mixed products where the head alone adapts.
  return start().of_body(support_features_->at(theta)->adjoint(w));
}

at::Tensor ClassificationProblem::rates(const at::Tensor& theta, int64_t j) const {
  if (learner_.rates->uniform()) {
    return {};
  }
  const at::Tensor all = learner_.rates->of_step(theta, j);
  return head_alone() ? all.slice(0, learner_.body()) : all;
}

at::Tensor ClassificationProblem::rates_adjoint(const at::Tensor& w, int64_t j) const {
  return learner_.rates->adjoint(head_alone() ? at::constant_pad_nd(w, {learner_.body(), 0}) : w, j);
}

at::Tensor ClassificationProblem::parameters(const at::Tensor& theta, const at::Tensor& phi) const {
  if (!head_alone()) {
    return phi;
  }
  const int64_t body = learner_.body();
  const at::Tensor below = theta.dim() == 1 ? theta.unsqueeze(0).expand({phi.size(0), theta.size(0)}) : theta;
  return at::cat({below.narrow(1, 0, body), phi}, 1);
}

std::unique_ptr<Linearization> ClassificationProblem::linearize(const at::Tensor& theta,
                                                                const at::Tensor& phi,
                                                                Products products) const {
  return linearize_on({support_images_, support_labels_}, theta, phi, products);
}

std::unique_ptr<Linearization> ClassificationProblem::linearize_step(const at::Tensor& theta,
                                                                     const at::Tensor& phi, int64_t j) const {
  return linearize_on(support_of_step(j), theta, phi, Products::none);
}

ClassificationProblem::Examples ClassificationProblem::support_of_step(int64_t j) const {
  const int64_t images = support_images_.size(1);
  if (learner_.batch == 0 || learner_.batch >= images) {
    return {support_images_, support_labels_};
  }
  const at::Tensor places =
      places_of_step(j, learner_.batch, images, learner_.ways(), support_images_.device());
  const at::Tensor channels_last = support_images_.permute({0, 1, 3, 4, 2});  // as they mostly lie
  return {channels_last.index_select(1, places).permute({0, 1, 4, 2, 3}),
          support_labels_.index_select(1, places)};
}

std::unique_ptr<Linearization> ClassificationProblem::linearize_on(const Examples& support,
                                                                   const at::Tensor& theta,
                                                                   const at::Tensor& phi,
                                                                   Products products) const {
  auto loss = linearize_loss(support, theta, phi, products);
  if (learner_.weight_decay == 0) {
    return loss;
  }
  return std::make_unique<DecayedLinearization>(std::move(loss), phi, learner_.weight_decay, products,
                                                head_alone() ? nullptr : &network_.layout());
}

std::unique_ptr<Linearization> ClassificationProblem::linearize_loss(const Examples& support,
                                                                     const at::Tensor& theta,
                                                                     const at::Tensor& phi,
                                                                     Products products) const {
  if (head_alone()) {
    if (products.any() && !products.whole() && products.blocks() > 0) {
      throw std::invalid_argument(
          "need products of the head or whole ones where the head alone adapts, got " +
          std::to_string(products.blocks()) + " blocks beside it");
    }
    return std::make_unique<HeadLinearization>(support_features_->at(theta)->features, phi, support.labels,
                                               products);
  }
  if (engine_ != Engine::autograd) {
    const auto derivatives = !products.any()    ? nn::Derivatives::gradient
                             : products.whole() ? nn::Derivatives::hessian_products
                                                : nn::Derivatives::hessian_products_of(products.blocks());
    if (auto tape = network_.tape(phi, support.images, support.labels, derivatives)) {
      return std::make_unique<TapeLinearization>(std::move(tape));
    }
  }
  if (products.any() && !products.whole()) {
    network_.layout().start_of_last(products.blocks());  // throws where there are fewer
  }
  auto linearization = linearize_by_autograd(
      [&](const at::Tensor&, const at::Tensor& parameters) {
        return cross_entropy(network_.logits(parameters, support.images), support.labels);
      },
      theta, phi, products.any() ? Products::second_order : products);
  return std::make_unique<BlocksOfWhole>(std::move(linearization), network_.layout(), products);
}

// A tape sees one batch of images, so the way through the support statistics is left to autograd.
bool ClassificationProblem::query_has_tape() const {
  return engine_ != Engine::autograd && network_.batch_norm_mode() != nn::BatchNorm::support;
}

OuterValue ClassificationProblem::outer_value(const at::Tensor& theta, const at::Tensor& phi) const {
  c10::NoGradGuard no_grad;
  if (query_has_tape()) {
    if (head_alone()) {
      return HeadLoss(query_features_->at(theta)->features, phi, query_labels_).value();
    }
    if (auto tape = network_.tape(phi, query_images_, query_labels_, nn::Derivatives::none)) {
      return {.loss = tape->loss, .accuracy = tape->accuracy};
    }
  }
  const at::Tensor logits = query_logits(theta, phi);
  return {.loss = cross_entropy(logits, query_labels_), .accuracy = accuracy(logits, query_labels_)};
}

OuterGradient ClassificationProblem::outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const {
  if (query_has_tape()) {
    if (head_alone()) {
      const auto tape = query_features_->at(theta);
      const HeadLoss loss(tape->features, phi, query_labels_);
      return {.value = loss.value(),
              .phi = loss.by_head(),
              .theta = start().of_body(tape->adjoint(loss.by_features()))};
    }
    if (auto tape = network_.tape(phi, query_images_, query_labels_, nn::Derivatives::gradient)) {
      return {.value = {.loss = tape->loss, .accuracy = tape->accuracy}, .phi = tape->gradient, .theta = {}};
    }
  }
  OuterGradient outer = outer_gradient_by_autograd(
      [&](const at::Tensor& at, const at::Tensor& inner) -> OuterValue {
        const at::Tensor logits =
            network_.query_logits(parameters(at, inner), query_images_, support_images_);
        return {.loss = cross_entropy(logits, query_labels_),
                .accuracy = accuracy(logits.detach(), query_labels_)};
      },
      theta, phi);
  if (outer.theta.defined()) {  // less what belongs to the steps
    outer.theta = outer.theta.narrow(1, 0, learner_.size());
  }
  return outer;
}

at::Tensor ClassificationProblem::query_logits(const at::Tensor& theta, const at::Tensor& phi) const {
  if (head_alone() && query_has_tape()) {
    return head_logits(query_features_->at(theta)->features, phi);
  }
  return network_.query_logits(parameters(theta, phi), query_images_, support_images_);
}

}  // namespace ufo::bilevel
