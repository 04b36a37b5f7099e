#include <c10/util/Exception.h>

#include <ufo/base/reason.h>

namespace ufo {

std::string reason(const std::exception& error) {
  const auto* from_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = from_torch != nullptr ? from_torch->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace ufo
