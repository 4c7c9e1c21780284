// SPDX-License-Identifier: MIT
//
// The fuzz targets of the device on random inputs, where there is no libFuzzer. A failure
// says which seed: ACC_TEST_SEED=N repeats it.
#include "tests/effort.h"
#include "tests/fuzz/ioctl.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/packets.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

namespace acc::fuzz
{

namespace
{

void smoke(void (*target)(std::span<const std::byte>),
           const std::vector<std::vector<std::byte>> &seeds, unsigned rounds)
{
    const char *given = std::getenv("ACC_TEST_SEED");
    const uint32_t seed =
        given ? uint32_t(std::strtoul(given, nullptr, 0)) : std::random_device{}();
    std::cout << "ACC_TEST_SEED=" << seed << std::endl; // before it may abort
    std::mt19937 random(seed);
    for (unsigned i = 0; i < rounds; i++) {
        std::vector<std::byte> input;
        if (i % 2) {
            input = mutate(seeds[random() % seeds.size()], random);
        } else {
            input.resize(1 + random() % 1000);
            for (std::byte &byte : input)
                byte = std::byte(random());
        }
        target(input);
    }
}

TEST(Fuzz, PacketsOfAHostileClient)
{
    smoke(try_packets, packets_seeds(), effort(1000));
}

TEST(Fuzz, IoctlsOfAHostileClient)
{
    smoke(try_ioctls, ioctl_seeds(), effort(2000));
}

} // namespace

} // namespace acc::fuzz
