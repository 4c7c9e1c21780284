// SPDX-License-Identifier: MIT
//
// Inside: windows over any number of axes, as Conv, ConvTranspose and pools have them.
#pragma once

#include "host/call.h"

#include <algorithm>

namespace acc::host
{

// An image [n, c, axes…] and windows over its axes.
struct Windows {
    Dims image, kernel, stride, dilation, pad, pad_end, out;
    int64_t reach(size_t i) const { return (kernel[i] - 1) * dilation[i] + 1; }
};

// Reads kernel_shape (or takes `kernel`, of weights), strides, dilations, pads, auto_pad and
// ceil_mode of windows over input 0, and computes the sizes of the result.
bool read_windows(Call &c, const Dims &kernel, Windows &w);

// Calls see(offset in the window, offset in one channel of the image) for each tap of the window
// `at` (its place in `out`) that is inside the image.
// Only those are looked at, so that a kernel far larger than its image costs no more.
template <typename F>
void for_each_tap(const Windows &w, const Dims &at, F see)
{
    const size_t n = w.image.size();
    Dims from(n), to(n), tap(n), first(n);
    for (size_t i = 0; i < n; i++) {
        first[i] = at[i] * w.stride[i] - w.pad[i];
        const int64_t step = w.dilation[i];
        from[i] = first[i] < 0 ? (-first[i] + step - 1) / step : 0;
        to[i] = std::min(w.kernel[i], first[i] < w.image[i] ? (w.image[i] - 1 - first[i]) / step + 1
                                                            : int64_t{0});
        if (from[i] >= to[i]) return;
    }
    tap = from;
    while (true) {
        int64_t number = 0, offset = 0;
        for (size_t i = 0; i < n; i++) {
            number = number * w.kernel[i] + tap[i];
            offset = offset * w.image[i] + first[i] + tap[i] * w.dilation[i];
        }
        see(number, offset);
        size_t i = n;
        for (; i-- > 0;) {
            if (++tap[i] < to[i]) break;
            tap[i] = from[i];
        }
        if (i == SIZE_MAX) return;
    }
}

// x [n, c, image…] * w [m, c / groups, kernel…] + bias -> y [n, m, out…]. As a product of
// matrices: each group's windows are spread out first.
void convolve(const Windows &w, int64_t batch, int64_t in, int64_t out, int64_t groups,
              const float *x, const float *weights, const float *bias, float *y, bool fast);
// The attributes of every kind of Conv.
inline constexpr const char *kConvAttributes = "kernel_shape strides dilations pads auto_pad group";
// Conv's shape: checks weights (input `wi`) and groups too.
bool infer_conv(Call &c, size_t wi, uint32_t dtype);

} // namespace acc::host
