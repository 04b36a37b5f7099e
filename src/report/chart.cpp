#include "report/chart.h"

#include "report/html.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include <ufo/base/text.h>

namespace ufo::report {
namespace {

constexpr double kWidth = 560, kHeight = 330, kLeft = 62, kRight = 26, kTop = 34, kBottom = 46;

/// An axis from `low` to `high` in data, from `begin` to `end` on the page.
struct Axis {
  double low = 0, high = 1, begin = 0, end = 1;
  bool logarithmic = false;
  std::vector<double> ticks = {};

  double place(double value) const {
    const auto scaled = [&](double v) { return logarithmic ? std::log10(v) : v; };
    return begin + (end - begin) * (scaled(value) - scaled(low)) / (scaled(high) - scaled(low));
  }
};

std::string at(double coordinate) { return fixed(coordinate, 1); }

/// "60,000", "0.25", "1e-05".
std::string tick_text(double value) {
  if (std::abs(value) >= 1000 && std::abs(value) < 1e9 && value == std::round(value)) {
    return grouped(std::llround(value));
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

/// 1, 2 and 5 of each power of ten where there are few, else the powers alone.
std::vector<double> logarithmic_ticks(double low, double high) {
  std::vector<double> ticks;
  const double first = std::floor(std::log10(low)), last = std::ceil(std::log10(high));
  const bool few = std::log10(high / low) < 2;
  const double every = std::max(1.0, std::ceil((last - first) / 8));
  for (double power = first; power <= last; power += every) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor == 1.0 || few) {
        ticks.push_back(factor * std::pow(10, power));
      }
    }
  }
  return ticks;
}

void drop_ticks_outside(Axis& axis) {
  const double slack = axis.logarithmic ? 0 : 1e-9 * (axis.high - axis.low);
  std::erase_if(axis.ticks, [&](double tick) { return tick < axis.low - slack || tick > axis.high + slack; });
}

/// Numbers as large, or logarithms of numbers as small, would leave nothing of their distances.
bool can_be_drawn(double value, bool logarithmic) {
  return std::abs(value) < 1e100 && (!logarithmic || value > 1e-100);
}

/// The end of an axis from `low` to `high`, further on where it would have no length.
double end_apart(double low, double high, double at_least) {
  return high - low > 1e-9 * std::max(std::abs(low), std::abs(high))
             ? high
             : low + std::max(at_least, std::abs(low) * 1e-6);
}

/// The least and the largest of what is drawn.
struct Extent {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

Axis make_x_axis(const Extent& extent, bool whole) {
  Axis axis{.begin = kLeft, .end = kWidth - kRight};
  const double apart = whole ? 0.25 : 0;  // room for series that stand beside each other
  const bool near_zero = extent.low > 0 && extent.low < 0.3 * extent.high;
  axis.low = near_zero && !whole ? 0 : extent.low - apart;
  axis.high = end_apart(axis.low, extent.high > extent.low ? extent.high + apart : extent.high + 1, 1);
  axis.ticks = round_ticks(axis.low, axis.high, 7);
  if (whole) {
    std::erase_if(axis.ticks, [](double tick) { return tick != std::round(tick); });
  }
  drop_ticks_outside(axis);
  return axis;
}

Axis make_y_axis(const Extent& extent, bool logarithmic) {
  Axis axis{.begin = kHeight - kBottom, .end = kTop, .logarithmic = logarithmic};
  if (logarithmic) {
    axis.low = extent.low / 1.2;
    axis.high = extent.high * 1.2;
    axis.ticks = logarithmic_ticks(axis.low, axis.high);
    drop_ticks_outside(axis);
    return axis;
  }
  const double least = std::max(std::abs(extent.high), 1e-12) * 0.02;  // of a curve that is flat
  const double space = std::max((extent.high - extent.low) * 0.06, least);
  axis.low = extent.low >= 0 ? std::max(0.0, extent.low - space) : extent.low - space;
  axis.high = end_apart(axis.low, extent.high + space, least);
  axis.ticks = round_ticks(axis.low, axis.high, 7);
  drop_ticks_outside(axis);
  return axis;
}

std::string line(double x1, double y1, double x2, double y2, const std::string& css) {
  return "<line class=\"" + css + "\" x1=\"" + at(x1) + "\" y1=\"" + at(y1) + "\" x2=\"" + at(x2) +
         "\" y2=\"" + at(y2) + "\"/>";
}

std::string text(double x, double y, const std::string& content, const std::string& attributes) {
  return element("text", escaped(content), "x=\"" + at(x) + "\" y=\"" + at(y) + "\" " + attributes);
}

std::string draw_axes(const Chart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : y.ticks) {
    svg += line(x.begin, y.place(tick), x.end, y.place(tick), "grid");
    svg += text(x.begin - 8, y.place(tick) + 4, tick_text(tick), "text-anchor=\"end\"");
  }
  for (const double tick : x.ticks) {
    svg += line(x.place(tick), y.begin, x.place(tick), y.begin + 5, "axis");
    svg += text(x.place(tick), y.begin + 19, tick_text(tick), "text-anchor=\"middle\"");
  }
  svg += line(x.begin, y.begin, x.end, y.begin, "axis");
  svg += text((x.begin + x.end) / 2, kHeight - 8, chart.x_label, "text-anchor=\"middle\"");
  svg += text(10, 18, chart.title + (chart.y_label.empty() ? "" : ", " + chart.y_label), "class=\"title\"");
  return svg;
}

std::string css_class(const Series& series) {
  const char* const line = series.dashed ? " dashed" : series.colour >= kColours ? " dotted" : "";
  return joined("c", series.colour % kColours, line);
}

/// The area between the edges of a band, "" where there is none. The edges of one that reaches what a
/// logarithmic axis does not have are left out there.
std::string draw_band(const Chart& chart, const Series& series, const Axis& x, const Axis& y) {
  run::Curve edge = series.low;
  edge.insert(edge.end(), series.high.rbegin(), series.high.rend());
  std::string path;
  for (const auto& [x_value, y_value] : edge) {
    if (!chart.logarithmic_y || y_value > 0) {
      path += joined(path.empty() ? "" : " ", at(x.place(x_value)), ",", at(y.place(y_value)));
    }
  }
  return path.empty() ? "" : "<polygon class=\"band\" points=\"" + path + "\"/>";
}

/// One series, its drawing moved by `shift` to the right.
std::string draw_series(const Chart& chart, const Series& series, const Axis& x, const Axis& y,
                        double shift) {
  std::string path, bars, markers;
  for (size_t i = 0; i < series.points.size(); ++i) {
    const auto& [x_value, y_value] = series.points[i];
    if (!can_be_drawn(y_value, chart.logarithmic_y)) {
      continue;
    }
    const double left = x.place(x_value) + shift, top = y.place(y_value);
    path += joined(path.empty() ? "" : " ", at(left), ",", at(top));
    std::string interval;
    if (!series.half_widths.empty()) {
      const double low = y.place(y_value - series.half_widths[i]),
                   high = y.place(y_value + series.half_widths[i]);
      bars += line(left, low, left, high, "bar") + line(left - 3, low, left + 3, low, "bar") +
              line(left - 3, high, left + 3, high, "bar");
      interval = " ± " + fixed(series.half_widths[i], 2);
    }
    if (series.markers) {
      const std::string tip = series.name + ": " + tick_text(x_value) + ", " + fixed(y_value, 2) + interval;
      markers += element("circle", element("title", escaped(tip)),
                         "cx=\"" + at(left) + "\" cy=\"" + at(top) + "\" r=\"2.6\"");
    }
  }
  return element("g", draw_band(chart, series, x, y) + "<polyline points=\"" + path + "\"/>" + bars + markers,
                 "class=\"" + css_class(series) + "\"");
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    step = factor * power >= rough ? factor * power : step;
  }
  std::vector<double> ticks;
  for (double i = std::floor(low / step); i <= std::ceil(high / step); ++i) {
    ticks.push_back(i * step);
  }
  return ticks;
}

