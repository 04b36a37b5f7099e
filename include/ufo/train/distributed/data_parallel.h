#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/meta_gradient.h>
#include <ufo/episode/sampler.h>
#include <ufo/run/checkpoint.h>
#include <ufo/train/distributed/communicator.h>
#include <ufo/train/evaluator.h>

namespace ufo::train {

// W processes share T tasks: process k takes the tasks floor(k T / W) to floor((k + 1) T / W) - 1. What a
// task gives does not depend on where it is worked on, so that W changes the order of sums and nothing else;
// and not even that where W is a power of two that divides T, for sums are trees over the tasks (TreeSum).
// All functions are collective and leave a process that trains alone everything as it is.

/// The part of `tasks` tasks that process communicator.rank() takes; empty for some where tasks < W.
episode::TaskRange share_of(int64_t tasks, const Communicator& communicator);

/// The coins of this process's share of the tasks.
bilevel::Coins share_of(const bilevel::Coins& coins, const Communicator& communicator);

/// Makes of the sums over each process's share of a meta-batch those over the whole, with the same bytes in
/// all processes.
void combine(bilevel::MetaGradientSums& sums, Communicator& communicator);

/// As evaluate_episodes, each process adapting to its share of the episodes: every process gets the curves of
/// all, in the order of the episodes.
run::EpisodeCurves evaluate_episodes(const bilevel::Learner& learner, const at::Tensor& theta,
                                     const episode::EpisodeSampler& sampler, const EvaluationRequest& request,
                                     Communicator& communicator);

/// Gives all processes the text of rank 0.
void broadcast(std::string& text, Communicator& communicator);

/// Gives all processes the checkpoint of rank 0, its tensors on the CPU: the bytes that its file would have.
void broadcast(run::Checkpoint& checkpoint, const nn::Layout& layout, Communicator& communicator);

/// Throws std::runtime_error in all processes where `values` has not the same bytes in each.
void check_equal(const at::Tensor& values, const std::string& what, Communicator& communicator);

}  // namespace ufo::train
