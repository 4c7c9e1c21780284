// SPDX-License-Identifier: MIT
//
// What the two parts of ElfObject share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace acc::openmp::elf
{

constexpr uint64_t kPage = 4096;
constexpr size_t kStubBytes = 32;

inline uint64_t page_down(uint64_t address)
{
    return address & ~(kPage - 1);
}

inline uint64_t page_up(uint64_t address)
{
    return (address + kPage - 1) & ~(kPage - 1);
}

inline std::string hex(uint64_t value)
{
    char text[20];
    std::snprintf(text, sizeof text, "0x%lx", static_cast<unsigned long>(value));
    return text;
}

} // namespace acc::openmp::elf
