#pragma once

#include <string>

#include <ufo/data/data_record.h>
#include <ufo/run/run_directory.h>

namespace ufo::run {

/// What to do where the data of a run changed.
enum class ChangedData {
  refuse,
  accept_if_apart,  ///< go on, unless a class stands in another split than before
};

/// The text of a run's classes.json: {"train": {"ant": {"images": 20, "crc32": 305419896}, ...}, ...}.
std::string to_json(const data::DataRecord& record);

/// Reads it again; `origin` begins the message. Throws DataError for what is no such text.
data::DataRecord parse_data_record(const std::string& text, const std::string& origin);

/// Compares `dataset` with the classes that `run` was trained on, and gives what changed in one line; empty
/// where nothing did, or the run is of a version that kept no classes. Throws DataError where that is not
/// accepted.
std::string check_classes(const RunDirectory& run, const data::Dataset& dataset, ChangedData changed);

}  // namespace ufo::run
