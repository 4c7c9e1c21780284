// SPDX-License-Identifier: MIT
//
// Writes into the bytes of a program file, as somebody hostile would.
#pragma once

#include "program/program_file.h"
#include "program/text.h"

#include <cstddef>
#include <cstring>
#include <elf.h>
#include <string>
#include <vector>

namespace acc::program
{

using Bytes = std::vector<std::byte>;

template <typename T>
void poke(Bytes &bytes, size_t offset, T value)
{
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

template <typename T>
T peek(const Bytes &bytes, size_t offset)
{
    return load_struct<T>(bytes, offset);
}

// Where the header of a section is; 0 when there is no such section.
inline size_t header_of(const Bytes &bytes, const std::string &name)
{
    const auto elf = peek<Elf64_Ehdr>(bytes, 0);
    const auto at = [&](size_t i) { return elf.e_shoff + i * sizeof(Elf64_Shdr); };
    const auto names = peek<Elf64_Shdr>(bytes, at(elf.e_shstrndx));
    for (size_t i = 1; i < elf.e_shnum; i++) {
        const auto header = peek<Elf64_Shdr>(bytes, at(i));
        const auto *found =
            reinterpret_cast<const char *>(bytes.data() + names.sh_offset + header.sh_name);
        if (name == found) return at(i);
    }
    return 0;
}

// Where a section's bytes are. For a note, its description is 16 bytes on.
inline size_t offset_of(const Bytes &bytes, const std::string &name)
{
    return peek<Elf64_Shdr>(bytes, header_of(bytes, name)).sh_offset;
}

// The text that refuses the bytes, empty when they are accepted.
inline std::string refusal(const Bytes &bytes)
{
    std::string why;
    const auto file = ProgramFile::parse(bytes, &why);
    return file ? std::string() : why.empty() ? std::string("(no text)") : why;
}

} // namespace acc::program
