#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/nn/head.h>
#include <ufo/nn/layout.h>
#include <ufo/nn/multiply_adds.h>

namespace ufo::nn {

// T tasks, S images a task (R query images), N ways, C channels, H x W pixels, P parameters.

/// The names by which configs know the networks.
std::vector<std::string> network_names();

/// How conv4 makes its maps smaller: by the stride of its convolutions, or by a max-pool behind each.
enum class Downsampling { stride, max_pool };

/// What of the last map the head sees; automatic leaves it to the network.
enum class Features { automatic, spatial_mean, flatten };

/// Whose statistics batch norm takes where a network classifies query images: there is no batch norm, those
/// of the query images as a batch (transductive), or those of the support images. The option per_step asks
/// for those of the batch, and for weights and biases of each inner step's own (Network::norm_per_step).
enum class BatchNorm { none, batch, support, per_step };

}  // namespace ufo::nn

template <>
struct ufo::Words<ufo::nn::Downsampling> {
  using enum nn::Downsampling;
  static constexpr std::pair<nn::Downsampling, const char*> table[] = {{stride, "stride"},
                                                                       {max_pool, "max_pool"}};
};

template <>
struct ufo::Words<ufo::nn::Features> {
  using enum nn::Features;
  static constexpr std::pair<nn::Features, const char*> table[] = {
      {automatic, "auto"}, {spatial_mean, "spatial_mean"}, {flatten, "flatten"}};
};

template <>
struct ufo::Words<ufo::nn::BatchNorm> {
  using enum nn::BatchNorm;
  static constexpr std::pair<nn::BatchNorm, const char*> table[] = {
      {none, "none"}, {batch, "batch"}, {support, "support"}, {per_step, "per_step"}};
};

namespace ufo::nn {

/// The mode of a network whose option is `option`.
inline BatchNorm mode_of(BatchNorm option) {
  return option == BatchNorm::per_step ? BatchNorm::batch : option;
}

/// Which network, and how large.
struct ModelOptions {
  std::string name = "conv4";
  int64_t filters = 64;
  int64_t blocks = 4;
  int64_t kernel = 3;
  Downsampling downsampling = Downsampling::stride;
  Features features = Features::automatic;
  BatchNorm batch_norm = BatchNorm::batch;
  double negative_slope = 0;
  double batch_norm_eps = 1e-5;
  std::vector<int64_t> hidden = {256, 128, 64, 64};
  std::vector<int64_t> widths = {64, 160, 320, 640};
  Head head = Head::linear;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("name", self.name, one_of(network_names()),
          "network: conv4 (blocks of convolution, batch norm, ReLU), mlp, or resnet12 (residual blocks)");
    field("filters", self.filters, between(1, 1024), "conv4: filters of each convolution");
    field("blocks", self.blocks, between(1, 8), "conv4: number of blocks");
    field("kernel", self.kernel, one_of_numbers({1, 3, 5, 7}), "conv4: height and width of the kernels");
    field("downsampling", self.downsampling, one_of_words<Downsampling>(),
          "conv4: stride (stride 2; Omniglot) or max_pool (2x2 after each block; Mini-ImageNet)");
    field(
        "features", self.features, one_of_words<Features>(),
        "conv4: what of the last block's map the head sees, its mean over the pixels or all of it; auto: the mean "
        "with stride, all with max_pool, as in the MAML paper");
    field(
        "batch_norm", self.batch_norm,
        one_of({word_of(BatchNorm::batch), word_of(BatchNorm::support), word_of(BatchNorm::per_step)}),
        "conv4, resnet12: statistics for query images: batch (those of the query images together, as in the MAML "
        "paper: transductive) or support (those of the support images, so that each query image is "
        "classified by itself); per_step: as batch, with a set of weights and biases for each inner step (MAML++)");
    field("batch_norm_eps", self.batch_norm_eps, positive_up_to(1), "conv4, resnet12: added to the variance");
    field("negative_slope", self.negative_slope, between(0, 1),
          "conv4: slope of its rectifiers below zero (0: ReLU; MAML++'s code has 0.01)");
    field("hidden", self.hidden, at_least(1), "mlp: sizes of the hidden layers");
    field("widths", self.widths, between(1, 4096),
          "resnet12: channels of each block; 64-160-320-640 is the wide form, 64-128-256-512 the narrow one");
    field(
        "head", self.head, one_of_words<Head>(),
        "what the head begins the inner loop as: linear (learned rows, one a class), zero, shared (one learned row "
        "for all classes, as in UNICORN-MAML), or prototype (from the means of the support features: ProtoNet with "
        "0 inner steps, else ProtoMAML)");
  }
};

/// The shape of one image and the number of classes that a network must tell apart.
struct InputShape {
  int64_t channels = 1;
  int64_t height = 28;
  int64_t width = 28;
  int64_t ways = 5;
};

/// Which derivatives a caller will ask of a LossTape.
class Derivatives {
 public:
  static const Derivatives none, gradient, hessian_products;

  /// Hessian products of the head and the last `blocks` blocks before it (Layout::begin_block) alone: P H P
  /// v, where P keeps the parameters of these and sets all others to zero. So it is a product with the
  /// Hessian's block of these parameters. What lies below is neither moved nor asked for, and costs nothing.
  static constexpr Derivatives hessian_products_of(int64_t blocks) { return Derivatives(2, blocks); }

  bool has_gradient() const { return order_ >= 1; }
  bool has_products() const { return order_ >= 2; }

  /// The blocks beside the head that products take part of; kAllBlocks for the whole Hessian.
  int64_t blocks() const { return blocks_; }

