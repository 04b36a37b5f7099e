#pragma once

#include "../conv_net.h"

#include <cstdint>
#include <vector>

namespace ufo::nn::cpu {

/// Where the parameters of a ConvNet lie once every count of channels is rounded up to whole vectors. For the
/// usual numbers of filters nothing is rounded, the order is that of the Layout itself, and no copy is ever
/// made.
class PaddedParameters {
 public:
  struct Block {
    int64_t weight, norm_weight, norm_bias;
  };

  PaddedParameters(const ConvNet& net, int64_t lanes);

  const std::vector<Block>& blocks() const { return blocks_; }
  /// Where the parameters of block l begin; those of the head for the number of blocks.
  int64_t begin(size_t l) const { return l < blocks_.size() ? blocks_[l].weight : head_weight_; }
  int64_t head_weight() const { return head_weight_; }
  int64_t head_bias() const { return head_bias_; }
  int64_t size() const { return size_; }

  /// Whether the padded order is the Layout's own.
  bool same_as_layout() const { return same_; }

  /// From the Layout's order, P numbers, to the padded one, whose padding must hold zeros already.
  template <class T>
  void pad(const T* flat, T* padded) const {
    each_run(
        [&](int64_t from, int64_t to, int64_t length) { std::copy_n(flat + from, length, padded + to); });
  }

  /// The inverse.
  template <class T>
  void trim(const T* padded, T* flat) const {
    each_run(
        [&](int64_t to, int64_t from, int64_t length) { std::copy_n(padded + from, length, flat + to); });
  }

 private:
  /// `runs` runs of `length` numbers: each `padded_length` apart in the padded order; after every `group`
  /// runs the padded order skips to the next multiple of `padded_group` runs.
  struct Piece {
    int64_t flat, padded, runs, length, padded_length, group, padded_group;
  };

  template <class Copy>
  void each_run(Copy&& copy) const {
    for (const Piece& p : pieces_) {
      for (int64_t run = 0; run < p.runs; ++run) {
        const int64_t padded_run = run / p.group * p.padded_group + run % p.group;
        copy(p.flat + run * p.length, p.padded + padded_run * p.padded_length, p.length);
      }
    }
  }

  int64_t append(int64_t flat, int64_t groups, int64_t group, int64_t padded_group, int64_t length,
                 int64_t padded_length);

  std::vector<Block> blocks_;
  std::vector<Piece> pieces_;
  int64_t head_weight_ = 0, head_bias_ = 0, size_ = 0;
  bool same_ = false;
};

}  // namespace ufo::nn::cpu
