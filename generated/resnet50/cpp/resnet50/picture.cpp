#include "picture.hpp"

#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#include <stb_image.h>

#include "errors.hpp"
#include "files.hpp"
#include "network.hpp"

namespace {

/// As many as Pillow reads at most: a small file may unpack to more than the memory holds.
constexpr std::int64_t kMostPixels = 178'956'970;

/// A stretch of a file's bytes; what lies outside is none, so that damaged metadata cannot be read beyond.
class Bytes {
 public:
  Bytes(const unsigned char* data, std::size_t size, bool big_endian = true)
      : data_(data), size_(size), big_endian_(big_endian) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const unsigned char* data() const { return data_; }

  /// An unsigned number of 1, 2 or 4 bytes.
  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t at, std::size_t bytes) const {
    if (at > size_ || size_ - at < bytes) {
      return std::nullopt;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value = value << 8 | data_[big_endian_ ? at + i : at + bytes - 1 - i];
    }
    return value;
  }

  [[nodiscard]] Bytes from(std::size_t at) const { return slice(at, size_); }
  [[nodiscard]] Bytes slice(std::size_t at, std::size_t bytes) const {
    const std::size_t start = at < size_ ? at : size_;
    return {data_ + start, bytes < size_ - start ? bytes : size_ - start, big_endian_};
  }
  [[nodiscard]] Bytes ordered(bool big_endian) const { return {data_, size_, big_endian}; }

  [[nodiscard]] bool starts_with(std::string_view text) const {
    if (size_ < text.size()) {
      return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (data_[i] != static_cast<unsigned char>(text[i])) {
        return false;
      }
    }
    return true;
  }

 private:
  const unsigned char* data_;
  std::size_t size_;
  bool big_endian_;
};

using std::string_view_literals::operator""sv;
constexpr auto kPng = "\x89PNG\r\n\x1a\n"sv;
constexpr auto kJpeg = "\xff\xd8\xff"sv;
constexpr auto kExif = "Exif\0\0"sv;

/// What a file says of its picture beside the pixels.
struct About {
  unsigned orientation = 1;
  bool deep_gray = false;
  bool whole = true;
};

