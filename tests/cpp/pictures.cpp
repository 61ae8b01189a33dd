// The tensor of each picture that is named, to stdout.
#include <iostream>

#include "errors.hpp"
#include "picture.hpp"
#include "preprocess.hpp"

int main(int count, char** words) {
  try {
    for (int i = 1; i < count; ++i) {
      const auto values = normalize(crop(read_picture(words[i])));
      std::cout.write(reinterpret_cast<const char*>(values.data()),
                      static_cast<std::streamsize>(values.size() * sizeof(float)));
    }
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return error.code();
  }
  return 0;
}
