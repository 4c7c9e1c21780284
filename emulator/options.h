// SPDX-License-Identifier: MIT
//
// Reads `key=value` options: each known key once, ranges checked, unknown keys refused by
// name together with those there are.
#pragma once

#include "emulator/engine.h"

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace acc::emu
{

class OptionReader
{
public:
    // `why` gets the first refusal. Both must outlive the reader.
    OptionReader(std::span<const Option> options, std::string &why) : options_(options), why_(why)
    {
    }

    // Each leaves `value` alone when the key is absent.
    void number(std::string_view key, uint64_t &value, uint64_t least, uint64_t most);
    void text(std::string_view key, std::string &value); // not empty
    void choice(std::string_view key, std::string &value, std::span<const std::string_view> values);
    void choice(std::string_view key, std::string &value,
                std::initializer_list<std::string_view> values)
    {
        choice(key, value, std::span(values.begin(), values.size()));
    }
    // False when anything was refused, an unknown key among it. Call last.
    bool finish();

private:
    const Option *find(std::string_view key);
    void refuse(std::string text);

    std::span<const Option> options_;
    std::string &why_;
    std::string known_;
    bool failed_ = false;
};

// "key=value,key=value" -> options; false with `why` when a part is no key=value or a key
// stands twice.
bool parse_options(std::string_view text, std::vector<Option> &options, std::string &why);

} // namespace acc::emu
