// SPDX-License-Identifier: MIT
//
// Runs a compiled file's plan by the integer interpreter, for tests.
#pragma once

#include "tools/accc/accc.h"
#include "tools/accc/reference/plan_interpreter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <vector>

namespace acc::accc
{

// All outputs as floats for `batch` items from `first` on; empty on a failure, which it records.
inline std::vector<std::vector<float>> run_plan(std::span<const std::byte> bytes,
                                                const Samples &samples, size_t first, size_t batch)
{
    std::string why;
    const auto file = program::ProgramFile::parse(bytes, &why);
    if (!file) {
        ADD_FAILURE() << why;
        return {};
    }
    const auto plan = PlanInterpreter::create(*file, &why);
    if (!plan) {
        ADD_FAILURE() << why;
        return {};
    }
    std::vector<std::span<const std::byte>> inputs;
    for (const std::vector<float> &all : samples.inputs) {
        const size_t size = all.size() / samples.items;
        inputs.push_back(std::as_bytes(std::span(all).subspan(first * size, batch * size)));
    }
    const auto raw = plan->run(batch, inputs, &why);
    if (!raw) {
        ADD_FAILURE() << why;
        return {};
    }
    std::vector<std::vector<float>> outputs;
    for (const std::vector<std::byte> &bytes_out : *raw) {
        auto &values = outputs.emplace_back(bytes_out.size() / sizeof(float));
        std::memcpy(values.data(), bytes_out.data(), bytes_out.size());
    }
    return outputs;
}

} // namespace acc::accc
