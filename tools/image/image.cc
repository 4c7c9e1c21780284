// SPDX-License-Identifier: MIT
#include "tools/image/image.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#ifdef ACC_HAVE_PNG
#include <png.h>
#endif

namespace acc
{
namespace
{

namespace fs = std::filesystem;

constexpr uint64_t kMaxPixels = uint64_t{1} << 26;
constexpr size_t kMaxFile = size_t{1} << 28;

Error refuse(std::string &why, int code, const std::string &text)
{
    why = text;
    return Error{code};
}

Result<std::string> read_bytes(const std::string &path, std::string &why)
{
    struct Close {
        void operator()(std::FILE *file) const { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rbe"));
    if (!file) return refuse(why, -errno, std::strerror(errno));
    std::string bytes;
    char block[65536];
    while (const size_t n = std::fread(block, 1, sizeof block, file.get())) {
        bytes.append(block, n);
        if (bytes.size() > kMaxFile)
            return refuse(why, -EFBIG, "expected an image of at most 256 MiB; found more");
    }
    if (std::ferror(file.get()))
        return refuse(why, -EIO, "expected to read it whole; found an error");
    return bytes;
}

uint8_t grey_of(const uint8_t *rgb)
{
    // ITU-R BT.601, in 16 bits.
    return static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >>
                                16);
}

Image with_channels(Image image, uint32_t channels)
{
    if (image.channels == channels) return image;
    const size_t count = size_t{image.width} * image.height;
    std::vector<uint8_t> pixels(count * channels);
    for (size_t i = 0; i < count; i++) {
        if (channels == 1)
            pixels[i] = grey_of(&image.pixels[i * 3]);
        else
            std::fill_n(&pixels[i * 3], 3, image.pixels[i]);
    }
    image.pixels = std::move(pixels);
    image.channels = channels;
    return image;
}

// "P5 width height 255", one blank, then bytes; '#' begins a comment.
Result<Image> parse_pnm(const std::string &bytes, std::string &why)
{
    size_t at = 2;
    uint32_t fields[3] = {};
    for (uint32_t &field : fields) {
        while (at < bytes.size() && (std::strchr(" \t\r\n", bytes[at]) || bytes[at] == '#')) {
            if (bytes[at] == '#') at = std::min(bytes.find('\n', at), bytes.size());
            if (at < bytes.size()) at++;
        }
        size_t digits = 0;
        for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && digits < 9; digits++)
            field = field * 10 + static_cast<uint32_t>(bytes[at++] - '0');
        if (!digits) return refuse(why, -EINVAL, "expected width, height and maximum; found none");
    }
    at++;
    Image image{fields[0], fields[1], bytes[1] == '5' ? 1u : 3u, {}};
    if (fields[2] != 255)
        return refuse(why, -EINVAL,
                      "expected 8 bits, a maximum of 255; found " + std::to_string(fields[2]));
    if (!image.width || !image.height || uint64_t{image.width} * image.height > kMaxPixels)
        return refuse(why, -EFBIG,
                      "expected 1 to 2^26 pixels; found " + std::to_string(image.width) + "x" +
                          std::to_string(image.height));
    const size_t size = size_t{image.width} * image.height * image.channels;
    if (at > bytes.size() || bytes.size() - at < size)
        return refuse(why, -EINVAL,
                      "expected " + std::to_string(size) + " bytes of pixels; found " +
                          std::to_string(bytes.size() - std::min(at, bytes.size())));
    image.pixels.assign(bytes.begin() + static_cast<ptrdiff_t>(at),
                        bytes.begin() + static_cast<ptrdiff_t>(at + size));
    return image;
}

#ifdef ACC_HAVE_PNG
Result<Image> parse_png(const std::string &bytes, uint32_t channels, std::string &why)
{
    png_image png = {};
    png.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()))
        return refuse(why, -EINVAL, std::string("expected a PNG image; found: ") + png.message);
    Image image{png.width, png.height, channels, {}};
    if (uint64_t{png.width} * png.height > kMaxPixels) {
        png_image_free(&png);
        return refuse(why, -EFBIG,
                      "expected at most 2^26 pixels; found " + std::to_string(image.width) + "x" +
                          std::to_string(image.height));
    }
    png.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    image.pixels.resize(PNG_IMAGE_SIZE(png));
    const png_color black = {};
    if (!png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr)) {
        png_image_free(&png);
        return refuse(why, -EINVAL,
                      std::string("expected a whole PNG image; found: ") + png.message);
    }
    return image;
}
#endif

} // namespace

bool is_image(const std::string &path)
{
    std::string end = fs::path(path).extension().string();
    std::transform(end.begin(), end.end(), end.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return end == ".png" || end == ".pgm" || end == ".ppm";
}

Result<std::vector<std::string>> list_images(const std::string &path, std::string &why)
{
    std::error_code error;
    std::vector<std::string> paths;
    if (!fs::is_directory(path, error)) {
        paths.push_back(path);
        return paths;
    }
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
        if (is_image(it->path().string())) paths.push_back(it->path().string());
    if (error) return refuse(why, -error.value(), error.message());
    if (paths.empty())
        return refuse(why, -ENOENT,
                      "expected images, .png, .pgm or .ppm, in the folder; found none");
    std::sort(paths.begin(), paths.end());
    return paths;
}

Result<Image> read_image(const std::string &path, uint32_t channels, std::string &why)
{
    ACC_TRY(const std::string bytes, read_bytes(path, why));
    if (bytes.size() > 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6')) {
        ACC_TRY(Image image, parse_pnm(bytes, why));
        return with_channels(std::move(image), channels);
    }
#ifdef ACC_HAVE_PNG
    return parse_png(bytes, channels, why);
#else
    return refuse(why, -EINVAL,
                  "expected a PGM or PPM image, since this build has no libpng; "
                  "found another");
#endif
}

Result<ImageTensor> image_tensor(std::span<const uint32_t> dims, std::string &why)
{
    const auto is_channels = [](uint32_t c) { return c == 1 || c == 3; };
    if (dims.size() == 4 && dims[0] == 1 && is_channels(dims[1]))
        return ImageTensor{dims[3], dims[2], dims[1], false};
    if (dims.size() == 4 && dims[0] == 1 && is_channels(dims[3]))
        return ImageTensor{dims[2], dims[1], dims[3], true};
    if (dims.size() == 3 && dims[0] == 1) return ImageTensor{dims[2], dims[1], 1, true};
    std::string shape;
    for (const uint32_t dim : dims)
        shape += (shape.empty() ? "" : "x") + std::to_string(dim);
    return refuse(why, -EINVAL,
                  "expected an input of images, 1xCxHxW or 1xHxWxC with 1 or 3 channels; found " +
                      (shape.empty() ? "a scalar" : shape));
}

int append_image(const std::string &path, const ImageTensor &tensor, float scale, float offset,
                 std::vector<float> &samples, std::string &why)
{
    auto image = read_image(path, tensor.channels, why);
    if (!image) return image.error();
    if (image->width != tensor.width || image->height != tensor.height) {
        why = "expected an image of " + std::to_string(tensor.width) + "x" +
              std::to_string(tensor.height) + " pixels; found " + std::to_string(image->width) +
              "x" + std::to_string(image->height);
        return -EINVAL;
    }
    const size_t c = tensor.channels, count = size_t{tensor.width} * tensor.height;
    const size_t first = samples.size();
    samples.resize(first + count * c);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < c; k++) {
            const size_t to = tensor.channels_last ? i * c + k : k * count + i;
            samples[first + to] = static_cast<float>(image->pixels[i * c + k]) * scale + offset;
        }
    return 0;
}

} // namespace acc
