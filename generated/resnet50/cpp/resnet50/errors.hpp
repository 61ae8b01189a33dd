// What can go wrong: a message, what may help, and the program's exit code.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

/// The program could not do what it was asked for.
class Error : public std::runtime_error {
 public:
  Error(int code, const std::string& message, std::string hint)
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  /// 1 where the GPU or the system failed, 2 for bad input.
  [[nodiscard]] int code() const noexcept { return code_; }
  /// What may help; may be empty.
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

 private:
  int code_;
  std::string hint_;
};

/// A wrong command line, a file that is not there or not what it should be, no GPU.
class BadInput : public Error {
 public:
  explicit BadInput(const std::string& message, std::string hint = {}) : Error(2, message, std::move(hint)) {}
};

/// What should have worked and did not.
class Failed : public Error {
 public:
  explicit Failed(const std::string& message, std::string hint = {}) : Error(1, message, std::move(hint)) {}
};
