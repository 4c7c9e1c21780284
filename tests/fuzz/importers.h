// SPDX-License-Identifier: MIT
//
// What is done with the bytes of a model's file, by libFuzzer and by the mutation test: import,
// and, where the graph is small, compile.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace acc::fuzz
{

// The text that refused the model, empty when it was accepted; aborts when a refusal has no
// text or when what the compiler wrote is no program.
std::string try_onnx(std::span<const std::byte> bytes);
std::string try_tflite(std::span<const std::byte> bytes);
std::string try_graphdef(std::span<const std::byte> bytes);

// Small valid models that use every operator of a format between them.
std::vector<std::vector<std::byte>> onnx_seeds();
std::vector<std::vector<std::byte>> tflite_seeds();
std::vector<std::vector<std::byte>> graphdef_seeds();

} // namespace acc::fuzz
