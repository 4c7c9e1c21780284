// SPDX-License-Identifier: MIT
//
// Mutations of valid files, for smoke tests where there is no libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace acc::fuzz
{

// A valid file with one to four of: a byte changed, a bit flipped, a 32-bit word set to a
// number that counts and offsets dislike, a run copied elsewhere, the end cut off.
inline std::vector<std::byte> mutate(const std::vector<std::byte> &valid, std::mt19937 &random)
{
    constexpr uint32_t nasty[] = {0,      1,          0x7f,       0x80,      0xff,
                                  0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
    std::vector<std::byte> bytes = valid;
    const auto below = [&](size_t n) { return n ? random() % n : 0; };
    for (size_t i = 0, n = 1 + below(4); i < n && bytes.size() > 4; i++) {
        const size_t at = below(bytes.size() - 4);
        switch (below(8)) {
        case 0:
            bytes.resize(at + 1);
            break;
        case 1: {
            const size_t from = below(bytes.size() - 4);
            const size_t run = 1 + below(bytes.size() - (from > at ? from : at));
            std::memmove(bytes.data() + at, bytes.data() + from, run < 64 ? run : 64);
            break;
        }
        case 2:
        case 3:
            std::memcpy(bytes.data() + at, &nasty[below(std::size(nasty))], 4);
            break;
        case 4:
        case 5:
            bytes[at] = static_cast<std::byte>(random());
            break;
        default:
            bytes[at] ^= static_cast<std::byte>(1u << below(8));
            break;
        }
    }
    return bytes;
}

} // namespace acc::fuzz
