#include "passed_over.h"

#include "data/image/decode.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include <ufo/base/printable.h>

namespace ufo::data {

void PassedOver::add(const std::string& what, const std::string& path) {
  Kind& kind = kinds_[what];
  if (kind.files++ == 0 || path < kind.example) {
    kind.example = path;
  }
}

void PassedOver::add(const PassedOver& others) {
  for (const auto& [what, other] : others.kinds_) {
    Kind& kind = kinds_[what];
    if (kind.files == 0 || other.example < kind.example) {
      kind.example = other.example;
    }
    kind.files += other.files;
  }
}

std::string PassedOver::line() const {
  constexpr size_t kShown = 8;
  std::vector<std::pair<std::string, Kind>> kinds(kinds_.begin(), kinds_.end());
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const auto& a, const auto& b) { return a.second.files > b.second.files; });
  int64_t all = 0, left = 0;
  std::string text;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto& [what, kind] = kinds[i];
    all += kind.files;
    if (i >= kShown) {
      left += kind.files;
      continue;
    }
    text += (text.empty() ? "" : ", ") + std::to_string(kind.files) + " " + printable(what) + " (as " +
            printable(kind.example) + ")";
  }
  if (all == 0) {
    return {};
  }
  return "passed over " + std::to_string(all) + (all == 1 ? " file: " : " files: ") + text +
         (left > 0 ? ", " + std::to_string(left) + " of other kinds" : "");
}

bool is_hidden(const std::string& path) {
  return path.starts_with(".") || path.find("/.") != std::string::npos || path.starts_with("__MACOSX/");
}

std::string kind_of_other(const std::string& path) {
  if (is_hidden(path)) {
    return "hidden";
  }
  const std::string ending = std::filesystem::path(path).extension().string();
  if (const ImageFormat* const format = format_of_name(path); format != nullptr && !decodes(*format)) {
    return ending + ", which this OpenCV does not read";
  }
  return ending.empty() ? "without an ending" : ending;
}

}  // namespace ufo::data
