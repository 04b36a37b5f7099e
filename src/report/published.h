#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ufo::report {

/// An accuracy that a paper reports, in percent.
struct PublishedResult {
  const char* dataset;  ///< as in dataset.name
  int ways;
  int shots;
  const char* method;  ///< as run::method_name() gives it, or a name of its own
  double accuracy;
  double interval;    ///< half the 95% interval; 0 where the paper gives none
  bool transductive;  ///< whether batch norm saw all query images together
  int queries;        ///< query images a class in its test episodes; 0 where that is not known
  const char* source;
  const char* remark;   ///< what a reader must know to compare, or ""
  int64_t members = 0;  ///< checkpoints of the ensemble that was evaluated; 0: one checkpoint alone
};

/// The published results of one setting.
std::vector<PublishedResult> published_results(const std::string& dataset, int64_t ways, int64_t shots);

/// Where `accuracy`, in percent, lies to the interval that `published` gives: "within", "above" or "below".
/// Empty where the paper gives no interval.
std::string against_published(const PublishedResult& published, double accuracy);

}  // namespace ufo::report
