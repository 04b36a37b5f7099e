#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include <ufo/base/random.h>

namespace ufo {
namespace {

/// Mixes 64 bits so that neighbouring seeds give unrelated keys (the finaliser of SplitMix64).
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, Purpose purpose, uint64_t index)
    : engine_(mix(seed + 0x9e3779b97f4a7c15ULL * static_cast<uint64_t>(purpose)), index) {}

uint32_t RandomStream::below(uint64_t bound) {
  if (bound == 0 || bound > UINT32_MAX) {
    throw std::invalid_argument("RandomStream::below: need 0 < bound < 2^32, got " + std::to_string(bound));
  }
  // Multiply and shift, rejecting the few values that would make some results likelier (Lemire, 2019).
  const uint32_t threshold = static_cast<uint32_t>(-bound) % static_cast<uint32_t>(bound);
  for (;;) {
    const uint64_t product = bits() * bound;
    if (static_cast<uint32_t>(product) >= threshold) {
      return static_cast<uint32_t>(product >> 32);
    }
  }
}

double RandomStream::uniform() {
  const uint64_t high = bits() >> 5, low = bits() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::vector<uint32_t> RandomStream::sample(uint32_t count, uint32_t bound) {
  if (count > bound) {
    throw std::invalid_argument("RandomStream::sample: need at most " + std::to_string(bound) +
                                " distinct values, asked for " + std::to_string(count));
  }
  // Floyd's algorithm picks the set; the shuffle makes every order equally likely.
  std::vector<uint32_t> chosen;
  chosen.reserve(count);
  for (uint32_t last = bound - count; last < bound; ++last) {
    const uint32_t candidate = below(static_cast<uint64_t>(last) + 1);
    const bool taken = std::find(chosen.begin(), chosen.end(), candidate) != chosen.end();
    chosen.push_back(taken ? last : candidate);
  }
  for (uint32_t i = count; i > 1; --i) {
    std::swap(chosen[i - 1], chosen[below(i)]);
  }
  return chosen;
}

}  // namespace ufo
