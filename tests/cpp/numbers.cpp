// float32 values from stdin; to stdout, for each, float16, that as float32, bfloat16, that as float32.
#include "numbers.hpp"

#include <iostream>

template <typename T>
void write(const T& value) {
  std::cout.write(reinterpret_cast<const char*>(&value), sizeof value);
}

int main() {
  float value = 0;
  while (std::cin.read(reinterpret_cast<char*>(&value), sizeof value)) {
    write(to_half(value));
    write(from_half(to_half(value)));
    write(to_bfloat16(value));
    write(from_bfloat16(to_bfloat16(value)));
  }
  return 0;
}
