// Files as bytes.
#pragma once

#include <string>
#include <vector>

/// The bytes of a file. Throws BadInput where it cannot be read.
std::vector<unsigned char> read_file(const std::string& path);

/// The lines of a text file, without what ends them. Throws BadInput where it cannot be read.
std::vector<std::string> read_lines(const std::string& path);
