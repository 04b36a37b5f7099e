#include "conv_net_engine.h"

#include "task_tape.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <thread>

#include <ATen/ATen.h>

namespace ufo::nn::cpu {
namespace {

/// A tape with its parameters in the padded order, where that is not the Layout's own.
template <class T>
struct PooledTape {
  PooledTape(const TaskPlan& plan, size_t first) : tape(plan, first) {
    if (!plan.parameters->same_as_layout()) {
      for (auto* buffer : {&parameters, &gradient, &direction}) {
        *buffer = arena.make<T>(plan.parameters->size());
      }
    }
  }

  /// `flat`, or where its copy in the padded order is.
  const T* placed(const PaddedParameters& order, const T* flat) {
    if (order.same_as_layout()) {
      return flat;
    }
    order.pad(flat, parameters);
    return parameters;
  }

  TaskTape<T> tape;
  Arena arena;
  T *parameters = nullptr, *gradient = nullptr, *direction = nullptr;
};

template <class T>
const T* row_of(const at::Tensor& tensor, int64_t t) {
  return tensor.const_data_ptr<T>() + t * tensor.stride(0);
}
template <class T>
T* writable_row_of(const at::Tensor& tensor, int64_t t) {
  return tensor.mutable_data_ptr<T>() + t * tensor.stride(0);
}

template <class T>
class Engine final : public ConvNetEngine {
 public:
  explicit Engine(const ConvNet& net) : net_(net), parameters_(net, kernels<T>().lanes) {}

  std::unique_ptr<LossTape> tape(const at::Tensor& parameters, const at::Tensor& images,
                                 const at::Tensor& labels, Derivatives derivatives) override;

  std::unique_ptr<FeatureTape> features(const at::Tensor& parameters, const at::Tensor& images) override;

  const PaddedParameters& parameters() const { return parameters_; }

  /// Of the last block.
  int64_t channels() const { return net_.options().filters; }

  /// The block from which on `derivatives` asks for Hessian products.
  size_t first_block(Derivatives derivatives) const {
    const int64_t depth = net_.layout().depth(), blocks = derivatives.blocks();
    if (!derivatives.has_products()) {
      return kNoProducts;
    }
    net_.layout().start_of_last(blocks);  // throws where there are fewer
    return blocks == kAllBlocks ? 0 : depth - blocks;
  }

  /// A tape for `images` images and Hessian products from block `first` on that nobody uses, made where there
  /// is none.
  std::unique_ptr<PooledTape<T>> acquire(int64_t images, size_t first) {
    const TaskPlan* plan;
    {
      std::lock_guard lock(mutex_);
      auto& free = tapes_[{images, first}];
      if (!free.empty()) {
        auto tape = std::move(free.back());
        free.pop_back();
        return tape;
      }
      plan = &plan_for(images);
    }
    return std::make_unique<PooledTape<T>>(*plan, first);
  }

  /// Keeps `tape` for later, or frees it where there is no memory left to keep it: destructors call this.
  void give_back(int64_t images, size_t first, std::unique_ptr<PooledTape<T>> tape) noexcept {
    tape->tape.forget_images();
    std::lock_guard lock(mutex_);
    try {
      tapes_[{images, first}].push_back(std::move(tape));
    } catch (const std::bad_alloc&) {
    }
  }

  /// Calls work(workspace) with memory for `images` images that no other thread works in; where it can be the
  /// one that this thread had before, in whose images the next inner step finds its own.
  template <class Work>
  void with_workspace(int64_t images, Work&& work) {
    const auto thread = std::this_thread::get_id();
    std::unique_ptr<Workspace<T>> workspace;
    {
      std::lock_guard lock(mutex_);
      auto& free = workspaces_[images];
      const auto own =
          std::find_if(free.begin(), free.end(), [&](const auto& w) { return w.thread == thread; });
      if (own != free.end()) {
        std::swap(*own, free.back());
      }
      if (free.empty()) {
        workspace = std::make_unique<Workspace<T>>(plan_for(images));
      } else {
        workspace = std::move(free.back().workspace);
        free.pop_back();
      }
    }
    work(*workspace);
    std::lock_guard lock(mutex_);
    workspaces_[images].push_back({thread, std::move(workspace)});
  }

 private:
  struct FreeWorkspace {
    std::thread::id thread;  ///< that had it last
    std::unique_ptr<Workspace<T>> workspace;
  };

