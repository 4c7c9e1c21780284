// SPDX-License-Identifier: MIT
//
// One wrong field each: the status is the ABI's, the text says what was expected and found,
// and the engine goes on.
#include "harness.h"

#include <cmath>
#include <limits>

namespace acc::emu::test
{
namespace
{

// An address among the arguments: its name, elements and whether it is written.
template <typename Args>
struct Array {
    const char *name;
    acc_u64 Args::*field;
    uint32_t bytes;
    bool written;
};

// Roles with good arguments, to spoil one at a time.
class FpgaRefuses : public testing::Test
{
protected:
    // Spoils `good` and expects INVALID_KERNARG with `expected` in the text; then runs `good`.
    template <typename Args, typename F>
    void spoil(std::string_view role, const Args &good, std::string_view expected, F spoiler)
    {
        Args bad = good;
        spoiler(bad);
        const Outcome outcome = fpga_(role, bad);
        EXPECT_EQ(outcome.status, ACC_STATUS_INVALID_KERNARG) << role << ": " << expected;
        EXPECT_NE(outcome.dispatch.text.find(expected), std::string::npos)
            << role << ": expected \"" << expected << "\" in \"" << outcome.dispatch.text << "\"";
        EXPECT_NE(outcome.dispatch.text.find("found"), std::string::npos) << outcome.dispatch.text;
        EXPECT_EQ(fpga_(role, good).status, ACC_STATUS_OK) << role;
    }

    // Every array in turn: 0, unaligned, beyond the address space, unbound, without access.
    template <typename Args>
    void arrays(std::string_view role, const Args &good, std::initializer_list<Array<Args>> fields)
    {
        for (const auto &[name, field, bytes, written] : fields) {
            const std::string address = std::string("an address of ") + name;
            spoil(role, good, address, [f = field](Args &a) { a.*f = 0; });
            if (bytes > 1)
                spoil(role, good, std::string(name) + " aligned to",
                      [f = field](Args &a) { a.*f += 1; });
            spoil(role, good, std::string(name) + " inside 64-bit addresses",
                  [f = field, b = bytes](Args &a) { a.*f = 0 - acc_u64{b}; });
            Args bad = good;
            bad.*field = 0x1000;
            Outcome outcome = fpga_(role, bad);
            EXPECT_EQ(outcome.status, ACC_STATUS_INVALID_ADDRESS) << role << " " << name;
            EXPECT_NE(outcome.dispatch.text.find("0x1000"), std::string::npos)
                << outcome.dispatch.text;
            EXPECT_NE(outcome.dispatch.text.find(name), std::string::npos) << outcome.dispatch.text;
            if (!written) continue;
            bad.*field = fpga_.memory.allocate(1 << 16, 0, false);
            outcome = fpga_(role, bad);
            EXPECT_EQ(outcome.status, ACC_STATUS_INVALID_ADDRESS) << role << " " << name;
            EXPECT_EQ(fpga_.memory.fault_address(), bad.*field);
        }
    }

    uint64_t buffer() { return fpga_.memory.store(std::vector<int32_t>(16384, 1)); }

