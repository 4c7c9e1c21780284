// SPDX-License-Identifier: MIT
//
// Convolutions and pools over one, two or more axes.
#include "host/window.h"

#include <algorithm>
#include <limits>

namespace acc::host
{
namespace
{

constexpr int64_t kMaxSize = 1 << 20; // of a kernel's side, a stride, a dilation, a pad

std::string list_text(const std::vector<int64_t> &list)
{
    std::string text;
    for (const int64_t v : list)
        text += (text.empty() ? "" : ",") + std::to_string(v);
    return "[" + text + "]";
}

bool read_sizes(Call &c, const char *name, size_t n, int64_t least, Dims &sizes)
{
    const std::vector<int64_t> given = c.ints(name);
    if (given.empty()) return true;
    bool good = given.size() == n;
    for (const int64_t v : given)
        good = good && v >= least && v <= kMaxSize;
    if (!good)
        return c.fail(std::string("expected attribute '") + name + "' of " + std::to_string(n) +
                      " sizes from " + std::to_string(least) + "; found " + list_text(given));
    sizes = given;
    return true;
}

bool image_of(Call &c, Dims &image)
{
    if (c.rank(0) < 3)
        return c.fail("expected at least 3 dimensions; found " + dims_text(c.dims(0)));
    image.assign(c.dims(0).begin() + 2, c.dims(0).end());
    return true;
}

Dims with_out(const Dims &x, int64_t channels, const Dims &out)
{
    Dims dims = {x[0], channels};
    dims.insert(dims.end(), out.begin(), out.end());
    return dims;
}

bool infer_pool(Call &c)
{
    Windows w;
    if (!read_windows(c, {}, w)) return false;
    for (size_t i = 0; i < w.image.size(); i++)
        if (w.pad[i] >= w.reach(i) || w.pad_end[i] >= w.reach(i))
            return c.fail("expected pads smaller than the kernel; found " +
                          std::to_string(std::max(w.pad[i], w.pad_end[i])));
    const Dims dims = with_out(c.dims(0), c.dims(0)[1], w.out);
    c.give(c.in[0].dtype, dims);
    return c.give(ACC_DTYPE_I64, dims);
}

// Elements of a window that are inside the padded image: what count_include_pad counts.
int64_t padded_taps(const Windows &w, const Dims &at)
{
    int64_t count = 1;
    for (size_t i = 0; i < w.image.size(); i++) {
        // Taps at first, first + dilation, … below the end of the padding.
        const int64_t room = w.image[i] + w.pad_end[i] - (at[i] * w.stride[i] - w.pad[i]);
        count *= std::clamp<int64_t>((room + w.dilation[i] - 1) / w.dilation[i], 0, w.kernel[i]);
    }
    return count;
}

bool run_max_pool(Call &c)
{
    Windows w;
    if (!read_windows(c, {}, w)) return false;
    const int64_t planes = c.dims(0)[0] * c.dims(0)[1];
    const int64_t size = elements(w.image), pixels = elements(w.out);
    const bool column_major = c.get("storage_order", int64_t{0}) != 0;
    by_type(c.in[0].dtype, [&](auto type) {
        using W = decltype(type);
        const In<W> x(c.in[0]);
        std::vector<W> y(static_cast<size_t>(planes * pixels));
        for (int64_t p = 0; p < planes; p++) {
            Walk<1> walk(w.out, {strides_of(w.out)});
            for (int64_t i = 0; i < pixels; i++, walk.next()) {
                W best = std::numeric_limits<W>::lowest();
                if constexpr (!std::is_same_v<W, int64_t>)
                    best = -std::numeric_limits<W>::infinity();
                int64_t where = -1;
                for_each_tap(w, walk.at(), [&](int64_t, int64_t from) {
                    const W v = x[static_cast<size_t>(p * size + from)];
                    if (where >= 0 && !(v > best)) return;
                    best = v;
                    where = from;
                });
                const auto at = static_cast<size_t>(p * pixels + i);
                y[at] = best;
                if (!c.wants(1)) continue;
                if (column_major && w.image.size() == 2)
                    where = where % w.image[1] * w.image[0] + where / w.image[1];
                static_cast<int64_t *>(c.out[1].data)[at] = p * size + where;
            }
        }
        if (c.wants(0)) store(y.data(), c.out[0]);
    });
    return true;
}

// f(sum, tap) over each window, done(sum, taps inside, taps counted).
template <typename F, typename D>
bool pool(Call &c, F f, D done)
{
    Windows w;
    if (!read_windows(c, {}, w)) return false;
    const int64_t planes = c.dims(0)[0] * c.dims(0)[1];
    const int64_t size = elements(w.image), pixels = elements(w.out);
    const bool with_pads = c.get("count_include_pad", int64_t{0}) != 0;
    const In<double> x(c.in[0]);
    Out<double> y(c.out[0]);
    for (int64_t p = 0; p < planes; p++) {
        Walk<1> walk(w.out, {strides_of(w.out)});
        for (int64_t i = 0; i < pixels; i++, walk.next()) {
            double sum = 0;
            int64_t taps = 0;
            for_each_tap(w, walk.at(), [&](int64_t, int64_t from) {
                sum = f(sum, x[static_cast<size_t>(p * size + from)]);
                taps++;
            });
            if (with_pads) taps = padded_taps(w, walk.at());
            y[static_cast<size_t>(p * pixels + i)] = done(sum, static_cast<double>(taps));
        }
    }
    return true;
}

bool run_average_pool(Call &c)
{
    return pool(
        c, [](double s, double v) { return s + v; },
        [](double s, double n) { return n > 0 ? s / n : 0; });
}

bool run_lp_pool(Call &c)
{
    const auto p = static_cast<double>(c.get("p", int64_t{2}));
    return pool(
        c, [&](double s, double v) { return s + std::pow(std::abs(v), p); },
        [&](double s, double) { return std::pow(s, 1 / p); });
}

bool infer_global(Call &c)
{
    Dims image;
    if (!image_of(c, image)) return false;
    return c.give(c.in[0].dtype, with_out(c.dims(0), c.dims(0)[1], Dims(image.size(), 1)));
}

template <typename F, typename D>
bool global(Call &c, double start, F f, D done)
{
    const int64_t planes = c.dims(0)[0] * c.dims(0)[1];
    const In<double> x(c.in[0]);
    Out<double> y(c.out[0]);
    const size_t size = x.size() / static_cast<size_t>(planes);
    for (size_t p = 0; p < y.size(); p++) {
        double sum = start;
        for (size_t i = 0; i < size; i++)
            sum = f(sum, x[p * size + i]);
        y[p] = done(sum, static_cast<double>(size));
    }
    return true;
}

bool run_global_lp(Call &c)
{
    const auto p = static_cast<double>(c.get("p", int64_t{2}));
    return global(
        c, 0, [&](double s, double v) { return s + std::pow(std::abs(v), p); },
        [&](double s, double) { return std::pow(s, 1 / p); });
}

bool run_conv(Call &c)
{
    const Dims &wd = c.dims(1);
    Windows w;
    if (!read_windows(c, {wd.begin() + 2, wd.end()}, w)) return false;
    const In<float> x(c.in[0]), weights(c.in[1]);
    std::vector<float> bias;
    if (c.has(2)) {
        const In<float> b(c.in[2]);
        bias.assign(b.data(), b.data() + b.size());
    }
    Out<float> y(c.out[0]);
    convolve(w, c.dims(0)[0], c.dims(0)[1], wd[0], c.get("group", int64_t{1}), x.data(),
             weights.data(), bias.empty() ? nullptr : bias.data(), y.data(), c.fast);
    return true;
}

// Windows of the convolution that this is the transpose of: they run over the result.
bool read_transposed(Call &c, Windows &w)
{
    Dims image;
    if (!image_of(c, image)) return false;
    const size_t n = image.size();
    const Dims &wd = c.dims(1);
    if (wd.size() != n + 2 || wd[0] != c.dims(0)[1])
        return c.fail("expected weights [" + std::to_string(c.dims(0)[1]) + ", out / group, " +
                      std::to_string(n) + " sizes]; found " + dims_text(wd));
    w.kernel.assign(wd.begin() + 2, wd.end());
    w.out = image;
    w.stride = w.dilation = Dims(n, 1);
    w.pad = w.pad_end = Dims(n, 0);
    Dims pads(2 * n, 0), extra(n, 0), shape, kernel = w.kernel;
    if (!read_sizes(c, "kernel_shape", n, 1, kernel) || !read_sizes(c, "strides", n, 1, w.stride) ||
        !read_sizes(c, "dilations", n, 1, w.dilation) || !read_sizes(c, "pads", 2 * n, 0, pads) ||
        !read_sizes(c, "output_padding", n, 0, extra) ||
        !read_sizes(c, "output_shape", n, 1, shape))
        return false;
    if (kernel != w.kernel)
        return c.fail("expected attribute 'kernel_shape' as the weights'; found " +
                      list_text(kernel));
    const std::string auto_pad = c.get("auto_pad", "NOTSET");
    const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    w.image.resize(n);
    for (size_t i = 0; i < n; i++) {
        const int64_t full = (image[i] - 1) * w.stride[i] + extra[i] + w.reach(i);
        if (!shape.empty() || same) {
            w.image[i] = shape.empty() ? image[i] * w.stride[i] : shape[i];
            const int64_t total = std::max<int64_t>(full - w.image[i], 0);
            w.pad[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
            if (shape.empty() && auto_pad == "SAME_LOWER") w.pad[i] = total - total / 2;
            w.pad_end[i] = total - w.pad[i];
        } else {
            const bool padded = auto_pad == "NOTSET";
            w.pad[i] = padded ? pads[i] : 0;
            w.pad_end[i] = padded ? pads[n + i] : 0;
            w.image[i] = full - w.pad[i] - w.pad_end[i];
        }
        if (w.image[i] < 1)
            return c.fail("expected a result of at least 1; found " + list_text(w.image));
    }
    return true;
}

bool infer_conv_transpose(Call &c)
{
    Windows w;
    if (!read_transposed(c, w)) return false;
    const int64_t groups = c.get("group", int64_t{1});
    if (groups < 1 || c.dims(0)[1] % groups)
        return c.fail("expected attribute 'group' to divide " + std::to_string(c.dims(0)[1]) +
                      "; found " + std::to_string(groups));
    if (c.dims(1)[1] > kMaxElements / groups)
        return c.fail("expected fewer channels; found " + dims_text(c.dims(1)));
    const int64_t channels = c.dims(1)[1] * groups;
    if (c.has(2) && c.dims(2) != Dims{channels})
        return c.fail("expected a bias of " + std::to_string(channels) + " values; found " +
                      dims_text(c.dims(2)));
    return c.give(c.in[0].dtype, with_out(c.dims(0), channels, w.image));
}

bool run_conv_transpose(Call &c)
{
    Windows w;
    if (!read_transposed(c, w)) return false;
    const int64_t groups = c.get("group", int64_t{1});
    const int64_t in = c.dims(0)[1] / groups, out = c.dims(1)[1];
    const int64_t size = elements(w.image), pixels = elements(w.out), taps = elements(w.kernel);
    const In<float> x(c.in[0]), weights(c.in[1]);
    Out<float> y(c.out[0]);
    std::fill_n(y.data(), y.size(), 0.0f);
    for (int64_t n = 0; n < c.dims(0)[0]; n++)
        for (int64_t g = 0; g < groups; g++) {
            Walk<1> walk(w.out, {strides_of(w.out)});
            for (int64_t i = 0; i < pixels; i++, walk.next())
                for_each_tap(w, walk.at(), [&](int64_t tap, int64_t to) {
                    for (int64_t ci = 0; ci < in; ci++) {
                        const float v =
                            x[static_cast<size_t>(((n * groups + g) * in + ci) * pixels + i)];
                        const float *k = weights.data() + ((g * in + ci) * out) * taps + tap;
                        float *o = y.data() + ((n * groups + g) * out) * size + to;
                        for (int64_t co = 0; co < out; co++)
                            o[co * size] += v * k[co * taps];
                    }
                });
        }
    if (c.has(2)) {
        const In<float> bias(c.in[2]);
        for (size_t i = 0; i < y.size(); i++)
            y[i] += bias[i / static_cast<size_t>(size) % bias.size()];
    }
    return true;
}

constexpr const char *kPool = "kernel_shape strides dilations pads auto_pad ceil_mode "
                              "storage_order count_include_pad p";

} // namespace

bool read_windows(Call &c, const Dims &kernel, Windows &w)
{
    if (!image_of(c, w.image)) return false;
    const size_t n = w.image.size();
    w.kernel = kernel;
    w.stride = w.dilation = Dims(n, 1);
    Dims pads(2 * n, 0);
    if (!read_sizes(c, "kernel_shape", n, 1, w.kernel) ||
        !read_sizes(c, "strides", n, 1, w.stride) ||
        !read_sizes(c, "dilations", n, 1, w.dilation) || !read_sizes(c, "pads", 2 * n, 0, pads))
        return false;
    if (w.kernel.size() != n || (!kernel.empty() && w.kernel != kernel))
        return c.fail("expected attribute 'kernel_shape' of " + std::to_string(n) +
                      " sizes, as the weights' where there are some; found " + list_text(w.kernel));
    int64_t taps = 1;
    for (const int64_t k : w.kernel)
        if (k > kMaxElements / taps || (taps *= k) == 0)
            return c.fail("expected a smaller kernel; found " + list_text(w.kernel));
    const std::string auto_pad = c.get("auto_pad", "NOTSET");
    const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
    if (!same && auto_pad != "VALID" && auto_pad != "NOTSET")
        return c.fail("expected attribute 'auto_pad' to be NOTSET, VALID, SAME_UPPER or "
                      "SAME_LOWER; found '" +
                      auto_pad + "'");
    const bool ceil = c.get("ceil_mode", int64_t{0}) != 0;
    w.pad = w.pad_end = w.out = Dims(n, 0);
    for (size_t i = 0; i < n; i++) {
        if (same) {
            w.out[i] = (w.image[i] - 1) / w.stride[i] + 1;
            const int64_t total =
                std::max<int64_t>((w.out[i] - 1) * w.stride[i] + w.reach(i) - w.image[i], 0);
            w.pad[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
            w.pad_end[i] = total - w.pad[i];
            continue;
        }
        if (auto_pad == "NOTSET") {
            w.pad[i] = pads[i];
            w.pad_end[i] = pads[n + i];
        }
        const int64_t room = w.image[i] + w.pad[i] + w.pad_end[i] - w.reach(i);
        if (room < 0)
            return c.fail("expected a window inside the padded image; found a reach of " +
                          std::to_string(w.reach(i)) + " over " +
                          std::to_string(room + w.reach(i)));
        w.out[i] = (ceil ? room + w.stride[i] - 1 : room) / w.stride[i] + 1;
        // A window that would start in the padding behind the image does not count.
        if (ceil && (w.out[i] - 1) * w.stride[i] >= w.image[i] + w.pad[i]) w.out[i]--;
    }
    return true;
}

void convolve(const Windows &w, int64_t batch, int64_t in, int64_t out, int64_t groups,
              const float *x, const float *weights, const float *bias, float *y, bool fast)
{
    const int64_t depth = in / groups, channels = out / groups;
    const int64_t size = elements(w.image), pixels = elements(w.out), taps = elements(w.kernel);
    // Blocks of windows, so that what is spread out stays in the cache.
    const int64_t block = std::clamp<int64_t>((1 << 16) / std::max<int64_t>(depth * taps, 1), 1,
                                              std::max<int64_t>(pixels, 1));
    std::vector<float> columns(static_cast<size_t>(depth * taps * block));
    std::vector<float> result(static_cast<size_t>(channels * block));
    for (int64_t n = 0; n < batch; n++)
        for (int64_t g = 0; g < groups; g++) {
            const float *image = x + (n * in + g * depth) * size;
            Walk<1> walk(w.out, {strides_of(w.out)});
            for (int64_t first = 0; first < pixels; first += block) {
                const int64_t width = std::min(block, pixels - first);
                std::fill(columns.begin(), columns.end(), 0.0f);
                for (int64_t i = 0; i < width; i++, walk.next())
                    for_each_tap(w, walk.at(), [&](int64_t tap, int64_t from) {
                        for (int64_t c = 0; c < depth; c++)
                            columns[static_cast<size_t>((c * taps + tap) * width + i)] =
                                image[c * size + from];
                    });
                for (int64_t o = 0; o < channels; o++)
                    std::fill_n(result.begin() + o * width, width,
                                bias ? bias[g * channels + o] : 0.0f);
                gemm(channels, width, depth * taps, weights + g * channels * depth * taps,
                     columns.data(), result.data(), fast);
                for (int64_t o = 0; o < channels; o++)
                    std::copy_n(result.begin() + o * width, width,
                                y + (n * out + g * channels + o) * pixels + first);
            }
        }
}

bool infer_conv(Call &c, size_t wi, uint32_t dtype)
{
    const Dims &wd = c.dims(wi);
    if (c.rank(0) < 3 || wd.size() != c.dims(0).size())
        return c.fail("expected an input and weights of as many dimensions, at least 3; found " +
                      both(c.dims(0), wd));
    const int64_t in = c.dims(0)[1], groups = c.get("group", int64_t{1});
    if (groups < 1 || in % groups || wd[0] % groups || wd[1] != in / groups)
        return c.fail("expected weights [out, " + std::to_string(in) + " / groups, …]; found " +
                      dims_text(wd) + " in " + std::to_string(groups) + " groups");
    Windows w;
    if (!read_windows(c, {wd.begin() + 2, wd.end()}, w)) return false;
    return c.give(dtype, with_out(c.dims(0), wd[0], w.out));
}

namespace
{

bool infer_float_conv(Call &c)
{
    if (c.has(2) && c.dims(2) != Dims{c.dims(1).empty() ? 0 : c.dims(1)[0]})
        return c.fail("expected a bias of " + std::to_string(c.dims(1).empty() ? 0 : c.dims(1)[0]) +
                      " values; found " + dims_text(c.dims(2)));
    return infer_conv(c, 1, c.in[0].dtype);
}

} // namespace

const Operator window_ops[] = {
    {"Conv", 2, 3, 1, kConvAttributes, infer_float_conv, run_conv},
    {"ConvTranspose", 2, 3, 1,
     "kernel_shape strides dilations pads auto_pad group output_padding output_shape",
     infer_conv_transpose, run_conv_transpose},
    {"MaxPool", 1, 1, 2, kPool, infer_pool, run_max_pool},
    {"AveragePool", 1, 1, 1, kPool, infer_pool, run_average_pool},
    {"LpPool", 1, 1, 1, kPool, infer_pool, run_lp_pool},
    {"GlobalAveragePool", 1, 1, 1, "", infer_global,
     [](Call &c) {
         return global(
             c, 0, [](double s, double v) { return s + v; },
             [](double s, double n) { return s / n; });
     }},
    {"GlobalMaxPool", 1, 1, 1, "", infer_global,
     [](Call &c) {
         return global(
             c, -INFINITY, [](double s, double v) { return v > s ? v : s; },
             [](double s, double) { return s; });
     }},
    {"GlobalLpPool", 1, 1, 1, "p", infer_global, run_global_lp},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
