#include <cstdlib>
#include <memory>
#include <vector>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/base/logging.h>
#include <ufo/base/printable.h>
#include <ufo/base/terminal.h>

namespace ufo {
namespace {

spdlog::sink_ptr standard_error_sink() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  // On a terminal the line may hold a progress bar: back to its start and clear it.
  sink->set_pattern(terminal_takes_escapes() ? "\r\033[K%v" : "%v");
  sink->set_level(spdlog::level::info);
  return sink;
}

void install(std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>("ufo-maml", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::debug);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void log(LogLevel level, std::string_view line) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  spdlog::log(kLevels[static_cast<size_t>(level)], "{}", printable(line));
}

bool terminal_takes_escapes() {
  const char* const terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

void log_to_standard_error() { install({standard_error_sink()}); }

void log_to_file_too(const std::filesystem::path& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_pattern("%Y-%m-%d %H:%M:%S %l: %v");
    install({standard_error_sink(), std::move(sink)});
  } catch (const spdlog::spdlog_ex& error) {
    throw UserError(file.string() + ": cannot write: " + error.what());
  }
}

}  // namespace ufo
