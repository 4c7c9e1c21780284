// SPDX-License-Identifier: MIT
#include "emulator/fpga/role.h"

#include "emulator/engine_checks.h"

#include <algorithm>
#include <bit>

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

// Butterflies.
uint64_t fft_elements(const Pass &pass)
{
    const auto args = pass.args<acc_fft_args>();
    const uint32_t log2 = std::min(args.log2_points, 32u);
    return saturating_product(args.batch, log2, (uint64_t{1} << log2) / 2);
}

// A round a cycle, and the sum: 65 for each block of the padded message.
uint64_t sha256_elements(const Pass &pass)
{
    return saturating_product(pass.args<acc_sha256_args>().bytes / 64 + 1, 65);
}

// A merge pass of all elements for each bit of their number.
uint64_t sort_elements(const Pass &pass)
{
    const uint64_t count = pass.args<acc_sort_args>().count;
    return saturating_product(count, static_cast<uint64_t>(std::bit_width(count)));
}

uint64_t fir_elements(const Pass &pass)
{
    const auto args = pass.args<acc_fir_args>();
    return saturating_product(args.count, args.tap_count);
}

uint64_t aes_elements(const Pass &pass)
{
    return pass.args<acc_aes_ctr_args>().bytes;
}

uint64_t mul_elements(const Pass &pass)
{
    const auto args = pass.args<acc_mul_i8_args>();
    return saturating_product(args.outer, args.middle, args.inner);
}

// Bytes written.
uint64_t concat_elements(const Pass &pass)
{
    const auto args = pass.args<acc_concat_args>();
    uint64_t row = 0;
    for (const uint32_t bytes : args.bytes)
        row += bytes;
    return saturating_product(args.rows, row);
}

constexpr auto quantize_elements = count_of<acc_quantize_args>;
constexpr auto add_elements = count_of<acc_add_i8_args>;
constexpr auto clip_elements = count_of<acc_clip_i8_args>;
constexpr auto float_elements = count_of<acc_elementwise_f32_args>;

// Sizes and speeds are those of program/role_costs.h.
constexpr Role role(std::string_view name, uint32_t kernarg_bytes, float emulated_ns,
                    uint64_t (*elements)(const Pass &), acc_status (*run)(Pass &))
{
    const program::RoleCost &cost = *program::find_role_cost(name);
    return {name,  kernarg_bytes, {cost.luts, cost.ffs, cost.brams, cost.dsps},
            &cost, emulated_ns,   elements,
            run};
}

constexpr Role table[] = {
    role(ACC_ROLE_QUANTIZE_F32_I8, sizeof(acc_quantize_args), 1.0f, quantize_elements,
         quantize_f32_i8),
    role(ACC_ROLE_DEQUANTIZE_I8_F32, sizeof(acc_quantize_args), 0.5f, quantize_elements,
         dequantize_i8_f32),
    role(ACC_ROLE_REQUANTIZE_I32_I8, sizeof(acc_requantize_args), 1.5f, requantize_elements,
         requantize_i32_i8),
    role(ACC_ROLE_REQUANTIZE_I32_I16, sizeof(acc_requantize_args), 1.5f, requantize_elements,
         requantize_i32_i16),
    role(ACC_ROLE_IM2COL_I8, sizeof(acc_im2col_args), 0.5f, im2col_elements, im2col_i8),
    role(ACC_ROLE_MAXPOOL_I8, sizeof(acc_pool_args), 0.5f, pool_elements, maxpool_i8),
    role(ACC_ROLE_AVGPOOL_I8, sizeof(acc_pool_args), 0.5f, pool_elements, avgpool_i8),
    role(ACC_ROLE_ADD_I8, sizeof(acc_add_i8_args), 1.5f, add_elements, add_i8),
    role(ACC_ROLE_ADD_I16, sizeof(acc_add_i8_args), 1.0f, add_elements, add_i16),
    role(ACC_ROLE_CLIP_I8, sizeof(acc_clip_i8_args), 0.2f, clip_elements, clip_i8),
    role(ACC_ROLE_TABLE_I8, sizeof(acc_table_args), 0.5f, count_of<acc_table_args>, table_i8),
    role(ACC_ROLE_MUL_I8, sizeof(acc_mul_i8_args), 1.5f, mul_elements, mul_i8),
    role(ACC_ROLE_CONCAT_I8, sizeof(acc_concat_args), 0.2f, concat_elements, concat_i8),
    role(ACC_ROLE_PERMUTE_I8, sizeof(acc_permute_args), 1.5f, permute_elements, permute_i8),
    role(ACC_ROLE_SOFTMAX_I8_F32, sizeof(acc_softmax_args), 1.5f, softmax_elements, softmax_i8_f32),
    role(ACC_ROLE_ADD_F32, sizeof(acc_elementwise_f32_args), 1.0f, float_elements, add_f32),
    role(ACC_ROLE_MUL_F32, sizeof(acc_elementwise_f32_args), 1.0f, float_elements, mul_f32),
    role(ACC_ROLE_RELU_F32, sizeof(acc_elementwise_f32_args), 0.8f, float_elements, relu_f32),
    role(ACC_ROLE_CLIP_F32, sizeof(acc_elementwise_f32_args), 0.8f, float_elements, clip_f32),
    role(ACC_ROLE_SOFTMAX_F32, sizeof(acc_softmax_args), 5.0f, softmax_elements, softmax_f32),
    role(ACC_ROLE_GEMM_I8, sizeof(acc_gemm_i8_args), 0.25f, gemm_elements, gemm_i8),
    role(
        ACC_ROLE_NOOP, 0, 0, [](const Pass &) { return uint64_t{0}; },
        [](Pass &) { return ACC_STATUS_OK; }),
    role(ACC_ROLE_FFT_F32, sizeof(acc_fft_args), 6.0f, fft_elements, fft_f32),
    role(ACC_ROLE_SHA256, sizeof(acc_sha256_args), 6.0f, sha256_elements, sha256),
    role(ACC_ROLE_SORT_I32, sizeof(acc_sort_args), 4.0f, sort_elements, sort_i32),
    role(ACC_ROLE_HISTOGRAM_U8, sizeof(acc_histogram_args), 0.5f, count_of<acc_histogram_args>,
         histogram_u8),
    role(ACC_ROLE_FIR_I32, sizeof(acc_fir_args), 0.3f, fir_elements, fir_i32),
    role(ACC_ROLE_AES_CTR, sizeof(acc_aes_ctr_args), 8.0f, aes_elements, aes_ctr),
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
    return program::role_cycles(*role.cost, elements);
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
