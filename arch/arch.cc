// SPDX-License-Identifier: MIT
//
// What an arch is without its file: derived sizes, single keys by name, checks, documentation.
#include "arch/arch.h"

#include "arch/fields.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace acc::arch
{
namespace
{

std::string number_text(double value)
{
    // The shortest text that is the same number.
    char text[64];
    const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
    return {text, end};
}

template <size_t N>
std::string alternatives(const std::array<std::string_view, N> &names)
{
    std::string text;
    for (size_t i = 0; i < N; i++)
        text += (i == 0 ? "" : i + 1 == N ? " or " : ", ") + std::string(names[i]);
    return text;
}

struct Setter {
    std::string_view key, value;
    std::string &why;
    bool found = false, failed = false;

    void refuse(const Field &f, const std::string &expected)
    {
        failed = true;
        why =
            std::string(f.key) + ": expected " + expected + ", found '" + std::string(value) + "'";
    }

    template <typename T>
    void number(const Field &f, T &to, uint64_t least, uint64_t most)
    {
        if (f.key != key) return;
        found = true;
        uint64_t parsed = 0;
        const char *end = value.data() + value.size();
        const auto result = std::from_chars(value.data(), end, parsed);
        if (result.ec != std::errc() || result.ptr != end || parsed < least || parsed > most)
            return refuse(f,
                          "a number from " + std::to_string(least) + " to " + std::to_string(most));
        to = static_cast<T>(parsed);
    }
    void real(const Field &f, double &to, double least, double most)
    {
        if (f.key != key) return;
        found = true;
        double parsed = 0;
        const char *end = value.data() + value.size();
        const auto result = std::from_chars(value.data(), end, parsed);
        if (result.ec != std::errc() || result.ptr != end || !(parsed >= least && parsed <= most))
            return refuse(f, "a number from " + number_text(least) + " to " + number_text(most));
        to = parsed;
    }
    void flag(const Field &f, bool &to)
    {
        if (f.key != key) return;
        found = true;
        if (value != "true" && value != "false") return refuse(f, "true or false");
        to = value == "true";
    }
    template <typename E>
    void choice(const Field &f, E &to)
    {
        if (f.key != key) return;
        found = true;
        const auto &names = Names<E>::all;
        for (size_t i = 0; i < names.size(); i++)
            if (names[i] == value) {
                to = static_cast<E>(i);
                return;
            }
        refuse(f, alternatives(names));
    }
};

struct Lister {
    std::vector<KeyInfo> keys;

    void add(const Field &f, std::string range)
    {
        keys.push_back({f.table, f.key, f.unit, f.what, std::move(range)});
    }
    template <typename T>
    void number(const Field &f, const T &, uint64_t least, uint64_t most)
    {
        add(f, std::to_string(least) + " to " + std::to_string(most));
    }
    void real(const Field &f, const double &, double least, double most)
    {
        add(f, number_text(least) + " to " + number_text(most));
    }
    void flag(const Field &f, const bool &) { add(f, "true or false"); }
    template <typename E>
    void choice(const Field &f, const E &)
    {
        add(f, alternatives(Names<E>::all));
    }
};

struct Writer {
    std::string text;
    std::string_view table;

    void key(const Field &f, const std::string &value)
    {
        if (f.table != table) {
            table = f.table;
            text += "\n[" + std::string(table) + "]\n";
        }
        text += std::string(f.key) + " = " + value + "\n";
    }
    template <typename T>
    void number(const Field &f, const T &value, uint64_t, uint64_t)
    {
        key(f, std::to_string(value));
    }
    void real(const Field &f, const double &value, double, double)
    {
        std::string number = number_text(value);
        // TOML tells integers and floats apart by their looks.
        if (number.find_first_of(".e") == std::string::npos) number += ".0";
        key(f, number);
    }
    void flag(const Field &f, const bool &value) { key(f, value ? "true" : "false"); }
    template <typename E>
    void choice(const Field &f, const E &value)
    {
        key(f, "\"" + std::string(name_of(value)) + "\"");
    }
};

} // namespace

uint32_t Arch::arrays_per_unit() const
{
    const auto slices = [this](uint32_t bits) { return (bits + cell_bits - 1) / cell_bits; };
    switch (sign) {
    case Sign::Offset:
        return slices(weight_bits);
    case Sign::Twos:
        return slices(weight_bits - 1) + 1; // the sign bit has a slice of its own
    default:
        return 2 * slices(weight_bits);
    }
}

int set(Arch &arch, std::string_view key, std::string_view value, std::string &why)
{
    Setter setter{key, value, why};
    Arch changed = arch;
    for_each_field(changed, setter);
    if (!setter.found) {
        why = "expected a key of an arch; found '" + std::string(key) + "'";
        return -ENOENT;
    }
    if (setter.failed) return -EINVAL;
    arch = changed;
    return 0;
}

std::string check(const Arch &a)
{
    if (a.adcs_per_array > a.cols)
        return "expected at most an ADC for each of " + std::to_string(a.cols) +
               " columns (adcs_per_array); found " + std::to_string(a.adcs_per_array);
    if (a.dac_bits > a.input_bits)
        return "expected dac_bits of at most input_bits, " + std::to_string(a.input_bits) +
               "; found " + std::to_string(a.dac_bits);
    if (a.g_off >= a.g_on)
        return "expected g_off below g_on, " + number_text(a.g_on) + " µS; found " +
               number_text(a.g_off);
    if (a.p_stuck_on + a.p_stuck_off > 1)
        return "expected p_stuck_on + p_stuck_off of at most 1; found " +
               number_text(a.p_stuck_on + a.p_stuck_off);
    return {};
}

std::string check_programs(const Arch &a)
{
    if (a.core_registers() <= kMaxRegisters) return {};
    return "expected at most " + std::to_string(kMaxRegisters) +
           " registers of a core, mvm_units * (rows + cols) + registers, as instructions can name; "
           "found " +
           std::to_string(a.core_registers());
}

std::string to_toml(const Arch &arch)
{
    Writer writer;
    writer.text = "version = " + std::to_string(kVersion) + "\nname = \"" + arch.name + "\"\n";
    for_each_field(arch, writer);
    return std::move(writer.text);
}

std::vector<KeyInfo> keys()
{
    Lister lister;
    const Arch arch;
    for_each_field(arch, lister);
    return std::move(lister.keys);
}

namespace
{
template <typename E>
std::string_view named(E value)
{
    const auto i = static_cast<size_t>(value);
    return i < Names<E>::all.size() ? Names<E>::all[i] : "?";
}
} // namespace

std::string_view name_of(Sign value)
{
    return named(value);
}
std::string_view name_of(AdcRange value)
{
    return named(value);
}
std::string_view name_of(ProgModel value)
{
    return named(value);
}
std::string_view name_of(Rounding value)
{
    return named(value);
}
std::string_view name_of(Overflow value)
{
    return named(value);
}

} // namespace acc::arch
