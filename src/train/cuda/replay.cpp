#include "cuda/replay.h"

#include "cuda/library.h"

namespace ufo::train {
namespace {

constexpr int kWarmUp = 3;

}  // namespace

void Replay::operator()() {
  if (mode_ == Mode::as_it_is || warm_up_ < kWarmUp) {
    ++warm_up_;
    work_();
    return;
  }
  if (graph_ == nullptr) {
    auto graph = cuda::functions()->make_graph();
    graph->begin();
    work_();
    graph->end();
    graph_ = std::move(graph);
  }
  graph_->replay();
}

}  // namespace ufo::train
