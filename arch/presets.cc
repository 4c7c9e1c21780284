// SPDX-License-Identifier: MIT
//
// The presets, as the files that they would be. docs/arch.md says where the numbers are from.
#include "arch/arch.h"

#include <algorithm>
#include <array>

namespace acc::arch
{
namespace
{

constexpr std::array<std::string_view, 3> kNames = {"puma", "isaac-like", "tiny"};

constexpr std::array<std::string_view, 3> kTexts = {
    // PUMA, Ankit et al., ASPLOS 2019: a node.
    R"(version = 1
name = "puma"

[machine]
slots = 1
tiles = 138
cores = 8
mvm_units = 2
registers = 1024
shared_words = 32768
fifos = 16
fifo_depth = 2
)",
    // ISAAC, Shafiee et al., ISCA 2016: 168 tiles of 12 units of 8 arrays; ADCs of 8 bits at
    // 1.28 GS/s, eDRAM of 64 KB, a vector unit that keeps up with the arrays.
    R"(version = 1
name = "isaac-like"

[machine]
slots = 1
tiles = 168
cores = 12
mvm_units = 1
registers = 1024
shared_words = 32768

[costs]
vector_lanes = 4
)",
    // For tests: everything there is, and little of it.
    R"(version = 1
name = "tiny"

[machine]
slots = 2
tiles = 4
cores = 2
mvm_units = 2
registers = 64
shared_words = 256
fifos = 4
fifo_depth = 2
core_instructions = 128
tile_instructions = 128
instruction_budget = 100000

[array]
rows = 16
cols = 16

[adc]
adc_bits = 6
)",
};

} // namespace

std::span<const std::string_view> presets()
{
    return kNames;
}

std::string_view preset_text(std::string_view preset)
{
    const auto at = std::find(kNames.begin(), kNames.end(), preset);
    return at == kNames.end() ? std::string_view{} : kTexts[size_t(at - kNames.begin())];
}

} // namespace acc::arch
