// SPDX-License-Identifier: MIT
//
// Thousands of spoilt models, each either compiled or refused with a text.
#include "tests/fuzz/importers.h"
#include "tests/fuzz/mutate.h"

#include <gtest/gtest.h>

namespace acc::accc
{
namespace
{

TEST(Mutation, ModelsAreCompiledOrRefused)
{
    std::mt19937 random(1);
    size_t refused = 0, accepted = 0;
    for (const auto &seed : fuzz::onnx_seeds()) {
        EXPECT_EQ(fuzz::try_onnx(seed), "");
        for (int i = 0; i < 1500; i++)
            (fuzz::try_onnx(fuzz::mutate(seed, random)).empty() ? accepted : refused)++;
    }
    EXPECT_GT(refused, 1000u);
    EXPECT_GT(accepted, 100u);
}

void spoil(const std::vector<std::vector<std::byte>> &seeds,
           std::string (*try_model)(std::span<const std::byte>))
{
    std::mt19937 random(2);
    size_t refused = 0;
    for (const auto &seed : seeds) {
        EXPECT_EQ(try_model(seed), "");
        for (size_t size = 0; size < seed.size(); size += 3)
            try_model(std::span(seed).first(size));
        for (int i = 0; i < 800; i++)
            refused += !try_model(fuzz::mutate(seed, random)).empty();
    }
    EXPECT_GT(refused, 200u);
}

TEST(Mutation, TensorFlowLite)
{
    spoil(fuzz::tflite_seeds(), fuzz::try_tflite);
}

TEST(Mutation, GraphDef)
{
    spoil(fuzz::graphdef_seeds(), fuzz::try_graphdef);
}

TEST(Mutation, EveryTruncationOfAModel)
{
    const auto seed = fuzz::onnx_seeds()[0];
    for (size_t size = 0; size < seed.size(); size++)
        EXPECT_NE(fuzz::try_onnx(std::span(seed).first(size)), "") << size << " of " << seed.size();
}

} // namespace
} // namespace acc::accc
