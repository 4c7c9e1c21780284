// SPDX-License-Identifier: MIT
#include "emulator/crossbar/config.h"

#include "emulator/options.h"

namespace acc::emu::crossbar
{

Result<Config> Config::create(std::span<const Option> options, std::string &why)
{
    Config config;
    uint64_t rows = config.rows, cols = config.cols, cell_bits = config.cell_bits;
    uint64_t adc_bits = config.adc_bits, dac_bits = 1, slots = config.slots;
    std::string sign = "differential";

    OptionReader reader(options, why);
    reader.number("rows", rows, 1, 1024);
    reader.number("cols", cols, 1, 1024);
    reader.number("cell_bits", cell_bits, 1, 8);
    reader.number("adc_bits", adc_bits, 0, 16);
    reader.number("dac_bits", dac_bits, 1, 16);
    reader.choice("sign", sign, {"differential", "offset", "twos"});
    reader.number("arrays", config.arrays, 1, 1u << 24);
    reader.number("slots", slots, 1, 64);
    reader.number("seed", config.seed, 0, ~0ull);
    if (!reader.finish()) return Error{-EINVAL};
    if (dac_bits != 1) {
        why = "option dac_bits: expected 1, the only one this engine models yet; found " +
              std::to_string(dac_bits);
        return Error{-EINVAL};
    }
    if (sign != "differential") {
        why = "option sign: expected differential, the only one this engine models yet; found " +
              sign;
        return Error{-EINVAL};
    }
    config.rows = static_cast<uint32_t>(rows);
    config.cols = static_cast<uint32_t>(cols);
    config.cell_bits = static_cast<uint32_t>(cell_bits);
    config.adc_bits = static_cast<uint32_t>(adc_bits);
    config.slots = static_cast<uint32_t>(slots);
    return config;
}

std::string Config::text() const
{
    return "rows=" + std::to_string(rows) + ",cols=" + std::to_string(cols) +
           ",cell_bits=" + std::to_string(cell_bits) + ",adc_bits=" + std::to_string(adc_bits) +
           ",arrays=" + std::to_string(arrays) + ",slots=" + std::to_string(slots) +
           ",seed=" + std::to_string(seed);
}

} // namespace acc::emu::crossbar
