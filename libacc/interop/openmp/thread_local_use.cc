// SPDX-License-Identifier: MIT
#include "thread_local_use.h"

#include "elf_detail.h"

#include <cstring>
#include <elf.h>
#include <map>
#include <set>
#include <vector>

namespace acc::openmp
{
namespace
{

constexpr uint8_t kFsPrefix = 0x64;

struct Code {
    std::span<const std::byte> bytes;
    std::string name;
};

// Functions by their address, and how many bytes of variables a thread has.
struct Program {
    std::map<uint64_t, Code> functions;
    int64_t thread_bytes = 0;
    bool fixed = false;
};

void add_functions(std::span<const std::byte> file, const std::vector<Elf64_Phdr> &segments,
                   Program &program)
{
    elf::each_symbol(file, [&](const Elf64_Sym &symbol, std::string_view name) {
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || !symbol.st_size) return false;
        for (const Elf64_Phdr &one : segments) {
            const uint64_t at = symbol.st_value - one.p_vaddr;
            if (one.p_type != PT_LOAD || symbol.st_value < one.p_vaddr || at >= one.p_filesz ||
                symbol.st_size > one.p_filesz - at || one.p_offset > file.size() ||
                one.p_filesz > file.size() - one.p_offset)
                continue;
            program.functions.emplace(
                symbol.st_value,
                Code{file.subspan(one.p_offset + at, symbol.st_size), std::string(name)});
        }
        return false;
    });
}

Program read_program(std::span<const std::byte> file)
{
    Program program;
    Elf64_Ehdr header;
    if (!elf::copy_at(file, 0, header) || header.e_phentsize != sizeof(Elf64_Phdr)) return program;
    program.fixed = header.e_type == ET_EXEC;
    std::vector<Elf64_Phdr> segments(header.e_phnum);
    for (size_t i = 0; i < segments.size(); i++) {
        if (!elf::copy_at(file, header.e_phoff + i * sizeof(Elf64_Phdr), segments[i]))
            return program;
        const Elf64_Phdr &one = segments[i];
        if (one.p_type == PT_TLS && one.p_memsz <= INT32_MAX - elf::kPage)
            program.thread_bytes = static_cast<int64_t>(elf::page_up(one.p_memsz));
    }
    if (program.thread_bytes) add_functions(file, segments, program);
    return program;
}

// An instruction with the prefix `fs` and such a distance: behind an opcode of one or two bytes,
// with or without REX and SIB, comes that of 4 bytes; or the pointer itself is read, from fs:0.
bool touches_thread_local(std::span<const std::byte> code, int64_t thread_bytes)
{
    for (size_t i = 0; i + 7 <= code.size(); i++) {
        if (code[i] != std::byte{kFsPrefix}) continue;
        for (size_t k = 3; k <= 6 && i + k + 4 <= code.size(); k++) {
            int32_t distance;
            std::memcpy(&distance, code.data() + i + k, sizeof distance);
            const bool absolute = code[i + k - 1] == std::byte{0x25} &&
                                  (code[i + k - 2] & std::byte{0xc7}) == std::byte{0x04};
            if ((distance < 0 && -int64_t{distance} <= thread_bytes) || (!distance && absolute))
                return true;
        }
    }
    return false;
}

} // namespace

std::string uses_thread_local(std::span<const std::byte> file, uint64_t entry)
{
    const Program program = read_program(file);
    std::vector<uint64_t> todo = {entry};
    std::set<uint64_t> seen = {entry};
    while (!todo.empty()) {
        const uint64_t address = todo.back();
        todo.pop_back();
        const auto found = program.functions.find(address);
        if (found == program.functions.end()) continue;
        const auto &[code, name] = found->second;
        if (touches_thread_local(code, program.thread_bytes)) return name;
        // Whatever may be another function's address, relative to the next instruction or itself.
        for (size_t i = 0; i + 4 <= code.size(); i++) {
            int32_t value;
            std::memcpy(&value, code.data() + i, sizeof value);
            const uint64_t relative = address + i + 4 + static_cast<uint64_t>(int64_t{value});
            for (const uint64_t other : {relative, static_cast<uint64_t>(value)})
                if ((other == relative || program.fixed) && program.functions.contains(other) &&
                    seen.insert(other).second)
                    todo.push_back(other);
        }
    }
    return {};
}

} // namespace acc::openmp
