// SPDX-License-Identifier: MIT
//
// What the FPGA's library of roles takes of a region and of time: the numbers that the emulator
// charges by and that a compiler predicts with. Sizes and speeds are estimates of a plain
// pipelined design with a 128-bit port on either side, not the result of a synthesis; docs/fpga.md
// gives the sources.
//
// Thread safety: constants and pure functions.
#pragma once

#include "acc/kernels.h"

#include <cstdint>
#include <string_view>

namespace acc::program
{

inline constexpr uint32_t kRegionMhz = 200;
inline constexpr double kPjPerLutCycle = 0.1; // dynamic, of an active role
inline constexpr double kPjPerByte = 120;     // memory traffic, 15 pJ a bit

struct RoleCost {
    std::string_view name;
    uint32_t luts, ffs, brams, dsps; // of a region
    uint32_t lanes;                  // elements a cycle
    uint32_t depth;                  // cycles from the first element in to the first one out
};

inline constexpr RoleCost kRoleCosts[] = {
    {ACC_ROLE_QUANTIZE_F32_I8, 6400, 8900, 2, 12, 4, 28},
    {ACC_ROLE_DEQUANTIZE_I8_F32, 3100, 4200, 2, 8, 4, 14},
    {ACC_ROLE_REQUANTIZE_I32_I8, 3800, 5100, 2, 16, 4, 14},
    {ACC_ROLE_REQUANTIZE_I32_I16, 4000, 5400, 2, 16, 4, 14},
    {ACC_ROLE_IM2COL_I8, 4600, 5800, 12, 3, 16, 24},
    {ACC_ROLE_MAXPOOL_I8, 4200, 5300, 6, 2, 16, 24},
    {ACC_ROLE_AVGPOOL_I8, 6900, 8800, 6, 16, 16, 48},
    {ACC_ROLE_ADD_I8, 5200, 7400, 2, 32, 16, 16},
    {ACC_ROLE_ADD_I16, 5600, 7900, 2, 32, 8, 16},
    {ACC_ROLE_CLIP_I8, 900, 1300, 0, 0, 16, 4},
    {ACC_ROLE_TABLE_I8, 1100, 1500, 8, 0, 16, 6},
    {ACC_ROLE_MUL_I8, 4300, 6200, 2, 48, 16, 16},
    {ACC_ROLE_CONCAT_I8, 3400, 4300, 8, 3, 16, 24},
    {ACC_ROLE_PERMUTE_I8, 3900, 4900, 8, 4, 1, 32},
    {ACC_ROLE_SOFTMAX_I8_F32, 9800, 13200, 6, 20, 4, 64},
    {ACC_ROLE_ADD_F32, 2900, 4100, 2, 8, 4, 10},
    {ACC_ROLE_MUL_F32, 2400, 3500, 2, 12, 4, 10},
    {ACC_ROLE_RELU_F32, 700, 1100, 0, 0, 4, 3},
    {ACC_ROLE_CLIP_F32, 1300, 1800, 0, 0, 4, 5},
    {ACC_ROLE_SOFTMAX_F32, 14500, 19600, 8, 44, 4, 96},
    {ACC_ROLE_GEMM_I8, 18200, 31000, 36, 128, 256, 40},
    {ACC_ROLE_NOOP, 100, 120, 0, 0, 1, 1},
    {ACC_ROLE_FFT_F32, 16800, 23500, 34, 24, 1, 60},
    {ACC_ROLE_SHA256, 5600, 4900, 2, 0, 1, 80},
    {ACC_ROLE_SORT_I32, 9400, 8200, 48, 0, 1, 40},
    {ACC_ROLE_HISTOGRAM_U8, 2600, 2900, 8, 0, 16, 12},
    {ACC_ROLE_FIR_I32, 21000, 38000, 4, 256, 64, 20},
    {ACC_ROLE_AES_CTR, 7800, 9100, 10, 0, 16, 20},
};

// Null for a role that is not of the library.
constexpr const RoleCost *find_role_cost(std::string_view name)
{
    for (const RoleCost &role : kRoleCosts)
        if (role.name == name) return &role;
    return nullptr;
}

// Of a pass over `elements`, which docs/fpga.md says for each role.
constexpr uint64_t role_cycles(const RoleCost &role, uint64_t elements)
{
    return elements / role.lanes + (elements % role.lanes != 0) + role.depth;
}

} // namespace acc::program
