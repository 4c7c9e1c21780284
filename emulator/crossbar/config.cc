// SPDX-License-Identifier: MIT
#include "emulator/crossbar/config.h"

#include "emulator/crossbar/device_models.h"
#include "emulator/crossbar/wires.h"

#include <charconv>
#include <sstream>

namespace acc::emu::crossbar
{
namespace
{

// What an arch may ask for and this build or a device of this kind can't do.
std::string not_modelled(const Config &config)
{
    if (config.has_wires() && !have_wires())
        return "option r_wire_row and its like: expected 0, for this build has no Eigen to solve "
               "the circuit; found a resistance";
    if (std::string text = check_device(config); !text.empty()) return "option " + text;
    return {};
}

// Options that are no keys of an arch: of the emulator, not of the hardware.
template <typename T>
bool own_number(const Option &option, T least, T most, T &value, std::string &why)
{
    T parsed = 0;
    const char *end = option.value.data() + option.value.size();
    const auto result = std::from_chars(option.value.data(), end, parsed);
    if (result.ec == std::errc() && result.ptr == end && parsed >= least && parsed <= most) {
        value = parsed;
        return true;
    }
    std::ostringstream text;
    text << "option " << option.key << ": expected a number from " << least << " to " << most
         << "; found '" << option.value << "'";
    why = text.str();
    return false;
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
        if (option.key == "threads") {
            if (!own_number(option, 0u, 256u, config.threads, why)) return Error{-EINVAL};
            continue;
        }
        if (option.key == "compensate") {
            uint32_t flag = 0;
            if (!own_number(option, 0u, 1u, flag, why)) return Error{-EINVAL};
            config.compensate = flag == 1;
            continue;
        }
        if (option.key == "age") {
            if (!own_number(option, 0.0, 1e12, config.age, why)) return Error{-EINVAL};
            continue;
        }
        if (option.key == "arrays" && option.value == "0") { // of an arch: those of its tiles
            why = "option arrays: expected a number from 1; found '0'";
            return Error{-EINVAL};
        }
        const int error = arch::set(config, option.key, option.value, why);
        if (error == -ENOENT) {
            why = "unknown option '" + option.key +
                  "': expected one of arch, timing_only, threads, age, compensate";
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
