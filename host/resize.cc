// SPDX-License-Identifier: MIT
//
// Images of other sizes, and blocks of pixels to channels and back.
#include "host/call.h"

#include <algorithm>

namespace acc::host
{
namespace
{

struct Resizing {
    Dims in, out;
    std::vector<double> scale;
    std::vector<double> roi; // starts, then ends
    std::string mode, coordinates, nearest;
    bool antialias = false;
    double cubic = -0.75, outside = 0;
    bool exclude = false;
};

// The axes that sizes, scales and roi speak of: all, or attribute "axes".
bool read_axes(Call &c, std::vector<size_t> &axes)
{
    const std::vector<int64_t> given = c.ints("axes");
    if (!c.has_attr("axes"))
        for (size_t i = 0; i < c.dims(0).size(); i++)
            axes.push_back(i);
    for (const int64_t a : given) {
        int64_t axis = 0;
        if (!c.axis(a, c.rank(0), axis)) return false;
        axes.push_back(static_cast<size_t>(axis));
    }
    return true;
}

bool one_of(Call &c, const char *name, const std::string &value,
            std::initializer_list<const char *> known)
{
    for (const char *k : known)
        if (value == k) return true;
    return c.fail(std::string("expected attribute '") + name + "' that is known; found '" + value +
                  "'");
}

// x, roi, scales, sizes
bool read_resize(Call &c, bool infer, Resizing &r)
{
    r.in = r.out = c.dims(0);
    r.mode = c.get("mode", "nearest");
    r.coordinates = c.get("coordinate_transformation_mode", "half_pixel");
    r.nearest = c.get("nearest_mode", "round_prefer_floor");
    r.antialias = c.get("antialias", int64_t{0}) != 0;
    r.cubic = static_cast<double>(c.get("cubic_coeff_a", -0.75f));
    r.outside = static_cast<double>(c.get("extrapolation_value", 0.0f));
    r.exclude = c.get("exclude_outside", int64_t{0}) != 0;
    std::vector<size_t> axes;
    if (!one_of(c, "mode", r.mode, {"nearest", "linear", "cubic"}) ||
        !one_of(c, "coordinate_transformation_mode", r.coordinates,
                {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
                 "tf_crop_and_resize", "half_pixel_symmetric", "tf_half_pixel_for_nn"}) ||
        !one_of(c, "nearest_mode", r.nearest,
                {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) ||
        !read_axes(c, axes))
        return false;
    const size_t n = axes.size();
    const bool sized = c.has(3) && elements(c.dims(3)) > 0;
    const size_t given = sized ? 3 : 2;
    if (!c.has(given)) return c.fail("expected scales or sizes; found neither");
    if (elements(c.dims(given)) != static_cast<int64_t>(n))
        return c.fail("expected " + std::to_string(n) + " scales or sizes; found " +
                      std::to_string(elements(c.dims(given))));
    if (infer && !c.in[given].data) {
        c.unknown = true;
        return false;
    }
    std::vector<double> values = read_floats(c.in[given]);
    double aspect = 0; // one scale of all axes
    r.scale.assign(r.in.size(), 1);
    if (sized) {
        const std::string policy = c.get("keep_aspect_ratio_policy", "stretch");
        if (policy != "stretch") {
            double least = INFINITY, most = 0;
            for (size_t i = 0; i < n; i++) {
                const double s = values[i] / static_cast<double>(r.in[axes[i]]);
                least = std::min(least, s);
                most = std::max(most, s);
            }
            aspect = policy == "not_larger" ? least : most;
            for (size_t i = 0; i < n; i++)
                values[i] = std::floor(static_cast<double>(r.in[axes[i]]) * aspect + 0.5);
        }
    }
    for (size_t i = 0; i < n; i++) {
        const double dim = static_cast<double>(r.in[axes[i]]);
        if (!(values[i] > 0) || values[i] * (sized ? 1 : dim) > static_cast<double>(kMaxElements))
            return c.fail("expected scales or sizes above 0; found " + std::to_string(values[i]));
        r.scale[axes[i]] = aspect > 0 ? aspect : sized ? values[i] / dim : values[i];
        r.out[axes[i]] = static_cast<int64_t>(sized ? values[i] : std::floor(values[i] * dim));
    }
    r.roi.assign(2 * r.in.size(), 0);
    std::fill(r.roi.begin() + static_cast<std::ptrdiff_t>(r.in.size()), r.roi.end(), 1);
    if (r.coordinates == "tf_crop_and_resize") {
        if (!c.has(1) || elements(c.dims(1)) != static_cast<int64_t>(2 * n))
            return c.fail("expected a roi of " + std::to_string(2 * n) + " values; found another");
        if (c.in[1].data) {
            const std::vector<double> roi = read_floats(c.in[1]);
            for (size_t i = 0; i < n; i++) {
                r.roi[axes[i]] = roi[i];
                r.roi[r.in.size() + axes[i]] = roi[n + i];
            }
        }
    }
    return true;
}

bool infer_resize(Call &c)
{
    Resizing r;
    return read_resize(c, true, r) && c.give(c.in[0].dtype, r.out);
}

// Where the result's element x along an axis is in the input.
double original(const Resizing &r, size_t axis, int64_t at)
{
    const auto x = static_cast<double>(at), in = static_cast<double>(r.in[axis]),
               out = static_cast<double>(r.out[axis]);
    const double scale = r.scale[axis];
    // Before it is rounded down to whole elements, where a scale gave it.
    const double length = scale * in;
    if (r.coordinates == "align_corners") return length > 1 ? x * (in - 1) / (length - 1) : 0;
    if (r.coordinates == "asymmetric") return x / scale;
    if (r.coordinates == "pytorch_half_pixel") return length > 1 ? (x + 0.5) / scale - 0.5 : 0;
    if (r.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / scale;
    if (r.coordinates == "half_pixel_symmetric") {
        const double adjustment = out / (scale * in);
        return in / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5;
    }
    if (r.coordinates == "tf_crop_and_resize") {
        const double start = r.roi[axis], end = r.roi[r.in.size() + axis];
        return length > 1 ? start * (in - 1) + x * (end - start) * (in - 1) / (length - 1)
                          : 0.5 * (start + end) * (in - 1);
    }
    return (x + 0.5) / scale - 0.5;
}

struct Tap {
    int64_t at;
    double weight;
};

double cubic_weight(double t, double a)
{
    t = std::abs(t);
    if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
    return 0;
}

// Which elements of the input a result's element is made of, along one axis. Empty: outside.
std::vector<Tap> taps_of(const Resizing &r, size_t axis, int64_t at)
{
    const int64_t in = r.in[axis];
    const double x = original(r, axis, at);
    if (r.coordinates == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(in - 1)))
        return {};
    if (r.out[axis] == in && r.scale[axis] == 1 && r.coordinates != "tf_crop_and_resize")
        return {{at, 1}};
    if (r.mode == "nearest") {
        double to = std::floor(x);
        if (r.nearest == "ceil") to = std::ceil(x);
        if (r.nearest == "round_prefer_floor") to = std::ceil(x - 0.5);
        if (r.nearest == "round_prefer_ceil") to = std::floor(x + 0.5);
        return {{std::clamp<int64_t>(static_cast<int64_t>(to), 0, in - 1), 1}};
    }
    // A kernel that is stretched when it must look at more than it would.
    const double shrink = r.antialias ? std::min(r.scale[axis], 1.0) : 1;
    const bool linear = r.mode == "linear";
    const double reach = (linear ? 1 : 2) / shrink;
    std::vector<Tap> taps;
    double sum = 0;
    for (auto k = static_cast<int64_t>(std::floor(x - reach)) + 1;
         static_cast<double>(k) < x + reach; k++) {
        const double t = (static_cast<double>(k) - x) * shrink;
        double weight = linear ? std::max(0.0, 1 - std::abs(t)) : cubic_weight(t, r.cubic);
        const bool outside = k < 0 || k >= in;
        if (outside && r.exclude) continue;
        taps.push_back({std::clamp<int64_t>(k, 0, in - 1), weight});
        sum += weight;
    }
    if (r.exclude || r.antialias)
        for (Tap &t : taps)
            t.weight /= sum;
    return taps;
}

bool run_resize(Call &c)
{
    Resizing r;
    if (!read_resize(c, false, r)) return false;
    // One axis after the other; what is outside of the roi is a value of its own.
    std::vector<double> x = read_floats(c.in[0]);
    Dims dims = r.in;
    std::vector<std::vector<bool>> outside(dims.size());
    for (size_t axis = 0; axis < dims.size(); axis++) {
        const Split3 s = split_at(dims, static_cast<int64_t>(axis));
        dims[axis] = r.out[axis];
        std::vector<double> y(static_cast<size_t>(elements(dims)), 0);
        for (int64_t k = 0; k < r.out[axis]; k++) {
            const std::vector<Tap> taps = taps_of(r, axis, k);
            outside[axis].push_back(taps.empty());
            for (int64_t o = 0; o < s.outer; o++)
                for (const Tap &t : taps)
                    for (int64_t i = 0; i < s.inner; i++)
                        y[static_cast<size_t>((o * r.out[axis] + k) * s.inner + i)] +=
                            t.weight * x[static_cast<size_t>((o * s.axis + t.at) * s.inner + i)];
        }
        x = std::move(y);
    }
    Walk<1> walk(dims, {strides_of(dims)});
    for (double &v : x) {
        for (size_t axis = 0; axis < dims.size(); axis++)
            if (outside[axis][static_cast<size_t>(walk.at()[axis])]) v = r.outside;
        walk.next();
    }
    store(x.data(), c.out[0]);
    return true;
}

bool block_of(Call &c, int64_t &block)
{
    block = c.get("blocksize", int64_t{0});
    if (c.rank(0) != 4) return c.fail("expected 4 dimensions; found " + dims_text(c.dims(0)));
    if (block < 1 || block > 1 << 14)
        return c.fail("expected attribute 'blocksize' of at least 1; found " +
                      std::to_string(block));
    return true;
}

bool infer_to_space(Call &c)
{
    int64_t b = 0;
    if (!block_of(c, b)) return false;
    const Dims &d = c.dims(0);
    if (d[1] % (b * b))
        return c.fail("expected channels in multiples of " + std::to_string(b * b) + "; found " +
                      std::to_string(d[1]));
    return c.give(c.in[0].dtype, {d[0], d[1] / (b * b), d[2] * b, d[3] * b});
}

bool infer_to_depth(Call &c)
{
    int64_t b = 0;
    if (!block_of(c, b)) return false;
    const Dims &d = c.dims(0);
    if (d[2] % b || d[3] % b)
        return c.fail("expected an image in multiples of " + std::to_string(b) + "; found " +
                      dims_text(d));
    return c.give(c.in[0].dtype, {d[0], d[1] * b * b, d[2] / b, d[3] / b});
}

// Calls copy(index in the wide image [n, c, h b, w b], index in the deep one).
template <typename F>
void each_pixel(const Dims &wide, int64_t b, bool crd, F copy)
{
    const int64_t channels = wide[1], h = wide[2] / b, w = wide[3] / b;
    int64_t at = 0;
    for (int64_t n = 0; n < wide[0]; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t y = 0; y < wide[2]; y++)
                for (int64_t x = 0; x < wide[3]; x++, at++) {
                    const int64_t block = y % b * b + x % b;
                    const int64_t deep = crd ? c * b * b + block : block * channels + c;
                    copy(at, ((n * channels * b * b + deep) * h + y / b) * w + x / b);
                }
}

bool run_to_space(Call &c)
{
    const uint32_t size = element_bytes(c.in[0].dtype);
    const auto *from = static_cast<const std::byte *>(c.in[0].data);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    each_pixel(c.out[0].dims, c.get("blocksize", int64_t{1}), c.get("mode", "DCR") == "CRD",
               [&](int64_t wide, int64_t deep) {
                   std::memcpy(to + wide * size, from + deep * size, size);
               });
    return true;
}

bool run_to_depth(Call &c)
{
    const uint32_t size = element_bytes(c.in[0].dtype);
    const auto *from = static_cast<const std::byte *>(c.in[0].data);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    each_pixel(c.dims(0), c.get("blocksize", int64_t{1}), false, [&](int64_t wide, int64_t deep) {
        std::memcpy(to + deep * size, from + wide * size, size);
    });
    return true;
}

} // namespace

const Operator resize_ops[] = {
    {"Resize", 1, 4, 1,
     "mode coordinate_transformation_mode nearest_mode cubic_coeff_a extrapolation_value "
     "exclude_outside antialias axes keep_aspect_ratio_policy",
     infer_resize, run_resize},
    {"DepthToSpace", 1, 1, 1, "blocksize mode", infer_to_space, run_to_space},
    {"SpaceToDepth", 1, 1, 1, "blocksize", infer_to_depth, run_to_depth},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
