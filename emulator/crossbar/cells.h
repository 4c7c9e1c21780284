// SPDX-License-Identifier: MIT
//
// The cells of a unit as bytes: what a slot keeps when the device goes. The target level of
// each cell, as the signed weights whose slices the levels are (matrix.h); the geometry that
// makes the one of the other stands before them. A form of the engine that knows more of its
// cells (their noise, how often they were programmed) is a new version.
//
// Little-endian: CellsHeader, then for each matrix CellsMatrix and its weights, row-major, int8
// up to 8 bits and int16 above.
#pragma once

#include "common/result.h"
#include "emulator/crossbar/config.h"
#include "emulator/engine.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace acc::emu::crossbar
{

inline constexpr uint32_t kCellsVersion = 1;

struct CellsHeader {
    uint32_t version;
    uint32_t matrices;
    uint32_t rows, cols, cell_bits; // of an array
    uint32_t reserved[3];           // 0
};
static_assert(sizeof(CellsHeader) == 32);

struct CellsMatrix {
    uint32_t kernel; // of the program
    uint32_t rows, cols;
    uint32_t weight_bits;
    uint64_t bytes;    // of the weights that follow
    uint64_t reserved; // 0
};
static_assert(sizeof(CellsMatrix) == 32);

CellsHeader cells_header(const Config &config, uint32_t matrices);
CellsMatrix cells_matrix(uint32_t kernel, uint32_t rows, uint32_t cols, uint32_t weight_bits);

// The unit that such bytes are: its capacity and digest. -EINVAL and `why` unless they are
// whole, of this geometry, and could have been written by this engine.
Result<Unit> read_cells(std::span<const std::byte> state, const Config &config, std::string &why);

} // namespace acc::emu::crossbar
