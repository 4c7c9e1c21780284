// SPDX-License-Identifier: MIT
//
// Roles that join two arrays or more: rows one after the other, and products of
// elements.
#include "emulator/fpga/check.h"
#include "emulator/fpga/role.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

constexpr uint64_t kBuffer = 1u << 16;

Check check_concat(const acc_concat_args &args)
{
    Check check;
    check.at_least_1("rows", args.rows);
    check.at_least_1("bytes[0]", args.bytes[0]);
    unsigned __int128 row = 0;
    bool more = true;
    for (int i = 0; i < ACC_CONCAT_SOURCES; i++) {
        const auto field = [i](const char *name) {
            return std::string(name) + '[' + std::to_string(i) + ']';
        };
        more = more && args.bytes[i] != 0;
        if (!more) {
            check.zero(field("bytes").c_str(), args.bytes[i]);
            check.zero(field("src").c_str(), args.src[i]);
            check.zero(field("stride").c_str(), args.stride[i]);
            continue;
        }
        row += args.bytes[i];
        const auto rows = static_cast<unsigned __int128>(std::max<uint64_t>(args.rows, 1));
        check.array(field("src").c_str(), args.src[i], (rows - 1) * args.stride[i] + args.bytes[i],
                    1);
    }
    check.array("dst", args.dst, row * args.rows, 1);
    return check;
}

// `rows` rows from row `first` on, one after the other in `to`.
acc_status join_rows(Pass &pass, const acc_concat_args &args, uint64_t first, uint64_t rows,
                     uint64_t row_bytes, std::vector<int8_t> &scratch, int8_t *to)
{
    for (int i = 0; i < ACC_CONCAT_SOURCES && args.bytes[i]; i++) {
        const uint64_t bytes = args.bytes[i], stride = args.stride[i];
        const uint64_t from = args.src[i] + first * stride;
        if (stride == bytes) { // one piece of memory
            if (!pass.read(scratch.data(), from, rows * bytes)) return pass.no_read("src");
            for (uint64_t r = 0; r < rows; r++)
                std::copy_n(&scratch[r * bytes], bytes, to + r * row_bytes);
        } else {
            for (uint64_t r = 0; r < rows; r++)
                if (!pass.read(to + r * row_bytes, from + r * stride, bytes))
                    return pass.no_read("src");
        }
        to += bytes;
    }
    return ACC_STATUS_OK;
}

// Rows that are longer than the buffer, piece by piece.
acc_status join_long(Pass &pass, const acc_concat_args &args, std::vector<int8_t> &piece)
{
    uint64_t to = args.dst;
    for (uint64_t r = 0; r < args.rows; r++)
        for (int i = 0; i < ACC_CONCAT_SOURCES && args.bytes[i]; i++)
            for (uint64_t at = 0; at < args.bytes[i]; at += kBuffer) {
                const uint64_t bytes = std::min<uint64_t>(kBuffer, args.bytes[i] - at);
                const uint64_t from = args.src[i] + r * args.stride[i] + at;
                if (!pass.read(piece.data(), from, bytes)) return pass.no_read("src");
                if (!pass.write(to, piece.data(), bytes)) return pass.no_write("dst");
                if (!pass.spend(bytes)) return pass.stopped();
                to += bytes;
            }
    return ACC_STATUS_OK;
}

Check check_mul(const acc_mul_i8_args &args)
{
    Check check;
    check.at_least_1("outer", args.outer);
    check.at_least_1("middle", args.middle);
    check.at_least_1("inner", args.inner);
    const uint64_t all = saturating_product(args.outer, args.middle, args.inner);
    check.array("a", args.a, all, 1);
    check.array("b", args.b, saturating_product(args.outer, args.inner), 1);
    check.array("dst", args.dst, all, 1);
    check.between("a_zero", args.a_zero, -128, 127);
    check.between("b_zero", args.b_zero, -128, 127);
    check.between("multiplier", args.multiplier, 0, std::numeric_limits<int32_t>::max());
    check.between("shift", args.shift, 1, 62);
    check.between("zero_point", args.zero_point, -128, 127);
    check.clamp<int8_t>(args.min, args.max);
    check.zero("reserved", args.reserved);
    return check;
}

} // namespace

acc_status concat_i8(Pass &pass)
{
    const auto args = pass.args<acc_concat_args>();
    Check check = check_concat(args);
    if (!check.ok()) return pass.refuse(check.take());
    uint64_t row = 0;
    for (const uint32_t bytes : args.bytes)
        row += bytes;
    std::vector<int8_t> scratch(kBuffer), out(kBuffer);
    if (row > kBuffer) return join_long(pass, args, scratch);
    const uint64_t most = kBuffer / row;
    for (uint64_t first = 0; first < args.rows; first += most) {
        const uint64_t rows = std::min<uint64_t>(most, args.rows - first);
        const acc_status status = join_rows(pass, args, first, rows, row, scratch, out.data());
        if (status != ACC_STATUS_OK) return status;
        if (!pass.write(args.dst + first * row, out.data(), rows * row))
            return pass.no_write("dst");
        if (!pass.spend(rows * row)) return pass.stopped();
    }
    return ACC_STATUS_OK;
}

acc_status mul_i8(Pass &pass)
{
    auto args = pass.args<acc_mul_i8_args>();
    Check check = check_mul(args);
    if (!check.ok()) return pass.refuse(check.take());
    if (args.middle == 1) { // one long row
        args.inner *= args.outer;
        args.outer = 1;
    }
    const int64_t half = int64_t{1} << (args.shift - 1);
    std::vector<int8_t> a(kBuffer), b(kBuffer);
    for (uint64_t o = 0; o < args.outer; o++)
        for (uint64_t at = 0; at < args.inner; at += kBuffer) {
            // A piece of the factors, and as many rows of it as fit.
            const uint64_t n = std::min<uint64_t>(kBuffer, args.inner - at);
            if (!pass.read(b.data(), args.b + o * args.inner + at, n)) return pass.no_read("b");
            const uint64_t most = n == args.inner ? kBuffer / n : 1;
            for (uint64_t m = 0; m < args.middle; m += most) {
                const uint64_t rows = std::min<uint64_t>(most, args.middle - m);
                const uint64_t offset = (o * args.middle + m) * args.inner + at;
                if (!pass.read(a.data(), args.a + offset, rows * n)) return pass.no_read("a");
                for (uint64_t r = 0; r < rows; r++)
                    for (uint64_t i = 0; i < n; i++) {
                        int8_t &v = a[r * n + i];
                        // 18 bits by 31.
                        const int64_t product =
                            int64_t{v - args.a_zero} * (b[i] - args.b_zero) * args.multiplier;
                        const int64_t scaled = ((product + half) >> args.shift) + args.zero_point;
                        v = static_cast<int8_t>(std::clamp<int64_t>(scaled, args.min, args.max));
                    }
                if (!pass.write(args.dst + offset, a.data(), rows * n)) return pass.no_write("dst");
                if (!pass.spend(rows * n)) return pass.stopped();
            }
        }
    return ACC_STATUS_OK;
}

} // namespace acc::emu::fpga
