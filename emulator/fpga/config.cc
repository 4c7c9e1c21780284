// SPDX-License-Identifier: MIT
#include "emulator/fpga/config.h"

#include "emulator/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

namespace acc::emu::fpga
{

namespace
{

// "40000/80000/54/300"; false: it is no such text.
bool parse_size(std::string_view text, Resources &size)
{
    for (size_t i = 0; i < size.size(); i++) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size[i]);
        if (error != std::errc() || size[i] > 1'000'000'000 || (i == 0 && !size[i])) return false;
        text.remove_prefix(static_cast<size_t>(end - text.data()));
        if (text.empty() != (i + 1 == size.size())) return false;
        if (text.empty()) break;
        if (text.front() != '/') return false;
        text.remove_prefix(1);
    }
    return true;
}

} // namespace

Result<Config> Config::create(std::span<const Option> options, std::string &why)
{
    Config config;
    uint64_t regions = config.regions, slots = 0, big = 0, clock_mhz = config.clock_mhz;
    uint64_t setup_us = ~uint64_t{0}, bandwidth = ~uint64_t{0};
    OptionReader reader(options, why);
    reader.number("regions", regions, 1, 64);
    reader.number("slots", slots, 1, 64);
    reader.number("big", big, 0, 64);
    reader.number("clock_mhz", clock_mhz, 1, 2000);
    reader.choice("preset", config.preset, {"fast", "zcu106", "coyote"});
    reader.number("setup_us", setup_us, 0, 60'000'000);
    reader.number("bandwidth", bandwidth, 0, 1'000'000'000'000);
    std::string size, big_size;
    reader.text("size", size);
    reader.text("big_size", big_size);
    reader.choice("isolation", config.isolation, {"untrusted", "native", "all"});
    uint64_t staging_mb = config.staging_bytes >> 20;
    reader.number("staging", staging_mb, 1, 65536);
    reader.text("keys", config.keys);
    reader.text("trace", config.trace);
    if (!reader.finish()) return Error{-EINVAL};

    const bool named = std::any_of(options.begin(), options.end(),
                                   [](const Option &o) { return o.key == "regions"; });
    if (slots && named && slots != regions) {
        why = "expected regions or slots, which are the same; found regions=" +
              std::to_string(regions) + " and slots=" + std::to_string(slots);
        return Error{-EINVAL};
    }
    config.regions = static_cast<uint32_t>(slots ? slots : regions);
    if (big > config.regions) {
        why = "option big: expected at most the " + std::to_string(config.regions) +
              " regions, found " + std::to_string(big);
        return Error{-EINVAL};
    }
    config.big = static_cast<uint32_t>(big);
    for (const auto &[key, text, out] :
         {std::tuple("size", &size, &config.size), {"big_size", &big_size, &config.big_size}}) {
        if (text->empty() || parse_size(*text, *out)) continue;
        why = std::string("option ") + key +
              ": expected LUTs/FFs/BRAMs/DSPs, as 40000/80000/54/300, found '" + *text + "'";
        return Error{-EINVAL};
    }
    config.clock_mhz = static_cast<uint32_t>(clock_mhz);
    config.staging_bytes = staging_mb << 20;
    if (config.preset == "zcu106")
        config.bytes_per_second = kRegionBytes * 1'000'000'000 / kZcu106LoadNs;
    else if (config.preset == "coyote")
        config.setup_us = kCoyoteLoadNs / 1000;
    if (setup_us != ~uint64_t{0}) config.setup_us = setup_us;
    if (bandwidth != ~uint64_t{0}) config.bytes_per_second = bandwidth;
    return config;
}

std::string Config::text() const
{
    return "regions=" + std::to_string(regions) + (big ? ",big=" + std::to_string(big) : "") +
           ",clock_mhz=" + std::to_string(clock_mhz) + ",preset=" + preset +
           ",setup_us=" + std::to_string(setup_us) +
           ",bandwidth=" + std::to_string(bytes_per_second);
}

std::string Config::check_class(uint32_t class_id) const
{
    if (class_id <= (big ? kBigClass : kRegionClass)) return {};
    return std::string("expected region class ") + (big ? "0, 1 or 2" : "0 or 1") + "; found " +
           std::to_string(class_id);
}

uint64_t Config::load_ns(uint64_t bitstream_bytes) const
{
    double ns = static_cast<double>(setup_us) * 1e3;
    if (bytes_per_second)
        ns += static_cast<double>(bitstream_bytes) * 1e9 / static_cast<double>(bytes_per_second);
    return static_cast<uint64_t>(std::llround(std::min(ns, 1e18)));
}

uint64_t Config::load_pj(uint64_t load_ns) const
{
    return static_cast<uint64_t>(
        std::llround(std::min(static_cast<double>(load_ns) * kConfigurePjPerNs, 1e18)));
}

} // namespace acc::emu::fpga
