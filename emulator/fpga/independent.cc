// SPDX-License-Identifier: MIT
//
// Kernels that no network needs and programs like to call: digest, sort, histogram, filter.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <algorithm>
#include <sodium/crypto_hash_sha256.h>
#include <vector>

namespace acc::emu::fpga
{

acc_status sha256(Pass &pass)
{
    const auto args = pass.args<acc_sha256_args>();
    Check check;
    if (args.bytes) check.array("src", args.src, args.bytes, 1);
    check.array("dst", args.dst, crypto_hash_sha256_BYTES, 1);
    check.zero("reserved", args.reserved);
    if (!check.ok()) return pass.refuse(check.take());
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    uint8_t chunk[kChunk];
    for (uint64_t done = 0; done < args.bytes;) {
        const size_t n = std::min<uint64_t>(sizeof chunk, args.bytes - done);
        if (!pass.read(chunk, args.src + done, n)) return pass.no_read("src");
        crypto_hash_sha256_update(&state, chunk, n);
        if (!pass.spend(n)) return pass.stopped();
        done += n;
    }
    uint8_t digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state, digest);
    return pass.write(args.dst, digest, sizeof digest) ? ACC_STATUS_OK : pass.no_write("dst");
}

acc_status sort_i32(Pass &pass)
{
    const auto args = pass.args<acc_sort_args>();
    Check check;
    check.expect(args.count >= 1 && args.count <= 1u << 17, "count from 1 to 131072",
                 std::to_string(args.count));
    check.array("src", args.src, args.count, 4);
    check.array("dst", args.dst, args.count, 4);
    check.zero("reserved", args.reserved);
    if (!check.ok()) return pass.refuse(check.take());
    std::vector<int32_t> values(args.count);
    if (!pass.read(values.data(), args.src, args.count * 4)) return pass.no_read("src");
    std::sort(values.begin(), values.end());
    if (!pass.spend(args.count)) return pass.stopped();
    return pass.write(args.dst, values.data(), args.count * 4) ? ACC_STATUS_OK
                                                               : pass.no_write("dst");
}

acc_status histogram_u8(Pass &pass)
{
    const auto args = pass.args<acc_histogram_args>();
    Check check;
    check.at_least_1("count", args.count);
    check.array("src", args.src, args.count, 1);
    check.array("dst", args.dst, 256, 4);
    check.zero("reserved", args.reserved);
    if (!check.ok()) return pass.refuse(check.take());
    uint32_t counts[256] = {};
    uint8_t chunk[kChunk];
    for (uint64_t done = 0; done < args.count;) {
        const size_t n = std::min<uint64_t>(sizeof chunk, args.count - done);
        if (!pass.read(chunk, args.src + done, n)) return pass.no_read("src");
        for (size_t i = 0; i < n; i++)
            counts[chunk[i]]++;
        if (!pass.spend(n)) return pass.stopped();
        done += n;
    }
    return pass.write(args.dst, counts, sizeof counts) ? ACC_STATUS_OK : pass.no_write("dst");
}

acc_status fir_i32(Pass &pass)
{
    const auto args = pass.args<acc_fir_args>();
    Check check;
    check.at_least_1("count", args.count);
    check.between("tap_count", args.tap_count, 1, 256);
    check.array("src", args.src, args.count, 4);
    check.array("dst", args.dst, args.count, 4);
    check.array("taps", args.taps, args.tap_count, 4);
    check.zero("reserved", args.reserved);
    if (!check.ok()) return pass.refuse(check.take());
    uint32_t taps[256];
    if (!pass.read(taps, args.taps, args.tap_count * size_t{4})) return pass.no_read("taps");
    // What the filter remembers lies before each chunk.
    const size_t past = args.tap_count - 1;
    std::vector<uint32_t> in(past + kChunk), out(kChunk);
    for (uint64_t done = 0; done < args.count;) {
        const size_t n = std::min<uint64_t>(kChunk, args.count - done);
        if (!pass.read(in.data() + past, args.src + done * 4, n * 4)) return pass.no_read("src");
        for (size_t i = 0; i < n; i++) {
            uint32_t sum = 0;
            for (size_t k = 0; k < args.tap_count; k++)
                sum += taps[k] * in[past + i - k];
            out[i] = sum;
        }
        if (!pass.write(args.dst + done * 4, out.data(), n * 4)) return pass.no_write("dst");
        std::copy(in.begin() + static_cast<ptrdiff_t>(n),
                  in.begin() + static_cast<ptrdiff_t>(n + past), in.begin());
        if (!pass.spend(n * args.tap_count)) return pass.stopped();
        done += n;
    }
    return ACC_STATUS_OK;
}

} // namespace acc::emu::fpga