  const TaskPlan& plan_for(int64_t images) {
    auto& plan = plans_[images];
    if (!plan) {
      plan = std::make_unique<TaskPlan>(make_plan(images));
    }
    return *plan;
  }

  TaskPlan make_plan(int64_t images) const {
    TaskPlan plan{.parameters = &parameters_,
                  .blocks = make_geometry(net_, images, kernels<T>().lanes, sizeof(T)),
                  .batch_norm_eps = net_.options().batch_norm_eps};
    const BlockSizes& last = plan.blocks.back().sizes;
    plan.head = {.images = images,
                 .ways = net_.input().ways,
                 .pixels = last.out_height * last.out_width,
                 .channels = last.channels,
                 .spatial_mean = net_.spatial_mean()};
    return plan;
  }

  const ConvNet& net_;
  PaddedParameters parameters_;
  std::mutex mutex_;
  std::map<int64_t, std::unique_ptr<TaskPlan>> plans_;  ///< by the number of images
  // Those that nobody uses:
  std::map<std::pair<int64_t, size_t>, std::vector<std::unique_ptr<PooledTape<T>>>> tapes_;
  std::map<int64_t, std::vector<FreeWorkspace>> workspaces_;
};

template <class T>
class EngineTape final : public LossTape {
 public:
  EngineTape(Engine<T>& engine, const at::Tensor& parameters, const at::Tensor& images,
             const at::Tensor& labels, Derivatives derivatives)
      : engine_(engine),
        images_(images.size(1)),
        first_(engine.first_block(derivatives)),
        parameters_(parameters.contiguous()) {
    const int64_t tasks = parameters.size(0);
    const auto pixels = images.permute({0, 1, 3, 4, 2}).contiguous();
    const auto classes = labels.contiguous();
    loss = at::empty({tasks}, parameters.options());
    accuracy = at::empty({tasks}, parameters.options());
    if (derivatives.has_gradient()) {
      gradient = at::empty_like(parameters_);
    }
    engine.with_workspace(images_, [&](Workspace<T>& workspace) {
      for (int64_t t = 0; t < tasks; ++t) {
        tapes_.push_back(engine.acquire(images_, first_));
        const auto result = run(*tapes_.back(), workspace, row_of<T>(parameters_, t), row_of<T>(pixels, t),
                                classes.const_data_ptr<int64_t>() + t * images_,
                                gradient.defined() ? writable_row_of<T>(gradient, t) : nullptr);
        loss.mutable_data_ptr<T>()[t] = static_cast<T>(result.loss);
        accuracy.mutable_data_ptr<T>()[t] = static_cast<T>(result.accuracy);
      }
    });
  }

  ~EngineTape() override {
    for (auto& tape : tapes_) {
      engine_.give_back(images_, first_, std::move(tape));
    }
  }

  at::Tensor hessian_product(const at::Tensor& v) override { return product_from(first_, v); }

  at::Tensor block_product(const at::Tensor& v, int64_t blocks) override {
    return product_from(engine_.first_block(Derivatives::hessian_products_of(blocks)), v);
  }

 private:
  /// With the Hessian's block of the blocks from number `first` on.
  at::Tensor product_from(size_t first, const at::Tensor& v) {
    if (first_ == kNoProducts || first < first_) {
      throw std::logic_error("hessian_product: this tape was made without room for it");
    }
    const auto directions = v.contiguous();
    auto product = at::empty_like(directions);
    const PaddedParameters& order = engine_.parameters();
    engine_.with_workspace(images_, [&](Workspace<T>& workspace) {
      for (int64_t t = 0; t < directions.size(0); ++t) {
        PooledTape<T>& pooled = *tapes_[static_cast<size_t>(t)];
        if (order.same_as_layout()) {
          pooled.tape.hessian_product(first, row_of<T>(directions, t), writable_row_of<T>(product, t),
                                      workspace);
        } else {
          order.pad(row_of<T>(directions, t), pooled.direction);
          pooled.tape.hessian_product(first, pooled.direction, pooled.gradient, workspace);
          order.trim(pooled.gradient, writable_row_of<T>(product, t));
        }
      }
    });
    return product;
  }

  /// The gradient goes to `result` unless that is null.
  LossAndAccuracy run(PooledTape<T>& pooled, Workspace<T>& workspace, const T* parameters, const T* images,
                      const int64_t* labels, T* result) {
    const PaddedParameters& order = engine_.parameters();
    const bool padded = !order.same_as_layout();
    parameters = pooled.placed(order, parameters);
    if (result == nullptr) {
      return pooled.tape.value(parameters, images, labels, workspace);
    }
    const auto outcome =
        pooled.tape.gradient(parameters, images, labels, padded ? pooled.gradient : result, workspace);
    if (padded) {
      order.trim(pooled.gradient, result);
    }
    return outcome;
  }

