#pragma once

#include "run/record.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ufo::report {

/// The difference of two runs' accuracies over the episodes that both saw, in percent.
struct PairedDifference {
  size_t first = 0, second = 0;  ///< places among the runs
  std::string first_name, second_name;
  double mean = 0;      ///< of first - second
  double interval = 0;  ///< half its 95% interval
  int64_t tasks = 0;
  double p = 1;       ///< of a mean at least so far from 0 by chance: two-sided, normal
  double p_holm = 1;  ///< the same, corrected for the number of pairs

  /// Whether the difference is seen at the level of 5%, all pairs together.
  bool seen() const { return p_holm < 0.05; }
};

/// Each two of `runs` whose evaluations are of the same episodes.
std::vector<PairedDifference> paired_differences(const std::vector<run::RunRecord>& runs);

/// Holm's step-down correction (Scand. J. Statist. 6, 1979, p. 65) of the p of m tests: the k-th smallest is
/// multiplied by m - k + 1, and none falls below a smaller one. They stay in their order.
std::vector<double> holm_corrected(const std::vector<double>& p);

/// "+1.20 ± 0.30".
std::string difference_text(const PairedDifference& pair);

/// Which of the two is better, and how far that goes: these parameters, these episodes.
std::string verdict_text(const PairedDifference& pair);

/// "0.013", "< 0.001".
std::string p_text(double p);

}  // namespace ufo::report
