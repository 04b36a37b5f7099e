#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/run/run_directory.h>

namespace ufo::run {
namespace {

namespace fs = std::filesystem;

/// Folders made on the way to a run directory; what is still empty goes again unless keep() was called.
class NewFolders {
 public:
  ~NewFolders() {
    for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) {
      std::error_code ignored;
      fs::remove(*folder, ignored);
    }
  }

  void make(const fs::path& folder) {
    std::error_code error;
    if (folder.empty() || fs::is_directory(folder, error)) {
      return;
    }
    make(folder.parent_path());
    if (fs::create_directory(folder, error)) {
      made_.push_back(folder);
    } else if (std::error_code ignored; !fs::is_directory(folder, ignored)) {
      throw ConfigError("run directory: cannot make the folder " + folder.string() + ": " +
                        (fs::exists(folder, ignored) ? "there is a file of that name" : error.message()));
    }
  }

  void keep() { made_.clear(); }

 private:
  std::vector<fs::path> made_;
};

std::shared_ptr<const int> open_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    throw ConfigError("run directory: cannot open " + folder.string() + ": " + std::strerror(errno));
  }
  return {new int(descriptor), [](const int* handle) {
            ::close(*handle);
            delete handle;
          }};
}

/// Locks the folder itself, so that no lock file is left lying about. Released by the kernel however the
/// process ends.
void lock_folder(int descriptor, const fs::path& folder) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    throw ConfigError("run directory: another process is training in " + folder.string());
  }
}

/// A run whose config.json was lost must not be written over.
void refuse_remains(const RunDirectory& run) {
  for (const fs::path& file : {run.metrics_file(), run.last_checkpoint(), run.best_checkpoint()}) {
    if (fs::exists(file) && !fs::exists(run.config_file())) {
      throw ConfigError("run directory: need an empty folder or a run, got " + run.path().string() +
                        ", with " + file.lexically_relative(run.path()).string() + " but no config.json");
    }
  }
}

}  // namespace

bool RunDirectory::holds_a_run(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(RunDirectory(path).config_file(), ignored);
}

bool RunDirectory::has_a_checkpoint(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(RunDirectory(path).last_checkpoint(), ignored);
}

RunDirectory RunDirectory::prepare(const fs::path& path, const std::string& config, IfThereIsARun existing) {
  const auto refuse_a_run = [&] {
    if (holds_a_run(path) && existing == IfThereIsARun::refuse) {
      throw ConfigError("run directory: " + path.string() +
                        " holds a run already: go on with it (--resume) or name " +
                        "another folder (--run-dir)");
    }
  };
  refuse_a_run();
  NewFolders folders;
  try {
    folders.make(path.lexically_normal() / "");
    RunDirectory run(path.lexically_normal());
    run.folder_ = open_folder(run.path_);
    lock_folder(*run.folder_, run.path_);
    refuse_a_run();  // another process may have been quicker
    refuse_remains(run);
    folders.make(run.last_checkpoint().parent_path());
    folders.make(run.tensorboard_folder());
    if (!holds_a_run(run.path_)) {
      write_file_atomically(run.config_file(), config);
    } else if (::access(run.path_.c_str(), W_OK) != 0) {
      throw ConfigError("run directory: cannot write in " + run.path_.string() + ": " + std::strerror(errno));
    }
    folders.keep();
    return run;
  } catch (const ConfigError&) {
    throw;
  } catch (const UserError& error) {
    throw ConfigError(std::string("run directory: ") + error.what());
  }
}

RunDirectory RunDirectory::open(const fs::path& path) {
  if (!holds_a_run(path)) {
    throw ConfigError("run directory: need a folder with a run, got " + path.string() +
                      ", which has no config.json");
  }
  RunDirectory run(path.lexically_normal());
  run.folder_ = open_folder(run.path_);
  return run;
}

fs::path RunDirectory::evaluation_file(data::Split split, const std::string& settings) const {
  const std::string name = data::kSplitNames[static_cast<size_t>(split)];
  return path_ / "evaluation" / (name + (settings.empty() ? "" : "_" + settings) + ".json");
}

std::vector<fs::path> RunDirectory::evaluation_files(data::Split split) const {
  const fs::path first = evaluation_file(split);
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(first.parent_path(), missing)) {
    const fs::path& file = entry.path();
    if (file.extension() == ".json" && file != first &&
        file.stem().string().starts_with(first.stem().string() + "_")) {
      files.push_back(file);
    }
  }
  std::sort(files.begin(), files.end());
  if (fs::exists(first, missing)) {
    files.insert(files.begin(), first);
  }
  return files;
}

fs::path RunDirectory::find_checkpoint(const std::string& name) const {
  if (name == "last" || name == "best") {
    const fs::path file =
        name == "best" && fs::exists(best_checkpoint()) ? best_checkpoint() : last_checkpoint();
    if (!fs::exists(file)) {
      throw DataError(file.string() + ": no such file: the run has not saved a checkpoint yet");
    }
    return file;
  }
  if (!fs::is_regular_file(name)) {
    throw DataError("checkpoint: need best, last or a file, got \"" + name + "\"");
  }
  return name;
}

void RunDirectory::check_in_place() const {
  struct stat opened {
  }, named{};
  if (::fstat(*folder_, &opened) != 0 || ::stat(path_.c_str(), &named) != 0 ||
      opened.st_ino != named.st_ino || opened.st_dev != named.st_dev) {
    throw ConfigError("run directory: " + path_.string() +
                      " was removed, moved or replaced meanwhile; nothing more is written there");
  }
}

std::string RunDirectory::config() const { return read_text_file(config_file()); }

}  // namespace ufo::run
