// SPDX-License-Identifier: MIT
#include "emulator/options.h"

#include <algorithm>
#include <charconv>

namespace acc::emu
{

const Option *OptionReader::find(std::string_view key)
{
    known_ += known_.empty() ? "" : ", ";
    known_ += key;
    for (const Option &option : options_)
        if (option.key == key) return &option;
    return nullptr;
}

void OptionReader::refuse(std::string text)
{
    if (!failed_) why_ = std::move(text);
    failed_ = true;
}

void OptionReader::number(std::string_view key, uint64_t &value, uint64_t least, uint64_t most)
{
    const Option *option = find(key);
    if (!option) return;
    const char *end = option->value.data() + option->value.size();
    uint64_t parsed = 0;
    const auto result = std::from_chars(option->value.data(), end, parsed);
    if (result.ec != std::errc() || result.ptr != end || parsed < least || parsed > most) {
        refuse("option " + option->key + ": expected a number from " + std::to_string(least) +
               " to " + std::to_string(most) + ", found '" + option->value + "'");
        return;
    }
    value = parsed;
}

void OptionReader::text(std::string_view key, std::string &value)
{
    const Option *option = find(key);
    if (!option) return;
    if (option->value.empty())
        refuse("option " + option->key + ": expected a value, found none");
    else
        value = option->value;
}

void OptionReader::choice(std::string_view key, std::string &value,
                          std::span<const std::string_view> values)
{
    const Option *option = find(key);
    if (!option) return;
    if (std::find(values.begin(), values.end(), option->value) != values.end()) {
        value = option->value;
        return;
    }
    std::string text = "option " + option->key + ": expected one of";
    for (const auto &one : values)
        text += " " + std::string(one);
    refuse(text + ", found '" + option->value + "'");
}

bool OptionReader::finish()
{
    for (const Option &option : options_) {
        // known_ is "a, b, c": look for the key as a whole word.
        const std::string padded = ", " + known_ + ",";
        if (padded.find(", " + option.key + ",") == std::string::npos)
            refuse("unknown option '" + option.key + "': expected one of " + known_);
    }
    return !failed_;
}

bool parse_options(std::string_view text, std::vector<Option> &options, std::string &why)
{
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        const size_t equals = part.find('=');
        if (equals == std::string_view::npos || !equals) {
            why = "expected key=value, found '" + std::string(part) + "'";
            return false;
        }
        Option option{std::string(part.substr(0, equals)), std::string(part.substr(equals + 1))};
        for (const Option &other : options) {
            if (other.key != option.key) continue;
            why = "option " + option.key + " stands twice";
            return false;
        }
        options.push_back(std::move(option));
    }
    return true;
}

} // namespace acc::emu
