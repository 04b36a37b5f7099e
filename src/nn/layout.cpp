#include <numeric>
#include <stdexcept>

#include <ATen/ATen.h>

#include <ufo/nn/layout.h>

namespace ufo::nn {
namespace {

int64_t product(const std::vector<int64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

/// The axes' sizes in the order in which they lie in memory.
std::vector<int64_t> memory_sizes(const ParameterEntry& entry) {
  std::vector<int64_t> sizes;
  for (int64_t axis : entry.order.memory) {
    sizes.push_back(entry.order.axes[axis]);
  }
  return sizes;
}

std::vector<int64_t> concatenate(at::IntArrayRef front, const std::vector<int64_t>& back) {
  std::vector<int64_t> sizes(front.begin(), front.end());
  sizes.insert(sizes.end(), back.begin(), back.end());
  return sizes;
}

/// Leaves `batch` leading axes alone and permutes the rest.
std::vector<int64_t> permutation(int64_t batch, const std::vector<int64_t>& order) {
  std::vector<int64_t> axes(batch);
  std::iota(axes.begin(), axes.end(), int64_t{0});
  for (int64_t axis : order) {
    axes.push_back(batch + axis);
  }
  return axes;
}

/// Puts zeros in the place of undefined pieces [..., size], all of them parts of one tensor.
void fill_with_zeros(std::vector<at::Tensor>& pieces, const std::vector<ParameterEntry>& entries) {
  const auto defined = std::find_if(pieces.begin(), pieces.end(), [](const auto& p) { return p.defined(); });
  at::Tensor zeros;
  for (size_t i = 0; i < pieces.size() && defined != pieces.end(); ++i) {
    const int64_t size = entries[i].size;
    if (pieces[i].defined()) {
      continue;
    }
    if (!zeros.defined() || zeros.size(-1) < size) {
      zeros =
          at::zeros(concatenate(defined->sizes().slice(0, defined->dim() - 1), {size}), defined->options());
    }
    pieces[i] = zeros.narrow(-1, 0, size);
  }
}

}  // namespace

void Layout::add(std::string name, std::vector<int64_t> shape, Start start, MemoryOrder order) {
  if (order.axes.empty()) {
    order.axes = shape;
  }
  if (order.memory.empty()) {
    order.memory.resize(order.axes.size());
    std::iota(order.memory.begin(), order.memory.end(), int64_t{0});
  }
  const int64_t size = product(shape);
  entries_.push_back({.name = std::move(name),
                      .shape = std::move(shape),
                      .start = start,
                      .order = std::move(order),
                      .offset = size_,
                      .size = size});
  size_ += size;
}

void Layout::add_norm(const std::string& name, int64_t channels) {
  add(name + ".weight", {channels}, Start::ones);
  add(name + ".bias", {channels}, Start::zeros);
  for (size_t i = entries_.size() - 2; i < entries_.size(); ++i) {
    entries_[i].norm = true;
  }
}

void Layout::begin_block() {
  if (head_start_) {
    throw std::logic_error("layout: need every block before the head, got one behind it");
  }
  block_starts_.push_back(size_);
}

void Layout::begin_head() { head_start_ = size_; }

int64_t Layout::start_of_last(int64_t blocks) const {
  if (blocks == kAllBlocks) {
    return 0;
  }
  if (blocks < 0 || blocks > depth()) {
    throw std::invalid_argument("layout: need 0 to " + std::to_string(depth()) +
                                " blocks before the head, got " + std::to_string(blocks));
  }
  if (!head_start_) {
    throw std::invalid_argument("layout: need a head, declared by begin_head(), got none");
  }
  return blocks == 0 ? *head_start_ : block_starts_[depth() - blocks];
}

Layout Layout::with_head_rows(int64_t rows) const {
  const int64_t head = start_of_last(0);
  Layout result = *this;
  result.entries_.clear();
  result.size_ = 0;
  for (ParameterEntry entry : entries_) {
    if (entry.offset >= head) {
      entry.shape[0] = entry.order.axes[0] = rows;
    }
    if (entry.offset < head || rows > 0) {
      result.add(entry.name, entry.shape, entry.start, entry.order);
      result.entries_.back().norm = entry.norm;
    }
  }
  return result;
}

const ParameterEntry& Layout::entry(const std::string& name) const {
  for (const auto& entry : entries_) {
    if (entry.name == name) {
      return entry;
    }
  }
  throw std::invalid_argument("layout: there is no parameter named " + name);
}

std::vector<at::Tensor> Layout::unpack(const at::Tensor& flat) const {
  if (flat.dim() < 1 || flat.size(-1) != size_) {
    throw std::invalid_argument("layout: need a flat vector of " + std::to_string(size_) +
                                " parameters, got " + c10::str(flat.sizes()));
  }
  const auto batch = flat.sizes().slice(0, flat.dim() - 1);
  std::vector<at::Tensor> tensors;
  tensors.reserve(entries_.size());
  for (const auto& entry : entries_) {
    std::vector<int64_t> inverse(entry.order.memory.size());
    for (size_t i = 0; i < inverse.size(); ++i) {
      inverse[entry.order.memory[i]] = static_cast<int64_t>(i);
    }
    tensors.push_back(flat.narrow(-1, entry.offset, entry.size)
                          .reshape(concatenate(batch, memory_sizes(entry)))
                          .permute(permutation(batch.size(), inverse))
                          .reshape(concatenate(batch, entry.shape)));
  }
  return tensors;
}

at::Tensor Layout::pack(const std::vector<at::Tensor>& tensors) const {
  if (tensors.size() != entries_.size()) {
    throw std::invalid_argument("layout: need " + std::to_string(entries_.size()) + " tensors, got " +
                                std::to_string(tensors.size()));
  }
  std::vector<at::Tensor> pieces;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& entry = entries_[i];
    if (!tensors[i].defined()) {
      pieces.push_back(at::Tensor());
      continue;
    }
    const int64_t batch_axes = tensors[i].dim() - static_cast<int64_t>(entry.shape.size());
    if (batch_axes < 0 || tensors[i].sizes().slice(batch_axes) != at::IntArrayRef(entry.shape)) {
      throw std::invalid_argument("layout: need " + entry.name + " of shape " +
                                  c10::str(at::IntArrayRef(entry.shape)) + ", got " +
                                  c10::str(tensors[i].sizes()));
    }
    const auto batch = tensors[i].sizes().slice(0, batch_axes);
    pieces.push_back(tensors[i]
                         .reshape(concatenate(batch, entry.order.axes))
                         .permute(permutation(batch_axes, entry.order.memory))
                         .reshape(concatenate(batch, {entry.size})));
  }
  fill_with_zeros(pieces, entries_);
  return at::cat(pieces, -1);
}

}  // namespace ufo::nn
