#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include <ufo/base/device.h>
#include <ufo/bilevel/classification.h>
#include <ufo/episode/episode.h>
#include <ufo/run/options.h>
#include <ufo/train/graph.h>

namespace ufo::train {

/// The device that `choice` asks for; auto is a CUDA device where there is one. "auto" and "cuda" mean the
/// device number `local_rank`: each process on a machine takes one of its own. Throws ConfigError where there
/// is no such device.
at::Device find_device(const DeviceChoice& choice, int64_t local_rank = 0);

/// The name of the GPU that `device` is, or of the processor.
std::string hardware_name(at::Device device);

/// Makes pools for what is recorded on `device`; empty for the CPU.
GraphPoolMaker graph_pool_maker(at::Device device);

/// How CUDA devices multiply from now on. The CPU always takes float32.
void set_precision(run::Precision precision);

/// `batch` as a problem of `learner`, on the device and with the dtype of `theta`.
bilevel::ClassificationProblem make_problem(const bilevel::Learner& learner,
                                            const episode::EpisodeBatch& batch, const at::Tensor& theta,
                                            bilevel::Engine engine);

}  // namespace ufo::train
