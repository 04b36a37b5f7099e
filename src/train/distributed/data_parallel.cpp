#include <bit>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include <ufo/base/tree_sum.h>
#include <ufo/train/distributed/data_parallel.h>

namespace ufo::train {
namespace {

using Json = nlohmann::json;

/// All of `checkpoint` but what its tensors hold. Its numbers are bit patterns: JSON has no NaN.
std::string describe(const run::Checkpoint& checkpoint) {
  const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
  Json optimizer = Json::object(), estimator = Json::object(), best = Json::array();
  for (const auto& [name, tensor] : checkpoint.optimizer) {
    optimizer[name] = {{"sizes", tensor.sizes().vec()}, {"type", static_cast<int>(tensor.scalar_type())}};
  }
  for (const auto& [name, value] : checkpoint.estimator_state) {
    estimator[name] = bits(value);
  }
  for (const run::Validated& validated : checkpoint.best) {
    best.push_back({{"step", validated.step}, {"accuracy", bits(validated.accuracy)}});
  }
  return Json{{"parameters", checkpoint.parameters.defined() ? checkpoint.parameters.size(0) : 0},
              {"optimizer", optimizer},
              {"estimator", estimator},
              {"step", checkpoint.step},
              {"gradient_calls", bits(checkpoint.gradient_calls)},
              {"best", best},
              {"validation_due", checkpoint.validation_due},
              {"config", checkpoint.config}}
      .dump();
}

/// A checkpoint like the one described, with tensors that hold nothing yet.
run::Checkpoint prepare(const std::string& description) {
  const auto number = [](const Json& bits) { return std::bit_cast<double>(bits.get<uint64_t>()); };
  const Json json = Json::parse(description);
  run::Checkpoint checkpoint{.parameters = at::empty({json["parameters"].get<int64_t>()}, at::kFloat),
                             .optimizer = {},
                             .step = json["step"],
                             .gradient_calls = number(json["gradient_calls"]),
                             .best = {},
                             .validation_due = json["validation_due"],
                             .estimator_state = {},
                             .config = json["config"]};
  for (const auto& [name, tensor] : json["optimizer"].items()) {
    checkpoint.optimizer[name] =
        at::empty(tensor["sizes"].get<std::vector<int64_t>>(), static_cast<at::ScalarType>(tensor["type"]));
  }
  for (const auto& [name, bits] : json["estimator"].items()) {
    checkpoint.estimator_state[name] = number(bits);
  }
  for (const Json& validated : json["best"]) {
    checkpoint.best.push_back({.step = validated["step"], .accuracy = number(validated["accuracy"])});
  }
  return checkpoint;
}

}  // namespace

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

void broadcast(run::Checkpoint& checkpoint, Communicator& communicator) {
  if (communicator.size() == 1) {
    return;
  }
  std::string description = describe(checkpoint);
  broadcast(description, communicator);
  run::Checkpoint common = prepare(description);
  const auto send = [&](const at::Tensor& from, at::Tensor& to) {
    if (communicator.rank() == 0) {
      to.copy_(from);
    }
    communicator.broadcast(to);
  };
  send(checkpoint.parameters, common.parameters);
  for (auto& [name, tensor] : common.optimizer) {
    send(communicator.rank() == 0 ? checkpoint.optimizer.at(name) : tensor, tensor);
  }
  checkpoint = std::move(common);
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
