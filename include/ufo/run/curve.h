#pragma once

#include <cstddef>
#include <vector>

namespace ufo::run {

struct Point {
  double x = 0, y = 0;
};

/// Values of y against x, in the order of x.
using Curve = std::vector<Point>;

/// At most about `points` points, each the mean of as many neighbours.
Curve thinned(const Curve& curve, size_t points);

}  // namespace ufo::run