/// The orientation, 1 to 8, in TIFF data as EXIF has them; 1 where there is none.
unsigned orientation(const Bytes& exif) {
  const bool big_endian = exif.starts_with("MM");
  if (!big_endian && !exif.starts_with("II")) {
    return 1;
  }
  const Bytes tiff = exif.ordered(big_endian);
  const std::size_t table = tiff.number(4, 4).value_or(0);
  const std::size_t count = tiff.number(table, 2).value_or(0);
  for (std::size_t entry = table + 2; entry < table + 2 + 12 * count; entry += 12) {
    if (tiff.number(entry, 2) == 0x0112U && tiff.number(entry + 4, 4) == 1U) {
      const bool is_short = tiff.number(entry + 2, 2) == 3U;
      const std::uint32_t value = tiff.number(entry + 8, is_short ? 2 : 4).value_or(1);
      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

About about_png(const Bytes& file) {
  About about;
  about.deep_gray = file.number(24, 1) == 16U && file.number(25, 1) == 0U;
  for (std::size_t at = kPng.size(); at < file.size();) {
    const std::size_t length = file.number(at, 4).value_or(0);
    if (file.from(at + 4).starts_with("eXIf")) {
      const Bytes exif = file.slice(at + 8, length);
      about.orientation = orientation(exif.starts_with(kExif) ? exif.from(kExif.size()) : exif);
    }
    at += length + 12;
  }
  return about;
}

/// Whether the mark that ends a JPEG stands behind its pixels' beginning: a file that was cut off lacks it, and stb
/// would fill up what is missing with gray.
bool ends(const Bytes& pixels) {
  for (std::size_t at = 0; at + 1 < pixels.size(); ++at) {
    if (pixels.data()[at] == 0xff && pixels.data()[at + 1] == 0xd9) {
      return true;
    }
  }
  return false;
}

About about_jpeg(const Bytes& file) {
  About about;
  bool found = false;
  std::size_t at = 2;
  while (file.number(at, 1) == 0xffU) {
    const std::uint32_t mark = file.number(at + 1, 1).value_or(0);
    if (mark == 0xff) {  // fills up
      ++at;
      continue;
    }
    const std::size_t length = file.number(at + 2, 2).value_or(0);
    const Bytes segment = file.slice(at + 4, length < 2 ? 0 : length - 2);
    if (mark == 0xe1 && !found && segment.starts_with(kExif)) {
      about.orientation = orientation(segment.from(kExif.size()));
      found = true;
    }
    if (mark == 0xda) {  // the pixels begin
      break;
    }
    at += 2 + length;
  }
  about.whole = ends(file.from(at));
  return about;
}

struct Free {
  void operator()(stbi_uc* pixels) const noexcept { stbi_image_free(pixels); }
};

Picture decoded(const std::string& path, const std::vector<unsigned char>& bytes) {
  int width = 0;
  int height = 0;
  int channels = 0;
  const auto length = static_cast<int>(bytes.size());
  if (stbi_info_from_memory(bytes.data(), length, &width, &height, &channels) != 0 &&
      static_cast<std::int64_t>(width) * height > kMostPixels) {
    throw BadInput(path + ": more pixels than any picture should have");
  }
  const std::unique_ptr<stbi_uc, Free> pixels(
      stbi_load_from_memory(bytes.data(), length, &width, &height, &channels, 0));
  if (!pixels) {
    throw BadInput(path + ": cannot be read: " + stbi_failure_reason());
  }
  const std::size_t size = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  const std::size_t count = size * static_cast<std::size_t>(channels);
  return {width, height, channels, std::vector<std::uint8_t>(pixels.get(), pixels.get() + count)};
}

/// Gray of a colour, as Pillow rounds it: ITU-R 601-2.
std::uint8_t luma(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return static_cast<std::uint8_t>((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
}

/// The pixels in as many channels as the network takes: alpha is dropped, or full where there is none.
Picture converted(const Picture& picture) {
  const auto from = static_cast<std::size_t>(picture.channels);
  const auto to = static_cast<std::size_t>(network::kChannels);
  const bool gray = from < 3;
  Picture result{picture.width, picture.height, network::kChannels, {}};
  result.pixels.reserve(picture.pixels.size() / from * to);
  for (std::size_t at = 0; at < picture.pixels.size(); at += from) {
    const std::uint8_t red = picture.pixels[at];
    const std::uint8_t green = gray ? red : picture.pixels[at + 1];
    const std::uint8_t blue = gray ? red : picture.pixels[at + 2];
    const std::uint8_t alpha = from % 2 == 0 ? picture.pixels[at + from - 1] : std::uint8_t{255};
    const std::array<std::uint8_t, 4> colour{red, green, blue, alpha};
    if (to == 1) {
      result.pixels.push_back(gray ? red : luma(red, green, blue));
    } else {
      result.pixels.insert(result.pixels.end(), colour.begin(), colour.begin() + network::kChannels);
    }
  }
  return result;
}

/// The picture as it is meant to be seen: EXIF's orientations are flips, and from 5 on rows become columns.
Picture turned(Picture picture, unsigned orientation) {
  if (orientation == 1) {
    return picture;
  }
  const bool across = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const auto width = static_cast<std::size_t>(picture.width);
  const auto height = static_cast<std::size_t>(picture.height);
  const auto channels = static_cast<std::size_t>(picture.channels);
  Picture result{across ? picture.height : picture.width, across ? picture.width : picture.height, picture.channels, {}};
  result.pixels.reserve(picture.pixels.size());
  for (std::size_t row = 0; row < (across ? width : height); ++row) {
    for (std::size_t column = 0; column < (across ? height : width); ++column) {
      const std::size_t x = across ? row : column;
      const std::size_t y = across ? column : row;
      const std::size_t pixel = (from_below ? height - 1 - y : y) * width + (from_right ? width - 1 - x : x);
      const auto start = picture.pixels.begin() + static_cast<std::ptrdiff_t>(pixel * channels);
      result.pixels.insert(result.pixels.end(), start, start + picture.channels);
    }
  }
  return result;
}

}  // namespace

Picture read_picture(const std::string& path) {
  const std::vector<unsigned char> bytes = read_file(path);
  const Bytes file(bytes.data(), bytes.size());
  const bool png = file.starts_with(kPng);
  if ((!png && !file.starts_with(kJpeg)) || bytes.size() > INT_MAX) {
    throw BadInput(path + ": not a picture", "PNG and JPEG are read");
  }
  const About about = png ? about_png(file) : about_jpeg(file);
  if (about.deep_gray) {
    throw BadInput(path + ": a picture of more than 8 bits a channel", "save it with 8 bits a channel");
  }
  if (!about.whole) {
    throw BadInput(path + ": cannot be read: it is cut off");
  }
  return turned(converted(decoded(path, bytes)), about.orientation);
}
