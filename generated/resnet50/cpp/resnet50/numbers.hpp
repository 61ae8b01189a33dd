// float32 to and from the 16-bit types that an engine may take and put out.
#pragma once

#include <cstdint>

/// The nearest float16, halves to even; beyond its range an infinity.
std::uint16_t to_half(float value);
float from_half(std::uint16_t bits);

/// The nearest bfloat16, halves to even.
std::uint16_t to_bfloat16(float value);
float from_bfloat16(std::uint16_t bits);
