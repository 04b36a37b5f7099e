#include "cuda/nvrtc.h"

#include <optional>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <ufo/nn/kernel_runner.h>

namespace ufo::train::cuda {
namespace {

/// Skips where there is no NVRTC; no device is needed.
class NvrtcOf : public testing::TestWithParam<std::tuple<std::string, c10::ScalarType>> {};

TEST_P(NvrtcOf, CompilesTheKernels) {
  std::optional<Nvrtc> nvrtc;
  try {
    nvrtc.emplace(13);
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << "needs NVRTC: " << error.what();
  }
  const auto& [architecture, real] = GetParam();
  EXPECT_FALSE(nvrtc->compile(nn::kernel_source(), real, architecture).empty());
  try {
    nvrtc->compile("KERNEL void broken() { REAL x = ; }", real, architecture);
    FAIL() << "compiles what it cannot";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("expected an expression"), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, NvrtcOf,
                         testing::Combine(testing::Values<std::string>("sm_75", "sm_80", "sm_90", "sm_120"),
                                          testing::Values(c10::kFloat, c10::kDouble)));

}  // namespace
}  // namespace ufo::train::cuda
