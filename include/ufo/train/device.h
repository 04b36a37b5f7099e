#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/classification.h>
#include <ufo/episode/episode.h>

namespace ufo::train {

/// The device that "auto", "cpu", "cuda" or "cuda:N" names; auto is a CUDA device where there is one. "auto"
/// and "cuda" mean the device number `local_rank`: each process on a machine takes one of its own. Throws
/// ConfigError for another word, and where there is no such device.
at::Device parse_device(const std::string& name, int64_t local_rank = 0);

/// "auto", "hand_written" or "autograd". Throws ConfigError for another word.
bilevel::Engine parse_engine(const std::string& name);

/// `batch` as a problem of `network`, on the device and with the dtype of `theta`.
bilevel::ClassificationProblem make_problem(const nn::Network& network, const episode::EpisodeBatch& batch,
                                            const at::Tensor& theta, bilevel::Engine engine);

}  // namespace ufo::train
