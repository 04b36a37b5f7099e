#pragma once

#include <stdexcept>

namespace ufo {

/// Something the user can mend. The message is one line: what was needed, what was found and where.
/// The program prints it and exits with 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The command line or the config is wrong.
class ConfigError : public UserError {
 public:
  using UserError::UserError;
};

/// A file is missing, damaged, or not what it should be.
class DataError : public UserError {
 public:
  using UserError::UserError;
};

}  // namespace ufo
