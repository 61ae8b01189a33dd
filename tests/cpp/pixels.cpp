// Pixels from stdin (width, height and channels on a line, then the bytes), again and again; tensors to stdout.
#include <cstddef>
#include <iostream>
#include <string>

#include "preprocess.hpp"

int main() {
  Picture picture;
  while (std::cin >> picture.width >> picture.height >> picture.channels && std::cin.get() == '\n') {
    picture.pixels.resize(static_cast<std::size_t>(picture.width * picture.height * picture.channels));
    std::cin.read(reinterpret_cast<char*>(picture.pixels.data()), static_cast<std::streamsize>(picture.pixels.size()));
    const auto values = normalize(crop(picture));
    std::cout.write(reinterpret_cast<const char*>(values.data()),
                    static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  return 0;
}
