// From a picture's pixels to the tensor that the network takes, to the bit as Pillow and NumPy compute it.
#pragma once

#include <cstdint>
#include <vector>

/// Pixels of 8 bits a channel, rows from the top, channels of a pixel side by side:
/// 1 is gray, 3 is RGB, 4 is RGB with alpha.
struct Picture {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;
};

/// The rectangle of a picture that is resampled, in its pixels; float, as Pillow has it.
struct Box {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;
};

/// `box` of the picture as width x height pixels: bilinear, antialiased where it shrinks, in Pillow's
/// fixed-point arithmetic. Colours with alpha are weighted by it.
Picture resize(const Picture& picture, int width, int height, const Box& box);

/// The central crop of the resized picture, of network::kWidth x network::kHeight pixels: the shorter side is
/// resized so that the crop keeps network::kCrop of it, and nothing outside the crop is computed.
Picture crop(const Picture& picture);

/// (value / 255 - mean) / std of each pixel of a crop, channels first: C x H x W values.
std::vector<float> normalize(const Picture& picture);