  Engine<T>& engine_;
  int64_t images_;
  size_t first_;  ///< the block from which on there are Hessian products
  at::Tensor parameters_;
  std::vector<std::unique_ptr<PooledTape<T>>> tapes_;
};

/// The features of T tasks, whose tapes keep what the adjoint needs.
template <class T>
class EngineFeatures final : public FeatureTape {
 public:
  EngineFeatures(Engine<T>& engine, const at::Tensor& parameters, const at::Tensor& images)
      : engine_(engine), images_(images.size(1)), parameters_(parameters.contiguous()) {
    const int64_t tasks = parameters.size(0);
    const auto channels_last = images.permute({0, 1, 3, 4, 2}).contiguous();
    engine.with_workspace(images_, [&](Workspace<T>& workspace) {
      for (int64_t t = 0; t < tasks; ++t) {
        tapes_.push_back(engine.acquire(images_, 0));
        if (t == 0) {
          features = at::empty({tasks, images_, runs() / images_ * engine.channels()}, parameters_.options());
        }
        const T* parameters = tapes_.back()->placed(engine.parameters(), row_of<T>(parameters_, t));
        const T* padded = tapes_.back()->tape.features(parameters, row_of<T>(channels_last, t), workspace);
        copy_runs(padded, head().channels, writable_row_of<T>(features, t), engine.channels());
      }
    });
  }

  ~EngineFeatures() override {
    for (auto& tape : tapes_) {
      engine_.give_back(images_, 0, std::move(tape));
    }
  }

  at::Tensor adjoint(const at::Tensor& d) override {
    const at::Tensor from = d.contiguous();
    at::Tensor gradient = at::empty_like(parameters_);
    at::Tensor padded = at::zeros({runs() * head().channels}, d.options());
    engine_.with_workspace(images_, [&](Workspace<T>& workspace) {
      for (int64_t t = 0; t < from.size(0); ++t) {
        PooledTape<T>& pooled = *tapes_[static_cast<size_t>(t)];
        copy_runs(row_of<T>(from, t), engine_.channels(), padded.mutable_data_ptr<T>(), head().channels);
        T* const to = writable_row_of<T>(gradient, t);
        if (engine_.parameters().same_as_layout()) {
          pooled.tape.features_adjoint(padded.const_data_ptr<T>(), to, workspace);
        } else {
          pooled.tape.features_adjoint(padded.const_data_ptr<T>(), pooled.gradient, workspace);
          engine_.parameters().trim(pooled.gradient, to);
        }
      }
    });
    return gradient;
  }

 private:
  const HeadSizes& head() const { return tapes_.front()->tape.head(); }  // its channels are padded
  int64_t runs() const { return images_ * (head().features() / head().channels); }

  /// As many channels as both have, of every image and pixel.
  void copy_runs(const T* from, int64_t from_channels, T* to, int64_t to_channels) const {
    for (int64_t run = 0; run < runs(); ++run) {
      std::copy_n(from + run * from_channels, engine_.channels(), to + run * to_channels);
    }
  }

  Engine<T>& engine_;
  int64_t images_;
  at::Tensor parameters_;
  std::vector<std::unique_ptr<PooledTape<T>>> tapes_;
};

template <class T>
std::unique_ptr<FeatureTape> Engine<T>::features(const at::Tensor& parameters, const at::Tensor& images) {
  return std::make_unique<EngineFeatures<T>>(*this, parameters, images);
}

template <class T>
std::unique_ptr<LossTape> Engine<T>::tape(const at::Tensor& parameters, const at::Tensor& images,
                                          const at::Tensor& labels, Derivatives derivatives) {
  return std::make_unique<EngineTape<T>>(*this, parameters, images, labels, derivatives);
}

}  // namespace

template <class T>
std::unique_ptr<ConvNetEngine> ConvNetEngine::make(const ConvNet& net) {
  return std::make_unique<Engine<T>>(net);
}

template std::unique_ptr<ConvNetEngine> ConvNetEngine::make<float>(const ConvNet&);
template std::unique_ptr<ConvNetEngine> ConvNetEngine::make<double>(const ConvNet&);

}  // namespace ufo::nn::cpu