std::string to_svg(const Chart& chart) {
  Extent x_extent, y_extent;
  if (chart.from_zero) {
    y_extent.take(0);
  }
  for (const Series& series : chart.series) {
    for (const run::Curve* const edge : {&series.low, &series.high}) {
      for (const run::Point& point : *edge) {
        if (!chart.logarithmic_y || point.y > 0) {
          y_extent.take(point.y);
        }
      }
    }
    for (size_t i = 0; i < series.points.size(); ++i) {
      const double half_width = series.half_widths.empty() ? 0 : series.half_widths[i];
      const auto& [x, y] = series.points[i];
      if (can_be_drawn(y, chart.logarithmic_y)) {
        x_extent.take(x);
        y_extent.take(y - half_width);
        y_extent.take(y + half_width);
      }
    }
  }
  if (x_extent.low > x_extent.high) {
    return "";
  }
  const Axis x = make_x_axis(x_extent, chart.whole_x), y = make_y_axis(y_extent, chart.logarithmic_y);
  std::string svg = element("title", escaped(chart.title)) + draw_axes(chart, x, y);
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const double middle = (static_cast<double>(chart.series.size()) - 1) / 2;
    svg +=
        draw_series(chart, chart.series[i], x, y, chart.whole_x ? 4 * (static_cast<double>(i) - middle) : 0) +
        "\n";
  }
  return element("svg", svg,
                 "xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 " + fixed(kWidth, 0) + " " +
                     fixed(kHeight, 0) + "\"") +
         "\n";
}

std::string legend(const std::vector<Series>& series) {
  std::string keys;
  for (const Series& one : series) {
    keys +=
        element("span",
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 26 8\" aria-hidden=\"true\">"
                "<line class=\"" +
                    css_class(one) + "\" x1=\"0\" y1=\"4\" x2=\"26\" y2=\"4\"/></svg>" + escaped(one.name),
                "class=\"key\"");
  }
  return element("p", keys, "class=\"legend\"") + "\n";
}

}  // namespace ufo::report
