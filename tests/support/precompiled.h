// The headers that nearly every test reads, compiled once for all test programs.
#pragma once

#include "../../src/base/precompiled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
