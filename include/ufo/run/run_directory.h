#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ufo/data/dataset.h>
#include <ufo/run/best_checkpoints.h>

namespace ufo::run {

/// What to do where a run directory already holds a run.
enum class IfThereIsARun { refuse, resume };

/// The folder of one run, and where everything lies in it. A folder holds a run once it has a config.json.
class RunDirectory {
 public:
  /// Prepares `path` for training: makes the folders, writes `config` as config.json (that comes last, so a
  /// folder is either ready or no run at all), and keeps other processes from training in it until this
  /// object is gone. A run that is resumed keeps the config.json that it has; where there is none, the run
  /// begins. Throws ConfigError where there is a run and `existing` says refuse, where another process trains
  /// in it, where the folder has the metrics or checkpoints of a run but no config.json, and where it cannot
  /// be written; it then leaves nothing behind.
  static RunDirectory prepare(const std::filesystem::path& path, const std::string& config,
                              IfThereIsARun existing);

  /// Opens a run to read it or to add an evaluation. Throws ConfigError where `path` holds no run.
  static RunDirectory open(const std::filesystem::path& path);

  /// Whether `path` holds a run.
  static bool holds_a_run(const std::filesystem::path& path);

  /// Whether training in `path` has saved a checkpoint.
  static bool has_a_checkpoint(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.json"; }
  std::filesystem::path classes_file() const { return path_ / "classes.json"; }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path log_file() const { return path_ / "log.txt"; }
  std::filesystem::path tensorboard_folder() const { return path_ / "tensorboard"; }
  std::filesystem::path last_checkpoint() const { return path_ / "checkpoints" / "last.safetensors"; }
  std::filesystem::path best_checkpoint() const { return path_ / "checkpoints" / "best.safetensors"; }
  std::filesystem::path kept_checkpoint(int64_t step) const {
    return run::kept_checkpoint(best_checkpoint(), step);
  }

  /// evaluation/<split>.json for the settings of the run's config, evaluation/<split>_<settings>.json for
  /// others.
  std::filesystem::path evaluation_file(data::Split split, const std::string& settings = "") const;

  /// The evaluations of `split` that are there, that of the config's settings first.
  std::vector<std::filesystem::path> evaluation_files(data::Split split) const;

  /// The file that `--checkpoint` names: "best" (or, before the first validation, last), "last", or a path.
  /// Throws DataError where there is none.
  std::filesystem::path find_checkpoint(const std::string& name) const;

  /// Throws ConfigError where path() no longer names the folder that was opened: another one may have taken
  /// its place, and nothing may be written into it.
  void check_in_place() const;

  /// The content of config.json. Throws DataError where it cannot be read.
  std::string config() const;

 private:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
  std::shared_ptr<const int> folder_;  ///< a descriptor of it
};

}  // namespace ufo::run
