// SPDX-License-Identifier: MIT
//
// Products of two changing operands.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <algorithm>
#include <memory>

namespace acc::emu::fpga
{
namespace
{

// A tile of the output and what meets in it: 64 KiB of sums, 8 of a and 128 of b.
constexpr uint32_t kRows = 64, kCols = 256, kDepth = 256;

struct Tile {
    int32_t sums[kRows][kCols];
    int16_t b[kDepth][kCols];
    int16_t a[kDepth];
    int8_t raw[kCols];
};

int64_t reach(int32_t zero)
{
    return std::max<int64_t>(127 - zero, zero + 128);
}

class Gemm
{
public:
    Gemm(Pass &pass, const acc_gemm_i8_args &args) : pass_(pass), args_(args), tile_(new Tile) {}

    acc_status run()
    {
        for (uint32_t pair = 0; pair < std::max(args_.batch, 1u); pair++) {
            const acc_status status = run_pair();
            if (status != ACC_STATUS_OK) return status;
            args_.a += uint64_t{args_.m} * args_.k;
            args_.b += uint64_t{args_.k} * args_.n;
            args_.out += uint64_t{args_.m} * args_.n * 4;
        }
        return ACC_STATUS_OK;
    }

private:
    acc_status run_pair()
    {
        for (uint32_t row = 0; row < args_.m; row += std::min(kRows, args_.m - row)) {
            for (uint32_t col = 0; col < args_.n; col += std::min(kCols, args_.n - col)) {
                const uint32_t rows = std::min(kRows, args_.m - row);
                const uint32_t cols = std::min(kCols, args_.n - col);
                for (uint32_t i = 0; i < rows; i++)
                    std::fill_n(tile_->sums[i], cols, 0);
                for (uint64_t k = 0; k < args_.k; k += kDepth) {
                    const auto depth =
                        static_cast<uint32_t>(std::min<uint64_t>(kDepth, args_.k - k));
                    const acc_status status = block(row, rows, col, cols, k, depth);
                    if (status != ACC_STATUS_OK) return status;
                }
                for (uint32_t i = 0; i < rows; i++)
                    if (!pass_.write(args_.out + ((uint64_t{row} + i) * args_.n + col) * 4,
                                     tile_->sums[i], cols * size_t{4}))
                        return pass_.no_write("out");
            }
        }
        return ACC_STATUS_OK;
    }

    acc_status block(uint32_t row, uint32_t rows, uint32_t col, uint32_t cols, uint64_t k,
                     uint32_t depth)
    {
        Tile &t = *tile_;
        for (uint32_t j = 0; j < depth; j++) {
            if (!pass_.read(t.raw, args_.b + (k + j) * args_.n + col, cols))
                return pass_.no_read("b");
            for (uint32_t n = 0; n < cols; n++)
                t.b[j][n] = static_cast<int16_t>(t.raw[n] - args_.b_zero);
        }
        // However small a block is, it has a cost.
        if (!pass_.spend(uint64_t{depth} * cols + 256)) return pass_.stopped();
        for (uint32_t i = 0; i < rows; i++) {
            if (!pass_.read(t.raw, args_.a + (uint64_t{row} + i) * args_.k + k, depth))
                return pass_.no_read("a");
            for (uint32_t j = 0; j < depth; j++)
                t.a[j] = static_cast<int16_t>(t.raw[j] - args_.a_zero);
            int32_t *sums = t.sums[i];
            for (uint32_t j = 0; j < depth; j++) {
                const int32_t a = t.a[j];
                const int16_t *b = t.b[j];
                for (uint32_t n = 0; n < cols; n++)
                    sums[n] += a * b[n];
            }
            if (!pass_.spend(uint64_t{depth} * cols / 4)) return pass_.stopped();
        }
        return ACC_STATUS_OK;
    }

    Pass &pass_;
    acc_gemm_i8_args args_; // of the pair that is at work
    std::unique_ptr<Tile> tile_;
};

static_assert(kDepth <= kCols, "raw holds a row of either operand");

} // namespace

acc_status gemm_i8(Pass &pass)
{
    const auto args = pass.args<acc_gemm_i8_args>();
    Check check;
    check.at_least_1("m", args.m);
    check.at_least_1("n", args.n);
    check.at_least_1("k", args.k);
    check.between("a_zero", args.a_zero, -128, 127);
    check.between("b_zero", args.b_zero, -128, 127);
    const unsigned __int128 batch = std::max(args.batch, 1u);
    check.array("a", args.a, batch * args.m * args.k, 1);
    check.array("b", args.b, batch * args.k * args.n, 1);
    check.array("out", args.out, batch * args.m * args.n, 4);
    if (check.ok()) {
        const int64_t most = INT32_MAX / (reach(args.a_zero) * reach(args.b_zero));
        check.expect(
            args.k <= most,
            ("k of at most " + std::to_string(most) + ", or int32 sums could overflow").c_str(),
            std::to_string(args.k));
    }
    if (!check.ok()) return pass.refuse(check.take());
    return Gemm(pass, args).run();
}

} // namespace acc::emu::fpga
