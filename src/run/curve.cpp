#include <algorithm>

#include <ufo/run/curve.h>

namespace ufo::run {

Curve thinned(const Curve& curve, size_t points) {
  const size_t bin = std::max<size_t>(1, (curve.size() + points - 1) / points);
  Curve means;
  for (size_t begin = 0; begin < curve.size(); begin += bin) {
    const size_t end = std::min(begin + bin, curve.size());
    Point sum;
    for (size_t i = begin; i < end; ++i) {
      sum.x += curve[i].x;
      sum.y += curve[i].y;
    }
    const auto count = static_cast<double>(end - begin);
    means.push_back({.x = sum.x / count, .y = sum.y / count});
  }
  return means;
}

}  // namespace ufo::run
