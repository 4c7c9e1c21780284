// SPDX-License-Identifier: MIT
//
// An input as a sequence of choices, for the two targets that drive an emulated device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

namespace acc::fuzz
{

// Ends the run as a finding.
[[noreturn]] inline void fail(const char *what)
{
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}

// Gives zeros when it is used up, so that every input means something.
class Input
{
public:
    explicit Input(std::span<const std::byte> bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.empty(); }
    template <typename T>
    T take()
    {
        T value{};
        fill(&value, sizeof value);
        return value;
    }
    uint32_t below(uint32_t n) { return take<uint8_t>() % n; } // n <= 256
    void fill(void *to, size_t bytes)
    {
        const size_t got = bytes < bytes_.size() ? bytes : bytes_.size();
        if (got) std::memcpy(to, bytes_.data(), got);
        bytes_ = bytes_.subspan(got);
    }

private:
    std::span<const std::byte> bytes_;
};

} // namespace acc::fuzz
