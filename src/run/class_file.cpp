#include "base/json.h"
#include "run/json.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <ufo/base/error.h>
#include <ufo/run/class_file.h>

namespace ufo::run {
namespace {

data::ClassRecord parse_class(const std::string& name, const Json& value, const std::string& origin) {
  const auto good = [&](const char* key, uint64_t most) {
    return value.is_object() && value.contains(key) && value[key].is_number_unsigned() &&
           value[key].get<uint64_t>() <= most;
  };
  if (!good("images", INT64_MAX) || !good("crc32", UINT32_MAX)) {
    throw DataError(origin + ": need {\"images\": N, \"crc32\": N} of class " + brief(name) + ", got " +
                    brief(value));
  }
  return {.name = name, .images = value["images"].get<int64_t>(), .checksum = value["crc32"].get<uint32_t>()};
}

}  // namespace

std::string to_json(const data::DataRecord& record) {
  Json json = Json::object();
  for (size_t split = 0; split < record.classes.size(); ++split) {
    Json& classes = json[data::kSplitNames[split]] = Json::object();
    for (const data::ClassRecord& one : record.classes[split]) {
      classes[one.name] = {{"images", one.images}, {"crc32", one.checksum}};
    }
  }
  return json.dump(1) + "\n";
}

data::DataRecord parse_data_record(const std::string& text, const std::string& origin) {
  Json json;
  try {
    json = ufo::parse_json(text);
  } catch (const JsonFault& fault) {
    throw DataError(origin + ": " + fault.what());
  }
  data::DataRecord record;
  for (size_t split = 0; split < record.classes.size(); ++split) {
    const char* const name = data::kSplitNames[split];
    if (!json.is_object() || !json.contains(name) || !json[name].is_object()) {
      throw DataError(origin + ": need an object of classes as " + name + ", found none");
    }
    for (const auto& [key, value] : json[name].items()) {
      record.classes[split].push_back(parse_class(key, value, origin));
    }
  }
  return record;
}

std::string check_classes(const RunDirectory& run, const data::Dataset& dataset, ChangedData changed) {
  const std::filesystem::path path = run.classes_file();
  if (!std::filesystem::exists(path)) {
    return {};
  }
  std::ifstream stream(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  if (!stream && !stream.eof()) {
    throw DataError(path.string() + ": cannot read the classes of the run");
  }
  const data::DataChange change =
      data::compare(parse_data_record(text, path.string()), data::record_of(dataset));
  if (change.text.empty() || (changed == ChangedData::accept_if_apart && !change.leaks)) {
    return change.text;
  }
  throw DataError("need the data that " + run.path().string() +
                  " was trained on, found other classes or images: " + change.text +
                  (change.leaks
                       ? "; what was trained on must not be tested on: keep the split by a splits.json"
                       : "; --changed-data goes on all the same"));
}

}  // namespace ufo::run
