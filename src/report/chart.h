#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <ufo/run/curve.h>

namespace ufo::report {

/// Series have this many colours, by the classes c0, c1, ...
inline constexpr size_t kColours = 8;

/// One line of a chart.
struct Series {
  std::string name;
  size_t colour = 0;  ///< its number among the colours of the page; beyond them lines are dotted
  run::Curve points;
  std::vector<double> half_widths = {};  ///< of the error bar at each point; none: no bars
  run::Curve low = {}, high = {};        ///< edges of a band around the line; none: no band
  bool markers = false;
  bool dashed = false;
};

/// A chart of lines.
struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  bool logarithmic_y = false;  ///< leaves out values that are not above 0
  bool from_zero = false;      ///< y begins at 0
  bool whole_x = false;        ///< x is a small whole number: a tick each, and series a little apart
};

/// `chart` as an <svg> element. Its colours come from the style sheet of the page (report_style.h): the
/// classes c0 to c7 of the series, and axis, grid, bar, band.
std::string to_svg(const Chart& chart);

/// The key of `series` as a line of HTML.
std::string legend(const std::vector<Series>& series);

/// Round numbers, a round distance apart, that cover [low, high] with about `count` steps.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace ufo::report
