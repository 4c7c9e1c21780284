// SPDX-License-Identifier: MIT
#include "emulator/fpga/check.h"

namespace acc::emu::fpga
{
namespace
{

std::string number(unsigned __int128 value)
{
    std::string text;
    do
        text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    while (value /= 10);
    return text;
}

} // namespace

void Check::between(const char *name, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most) return;
    expect(false,
           (std::string(name) + " from " + std::to_string(least) + " to " + std::to_string(most))
               .c_str(),
           std::to_string(value));
}

void Check::at_least_1(const char *name, uint64_t value)
{
    if (value == 0) expect(false, (std::string(name) + " of at least 1").c_str(), "0");
}

void Check::zero(const char *name, uint64_t value)
{
    if (value != 0) expect(false, (std::string(name) + " of 0").c_str(), std::to_string(value));
}

void Check::clamp(int32_t min, int32_t max, int32_t least, int32_t most)
{
    const std::string expected =
        std::to_string(least) + " <= min <= max <= " + std::to_string(most);
    expect(min >= least && min <= max && max <= most, expected.c_str(),
           "min " + std::to_string(min) + " and max " + std::to_string(max));
}

void Check::array(const char *name, uint64_t address, unsigned __int128 count, uint32_t bytes)
{
    if (address == 0) expect(false, (std::string("an address of ") + name).c_str(), "0");
    if (address % bytes)
        expect(false,
               (std::string(name) + " aligned to " + std::to_string(bytes) + " bytes").c_str(),
               "an address that ends in " + std::to_string(address % bytes));
    const unsigned __int128 room = ((static_cast<unsigned __int128>(1) << 64) - address) / bytes;
    // 2^64 - 1 is where products saturate.
    if (count > room || count == ~uint64_t{0})
        expect(false, (std::string(name) + " inside 64-bit addresses").c_str(),
               number(count) + " elements of " + std::to_string(bytes) + " bytes");
}

void Check::window(const acc_window &w)
{
    at_least_1("batch", w.batch);
    at_least_1("h", w.h);
    at_least_1("w", w.w);
    at_least_1("c", w.c);
    at_least_1("kernel_h", w.kernel_h);
    at_least_1("kernel_w", w.kernel_w);
    at_least_1("stride_h", w.stride_h);
    at_least_1("stride_w", w.stride_w);
    at_least_1("dilation_h", w.dilation_h);
    at_least_1("dilation_w", w.dilation_w);
    at_least_1("out_h", w.out_h);
    at_least_1("out_w", w.out_w);
    if (!ok()) return;
    constexpr uint64_t limit = INT32_MAX;
    between("h", w.h, 1, INT32_MAX);
    between("w", w.w, 1, INT32_MAX);
    between("pad_top", w.pad_top, 0, INT32_MAX);
    between("pad_left", w.pad_left, 0, INT32_MAX);
    const auto last = [](uint64_t out, uint64_t stride, uint64_t kernel, uint64_t dilation) {
        const unsigned __int128 end = static_cast<unsigned __int128>(out - 1) * stride +
                                      static_cast<unsigned __int128>(kernel - 1) * dilation;
        return end > limit ? limit + 1 : static_cast<uint64_t>(end);
    };
    const auto found = [](uint32_t out, uint32_t stride, uint32_t kernel, uint32_t dilation) {
        return "out " + std::to_string(out) + ", stride " + std::to_string(stride) + ", kernel " +
               std::to_string(kernel) + ", dilation " + std::to_string(dilation);
    };
    expect(last(w.out_h, w.stride_h, w.kernel_h, w.dilation_h) <= limit,
           "rows of the last window below 2^31",
           found(w.out_h, w.stride_h, w.kernel_h, w.dilation_h));
    expect(last(w.out_w, w.stride_w, w.kernel_w, w.dilation_w) <= limit,
           "columns of the last window below 2^31",
           found(w.out_w, w.stride_w, w.kernel_w, w.dilation_w));
    expect(uint64_t{w.kernel_h} * w.kernel_w <= limit, "a kernel of fewer than 2^31 elements",
           std::to_string(w.kernel_h) + " x " + std::to_string(w.kernel_w));
}

} // namespace acc::emu::fpga
