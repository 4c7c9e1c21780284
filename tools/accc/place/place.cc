// SPDX-License-Identifier: MIT
#include "tools/accc/place/place.h"

#include "acc/kernels.h"

namespace acc::accc
{
namespace
{

constexpr int64_t kArray = 128; // rows and columns
constexpr uint32_t kCellBits = 2;

} // namespace

Placement place(Kind kind, DType result)
{
    const bool wide = result == DType::I16;
    constexpr std::string_view moving = "moves data; no product";
    constexpr std::string_view elementwise = "element by element; no product";
    switch (kind) {
    case Kind::Mvm:
        return {ACC_TARGET_CROSSBAR, {}, "matrix product with constant weights"};
    case Kind::Gemm:
        return {ACC_TARGET_FPGA, ACC_ROLE_GEMM_I8,
                "product of two results; no constant to program"};
    case Kind::Quantize:
        return {ACC_TARGET_FPGA, ACC_ROLE_QUANTIZE_F32_I8, "float to int8 at the edge"};
    case Kind::Dequantize:
        return {ACC_TARGET_FPGA, ACC_ROLE_DEQUANTIZE_I8_F32, "int8 to float at the edge"};
    case Kind::Requantize:
        return {ACC_TARGET_FPGA, wide ? ACC_ROLE_REQUANTIZE_I32_I16 : ACC_ROLE_REQUANTIZE_I32_I8,
                elementwise};
    case Kind::Im2col:
        return {ACC_TARGET_FPGA, ACC_ROLE_IM2COL_I8, moving};
    case Kind::MaxPool:
        return {ACC_TARGET_FPGA, ACC_ROLE_MAXPOOL_I8, "window without weights"};
    case Kind::AvgPool:
        return {ACC_TARGET_FPGA, ACC_ROLE_AVGPOOL_I8, "window without weights"};
    case Kind::Add:
        return {ACC_TARGET_FPGA, wide ? ACC_ROLE_ADD_I16 : ACC_ROLE_ADD_I8, elementwise};
    case Kind::Clip:
        return {ACC_TARGET_FPGA, ACC_ROLE_CLIP_I8, elementwise};
    case Kind::Mul:
        return {ACC_TARGET_FPGA, ACC_ROLE_MUL_I8, elementwise};
    case Kind::Concat:
    case Kind::Slice:
        return {ACC_TARGET_FPGA, ACC_ROLE_CONCAT_I8, moving};
    case Kind::Table:
        return {ACC_TARGET_FPGA, ACC_ROLE_TABLE_I8, elementwise};
    case Kind::Transpose:
        return {ACC_TARGET_FPGA, ACC_ROLE_PERMUTE_I8, moving};
    case Kind::Softmax:
        return {ACC_TARGET_FPGA, ACC_ROLE_SOFTMAX_I8_F32, "not linear; no product"};
    case Kind::Host:
        return {ACC_TARGET_HOST, {}, "no engine can"};
    default:
        return {ACC_TARGET_FPGA, {}, "runs nowhere"};
    }
}

TileCut cut_matrix(int64_t rows, int64_t cols, uint32_t weight_bits)
{
    TileCut cut;
    cut.row_blocks = static_cast<uint32_t>((rows + kArray - 1) / kArray);
    cut.col_blocks = static_cast<uint32_t>((cols + kArray - 1) / kArray);
    // As the engine: the magnitude of the least weight, -2^(w-1), takes all w bits.
    cut.slices = (weight_bits + kCellBits - 1) / kCellBits;
    return cut;
}

} // namespace acc::accc
