// SPDX-License-Identifier: MIT
//
// What those share that read ELF files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <span>
#include <string>
#include <string_view>

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

template <typename T>
inline bool copy_at(std::span<const std::byte> file, uint64_t offset, T &value)
{
    if (offset > file.size() || sizeof(T) > file.size() - offset) return false;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return true;
}

// Calls good(symbol, name) for those of `.symtab`, then of `.dynsym`, until it returns true.
template <typename Good>
inline void each_symbol(std::span<const std::byte> file, Good good)
{
    Elf64_Ehdr header;
    if (!copy_at(file, 0, header) || header.e_shentsize != sizeof(Elf64_Shdr)) return;
    for (const uint32_t wanted : {SHT_SYMTAB, SHT_DYNSYM}) {
        for (uint32_t s = 0; s < header.e_shnum; s++) {
            Elf64_Shdr table, strings;
            if (!copy_at(file, header.e_shoff + s * sizeof table, table) ||
                table.sh_type != wanted ||
                !copy_at(file, header.e_shoff + table.sh_link * sizeof strings, strings))
                continue;
            for (uint64_t i = 0; i < table.sh_size / sizeof(Elf64_Sym); i++) {
                Elf64_Sym symbol;
                if (!copy_at(file, table.sh_offset + i * sizeof symbol, symbol)) break;
                const uint64_t name = strings.sh_offset + symbol.st_name;
                if (name >= file.size()) continue;
                const auto *text = reinterpret_cast<const char *>(file.data() + name);
                if (good(symbol, std::string_view(text, strnlen(text, file.size() - name)))) return;
            }
        }
    }
}

} // namespace acc::openmp::elf
