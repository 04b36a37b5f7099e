#include <c10/util/Exception.h>

#include <ufo/base/reason.h>

namespace ufo {

std::string reason(const std::exception& error) {
  const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = from_torch != nullptr ? from_torch->what_without_backtrace() : error.what();
  const std::string line = text.substr(0, text.find('\n'));
  // "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: ..."
  const size_t condition = line.starts_with("[enforce fail at ") ? line.find("] ") : std::string::npos;
  const size_t end = condition == std::string::npos ? condition : line.find(". ", condition);
  return end == std::string::npos ? line : line.substr(end + 2);
}

}  // namespace ufo
