// SPDX-License-Identifier: MIT
//
// Max and average pooling.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"
#include "emulator/fpga/window.h"

#include <algorithm>

namespace acc::emu::fpga
{
namespace
{

// Channels that are worked on at a time: accumulators stay in the first cache.
constexpr uint64_t kBlock = 2048;
static_assert(kBlock <= ImageRows::kPiece && kBlock <= Writer::kCapacity);

acc_status check_pool(Pass &pass, const acc_pool_args &args)
{
    const acc_window &w = args.window;
    Check check;
    check.window(w);
    check.between("zero_point", args.zero_point, -128, 127);
    check.array("src", args.src, saturating_product(w.batch, w.h, w.w, w.c), 1);
    check.array("dst", args.dst, saturating_product(w.batch, w.out_h, w.out_w, w.c), 1);
    return check.ok() ? ACC_STATUS_OK : pass.refuse(check.take());
}

// sum / n, ties away from zero.
template <typename T>
T round_half_away(T sum, T n)
{
    const T magnitude = sum < 0 ? -sum : sum;
    const T rounded = (magnitude + n / 2) / n; // n odd has no ties, so n / 2 may round down
    return sum < 0 ? -rounded : rounded;
}

// Slides the window over all images. `Reduce` has begin(channels), add(taps, channels) for
// one tap of a run of channels, and end(out, channels, inside).
template <typename Reduce>
class Pool
{
public:
    Pool(Pass &pass, const acc_pool_args &args, Reduce reduce)
        : pass_(pass), w_(args.window), reduce_(reduce), rows_(pass, w_, args.src),
          out_(pass, args.dst)
    {
    }

    acc_status run()
    {
        for (uint32_t b = 0; b < w_.batch; b++) {
            if (!rows_.select(b)) return pass_.no_read("src");
            for (uint32_t oy = 0; oy < w_.out_h; oy++) {
                const int64_t y = int64_t{oy} * w_.stride_h - w_.pad_top;
                const Taps ys = taps_inside(y, w_.kernel_h, w_.dilation_h, w_.h);
                for (uint32_t ox = 0; ox < w_.out_w; ox++) {
                    const int64_t x = int64_t{ox} * w_.stride_w - w_.pad_left;
                    const acc_status status =
                        pixel(y, ys, x, taps_inside(x, w_.kernel_w, w_.dilation_w, w_.w));
                    if (status != ACC_STATUS_OK) return status;
                }
            }
        }
        return out_.flush() ? ACC_STATUS_OK : out_.status();
    }

private:
    acc_status pixel(int64_t y, Taps ys, int64_t x, Taps xs)
    {
        const int64_t inside = ys.count() * xs.count();
        if (!pass_.spend(16)) return pass_.stopped(); // windows that see nothing cost as well
        for (uint64_t c = 0; c < w_.c; c += kBlock) {
            const size_t n = std::min<uint64_t>(kBlock, w_.c - c);
            reduce_.begin(n);
            if (inside) {
                for (int64_t ky = ys.begin; ky < ys.end; ky++) {
                    for (int64_t kx = xs.begin; kx < xs.end; kx++) {
                        const auto at = static_cast<uint64_t>(x + kx * w_.dilation_w) * w_.c + c;
                        const int8_t *taps = rows_.at(y + ky * w_.dilation_h, at, n);
                        if (!taps) return pass_.no_read("src");
                        reduce_.add(taps, n);
                        if (!pass_.spend(n)) return pass_.stopped();
                    }
                }
            }
            int8_t *to = out_.room(n);
            if (!to) return out_.status();
            reduce_.end(to, n, inside);
        }
        return ACC_STATUS_OK;
    }

    Pass &pass_;
    const acc_window w_;
    Reduce reduce_;
    ImageRows rows_;
    Writer out_;
};

struct Max {
    int8_t best[kBlock];

    void begin(size_t n) { std::memset(best, -128, n); }
    void add(const int8_t *taps, size_t n)
    {
        for (size_t i = 0; i < n; i++)
            best[i] = std::max(best[i], taps[i]);
    }
    void end(int8_t *out, size_t n, int64_t) { std::memcpy(out, best, n); }
};

// T holds |sum| + n / 2 of any window: int32_t up to 2^23 taps.
template <typename T>
struct Average {
    int64_t window; // taps of the kernel
    T zero_point;
    bool count_pad;
    T sums[kBlock];

    void begin(size_t n) { std::fill_n(sums, n, T{0}); }
    void add(const int8_t *taps, size_t n)
    {
        for (size_t i = 0; i < n; i++)
            sums[i] += taps[i];
    }
    void end(int8_t *out, size_t n, int64_t inside)
    {
        const T divisor = static_cast<T>(count_pad ? window : inside);
        if (divisor == 0) { // a window that sees nothing
            std::memset(out, static_cast<int8_t>(zero_point), n);
            return;
        }
        const T padding = count_pad ? static_cast<T>(window - inside) * zero_point : 0;
        for (size_t i = 0; i < n; i++)
            out[i] = static_cast<int8_t>(round_half_away<T>(sums[i] + padding, divisor));
    }
};

} // namespace

acc_status maxpool_i8(Pass &pass)
{
    const auto args = pass.args<acc_pool_args>();
    if (args.count_include_pad) {
        Check check;
        check.zero("count_include_pad", args.count_include_pad);
        return pass.refuse(check.take());
    }
    const acc_status status = check_pool(pass, args);
    if (status != ACC_STATUS_OK) return status;
    return Pool<Max>(pass, args, {}).run();
}

acc_status avgpool_i8(Pass &pass)
{
    const auto args = pass.args<acc_pool_args>();
    Check check;
    check.between("count_include_pad", args.count_include_pad, 0, 1);
    if (!check.ok()) return pass.refuse(check.take());
    const acc_status status = check_pool(pass, args);
    if (status != ACC_STATUS_OK) return status;
    const int64_t window = int64_t{args.window.kernel_h} * args.window.kernel_w;
    if (window <= 1 << 23)
        return Pool<Average<int32_t>>(pass, args,
                                      {window, args.zero_point, args.count_include_pad != 0, {}})
            .run();
    return Pool<Average<int64_t>>(pass, args,
                                  {window, args.zero_point, args.count_include_pad != 0, {}})
        .run();
}

} // namespace acc::emu::fpga
