#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace ufo::train {

/// What is made of the values that the processes hold.
enum class Reduction { sum, max };

/// The processes that train together, numbered 0 to size() - 1. Every function but rank() and size() is
/// collective: each process must call it, and all in the same order. Where another process is gone they throw
/// std::runtime_error, or the program ends with exit code 1.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int64_t rank() const = 0;
  virtual int64_t size() const = 0;

  /// Replaces `values` (contiguous, of one shape and dtype in all processes) in place by their element-wise
  /// reduction. All processes get the same bytes, and get them again in another run with as many processes.
  virtual void all_reduce(at::Tensor& values, Reduction reduction) = 0;

  /// The `values` (contiguous, of one shape and dtype in all processes) of all, in the order of their ranks:
  /// [W, ...].
  virtual at::Tensor all_gather(const at::Tensor& values) = 0;

  /// Replaces `values` (contiguous, on the CPU, of one shape and dtype in all processes) by those of rank 0.
  virtual void broadcast(at::Tensor& values) = 0;

  /// Waits until all processes have come here.
  virtual void barrier() = 0;

  /// Parts from the others once all have come here. To be called at the end of a run that did not fail;
  /// nothing collective may follow.
  virtual void close() = 0;
};

/// A process that trains alone: every function returns at once and changes nothing.
class SingleProcess final : public Communicator {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 1; }
  void all_reduce(at::Tensor&, Reduction) override {}
  at::Tensor all_gather(const at::Tensor& values) override { return values.unsqueeze(0); }
  void broadcast(at::Tensor&) override {}
  void barrier() override {}
  void close() override {}
};

/// The one SingleProcess that whatever trains alone may share.
Communicator& single_process();

/// The largest `value` of all processes.
double max_over_ranks(Communicator& communicator, double value);

}  // namespace ufo::train
