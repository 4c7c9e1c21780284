// SPDX-License-Identifier: MIT
//
// Thousands of spoilt containers, each either read or refused with a text.
#include "tests/fuzz/container.h"
#include "tests/fuzz/mutate.h"

#include <gtest/gtest.h>

namespace acc::program
{
namespace
{

TEST(Mutation, ContainersAreReadOrRefused)
{
    std::mt19937 random(1);
    size_t refused = 0, accepted = 0;
    for (const auto &seed : fuzz::container_seeds()) {
        EXPECT_EQ(fuzz::try_container(seed), "");
        for (int i = 0; i < 2500; i++)
            (fuzz::try_container(fuzz::mutate(seed, random)).empty() ? accepted : refused)++;
    }
    // Most spoil something that is checked; many hit padding or weights.
    EXPECT_GT(refused, 2000u);
    EXPECT_GT(accepted, 100u);
}

} // namespace
} // namespace acc::program
