#include "preprocess.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "network.hpp"

namespace {

/// Pillow's fixed-point numbers: weights have 22 bits behind the point, which leaves room for 8 bits and a sign.
constexpr int kBits = 22;

/// What one row or column of the result is made of: `weights` for as many pixels, from `first` on.
struct Taps {
  std::size_t first;
  std::vector<std::int32_t> weights;
};

/// The triangle whose corners are at -1, 0 and 1.
double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

/// The taps of each of `count` places that lie evenly between `from` and `to` of `size` pixels.
std::vector<Taps> taps(int size, float from, float to, int count) {
  const double scale = static_cast<double>(to - from) / count;
  const double stretch = std::max(scale, 1.0);
  std::vector<Taps> all;
  all.reserve(static_cast<std::size_t>(count));
  for (int place = 0; place < count; ++place) {
    const double center = static_cast<double>(from) + (place + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - stretch + 0.5));
    const int last = std::min(size, static_cast<int>(center + stretch + 0.5));
    std::vector<double> exact;
    double sum = 0;
    for (int pixel = first; pixel < last; ++pixel) {
      exact.push_back(triangle((pixel - center + 0.5) * (1.0 / stretch)));
      sum += exact.back();
    }
    Taps found{static_cast<std::size_t>(first), {}};
    for (const double weight : exact) {
      const double part = sum > 0 ? weight / sum : weight;
      found.weights.push_back(static_cast<std::int32_t>(0.5 + part * (1 << kBits)));
    }
    all.push_back(std::move(found));
  }
  return all;
}

std::uint8_t rounded(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

/// The weighted sum of values that lie `step` apart.
std::uint8_t weighted(const std::uint8_t* values, std::size_t step, const std::vector<std::int32_t>& weights) {
  std::int32_t sum = 1 << (kBits - 1);
  for (const std::int32_t weight : weights) {
    sum += weight * *values;
    values += step;
  }
  return rounded(sum);
}

Picture blank(int width, int height, int channels) {
  const auto size = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  return {width, height, channels, std::vector<std::uint8_t>(size * static_cast<std::size_t>(channels))};
}

std::size_t row_bytes(const Picture& picture) {
  return static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
}

/// The picture with other columns, in the rows from `first` to before `last`; the others stay black.
Picture with_columns(const Picture& picture, const std::vector<Taps>& columns, std::size_t first, std::size_t last) {
  Picture result = blank(static_cast<int>(columns.size()), picture.height, picture.channels);
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::size_t row = first; row < last; ++row) {
    const std::uint8_t* from = picture.pixels.data() + row * row_bytes(picture);
    std::uint8_t* to = result.pixels.data() + row * row_bytes(result);
    for (const Taps& column : columns) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        *to++ = weighted(from + column.first * channels + channel, channels, column.weights);
      }
    }
  }
  return result;
}

Picture with_rows(const Picture& picture, const std::vector<Taps>& rows) {
  Picture result = blank(picture.width, static_cast<int>(rows.size()), picture.channels);
  std::uint8_t* to = result.pixels.data();
  for (const Taps& row : rows) {
    const std::uint8_t* from = picture.pixels.data() + row.first * row_bytes(picture);
    for (std::size_t value = 0; value < row_bytes(picture); ++value) {
      *to++ = weighted(from + value, row_bytes(picture), row.weights);
    }
  }
  return result;
}

/// Whether rows are summed before columns, which rounds otherwise: the rule of Pillow 13, where earlier versions
/// always began with the columns.
bool rows_first(const Picture& picture, int width, int height) {
  return picture.height > height && picture.height - height > 2 * (picture.width - width);
}

/// Each of the two passes is left out where it would change nothing, as Pillow does.
Picture resampled(const Picture& picture, int width, int height, const Box& box) {
  const bool same_width = width == picture.width && box.left == 0 && box.right == static_cast<float>(width);
  const bool same_height = height == picture.height && box.top == 0 && box.bottom == static_cast<float>(height);
  const std::vector<Taps> columns = taps(picture.width, box.left, box.right, width);
  const std::vector<Taps> rows = taps(picture.height, box.top, box.bottom, height);
  if (same_width) {
    return same_height ? picture : with_rows(picture, rows);
  }
  if (same_height) {
    return with_columns(picture, columns, 0, static_cast<std::size_t>(height));
  }
  if (rows_first(picture, width, height)) {
    return with_columns(with_rows(picture, rows), columns, 0, rows.size());
  }
  const std::size_t last = rows.back().first + rows.back().weights.size();
  return with_rows(with_columns(picture, columns, rows.front().first, last), rows);
}

/// a * b / 255, rounded.
std::uint8_t product(int a, int b) {
  const int full = a * b + 128;
  return static_cast<std::uint8_t>((full + (full >> 8)) >> 8);
}

/// Colours times alpha, or, backwards, colours divided by it.
void weight_by_alpha(Picture& picture, bool backwards) {
  for (std::size_t pixel = 0; pixel < picture.pixels.size(); pixel += 4) {
    const int alpha = picture.pixels[pixel + 3];
    for (std::size_t channel = pixel; channel < pixel + 3; ++channel) {
      const int value = picture.pixels[channel];
      if (!backwards) {
        picture.pixels[channel] = product(value, alpha);
      } else if (alpha != 0 && alpha != 255) {
        picture.pixels[channel] = static_cast<std::uint8_t>(std::min(255, 255 * value / alpha));
      }
    }
  }
}

}  // namespace

Picture resize(const Picture& picture, int width, int height, const Box& box) {
  const bool whole = box.left == 0 && box.top == 0 && box.right == static_cast<float>(picture.width) &&
                     box.bottom == static_cast<float>(picture.height);
  if (whole && width == picture.width && height == picture.height) {
    return picture;
  }
  if (picture.channels != 4) {
    return resampled(picture, width, height, box);
  }
  Picture weighted_picture = picture;
  weight_by_alpha(weighted_picture, false);
  Picture result = resampled(weighted_picture, width, height, box);
  weight_by_alpha(result, true);
  return result;
}

Picture crop(const Picture& picture) {
  using network::kHeight;
  using network::kWidth;
  const double scale =
      std::max(kHeight / network::kCrop / picture.height, kWidth / network::kCrop / picture.width);
  // nearbyint rounds halves to even, as Python does. A side may have more pixels than an int can count.
  const double width = std::max<double>(kWidth, std::nearbyint(picture.width * scale));
  const double height = std::max<double>(kHeight, std::nearbyint(picture.height * scale));
  const double left = std::floor((width - kWidth) / 2);
  const double top = std::floor((height - kHeight) / 2);
  const double x = picture.width / width;
  const double y = picture.height / height;
  const Box box{static_cast<float>(left * x), static_cast<float>(top * y), static_cast<float>((left + kWidth) * x),
                static_cast<float>((top + kHeight) * y)};
  return resize(picture, kWidth, kHeight, box);
}

std::vector<float> normalize(const Picture& picture) {
  const auto channels = static_cast<std::size_t>(picture.channels);
  const std::size_t size = picture.pixels.size() / channels;
  std::vector<float> values(picture.pixels.size());
  for (std::size_t channel = 0; channel < channels; ++channel) {
    for (std::size_t pixel = 0; pixel < size; ++pixel) {
      const auto value = static_cast<float>(picture.pixels[pixel * channels + channel]) / 255.0F;
      values[channel * size + pixel] = (value - network::kMean[channel]) / network::kStd[channel];
    }
  }
  return values;
}
