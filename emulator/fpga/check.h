// SPDX-License-Identifier: MIT
//
// Checks of arguments, and the first one that failed.
#pragma once

#include "acc/kernels.h"

#include <cstdint>
#include <limits>
#include <string>

namespace acc::emu::fpga
{

class Check
{
public:
    bool ok() const { return text_.empty(); }
    std::string take() { return std::move(text_); }

    void expect(bool good, const char *expected, const std::string &found)
    {
        if (!good && ok()) text_ = std::string("expected ") + expected + "; found " + found;
    }
    void between(const char *name, int64_t value, int64_t least, int64_t most);
    void at_least_1(const char *name, uint64_t value);
    void zero(const char *name, uint64_t value);
    // [min, max] of an output of type T, int8_t or int16_t.
    template <typename T>
    void clamp(int32_t min, int32_t max)
    {
        clamp(min, max, std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
    }
    // An array of `count` elements: an address that is not 0, aligned, and all of it below
    // 2^64. Counts may be anything.
    void array(const char *name, uint64_t address, unsigned __int128 count, uint32_t bytes);
    // Sizes and steps of at least 1 and positions that fit 32 bits.
    void window(const acc_window &window);

private:
    void clamp(int32_t min, int32_t max, int32_t least, int32_t most);

    std::string text_;
};

} // namespace acc::emu::fpga
