#pragma once

#include "run/json.h"

#include <ufo/run/provenance.h>

namespace ufo::run {

/// The object "provenance" of config.json.
Json print_provenance(const Provenance& provenance);

/// Reads it again from the file `origin`. What is missing, as in the runs of earlier versions, is left empty.
/// Throws ConfigError for a value of another type.
Provenance read_provenance(const Json& json, const std::string& origin);

}  // namespace ufo::run
