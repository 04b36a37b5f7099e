#include "report/chart.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::report {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Chart, EndsForAnyNumbers) {
  const double largest = std::numeric_limits<double>::max(),
               least = std::numeric_limits<double>::denorm_min();
  const run::Curve curves[] = {{{9007199254740992, 1.5}},
                               {{9007199254740991, 1}, {9007199254740992, 1}},
                               {{1, largest}, {2, -largest}},
                               {{1, least}, {2, 1}},
                               {{1, least}, {2, 2 * least}},
                               {{1, 1e15}, {2, 1e15}},
                               {{1, -5}, {2, -5}},
                               {{1, 0}}};
  for (const run::Curve& curve : curves) {
    for (const bool logarithmic : {false, true}) {
      Chart chart{.title = "t", .x_label = "x", .y_label = "y", .logarithmic_y = logarithmic};
      chart.series.push_back({.name = "s", .points = curve, .markers = true});
      const std::string svg = to_svg(chart);
      EXPECT_LT(svg.size(), 20000u);
      EXPECT_THAT(svg, Not(HasSubstr("nan"))) << curve.front().x << " " << curve.front().y;
      EXPECT_THAT(svg, Not(HasSubstr("inf"))) << curve.front().x << " " << curve.front().y;
    }
  }
}

}  // namespace
}  // namespace ufo::report