    Fpga fpga_{{ACC_ROLE_QUANTIZE_F32_I8,
                ACC_ROLE_DEQUANTIZE_I8_F32,
                ACC_ROLE_REQUANTIZE_I32_I8,
                ACC_ROLE_IM2COL_I8,
                ACC_ROLE_MAXPOOL_I8,
                ACC_ROLE_AVGPOOL_I8,
                ACC_ROLE_ADD_I8,
                ACC_ROLE_CLIP_I8,
                ACC_ROLE_PERMUTE_I8,
                ACC_ROLE_SOFTMAX_I8_F32,
                ACC_ROLE_ADD_F32,
                ACC_ROLE_MUL_F32,
                ACC_ROLE_RELU_F32,
                ACC_ROLE_CLIP_F32,
                ACC_ROLE_SOFTMAX_F32,
                ACC_ROLE_GEMM_I8,
                ACC_ROLE_REQUANTIZE_I32_I16,
                ACC_ROLE_ADD_I16,
                ACC_ROLE_TABLE_I8,
                ACC_ROLE_MUL_I8,
                ACC_ROLE_CONCAT_I8}};
};

constexpr float infinite = std::numeric_limits<float>::infinity();

} // namespace

TEST_F(FpgaRefuses, Quantize)
{
    for (const auto *role : {ACC_ROLE_QUANTIZE_F32_I8, ACC_ROLE_DEQUANTIZE_I8_F32}) {
        using Args = acc_quantize_args;
        const Args good = {buffer(), buffer(), 40, 0.5f, 3};
        const bool to_int = std::string_view(role) == ACC_ROLE_QUANTIZE_F32_I8;
        arrays<Args>(role, good,
                     {{"src", &Args::src, to_int ? 4u : 1u, false},
                      {"dst", &Args::dst, to_int ? 1u : 4u, true}});
        spoil(role, good, "count of at least 1", [](Args &a) { a.count = 0; });
        spoil(role, good, "inside 64-bit", [](Args &a) { a.count = ~0ull; });
        for (const float scale : {0.0f, -1.0f, infinite, -infinite, NAN})
            spoil(role, good, "a finite scale above 0", [&](Args &a) { a.scale = scale; });
        for (const int zero : {-129, 128, INT32_MAX, INT32_MIN})
            spoil(role, good, "zero_point from -128 to 127", [&](Args &a) { a.zero_point = zero; });
    }
}

TEST_F(FpgaRefuses, Requantize)
{
    using Args = acc_requantize_args;
    const Args good = {buffer(), buffer(), buffer(), buffer(), buffer(), 5, 7, 0, -128, 127};
    const auto *role = ACC_ROLE_REQUANTIZE_I32_I8;
    arrays<Args>(role, good,
                 {{"src", &Args::src, 4, false},
                  {"dst", &Args::dst, 1, true},
                  {"bias", &Args::bias, 4, false},
                  {"multiplier", &Args::multiplier, 4, false},
                  {"shift", &Args::shift, 4, false}});
    spoil(role, good, "rows of at least 1", [](Args &a) { a.rows = 0; });
    spoil(role, good, "channels of at least 1", [](Args &a) { a.channels = 0; });
    spoil(role, good, "inside 64-bit", [](Args &a) { a.rows = 1ull << 62; });
    spoil(role, good, "zero_point from", [](Args &a) { a.zero_point = 128; });
    spoil(role, good, "min <= max", [](Args &a) { a.min = -129; });
    spoil(role, good, "min <= max", [](Args &a) { a.max = 128; });
    spoil(role, good, "min <= max", [](Args &a) { a.min = 5, a.max = 4; });
    for (const int shift : {0, -1, 63, INT32_MIN, INT32_MAX}) {
        const uint64_t table = fpga_.memory.store(std::vector<int32_t>{1, 1, 1, shift, 1, 1, 1});
        spoil(role, good, "shift of channel 3 from 1 to 62", [&](Args &a) { a.shift = table; });
    }
    const uint64_t table = fpga_.memory.store(std::vector<int32_t>{1, 1, 1, 1, 1, 1, -1});
    spoil(role, good, "multiplier of channel 6 from 0", [&](Args &a) { a.multiplier = table; });

    const auto *wide = ACC_ROLE_REQUANTIZE_I32_I16;
    arrays<Args>(wide, good, {{"dst", &Args::dst, 2, true}});
    spoil(wide, good, "zero_point from -32768 to 32767", [](Args &a) { a.zero_point = 32768; });
    spoil(wide, good, "-32768 <= min <= max <= 32767", [](Args &a) { a.min = -32769; });
    spoil(wide, good, "-32768 <= min <= max <= 32767", [](Args &a) { a.max = 32768; });
}

TEST_F(FpgaRefuses, Windows)
{
    using Args = acc_im2col_args;
    Args good = {};
    good.src = buffer();
    good.dst = buffer();
    good.window = {2, 5, 5, 3, 3, 3, 1, 1, 1, 1, 1, 1, 5, 5};
    const auto *role = ACC_ROLE_IM2COL_I8;
    arrays<Args>(role, good, {{"src", &Args::src, 1, false}, {"dst", &Args::dst, 1, true}});
    const std::pair<const char *, uint32_t acc_window::*> sizes[] = {
        {"batch", &acc_window::batch},
        {"h", &acc_window::h},
        {"w", &acc_window::w},
        {"c", &acc_window::c},
        {"kernel_h", &acc_window::kernel_h},
        {"kernel_w", &acc_window::kernel_w},
        {"stride_h", &acc_window::stride_h},
        {"stride_w", &acc_window::stride_w},
        {"dilation_h", &acc_window::dilation_h},
        {"dilation_w", &acc_window::dilation_w},
        {"out_h", &acc_window::out_h},
        {"out_w", &acc_window::out_w}};
    for (const auto &[name, field] : sizes)
        spoil(role, good, std::string(name) + " of at least 1",
              [f = field](Args &a) { a.window.*f = 0; });
    const uint32_t huge = ~0u;
    spoil(role, good, "pad_top from 0", [=](Args &a) { a.window.pad_top = huge; });
    spoil(role, good, "pad_left from 0", [=](Args &a) { a.window.pad_left = huge; });
    spoil(role, good, "h from 1", [=](Args &a) { a.window.h = huge; });
    spoil(role, good, "w from 1", [=](Args &a) { a.window.w = huge; });
    spoil(role, good, "rows of the last window", [=](Args &a) { a.window.out_h = huge; });
    spoil(role, good, "rows of the last window", [=](Args &a) { a.window.stride_h = huge; });
    spoil(role, good, "rows of the last window", [=](Args &a) { a.window.dilation_h = huge; });
    spoil(role, good, "columns of the last window", [=](Args &a) { a.window.stride_w = huge; });
    spoil(role, good, "columns of the last window", [=](Args &a) { a.window.kernel_w = huge; });
    spoil(role, good, "a kernel of fewer",
          [=](Args &a) { a.window.kernel_h = a.window.kernel_w = 1u << 16; });
    spoil(role, good, "src inside 64-bit", [=](Args &a) {
        a.window.batch = huge, a.window.h = a.window.w = INT32_MAX, a.window.c = huge;
    });
    spoil(role, good, "pad_value from -128", [](Args &a) { a.pad_value = 128; });
    spoil(role, good, "reserved of 0", [](Args &a) { a.reserved = 1; });
    // Sizes that are allowed and that no memory has: found at the first page, not after days.
    Args big = good;
    big.window.batch = huge;
    EXPECT_EQ(fpga_(role, big).status, ACC_STATUS_INVALID_ADDRESS);
    big = good;
    big.window.c = 1u << 31;
    EXPECT_EQ(fpga_(role, big).status, ACC_STATUS_INVALID_ADDRESS);
}

TEST_F(FpgaRefuses, Pools)
{
    using Args = acc_pool_args;
    Args good = {};
    good.src = buffer();
    good.dst = buffer();
    good.window = {2, 4, 4, 3, 2, 2, 2, 2, 0, 0, 1, 1, 2, 2};
    for (const auto *role : {ACC_ROLE_MAXPOOL_I8, ACC_ROLE_AVGPOOL_I8}) {
        arrays<Args>(role, good, {{"src", &Args::src, 1, false}, {"dst", &Args::dst, 1, true}});
        spoil(role, good, "kernel_w of at least 1", [](Args &a) { a.window.kernel_w = 0; });
        spoil(role, good, "zero_point from", [](Args &a) { a.zero_point = -129; });
        spoil(role, good, "count_include_pad", [](Args &a) { a.count_include_pad = 2; });
    }
    spoil(ACC_ROLE_MAXPOOL_I8, good, "count_include_pad of 0",
          [](Args &a) { a.count_include_pad = 1; });
}

TEST_F(FpgaRefuses, AddAndClip)
{
    using Args = acc_add_i8_args;
    const Args good = {buffer(), buffer(), buffer(), 50, 50, 0, 0, 1, 1, 1, 0, -128, 127};
    const auto *role = ACC_ROLE_ADD_I8;
    arrays<Args>(
        role, good,
        {{"a", &Args::a, 1, false}, {"b", &Args::b, 1, false}, {"dst", &Args::dst, 1, true}});
    spoil(role, good, "count of at least 1", [](Args &a) { a.count = 0; });
    spoil(role, good, "b_count of at least 1", [](Args &a) { a.b_count = 0; });
    spoil(role, good, "a_zero from", [](Args &a) { a.a_zero = 128; });
    spoil(role, good, "b_zero from", [](Args &a) { a.b_zero = -129; });
    spoil(role, good, "shift from 1 to 62", [](Args &a) { a.shift = 0; });
    spoil(role, good, "shift from 1 to 62", [](Args &a) { a.shift = 63; });
    spoil(role, good, "zero_point from", [](Args &a) { a.zero_point = 200; });
    spoil(role, good, "min <= max", [](Args &a) { a.min = 1, a.max = 0; });
    const auto *wide = ACC_ROLE_ADD_I16;
    arrays<Args>(
        wide, good,
        {{"a", &Args::a, 2, false}, {"b", &Args::b, 2, false}, {"dst", &Args::dst, 2, true}});
    spoil(wide, good, "a_zero from -32768 to 32767", [](Args &a) { a.a_zero = 32768; });
    spoil(wide, good, "b_zero from -32768 to 32767", [](Args &a) { a.b_zero = -32769; });
    spoil(wide, good, "zero_point from -32768 to 32767", [](Args &a) { a.zero_point = -32769; });
    spoil(wide, good, "-32768 <= min <= max <= 32767", [](Args &a) { a.max = 32768; });

    using Clip = acc_clip_i8_args;
    const Clip clip = {buffer(), buffer(), 50, -1, 1};
    arrays<Clip>(ACC_ROLE_CLIP_I8, clip,
                 {{"src", &Clip::src, 1, false}, {"dst", &Clip::dst, 1, true}});
    spoil(ACC_ROLE_CLIP_I8, clip, "count of at least 1", [](Clip &a) { a.count = 0; });
    spoil(ACC_ROLE_CLIP_I8, clip, "min <= max", [](Clip &a) { a.max = -2; });

    using Table = acc_table_args;
    const Table table = {buffer(), buffer(), 50, buffer()};
    arrays<Table>(ACC_ROLE_TABLE_I8, table,
                  {{"src", &Table::src, 1, false},
                   {"dst", &Table::dst, 1, true},
                   {"table", &Table::table, 1, false}});
    spoil(ACC_ROLE_TABLE_I8, table, "count of at least 1", [](Table &a) { a.count = 0; });
}

TEST_F(FpgaRefuses, MulAndConcat)
{
    using Mul = acc_mul_i8_args;
    const auto *mul_role = ACC_ROLE_MUL_I8;
    const Mul mul = {buffer(), buffer(), buffer(), 2, 3, 4, 0, 0, 1, 1, 0, -128, 127, 0};
    arrays<Mul>(mul_role, mul,
                {{"a", &Mul::a, 1, false}, {"b", &Mul::b, 1, false}, {"dst", &Mul::dst, 1, true}});
    spoil(mul_role, mul, "outer of at least 1", [](Mul &a) { a.outer = 0; });
    spoil(mul_role, mul, "middle of at least 1", [](Mul &a) { a.middle = 0; });
    spoil(mul_role, mul, "inner of at least 1", [](Mul &a) { a.inner = 0; });
    spoil(mul_role, mul, "a_zero from", [](Mul &a) { a.a_zero = 128; });
    spoil(mul_role, mul, "b_zero from", [](Mul &a) { a.b_zero = -129; });
    spoil(mul_role, mul, "multiplier from 0", [](Mul &a) { a.multiplier = -1; });
    spoil(mul_role, mul, "shift from 1 to 62", [](Mul &a) { a.shift = 63; });
    spoil(mul_role, mul, "zero_point from", [](Mul &a) { a.zero_point = 200; });
    spoil(mul_role, mul, "min <= max", [](Mul &a) { a.min = 1, a.max = 0; });
    spoil(mul_role, mul, "reserved", [](Mul &a) { a.reserved = 1; });
    spoil(mul_role, mul, "a", [](Mul &a) { a.outer = a.middle = ~0ull; });

    using Concat = acc_concat_args;
    const auto *role = ACC_ROLE_CONCAT_I8;
    const Concat concat = {{buffer(), buffer()}, buffer(), 5, {3, 4}, {3, 4}};
    spoil(role, concat, "rows of at least 1", [](Concat &a) { a.rows = 0; });
    spoil(role, concat, "bytes[0] of at least 1", [](Concat &a) { a.bytes[0] = 0; });
    spoil(role, concat, "src[0]", [](Concat &a) { a.src[0] = 0; });
    spoil(role, concat, "src[1]", [](Concat &a) { a.bytes[1] = 0; });
    spoil(role, concat, "stride[2]", [](Concat &a) { a.stride[2] = 1; });
    spoil(role, concat, "bytes[3]", [](Concat &a) { a.bytes[3] = 1; });
    spoil(role, concat, "dst", [](Concat &a) { a.dst = 0; });
    spoil(role, concat, "src[0]", [](Concat &a) { a.src[0] = ~0ull - 4; });
}

TEST_F(FpgaRefuses, Permute)
{
    using Args = acc_permute_args;
    const Args good = {buffer(), buffer(), {2, 3, 4, 5}, {0, 2, 3, 1}};
    const auto *role = ACC_ROLE_PERMUTE_I8;
    arrays<Args>(role, good, {{"src", &Args::src, 1, false}, {"dst", &Args::dst, 1, true}});
    for (int i = 0; i < 4; i++) {
        spoil(role, good, "dims of at least 1", [=](Args &a) { a.dims[i] = 0; });
        spoil(role, good, "perm from 0 to 3", [=](Args &a) { a.perm[i] = 4; });
        spoil(role, good, "perm from 0 to 3", [=](Args &a) { a.perm[i] = ~0u; });
        spoil(role, good, "each axis once", [=](Args &a) { a.perm[i] = a.perm[(i + 1) % 4]; });
    }
    spoil(role, good, "inside 64-bit",
          [](Args &a) { a.dims[0] = a.dims[1] = a.dims[2] = a.dims[3] = ~0u; });
}

TEST_F(FpgaRefuses, Softmax)
{
    using Args = acc_softmax_args;
    for (const auto *role : {ACC_ROLE_SOFTMAX_I8_F32, ACC_ROLE_SOFTMAX_F32}) {
        const bool from_int = std::string_view(role) == ACC_ROLE_SOFTMAX_I8_F32;
        const Args good = {buffer(), buffer(), 4, 10, 0, 1, 0};
        arrays<Args>(
            role, good,
            {{"src", &Args::src, from_int ? 1u : 4u, false}, {"dst", &Args::dst, 4, true}});
        spoil(role, good, "rows of at least 1", [](Args &a) { a.rows = 0; });
        spoil(role, good, "cols of at least 1", [](Args &a) { a.cols = 0; });
        spoil(role, good, "reserved of 0", [](Args &a) { a.reserved = 1; });
        spoil(role, good, "zero_point from", [](Args &a) { a.zero_point = 128; });
        spoil(role, good, "scale", [](Args &a) { a.scale = NAN; });
        spoil(role, good, "scale", [](Args &a) { a.scale = 0; });
    }
    const Args good = {buffer(), buffer(), 4, 10, 0, 1, 0};
    spoil(ACC_ROLE_SOFTMAX_F32, good, "a scale of 1", [](Args &a) { a.scale = 2; });
    spoil(ACC_ROLE_SOFTMAX_F32, good, "zero_point from 0 to 0", [](Args &a) { a.zero_point = 1; });
}

TEST_F(FpgaRefuses, Float)
{
    using Args = acc_elementwise_f32_args;
    for (const auto *role : {ACC_ROLE_ADD_F32, ACC_ROLE_MUL_F32}) {
        const Args good = {buffer(), buffer(), buffer(), 60, 6, 0, 0};
        arrays<Args>(
            role, good,
            {{"a", &Args::a, 4, false}, {"b", &Args::b, 4, false}, {"dst", &Args::dst, 4, true}});
        spoil(role, good, "count of at least 1", [](Args &a) { a.count = 0; });
        spoil(role, good, "b_count of at least 1", [](Args &a) { a.b_count = 0; });
        spoil(role, good, "min and max of 0", [](Args &a) { a.min = 1; });
        spoil(role, good, "min and max of 0", [](Args &a) { a.max = NAN; });
    }
    for (const auto *role : {ACC_ROLE_RELU_F32, ACC_ROLE_CLIP_F32}) {
        const Args good = {buffer(), 0, buffer(), 60, 0, 0, 0};
        arrays<Args>(role, good, {{"a", &Args::a, 4, false}, {"dst", &Args::dst, 4, true}});
        spoil(role, good, "count of at least 1", [](Args &a) { a.count = 0; });
        spoil(role, good, "b of 0", [](Args &a) { a.b = 64; });
        spoil(role, good, "b_count of 0", [](Args &a) { a.b_count = 1; });
        spoil(role, good, "min", [](Args &a) { a.min = 1; });
        spoil(role, good, "min", [](Args &a) { a.min = NAN; });
    }
}

TEST_F(FpgaRefuses, Gemm)
{
    using Args = acc_gemm_i8_args;
    const Args good = {buffer(), buffer(), buffer(), 3, 4, 5, 1, 2, 1};
    const auto *role = ACC_ROLE_GEMM_I8;
    arrays<Args>(
        role, good,
        {{"a", &Args::a, 1, false}, {"b", &Args::b, 1, false}, {"out", &Args::out, 4, true}});
    spoil(role, good, "m of at least 1", [](Args &a) { a.m = 0; });
    spoil(role, good, "n of at least 1", [](Args &a) { a.n = 0; });
    spoil(role, good, "k of at least 1", [](Args &a) { a.k = 0; });
    spoil(role, good, "a_zero from", [](Args &a) { a.a_zero = 128; });
    spoil(role, good, "b_zero from", [](Args &a) { a.b_zero = -129; });
    spoil(role, good, "k of at most 131071",
          [](Args &a) { a.k = 131072, a.a_zero = a.b_zero = 0; });
    spoil(role, good, "out inside 64-bit", [](Args &a) { a.m = a.n = ~0u; });
}

TEST_F(FpgaRefuses, TheLastByteOfTheAddressSpace)
{
    acc_clip_i8_args args = {0 - 16ull, buffer(), 16, 0, 1};
    EXPECT_EQ(fpga_(ACC_ROLE_CLIP_I8, args).status, ACC_STATUS_INVALID_ADDRESS); // is not bound
    args.count = 17;
    EXPECT_EQ(fpga_(ACC_ROLE_CLIP_I8, args).status, ACC_STATUS_INVALID_KERNARG); // is not there
    // Sizes whose product is beyond 64 bits, from the lowest address there is.
    acc_permute_args huge = {1, 1, {~0u, ~0u, ~0u, ~0u}, {0, 1, 2, 3}};
    EXPECT_EQ(fpga_(ACC_ROLE_PERMUTE_I8, huge).status, ACC_STATUS_INVALID_KERNARG);
}

TEST_F(FpgaRefuses, Dispatches)
{
    acc_clip_i8_args args = {buffer(), buffer(), 5, 0, 1};
    Dispatch dispatch;
    dispatch.memory = &fpga_.memory;
    dispatch.kernel = 7;
    dispatch.kernargs = std::as_bytes(std::span(&args, 1));
    ASSERT_EQ(fpga_.engine().execute(fpga_.program(), dispatch), ACC_STATUS_OK);
    for (int i = 0; i < 3; i++) {
        dispatch.grid[i] = 2;
        EXPECT_EQ(fpga_.engine().execute(fpga_.program(), dispatch), ACC_STATUS_INVALID_DIMENSIONS);
        dispatch.grid[i] = 1;
    }
    dispatch.kernargs = dispatch.kernargs.first(31);
    EXPECT_EQ(fpga_.engine().execute(fpga_.program(), dispatch), ACC_STATUS_INVALID_KERNARG);
    dispatch.kernel = static_cast<uint32_t>(fpga_.program().kernels.size()); // past the last
    EXPECT_EQ(fpga_.engine().execute(fpga_.program(), dispatch), ACC_STATUS_INVALID_KERNEL);
}

} // namespace acc::emu::test
