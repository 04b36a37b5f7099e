#pragma once

namespace ufo::train {

/// While this object lives, SIGINT, SIGTERM and SIGHUP are noted and do not end the program, so that the step
/// at hand can be finished and saved; those that the program was started to ignore stay ignored. A second
/// SIGINT ends it at once. At most one object may live at a time.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// The number of the first signal that came, or 0. The program's exit code is 128 more.
  static int received();
};

}  // namespace ufo::train
