// SPDX-License-Identifier: MIT
#include "emulator/crossbar/config.h"

namespace acc::emu::crossbar
{
namespace
{

// What an arch may ask for and this engine doesn't model yet.
std::string not_modelled(const arch::Arch &a)
{
    const auto only = [](const char *key, const std::string &one, std::string_view found) {
        return "option " + std::string(key) + ": expected " + one +
               ", the only one this engine models yet; found " + std::string(found);
    };
    if (a.dac_bits != 1) return only("dac_bits", "1", std::to_string(a.dac_bits));
    if (a.sign != arch::Sign::Differential) return only("sign", "differential", name_of(a.sign));
    if (a.adc_range != arch::AdcRange::Aligned)
        return only("adc_range", "aligned", name_of(a.adc_range));
    if (a.prog_model != arch::ProgModel::None)
        return only("prog_model", "none", name_of(a.prog_model));
    const struct {
        const char *key;
        double value;
    } zero[] = {
        {"g_off", a.g_off},
        {"adc_offset_sigma", a.adc_offset_sigma},
        {"adc_gain_sigma", a.adc_gain_sigma},
        {"read_sigma", a.read_sigma},
        {"drift_nu", a.drift_nu},
        {"drift_sigma", a.drift_sigma},
        {"p_stuck_on", a.p_stuck_on},
        {"p_stuck_off", a.p_stuck_off},
        {"r_wire_row", a.r_wire_row},
        {"r_wire_col", a.r_wire_col},
        {"r_driver", a.r_driver},
        {"r_sense", a.r_sense},
    };
    if (a.row_gating) return only("row_gating", "false", "true");
    for (const auto &one : zero)
        if (one.value != 0) return only(one.key, "0", std::to_string(one.value));
    return {};
}

} // namespace

Result<Config> Config::create(std::span<const Option> options, std::string &why)
{
    Config config;
    // The arch first, wherever it stands: the other options change it.
    for (const Option &option : options) {
        if (option.key != "arch") continue;
        auto loaded = arch::load(option.value, why);
        if (!loaded) {
            why = "option arch: " + why;
            return Error{-EINVAL};
        }
        static_cast<arch::Arch &>(config) = std::move(*loaded);
    }
    for (const Option &option : options) {
        if (option.key == "arch") continue;
        if (option.key == "timing_only") {
            if (option.value != "0" && option.value != "1") {
                why = "option timing_only: expected 0 or 1; found '" + option.value + "'";
                return Error{-EINVAL};
            }
            config.timing_only = option.value == "1";
            continue;
        }
        const int error = arch::set(config, option.key, option.value, why);
        if (error == -ENOENT) {
            why = "unknown option '" + option.key + "': expected one of arch, timing_only";
            for (const arch::KeyInfo &key : arch::keys())
                why += ", " + std::string(key.key);
            return Error{-EINVAL};
        }
        if (error < 0) {
            why = "option " + why;
            return Error{-EINVAL};
        }
    }
    why = arch::check(config);
    if (why.empty()) why = not_modelled(config);
    if (!why.empty()) return Error{-EINVAL};
    config.arrays = config.arrays_per_slot();
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
