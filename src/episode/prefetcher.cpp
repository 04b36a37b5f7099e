#include <ufo/episode/sampler.h>

namespace ufo::episode {

EpisodePrefetcher::EpisodePrefetcher(const EpisodeSampler& sampler, data::Split split, int64_t tasks,
                                     uint64_t first_batch, TaskRange part)
    : sampler_(sampler), split_(split), tasks_(tasks), next_batch_(first_batch), part_(part) {
  prepare();
}

EpisodeBatch EpisodePrefetcher::next() {
  if (!pending_.valid()) {  // the last call threw
    prepare();
  }
  EpisodeBatch batch = pending_.get();
  ++next_batch_;
  prepare();
  return batch;
}

void EpisodePrefetcher::prepare() {
  const uint64_t first = next_batch_ * static_cast<uint64_t>(tasks_) + static_cast<uint64_t>(part_.first);
  // The future waits for its thread when it is destroyed, so that the sampler is never used after its end.
  pending_ =
      std::async(std::launch::async, [this, first] { return sampler_.batch(split_, first, part_.count); });
}

}  // namespace ufo::episode
