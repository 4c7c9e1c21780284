// SPDX-License-Identifier: MIT
//
// Fourier transforms of floats.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

struct Complex {
    float re, im;
};

// Radix 2, decimation in time (Cooley and Tukey, 1965); `twiddles` has half as many as points.
void transform(std::vector<Complex> &x, const std::vector<Complex> &twiddles)
{
    const size_t n = x.size();
    for (size_t i = 1, j = 0; i < n; i++) { // bit-reversed order
        size_t bit = n >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) std::swap(x[i], x[j]);
    }
    for (size_t length = 2; length <= n; length *= 2)
        for (size_t start = 0; start < n; start += length)
            for (size_t k = 0; k < length / 2; k++) {
                const Complex w = twiddles[k * (n / length)];
                Complex &a = x[start + k], &b = x[start + k + length / 2];
                const Complex t = {w.re * b.re - w.im * b.im, w.re * b.im + w.im * b.re};
                b = {a.re - t.re, a.im - t.im};
                a = {a.re + t.re, a.im + t.im};
            }
}

} // namespace

acc_status fft_f32(Pass &pass)
{
    const auto args = pass.args<acc_fft_args>();
    Check check;
    check.between("log2_points", args.log2_points, 1, 15);
    check.at_least_1("batch", args.batch);
    check.between("inverse", args.inverse, 0, 1);
    check.zero("reserved", args.reserved);
    if (!check.ok()) return pass.refuse(check.take());
    const size_t points = size_t{1} << args.log2_points;
    check.array("src", args.src, static_cast<unsigned __int128>(points) * args.batch * 2, 4);
    check.array("dst", args.dst, static_cast<unsigned __int128>(points) * args.batch * 2, 4);
    if (!check.ok()) return pass.refuse(check.take());
    std::vector<Complex> x(points), twiddles(points / 2);
    for (size_t k = 0; k < twiddles.size(); k++) {
        const double angle = 2 * std::numbers::pi * static_cast<double>(k) /
                             static_cast<double>(points) * (args.inverse ? 1 : -1);
        twiddles[k] = {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
    }
    const uint64_t bytes = points * sizeof(Complex);
    for (uint64_t b = 0; b < args.batch; b++) {
        if (!pass.read(x.data(), args.src + b * bytes, bytes)) return pass.no_read("src");
        transform(x, twiddles);
        if (!pass.write(args.dst + b * bytes, x.data(), bytes)) return pass.no_write("dst");
        if (!pass.spend(points * args.log2_points)) return pass.stopped();
    }
    return ACC_STATUS_OK;
}

} // namespace acc::emu::fpga
