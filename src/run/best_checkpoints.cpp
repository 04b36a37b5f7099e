#include <algorithm>
#include <string>

#include <ufo/run/best_checkpoints.h>

namespace ufo::run {
namespace {

namespace fs = std::filesystem;

/// Whether `name` is that of a kept checkpoint beside `best`.
bool is_kept(const fs::path& best, const std::string& name) {
  const std::string begin = best.stem().string() + "_", end = best.extension().string();
  if (!name.starts_with(begin) || !name.ends_with(end) || name.size() <= begin.size() + end.size()) {
    return false;
  }
  return name.find_first_not_of("0123456789", begin.size()) == name.size() - end.size();
}

}  // namespace

bool insert_ranked(std::vector<Validated>& best, const Validated& validated, size_t keep) {
  const auto place = std::upper_bound(
      best.begin(), best.end(), validated,
      [](const Validated& candidate, const Validated& one) { return candidate.accuracy > one.accuracy; });
  if (static_cast<size_t>(place - best.begin()) >= keep) {
    return false;
  }
  best.insert(place, validated);
  best.resize(std::min(best.size(), keep));
  return true;
}

fs::path kept_checkpoint(const fs::path& best, int64_t step) {
  return best.parent_path() / (best.stem().string() + "_" + std::to_string(step) + best.extension().string());
}

void remove_outranked(const fs::path& best, const std::vector<Validated>& ranking) {
  std::error_code ignored;
  std::vector<fs::path> outranked;
  for (fs::directory_iterator file(best.parent_path(), ignored), end; file != end; file.increment(ignored)) {
    const bool ranked = std::any_of(ranking.begin(), ranking.end(), [&](const Validated& validated) {
      return file->path() == kept_checkpoint(best, validated.step);
    });
    if (!ranked && is_kept(best, file->path().filename().string())) {
      outranked.push_back(file->path());
    }
  }
  for (const fs::path& file : outranked) {
    fs::remove(file, ignored);
  }
}

}  // namespace ufo::run
