// SPDX-License-Identifier: MIT
//
// The known answers of `accctl validate`: what the embedded image holds, and what the
// device must make of it. mkimage writes the image from these formulas.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acc::selftest
{

constexpr const char *null_kernel = "selftest_copy";
constexpr const char *crossbar_kernel = "selftest_mvm";
constexpr const char *fpga_kernel = "selftest_requantize";

// More rows than one array of 128 has, and columns that no power of two divides.
constexpr uint32_t rows = 160;
constexpr uint32_t cols = 20;
constexpr uint32_t vectors = 3;

// int8, all but -128.
constexpr int weight(uint32_t row, uint32_t col)
{
    return static_cast<int>((7 * row + 3 * col + row * col) % 255) - 127;
}

constexpr int input(uint32_t vector, uint32_t row)
{
    return static_cast<int>((5 * row + 11 * vector) % 255) - 127;
}

} // namespace acc::selftest

// The image, written at build time.
extern const unsigned char acc_selftest_image[];
extern const size_t acc_selftest_image_bytes;
