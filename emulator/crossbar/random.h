// SPDX-License-Identifier: MIT
//
// Random numbers as functions: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011) of a 128-bit counter and the seed. Nothing has a state, so
// nothing depends on the order in which threads ask. simd.h has the same for many counters.
//
//   word 0: stream << 24 | block << 20 | index   of a cell or column, below 2^20
//   word 1: the physical array
//   words 2, 3: the event
#pragma once

#include <array>
#include <cstdint>

namespace acc::emu::crossbar
{

// What a number is for: numbers of different streams are independent.
enum class Stream : uint32_t {
    Stuck = 1,    // of a physical cell, whatever is programmed
    Program = 2,  // event: (programming, four tries)
    Drift = 3,    // event: (programming, 0)
    Slow = 4,     // 1/f noise; event: (programming, step of the clock)
    Read = 5,     // of a column; event: the vector; block: four rounds
    ReadCell = 6, // of a cell, the oracle of the one above
    Adc = 7,      // offset and gain of a converter
    Measure = 8,  // of drift compensation
};

struct Counter {
    uint32_t word0 = 0, array = 0;
    uint32_t event_low = 0, event_high = 0;

    Counter(Stream stream, uint32_t index, uint64_t array_id, uint32_t low, uint32_t high,
            uint32_t block = 0)
        : word0(static_cast<uint32_t>(stream) << 24 | block << 20 | index),
          array(static_cast<uint32_t>(array_id)), event_low(low), event_high(high)
    {
    }
};

inline constexpr uint32_t kPhiloxMul0 = 0xD2511F53, kPhiloxMul1 = 0xCD9E8D57;
inline constexpr uint32_t kPhiloxKey0 = 0x9E3779B9, kPhiloxKey1 = 0xBB67AE85;
inline constexpr int kPhiloxRounds = 10;

inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, uint64_t seed)
{
    auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < kPhiloxRounds; round++) {
        const uint64_t p0 = uint64_t{kPhiloxMul0} * c[0], p1 = uint64_t{kPhiloxMul1} * c[2];
        c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(p1),
             static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(p0)};
        key0 += kPhiloxKey0;
        key1 += kPhiloxKey1;
    }
    return c;
}

inline std::array<uint32_t, 4> random_words(const Counter &c, uint64_t seed)
{
    return philox({c.word0, c.array, c.event_low, c.event_high}, seed);
}

// In [0, 1), 2^-32 apart.
inline double uniform(const Counter &c, uint64_t seed)
{
    return random_words(c, seed)[0] * 0x1p-32;
}

} // namespace acc::emu::crossbar
