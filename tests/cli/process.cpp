#include "process.h"

#include "support/temporary_folder.h"

#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace ufo::cli {

Outcome run_program(const std::vector<std::string>& arguments, const std::string& folder,
                    const std::function<void(pid_t)>& while_running) {
  const TemporaryFolder streams;
  const std::string output = streams / "output", errors = streams / "errors";
  std::vector<std::string> words = {UFO_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT, 0600);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t process = 0;
  const int failure = ::posix_spawn(&process, UFO_PROGRAM, &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) {
    throw std::runtime_error("cannot run " UFO_PROGRAM);
  }
  if (while_running) {
    while_running(process);
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .output = read_file(output),
          .errors = read_file(errors)};
}

}  // namespace ufo::cli
