#pragma once

#include "run/json.h"

#include <ufo/run/provenance.h>

namespace ufo::run {

/// The object "provenance" of config.json.
Json print_provenance(const Provenance& provenance);

/// Reads it again. What is missing, as in the runs of earlier versions, or of another type is left empty.
Provenance read_provenance(const Json& json);

}  // namespace ufo::run
