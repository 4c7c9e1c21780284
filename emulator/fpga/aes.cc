// SPDX-License-Identifier: MIT
//
// AES in counter mode. A model of a core, not for secrets of the host: its tables' timing tells
// the key to who can measure it.
#include "emulator/fpga/check.h"
#include "emulator/fpga/stream.h"

#include <array>
#include <bit>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

using Block = std::array<uint8_t, 16>;

constexpr uint8_t times_x(uint8_t a)
{
    return static_cast<uint8_t>((a << 1) ^ (a & 0x80 ? 0x1b : 0));
}

// FIPS 197, 5.1.1: the inverse in GF(2^8), then an affine map.
constexpr std::array<uint8_t, 256> make_sbox()
{
    std::array<uint8_t, 256> box{};
    uint8_t p = 1, q = 1; // p runs through all elements as powers of 3, q is its inverse
    do {
        p = static_cast<uint8_t>(p ^ times_x(p));
        q = static_cast<uint8_t>(q ^ (q << 1));
        q = static_cast<uint8_t>(q ^ (q << 2));
        q = static_cast<uint8_t>(q ^ (q << 4));
        if (q & 0x80) q ^= 0x09;
        box[p] = static_cast<uint8_t>(q ^ std::rotl(q, 1) ^ std::rotl(q, 2) ^ std::rotl(q, 3) ^
                                      std::rotl(q, 4) ^ 0x63);
    } while (p != 1);
    box[0] = 0x63;
    return box;
}
constexpr std::array<uint8_t, 256> sbox = make_sbox();
static_assert(sbox[0x53] == 0xed); // the standard's example

// Round keys (5.2), 16 bytes each.
std::vector<uint8_t> expand(const uint8_t *key, size_t bytes)
{
    const size_t rounds = bytes / 4 + 6;
    std::vector<uint8_t> words(key, key + bytes);
    uint8_t rcon = 1;
    while (words.size() < 16 * (rounds + 1)) {
        uint8_t t[4];
        std::copy_n(words.end() - 4, 4, t);
        if (words.size() % bytes == 0) {
            const uint8_t first = t[0];
            t[0] = static_cast<uint8_t>(sbox[t[1]] ^ rcon);
            t[1] = sbox[t[2]];
            t[2] = sbox[t[3]];
            t[3] = sbox[first];
            rcon = times_x(rcon);
        } else if (bytes == 32 && words.size() % bytes == 16) {
            for (uint8_t &byte : t)
                byte = sbox[byte];
        }
        const size_t from = words.size() - bytes;
        for (size_t i = 0; i < 4; i++)
            words.push_back(static_cast<uint8_t>(words[from + i] ^ t[i]));
    }
    return words;
}

Block encrypt(const std::vector<uint8_t> &keys, Block s)
{
    const size_t rounds = keys.size() / 16 - 1;
    const auto add_key = [&](size_t round) {
        for (size_t i = 0; i < 16; i++)
            s[i] ^= keys[round * 16 + i];
    };
    add_key(0);
    for (size_t round = 1; round <= rounds; round++) {
        Block t;
        for (size_t c = 0; c < 4; c++) // SubBytes and ShiftRows
            for (size_t r = 0; r < 4; r++)
                t[c * 4 + r] = sbox[s[(c + r) % 4 * 4 + r]];
        s = t;
        if (round < rounds)
            for (size_t c = 0; c < 4; c++) { // MixColumns
                uint8_t *a = &t[c * 4];
                const auto all = static_cast<uint8_t>(a[0] ^ a[1] ^ a[2] ^ a[3]);
                for (size_t r = 0; r < 4; r++)
                    s[c * 4 + r] = static_cast<uint8_t>(
                        a[r] ^ all ^ times_x(static_cast<uint8_t>(a[r] ^ a[(r + 1) % 4])));
            }
        add_key(round);
    }
    return s;
}

void increment(Block &counter)
{
    for (size_t i = 16; i-- > 0 && ++counter[i] == 0;) {
    }
}

} // namespace

acc_status aes_ctr(Pass &pass)
{
    const auto args = pass.args<acc_aes_ctr_args>();
    Check check;
    check.at_least_1("bytes", args.bytes);
    check.array("src", args.src, args.bytes, 1);
    check.array("dst", args.dst, args.bytes, 1);
    check.expect(args.key_bytes == 16 || args.key_bytes == 32, "key_bytes of 16 or 32",
                 std::to_string(args.key_bytes));
    check.zero("reserved", args.reserved);
    if (args.key_bytes == 16)
        for (size_t i = 16; i < 32; i++)
            check.zero("key behind key_bytes", args.key[i]);
    if (!check.ok()) return pass.refuse(check.take());
    const std::vector<uint8_t> keys = expand(args.key, args.key_bytes);
    Block counter;
    std::copy_n(args.iv, 16, counter.begin());
    // Chunks are whole blocks, so the counter goes on from one to the next.
    static_assert(kChunk % 16 == 0);
    return map_array<uint8_t, uint8_t>(
        pass, args.src, args.dst, args.bytes, [&](const uint8_t *src, uint8_t *dst, size_t n) {
            for (size_t i = 0; i < n; i += 16) {
                const Block stream = encrypt(keys, counter);
                increment(counter);
                for (size_t j = 0; j < std::min<size_t>(16, n - i); j++)
                    dst[i + j] = static_cast<uint8_t>(src[i + j] ^ stream[j]);
            }
        });
}

} // namespace acc::emu::fpga
