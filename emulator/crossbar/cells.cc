// SPDX-License-Identifier: MIT
#include "emulator/crossbar/cells.h"

#include "emulator/digest.h"
#include "program/images.h"
#include "program/text.h"

namespace acc::emu::crossbar
{

namespace
{

uint64_t weight_bytes(uint32_t weight_bits)
{
    return weight_bits <= 8 ? 1 : 2;
}

// Whether each weight is one of so many bits.
bool weights_fit(std::span<const std::byte> weights, uint32_t weight_bits)
{
    const int32_t limit = 1 << (weight_bits - 1);
    const size_t step = weight_bytes(weight_bits);
    for (size_t at = 0; at < weights.size(); at += step) {
        const int32_t weight = step == 1 ? program::load_struct<int8_t>(weights, at)
                                         : program::load_struct<int16_t>(weights, at);
        if (weight < -limit || weight >= limit) return false;
    }
    return true;
}

} // namespace

CellsHeader cells_header(const Config &config, uint32_t matrices)
{
    return {.version = kCellsVersion,
            .matrices = matrices,
            .rows = config.rows,
            .cols = config.cols,
            .cell_bits = config.cell_bits,
            .reserved = {}};
}

CellsMatrix cells_matrix(uint32_t kernel, uint32_t rows, uint32_t cols, uint32_t weight_bits)
{
    return {.kernel = kernel,
            .rows = rows,
            .cols = cols,
            .weight_bits = weight_bits,
            .bytes = uint64_t{rows} * cols * weight_bytes(weight_bits),
            .reserved = 0};
}

Result<Unit> read_cells(std::span<const std::byte> state, const Config &config, std::string &why)
{
    const auto refuse = [&](std::string text) {
        why = std::move(text);
        return Error{-EINVAL};
    };
    if (state.size() < sizeof(CellsHeader)) return refuse("its state is cut short");
    const auto header = program::load_struct<CellsHeader>(state);
    if (header.version != kCellsVersion)
        return refuse("expected version " + std::to_string(kCellsVersion) +
                      " of a crossbar's cells; found " + std::to_string(header.version));
    if (header.rows != config.rows || header.cols != config.cols ||
        header.cell_bits != config.cell_bits)
        return refuse("expected arrays of " + std::to_string(config.rows) + " x " +
                      std::to_string(config.cols) + " cells of " +
                      std::to_string(config.cell_bits) + " bits; found " +
                      std::to_string(header.rows) + " x " + std::to_string(header.cols) + " of " +
                      std::to_string(header.cell_bits));
    Unit unit;
    uint64_t at = sizeof header;
    for (uint32_t i = 0; i < header.matrices; i++) {
        if (!program::inside(at, sizeof(CellsMatrix), state.size()))
            return refuse("its state is cut short");
        const auto matrix = program::load_struct<CellsMatrix>(state, at);
        at += sizeof matrix;
        if (!matrix.rows || matrix.rows > program::kMaxMatrixDim || !matrix.cols ||
            matrix.cols > program::kMaxMatrixDim || matrix.weight_bits < 2 ||
            matrix.weight_bits > 16 ||
            matrix.bytes != uint64_t{matrix.rows} * matrix.cols * weight_bytes(matrix.weight_bits))
            return refuse("expected the shape of a matrix; found none");
        if (!program::inside(at, matrix.bytes, state.size()))
            return refuse("its state is cut short");
        if (!weights_fit(state.subspan(at, matrix.bytes), matrix.weight_bits))
            return refuse("expected weights of " + std::to_string(matrix.weight_bits) +
                          " bits; found larger ones");
        at += matrix.bytes;
        acc_xbar_matrix desc = {};
        desc.rows = matrix.rows;
        desc.cols = matrix.cols;
        desc.weight_bits = uint16_t(matrix.weight_bits);
        unit.capacity += config.arrays_of(desc);
    }
    if (at != state.size()) return refuse("its state is longer than its matrices");
    digest_of(state, unit.cells);
    return unit;
}

} // namespace acc::emu::crossbar
