#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <ufo/run/metrics.h>

namespace ufo::run {

/// CRC-32C (Castagnoli) of `bytes`, as RFC 3720 defines it.
uint32_t crc32c(std::string_view bytes);

/// TensorBoard event files: scalars `<split>/loss`, `<split>/accuracy`, and of training
/// `train/gradient_norm`, `train/tasks_per_second` and for UFO `ufo/q`, `ufo/d2_mean`, `ufo/v2_mean`.
class TensorBoardSink final : public MetricSink {
 public:
  /// Begins a new event file in `folder`, named so that TensorBoard reads it after those there. Where
  /// `first_step` is above 0 it tells TensorBoard to drop what earlier files hold beyond that step. Records
  /// every `every`-th training step and every validation. Throws UserError where the file cannot be written.
  TensorBoardSink(const std::filesystem::path& folder, int64_t first_step, int64_t every);

  void record(const MetricRecord& record) override;
  void flush() override { file_.flush(); }

 private:
  void write(std::string_view event);

  int64_t every_;
  AppendFile file_;
};

}  // namespace ufo::run