 private:
  explicit constexpr Derivatives(int order, int64_t blocks = kAllBlocks) : order_(order), blocks_(blocks) {}

  int order_;
  int64_t blocks_;
};

inline constexpr Derivatives Derivatives::none{0}, Derivatives::gradient{1}, Derivatives::hessian_products{2};

/// The mean cross-entropy of T tasks at one point, differentiated by hand: the values, the gradient and,
/// from the activations that the gradient left behind, products with the Hessian at the same point.
class LossTape {
 public:
  virtual ~LossTape() = default;

  at::Tensor loss;      ///< [T]
  at::Tensor accuracy;  ///< [T] share of the images whose largest logit is their label's
  at::Tensor gradient;  ///< [T, P]; undefined where no derivatives were asked for

  /// H v [T', P], where H is the Hessian of each task's loss, or its block that the tape was made for, and v
  /// [T', P] is of the first T' <= T tasks. Only for tapes made with hessian_products, and never of more
  /// tasks than the last time.
  virtual at::Tensor hessian_product(const at::Tensor& v) = 0;

  /// The same by the block of the head and of the last `blocks` blocks, P H P v (Derivatives::
  /// hessian_products_of), at the cost of that block. Only of blocks that the tape was made for.
  virtual at::Tensor block_product(const at::Tensor& v, int64_t blocks) = 0;
};

/// A fresh initialisation [P] float32 of the parameters of `layout`, a pure function of `seed`: each as its
/// Start says.
at::Tensor initial_parameters(const Layout& layout, uint64_t seed);

/// What the linear head of a network sees of T tasks' images, and the derivatives of it.
class FeatureTape {
 public:
  virtual ~FeatureTape() = default;

  at::Tensor features;  ///< [T, S, F], in the order of the head's weights in the flat vector

  /// (d features / d parameters)^T d [T, P] for d [T, S, F]; zero for the head's. Any number of times.
  virtual at::Tensor adjoint(const at::Tensor& d) = 0;
};

/// A classifier as a function of its parameters: every parameter and activation has a leading task axis T, so
/// that T tasks with T different sets of parameters go through one call.
class Network {
 public:
  virtual ~Network() = default;

  const Layout& layout() const { return layout_; }

  /// Logits [T, S, N] of images [T, S, C, H, W] under parameters [T, P]; differentiable by autograd, any
  /// number of times. Batch norm uses the statistics of the S images of a task.
  virtual at::Tensor logits(const at::Tensor& parameters, const at::Tensor& images) const = 0;

  /// Whose statistics query_logits takes. A network that does not say so is taken to be transductive.
  virtual BatchNorm batch_norm_mode() const { return BatchNorm::batch; }

  /// Whether each inner step has weights and biases of batch norm of its own (MAML++), of which layout() has
  /// those of the first one.
  virtual bool norm_per_step() const { return false; }

  /// Logits [T, R, N] of query images [T, R, C, H, W] beside the support images [T, S, C, H, W];
  /// differentiable as `logits` is. With BatchNorm::support every layer normalises by the mean and variance
  /// of the support images under the same parameters, themselves normalised so, and derivatives flow through
  /// them; else these are the `logits` of the query images.
  virtual at::Tensor query_logits(const at::Tensor& parameters, const at::Tensor& query,
                                  const at::Tensor& support) const {
    return logits(parameters, query);
  }

  /// The hand-written derivatives of the mean cross-entropy, or nullptr where this network has none for the
  /// device and dtype of `parameters`. labels [T, S] int64.
  /// Throws std::invalid_argument where `derivatives` names more blocks than there are.
  virtual std::unique_ptr<LossTape> tape(const at::Tensor& parameters, const at::Tensor& images,
                                         const at::Tensor& labels, Derivatives derivatives) const {
    return nullptr;
  }

  /// Whether features() is there for tensors like `like`. The network is then a body and a linear head of
  /// weights [N, F] and biases [N], its last parameters.
  virtual bool has_features(const at::TensorOptions& like) const { return false; }

  /// What the head sees of images [T, S, C, H, W] under parameters [T, P].
  virtual std::unique_ptr<FeatureTape> features(const at::Tensor& parameters,
                                                const at::Tensor& images) const {
    return nullptr;
  }

  /// The same features [T, S, F], differentiable by autograd as `logits` are; undefined where has_features()
  /// is false.
  virtual at::Tensor head_inputs(const at::Tensor& parameters, const at::Tensor& images) const { return {}; }

  /// The multiply-adds of each block and of the head for an image of shape `input`; no blocks where the
  /// network does not count them.
  virtual NetworkMultiplyAdds multiply_adds(const InputShape& input) const { return {}; }

  /// About how many numbers query_logits holds at once for each query image; 0 where the network does not
  /// say.
  virtual int64_t activations() const { return 0; }

  /// A fresh initialisation [P] of all parameters.
  at::Tensor initial_parameters(uint64_t seed) const { return nn::initial_parameters(layout_, seed); }

 protected:
  Layout layout_;
};

/// What the network of `options` is called in tables and reports, with its sizes: "mlp 64-32".
/// Throws ConfigError where there is no network of that name.
std::string title_of(const ModelOptions& options);

/// What somebody who finds the parameters in a file needs, beside their names and shapes, to compute the same
/// network elsewhere: names of facts and their values, "stride" and "2" for example.
/// Throws ConfigError where there is no network of that name.
std::map<std::string, std::string> facts_of(const ModelOptions& options);

/// Makes the network that `options` names for images of shape `input`.
/// Throws ConfigError where the image is too small for the number of blocks.
std::unique_ptr<Network> make_network(const ModelOptions& options, const InputShape& input);

}  // namespace ufo::nn
