#include "mini_imagenet.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>

namespace ufo::data {
namespace {

constexpr auto& kLists = kMiniImagenetLists;
constexpr const char* kHeader = "filename,label";

/// A line of a list, for messages and to be parsed.
struct Row {
  std::string filename, label;
  size_t split = 0, line = 0;

  std::string place() const { return std::string(kLists[split]) + ", line " + std::to_string(line); }
};

/// The folder of the train.csv that lies highest; "" for the tree itself. None where there is no train.csv.
std::optional<std::string> folder_of_lists(const std::vector<std::string>& paths) {
  std::optional<std::string> found;
  for (const std::string& path : paths) {
    const size_t name = path.rfind('/') + 1;  // 0 where there is no slash
    const auto depth = [](const std::string& folder) {
      return std::count(folder.begin(), folder.end(), '/');
    };
    const std::string folder = path.substr(0, name);
    if (path.substr(name) == kLists[0] && !path.starts_with("__MACOSX/") &&
        (!found || depth(folder) < depth(*found))) {
      found = folder;
    }
  }
  return found;
}

std::string without_line_end(std::string line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) {
    line.pop_back();
  }
  return line;
}

/// Appends the rows of one list.
void parse(const std::vector<unsigned char>& bytes, size_t split, const std::string& where,
           std::vector<Row>& rows) {
  std::string text(bytes.begin(), bytes.end());
  if (text.starts_with("\xef\xbb\xbf")) {  // the mark that some editors put before UTF-8
    text.erase(0, 3);
  }
  const std::string file = std::string("mini_imagenet: ") + kLists[split];
  size_t line = 0;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string row = without_line_end(text.substr(start, end - start));
    start = end + 1;
    ++line;
    if (line == 1) {
      if (row != kHeader) {
        throw DataError(file + ": need the header " + kHeader + ", got \"" + printable(row.substr(0, 60)) +
                        "\"" + where);
      }
      continue;
    }
    if (row.empty()) {
      continue;
    }
    const size_t comma = row.find(',');
    const bool good = comma != std::string::npos && comma > 0 && comma + 1 < row.size() &&
                      row.find(',', comma + 1) == std::string::npos && row.find('\0') == std::string::npos;
    if (!good) {
      throw DataError(file + ", line " + std::to_string(line) + ": need " + kHeader + ", got \"" +
                      printable(row.substr(0, 60)) + "\"" + where);
    }
    rows.push_back({row.substr(0, comma), row.substr(comma + 1), split, line});
    if (!stays_inside(rows.back().filename) || !stays_inside(rows.back().label)) {
      throw DataError(file + ", line " + std::to_string(line) + ": need a path inside the folder, got \"" +
                      printable(row.substr(0, 60)) + "\"" + where);
    }
  }
  if (line == 0) {
    throw DataError(file + ": need the header " + kHeader + ", got an empty file" + where);
  }
}

std::vector<Row> read_rows(const FileTree& tree, const std::string& folder, const std::string& where) {
  std::array<std::optional<std::vector<unsigned char>>, 3> contents;
  const auto index_of = [&](const std::string& path) -> size_t {
    return std::find(kLists.begin(), kLists.end(), path.substr(folder.size())) - kLists.begin();
  };
  tree.read(
      [&](const std::string& path) { return path.starts_with(folder) && index_of(path) < kLists.size(); },
      [&](const std::string& path, std::vector<unsigned char> bytes) {
        contents[index_of(path)] = std::move(bytes);
      });
  std::vector<Row> rows;
  for (size_t split = 0; split < kLists.size(); ++split) {
    if (!contents[split]) {
      throw DataError(std::string("mini_imagenet: need train.csv, val.csv and test.csv, found no ") +
                      kLists[split] + where);
    }
    parse(*contents[split], split, where, rows);
  }
  return rows;
}

/// The split of each class, by name.
std::map<std::string, size_t> check_rows(const std::vector<Row>& rows, const MiniImagenetCounts& counts,
                                         const std::string& where) {
  std::unordered_map<std::string, const Row*> images;
  std::map<std::string, size_t> splits;
  std::map<std::string, int64_t> sizes;
  for (const Row& row : rows) {
    const auto [first, is_new_image] = images.try_emplace(row.filename, &row);
    if (!is_new_image) {
      throw DataError("mini_imagenet: need each image once, got " + printable(row.filename) + " in " +
                      first->second->place() + " and in " + row.place() + where);
    }
    const auto [split, is_new_class] = splits.try_emplace(row.label, row.split);
    if (split->second != row.split) {
      throw DataError("mini_imagenet: need each class in one split, got " + printable(row.label) + " in " +
                      kLists[split->second] + " and in " + row.place() + where);
    }
    if (++sizes[row.label] > counts.images) {
      throw DataError("mini_imagenet: need at most " + std::to_string(counts.images) +
                      " images a class, got more of " + printable(row.label) + " in " + kLists[row.split] +
                      where);
    }
  }
  for (size_t split = 0; split < kLists.size(); ++split) {
    const int64_t found =
        std::count_if(splits.begin(), splits.end(), [&](const auto& entry) { return entry.second == split; });
    if (found != counts.classes[split]) {
      throw DataError("mini_imagenet: need " + std::to_string(counts.classes[split]) + " classes in " +
                      kLists[split] + ", got " + std::to_string(found) + where);
    }
  }
  return splits;
}

}  // namespace

MiniImagenetLists read_lists(const FileTree& tree, const std::vector<std::string>& paths,
                             const MiniImagenetCounts& counts) {
  const std::string where = " in " + tree.location().string();
  const auto folder = folder_of_lists(paths);
  if (!folder) {
    throw DataError("mini_imagenet: need train.csv, val.csv and test.csv, found no train.csv" + where);
  }
  const std::vector<Row> rows = read_rows(tree, *folder, where);
  const auto splits = check_rows(rows, counts, where);

  MiniImagenetLists lists{.folder = *folder, .class_names = {}, .images = {}};
  std::map<std::string, int32_t> numbers;
  for (size_t split = 0; split < kLists.size(); ++split) {
    for (const auto& [name, own_split] : splits) {
      if (own_split == split) {
        numbers[name] = static_cast<int32_t>(lists.class_names.size());
        lists.class_names.push_back(name);
      }
    }
  }
  for (const Row& row : rows) {
    lists.images.push_back({row.filename, numbers[row.label]});
  }
  return lists;
}

}  // namespace ufo::data
