// SPDX-License-Identifier: MIT
//
// Images as samples of a network. PNG of any kind, and PGM and PPM with 8 bits (P5, P6), which
// need no library. Files are hostile until read.
#pragma once

#include "common/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace acc
{

// Bytes [height][width][channels].
struct Image {
    uint32_t width = 0, height = 0, channels = 0;
    std::vector<uint8_t> pixels;
};

// Where an image goes in a tensor: [1, c, h, w] or [1, h, w, c], c of 1 (grey) or 3 (red, green,
// blue), also [1, h, w]. Value = pixel * scale + offset.
struct ImageTensor {
    uint32_t width = 0, height = 0, channels = 0;
    bool channels_last = false;
};

// Whether a path ends like an image's.
bool is_image(const std::string &path);
// The images of a folder, by name; or the path itself, if it is an image. -ENOENT: none there.
Result<std::vector<std::string>> list_images(const std::string &path, std::string &why);

// -EINVAL: no image or one that is malformed, -EFBIG: above 2^26 pixels; or what the system said.
// Grey and colour are turned into what is asked for; what is transparent is over black.
Result<Image> read_image(const std::string &path, uint32_t channels, std::string &why);

// -EINVAL: dims of no image.
Result<ImageTensor> image_tensor(std::span<const uint32_t> dims, std::string &why);
// Appends a sample: an image of the tensor's size. 0; -EINVAL: of another size, since nothing is
// stretched or cut to fit; or as read_image().
int append_image(const std::string &path, const ImageTensor &tensor, float scale, float offset,
                 std::vector<float> &samples, std::string &why);

} // namespace acc
