// SPDX-License-Identifier: MIT
//
// Softmax over the last axis. Sums and quotients are double, in the order of the elements.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace acc::emu::fpga
{
namespace
{

// One row in three sweeps: the largest, the sum of exp(x - largest), the quotients. A row
// that fits a chunk is read once.
template <typename In>
class Softmax
{
public:
    Softmax(Pass &pass, const acc_softmax_args &args) : pass_(pass), args_(args)
    {
        if constexpr (sizeof(In) == 1) {
            // Only 256 differences can occur.
            for (int d = 0; d < 256; d++)
                table_[d] = std::exp(-static_cast<double>(args.scale) * d);
        }
    }

    acc_status run()
    {
        for (uint64_t row = 0; row < args_.rows; row++) {
            const acc_status status = one(row * args_.cols);
            if (status != ACC_STATUS_OK) return status;
        }
        return ACC_STATUS_OK;
    }

private:
    template <typename F>
    acc_status sweep(uint64_t at, F f)
    {
        for (uint64_t i = 0; i < args_.cols; i += kChunk) {
            const size_t n = std::min<uint64_t>(kChunk, args_.cols - i);
            // Sweeps behind the first find a short row still in place.
            if (held_ != at + i || args_.cols > kChunk) {
                if (!pass_.read(in_, args_.src + (at + i) * sizeof(In), n * sizeof(In)))
                    return pass_.no_read("src");
                held_ = at + i;
            }
            if (!f(i, n)) return pass_.no_write("dst");
            if (!pass_.spend(n * kCost)) return pass_.stopped();
        }
        return ACC_STATUS_OK;
    }

    double power(In x, In largest) const
    {
        if constexpr (sizeof(In) == 1)
            return table_[int{largest} - int{x}];
        else
            return std::exp(static_cast<double>(x) - static_cast<double>(largest));
    }

    acc_status one(uint64_t at)
    {
        In largest = std::numeric_limits<In>::lowest();
        acc_status status = sweep(at, [&](uint64_t, size_t n) {
            for (size_t i = 0; i < n; i++) {
                largest = std::max(largest, in_[i]);
            }
            return true;
        });
        if (status != ACC_STATUS_OK) return status;
        double sum = 0;
        status = sweep(at, [&](uint64_t, size_t n) {
            for (size_t i = 0; i < n; i++)
                sum += power(std::min(in_[i], largest), largest);
            return true;
        });
        if (status != ACC_STATUS_OK) return status;
        // A row has NaN everywhere if an element is NaN or infinite, which makes the sum NaN,
        // or if all are -infinite: 0 / 0.
        return sweep(at, [&](uint64_t first, size_t n) {
            for (size_t i = 0; i < n; i++)
                out_[i] = static_cast<float>(power(std::min(in_[i], largest), largest) / sum);
            return pass_.write(args_.dst + (at + first) * 4, out_, n * 4);
        });
    }

    static constexpr uint64_t kCost = sizeof(In) == 1 ? 1 : 8; // exp() against a look-up

    Pass &pass_;
    const acc_softmax_args args_;
    uint64_t held_ = ~uint64_t{0}; // element at the start of in_
    In in_[kChunk];
    float out_[kChunk];
    double table_[256] = {};
};

void check_softmax(Check &check, const acc_softmax_args &args, uint32_t bytes)
{
    check.at_least_1("rows", args.rows);
    check.at_least_1("cols", args.cols);
    const auto count = static_cast<unsigned __int128>(args.rows) * args.cols;
    check.array("src", args.src, count, bytes);
    check.array("dst", args.dst, count, 4);
    check.zero("reserved", args.reserved);
}

} // namespace

acc_status softmax_i8_f32(Pass &pass)
{
    const auto args = pass.args<acc_softmax_args>();
    Check check;
    check_softmax(check, args, 1);
    check.expect(std::isfinite(args.scale) && args.scale > 0, "a finite scale above 0",
                 std::to_string(args.scale));
    check.between("zero_point", args.zero_point, -128, 127);
    if (!check.ok()) return pass.refuse(check.take());
    return Softmax<int8_t>(pass, args).run();
}

acc_status softmax_f32(Pass &pass)
{
    const auto args = pass.args<acc_softmax_args>();
    Check check;
    check_softmax(check, args, 4);
    check.expect(args.scale == 1, "a scale of 1", std::to_string(args.scale));
    check.between("zero_point", args.zero_point, 0, 0);
    if (!check.ok()) return pass.refuse(check.take());
    return Softmax<float>(pass, args).run();
}

} // namespace acc::emu::fpga
