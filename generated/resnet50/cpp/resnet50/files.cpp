#include "files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "errors.hpp"

namespace {

struct Close {
  void operator()(std::FILE* file) const noexcept { static_cast<void>(std::fclose(file)); }
};

BadInput unreadable(const std::string& path, int code) {
  return BadInput(path + ": cannot be read: " + std::generic_category().message(code));
}

}  // namespace

std::vector<unsigned char> read_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw BadInput(path + ": cannot be read: it is a folder");
  }
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    throw unreadable(path, errno);
  }
  std::vector<unsigned char> bytes;
  std::vector<unsigned char> chunk(std::size_t{1} << 20);
  while (const std::size_t count = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (std::ferror(file.get()) != 0) {
    throw unreadable(path, errno);
  }
  return bytes;
}

std::vector<std::string> read_lines(const std::string& path) {
  const std::vector<unsigned char> bytes = read_file(path);
  std::vector<std::string> lines;
  for (auto start = bytes.begin(); start != bytes.end();) {
    const auto end = std::find(start, bytes.end(), static_cast<unsigned char>('\n'));
    std::string line(start, end);
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    lines.push_back(std::move(line));
    start = end == bytes.end() ? end : end + 1;
  }
  return lines;
}
