#include <algorithm>
#include <cmath>

#include <sys/ioctl.h>
#include <unistd.h>

#include <ufo/base/logging.h>
#include <ufo/base/terminal.h>
#include <ufo/base/text.h>
#include <ufo/train/progress.h>

namespace ufo::train {
namespace {

constexpr double kSmoothing = 0.98;
constexpr auto kBarInterval = std::chrono::milliseconds(100);

/// Often at first, when one looks; seldom in a run of hours.
std::chrono::seconds line_interval(std::chrono::steady_clock::duration elapsed) {
  return std::chrono::seconds(elapsed < std::chrono::minutes(2) ? 10 : 60);
}

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

int terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void draw_on_standard_error(const std::string& text) {
  const std::string line = "\r\033[K" + text;
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

Progress::Progress(const Way& way, Outputs outputs)
    : way_(way),
      outputs_(std::move(outputs)),
      start_(Clock::now()),
      last_line_(start_),
      last_bar_(start_ - kBarInterval) {}

Progress::~Progress() { finish(); }

Progress::Outputs Progress::standard_outputs() {
  const bool terminal = terminal_takes_escapes();
  const LogLevel level = terminal ? LogLevel::debug : LogLevel::info;
  return {.line = [level](const std::string& line) { log(level, line); },
          .bar = terminal ? draw_on_standard_error : std::function<void(const std::string&)>(),
          .columns = terminal_columns};
}

std::string Progress::position(const run::MetricRecord& record) const {
  const std::string step = std::to_string(record.step);
  return way_.steps > 0 ? step + "/" + std::to_string(way_.steps)
                        : step + text(", %.1f%% of the budget", 100 * record.share_of_run);
}

std::string Progress::figures(const run::MetricRecord& record) const {
  const double elapsed = seconds(Clock::now() - start_);
  const double rate = elapsed > 0 ? static_cast<double>(record.step - way_.step) / elapsed : 0;
  std::string line =
      text("%.1f steps/s  loss %.3f  accuracy %.1f%%", rate, loss_ / weight_, 100 * accuracy_ / weight_);
  if (std::isfinite(validation_)) {
    line += text("  validation %.1f%%", 100 * validation_);
  }
  if (const double done = record.share_of_run - way_.share; record.share_of_run < 1 && done > 0) {
    line += "  " + duration_text(elapsed * (1 - record.share_of_run) / done) + " left";
  }
  return line;
}

std::string Progress::bar_text(const run::MetricRecord& record) const {
  const double share = record.share_of_run;
  const std::string head = text("%3.0f%% ", std::floor(100 * share));
  std::string tail = " ";
  tail += position(record) + "  " + figures(record);
  const int columns = outputs_.columns() - 1;
  const int width = std::min(30, columns - static_cast<int>(head.size() + tail.size()) - 2);
  if (width < 5) {
    return (head + tail).substr(0, static_cast<size_t>(std::max(columns, 0)));
  }
  const auto filled = static_cast<size_t>(share * width);
  return head + "[" + std::string(filled, '#') + std::string(static_cast<size_t>(width) - filled, '.') + "]" +
         tail;
}

void Progress::record(const run::MetricRecord& record) {
  if (record.split != data::Split::train) {
    validation_ = record.accuracy;
    outputs_.line(text("step %lld: %s accuracy %.1f%%  loss %.3f", static_cast<long long>(record.step),
                       data::kSplitNames[static_cast<size_t>(record.split)], 100 * record.accuracy,
                       record.loss));
    return;
  }
  weight_ = kSmoothing * weight_ + (1 - kSmoothing);
  loss_ = kSmoothing * loss_ + (1 - kSmoothing) * record.loss;
  accuracy_ = kSmoothing * accuracy_ + (1 - kSmoothing) * record.accuracy;

  const auto now = Clock::now();
  const bool last = record.share_of_run >= 1;
  if (last || now - last_line_ >= line_interval(now - start_)) {
    outputs_.line("step " + position(record) + "  " + figures(record));
    last_line_ = now;
  }
  if (outputs_.bar && (last || now - last_bar_ >= kBarInterval)) {
    outputs_.bar(bar_text(record));
    last_bar_ = now;
    drawn_ = true;
  }
}

void Progress::finish() {
  if (drawn_) {
    outputs_.bar("");
    drawn_ = false;
  }
}

}  // namespace ufo::train
