#include <ATen/ATen.h>
#include <zlib.h>

#include <ufo/base/tree_sum.h>
#include <ufo/train/distributed/data_parallel.h>

namespace ufo::train {

episode::TaskRange share_of(int64_t tasks, const Communicator& communicator) {
  const int64_t rank = communicator.rank(), size = communicator.size();
  const int64_t first = rank * tasks / size;
  return {.first = first, .count = (rank + 1) * tasks / size - first};
}

bilevel::Coins share_of(const bilevel::Coins& coins, const Communicator& communicator) {
  const episode::TaskRange share = share_of(coins.tasks(), communicator);
  const auto first = coins.exact.begin() + share.first;
  return {.probability = coins.probability, .exact = {first, first + share.count}};
}

void combine(bilevel::MetaGradientSums& sums, Communicator& communicator) {
  if (communicator.size() == 1) {
    return;
  }
  constexpr auto kNumbers = bilevel::MetaGradientSums::kNumbers;
  at::Tensor own_numbers = at::empty({static_cast<int64_t>(kNumbers.size())}, at::kDouble);
  double* const own = own_numbers.mutable_data_ptr<double>();
  for (size_t i = 0; i < kNumbers.size(); ++i) {
    own[i] = sums.*kNumbers[i];
  }
  const at::Tensor gradients = communicator.all_gather(sums.gradient),
                   numbers = communicator.all_gather(own_numbers);
  TreeSum<bilevel::MetaGradientSums> total(communicator.size());
  for (int64_t rank = 0; rank < communicator.size(); ++rank) {
    bilevel::MetaGradientSums part{.gradient = gradients[rank]};
    const double* const number = numbers[rank].const_data_ptr<double>();
    for (size_t i = 0; i < kNumbers.size(); ++i) {
      part.*kNumbers[i] = number[i];
    }
    total.add(rank, std::move(part));
  }
  sums = total.take();
}

run::EpisodeCurves evaluate_episodes(const bilevel::Learner& learner, const at::Tensor& theta,
                                     const episode::EpisodeSampler& sampler, const EvaluationRequest& request,
                                     Communicator& communicator) {
  if (communicator.size() == 1) {
    return evaluate_episodes(learner, theta, sampler, request);
  }
  const episode::TaskRange share = share_of(request.tasks, communicator);
  EvaluationRequest part = request;
  part.first = request.first + share.first;
  part.tasks = share.count;
  run::EpisodeCurves own;
  bool stopped = false;
  try {
    own = evaluate_episodes(learner, theta, sampler, part);
  } catch (const EvaluationStopped&) {
    stopped = true;
  }
  if (max_over_ranks(communicator, stopped ? 1 : 0) > 0) {
    throw EvaluationStopped();
  }
  // The sum of a number and zeros is that number: nothing is rounded.
  const auto gather = [&](const std::vector<std::vector<double>>& rows) {
    std::vector<std::vector<double>> all;
    for (const std::vector<double>& row : rows) {
      all.emplace_back(static_cast<size_t>(request.tasks), 0.0);
      std::copy(row.begin(), row.end(), all.back().begin() + share.first);
      at::Tensor values = at::from_blob(all.back().data(), {request.tasks}, at::kDouble);
      communicator.all_reduce(values, Reduction::sum);
    }
    return all;
  };
  return {.accuracy = gather(own.accuracy), .loss = gather(own.loss)};
}

void broadcast(std::string& text, Communicator& communicator) {
  at::Tensor size = at::full({1}, static_cast<int64_t>(text.size()), at::kLong);
  communicator.broadcast(size);
  text.resize(static_cast<size_t>(size.item<int64_t>()));
  at::Tensor content = at::from_blob(text.data(), {static_cast<int64_t>(text.size())}, at::kByte);
  communicator.broadcast(content);
}

void broadcast(run::Checkpoint& checkpoint, const nn::Layout& layout, Communicator& communicator) {
  if (communicator.size() == 1) {
    return;
  }
  std::string bytes = communicator.rank() == 0 ? run::to_bytes(checkpoint, layout) : "";
  broadcast(bytes, communicator);
  checkpoint = run::parse_checkpoint(bytes, "the checkpoint of rank 0", layout);
}

void check_equal(const at::Tensor& values, const std::string& what, Communicator& communicator) {
  if (communicator.size() == 1) {
    return;
  }
  const at::Tensor bytes = values.detach().cpu().contiguous();
  const double sum = static_cast<double>(
      crc32_z(0, static_cast<const Bytef*>(bytes.const_data_ptr()), static_cast<z_size_t>(bytes.nbytes())));
  const double most = max_over_ranks(communicator, sum), least = -max_over_ranks(communicator, -sum);
  if (most != least) {
    throw std::runtime_error(what + " differ from one process to another; are their machines of one kind?");
  }
}

}  // namespace ufo::train
