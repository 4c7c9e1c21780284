// SPDX-License-Identifier: MIT
#include "emulator/fpga/role.h"

#include "emulator/engine_checks.h"

#include <algorithm>

namespace acc::emu::fpga
{
namespace
{

template <typename Args>
uint64_t count_of(const Pass &pass)
{
    return pass.args<Args>().count;
}

uint64_t requantize_elements(const Pass &pass)
{
    const auto args = pass.args<acc_requantize_args>();
    return saturating_product(args.rows, args.channels);
}

uint64_t im2col_elements(const Pass &pass)
{
    const acc_window w = pass.args<acc_im2col_args>().window;
    return saturating_product(w.batch, w.out_h, w.out_w, w.kernel_h, w.kernel_w, w.c);
}

uint64_t pool_elements(const Pass &pass)
{
    const acc_window w = pass.args<acc_pool_args>().window;
    return saturating_product(w.batch, w.out_h, w.out_w, w.kernel_h, w.kernel_w, w.c);
}

uint64_t permute_elements(const Pass &pass)
{
    const auto args = pass.args<acc_permute_args>();
    return saturating_product(args.dims[0], args.dims[1], args.dims[2], args.dims[3]);
}

// Three sweeps over each row.
uint64_t softmax_elements(const Pass &pass)
{
    const auto args = pass.args<acc_softmax_args>();
    return saturating_product(args.rows, args.cols, 3);
}

uint64_t gemm_elements(const Pass &pass)
{
    const auto args = pass.args<acc_gemm_i8_args>();
    const uint64_t pair = saturating_product(args.m, args.n, args.k);
    return saturating_product(pair, std::max(args.batch, 1u), 1);
}

constexpr auto quantize_elements = count_of<acc_quantize_args>;
constexpr auto add_elements = count_of<acc_add_i8_args>;
constexpr auto clip_elements = count_of<acc_clip_i8_args>;
constexpr auto float_elements = count_of<acc_elementwise_f32_args>;

// Sizes and speeds are estimates of a plain pipelined design with a 128-bit port on either
// side, not the result of a synthesis: docs/fpga.md.
constexpr Role table[] = {
    //                                                    LUTs  lanes depth  ns
    {ACC_ROLE_QUANTIZE_F32_I8, sizeof(acc_quantize_args), 6400, 4, 28, 1.0f, quantize_elements,
     quantize_f32_i8},
    {ACC_ROLE_DEQUANTIZE_I8_F32, sizeof(acc_quantize_args), 3100, 4, 14, 0.5f, quantize_elements,
     dequantize_i8_f32},
    {ACC_ROLE_REQUANTIZE_I32_I8, sizeof(acc_requantize_args), 3800, 4, 14, 1.5f,
     requantize_elements, requantize_i32_i8},
    {ACC_ROLE_IM2COL_I8, sizeof(acc_im2col_args), 4600, 16, 24, 0.5f, im2col_elements, im2col_i8},
    {ACC_ROLE_MAXPOOL_I8, sizeof(acc_pool_args), 4200, 16, 24, 0.5f, pool_elements, maxpool_i8},
    {ACC_ROLE_AVGPOOL_I8, sizeof(acc_pool_args), 6900, 16, 48, 0.5f, pool_elements, avgpool_i8},
    {ACC_ROLE_ADD_I8, sizeof(acc_add_i8_args), 5200, 16, 16, 1.5f, add_elements, add_i8},
    {ACC_ROLE_CLIP_I8, sizeof(acc_clip_i8_args), 900, 16, 4, 0.2f, clip_elements, clip_i8},
    {ACC_ROLE_PERMUTE_I8, sizeof(acc_permute_args), 3900, 1, 32, 1.5f, permute_elements,
     permute_i8},
    {ACC_ROLE_SOFTMAX_I8_F32, sizeof(acc_softmax_args), 9800, 4, 64, 1.5f, softmax_elements,
     softmax_i8_f32},
    {ACC_ROLE_ADD_F32, sizeof(acc_elementwise_f32_args), 2900, 4, 10, 1.0f, float_elements,
     add_f32},
    {ACC_ROLE_MUL_F32, sizeof(acc_elementwise_f32_args), 2400, 4, 10, 1.0f, float_elements,
     mul_f32},
    {ACC_ROLE_RELU_F32, sizeof(acc_elementwise_f32_args), 700, 4, 3, 0.8f, float_elements,
     relu_f32},
    {ACC_ROLE_CLIP_F32, sizeof(acc_elementwise_f32_args), 1300, 4, 5, 0.8f, float_elements,
     clip_f32},
    {ACC_ROLE_SOFTMAX_F32, sizeof(acc_softmax_args), 14500, 4, 96, 5.0f, softmax_elements,
     softmax_f32},
    {ACC_ROLE_GEMM_I8, sizeof(acc_gemm_i8_args), 18200, 256, 40, 0.25f, gemm_elements, gemm_i8},
};

} // namespace

std::span<const Role> roles()
{
    return table;
}

const Role *find_role(std::string_view name)
{
    for (const Role &role : table)
        if (role.name == name) return &role;
    return nullptr;
}

uint64_t cycles(const Role &role, uint64_t elements)
{
    return elements / role.lanes + (elements % role.lanes != 0) + role.depth;
}

acc_status Pass::refuse(std::string text)
{
    dispatch_.text = std::move(text);
    return ACC_STATUS_INVALID_KERNARG;
}

acc_status Pass::no_read(const char *name)
{
    return memory_fault(dispatch_, "read", name);
}

acc_status Pass::no_write(const char *name)
{
    return memory_fault(dispatch_, "written", name);
}

} // namespace acc::emu::fpga
