#include "cuda/replay.h"

#include <ufo/base/logging.h>
#include <ufo/base/reason.h>

namespace ufo::train {
namespace {

constexpr int kWarmUp = 3;

}  // namespace

std::unique_ptr<Graph> Recorder::record(const std::function<void()>& work) {
  try {
    return pool_->record(work);
  } catch (const std::exception& error) {
    records_ = false;
    log(LogLevel::warning,
        "the outer step cannot be recorded into a graph and is done call by call: " + reason(error));
    return nullptr;
  }
}

void Replay::record() {
  if (graph_ == nullptr && recorder_.records() && warm_up_ >= kWarmUp) {
    graph_ = recorder_.record(work_);
  }
}

void Replay::prepare() {
  for (; warm_up_ < kWarmUp; ++warm_up_) {
    work_();
  }
  record();
}

void Replay::operator()() {
  record();
  if (graph_ != nullptr) {
    graph_->replay();
  } else {
    ++warm_up_;
    work_();
  }
}

}  // namespace ufo::train
