// PNG and JPEG files to pixels.
#pragma once

#include <string>

#include "preprocess.hpp"

/// The picture at a path, turned as its EXIF data say, with network::kChannels channels.
/// Throws BadInput for what is no PNG or JPEG, is damaged, or has gray values of 16 bits.
Picture read_picture(const std::string& path);
