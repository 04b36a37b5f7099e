#include "report/table.h"

#include <ufo/base/text.h>

namespace ufo::report {
namespace {

/// Whether batch norm saw as many query images behind the published figure as in this row. It matters to
/// transductive accuracies alone.
bool same_queries(const TableRow& row) {
  const PublishedResult& result = *row.published;
  return !result.transductive || result.queries == 0 || result.queries == row.queries;
}

/// Whether as many checkpoints were evaluated together.
bool same_members(const TableRow& row) {
  return row.published->members == static_cast<int64_t>(row.ensemble);
}

}  // namespace

bool comparable(const TableRow& row) {
  return row.published->transductive == row.transductive() && same_queries(row) && same_members(row);
}

std::string published_source(const TableRow& row) {
  const PublishedResult& result = *row.published;
  std::string remark;
  if (result.transductive != row.transductive()) {
    remark = result.transductive ? "; transductive, not comparable" : "; not transductive, not comparable";
  } else if (!same_queries(row)) {
    remark = "; with queries = " + std::to_string(result.queries) + ", not comparable";
  } else if (!same_members(row)) {
    remark = (result.members > 0 ? "; ensemble of " + std::to_string(result.members) : "; no ensemble") +
             ", not comparable";
  }
  return result.source + remark;
}

std::string verdict_of(const TableRow& row) {
  return row.published && comparable(row) ? against_published(*row.published, row.accuracy) : "";
}

std::string percent_text(double accuracy, double interval) {
  return interval > 0 ? text("%.2f ± %.2f", accuracy, interval) : text("%.2f", accuracy);
}

}  // namespace ufo::report
