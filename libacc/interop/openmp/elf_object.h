// SPDX-License-Identifier: MIT
//
// Maps an ELF object of somebody's from the bytes of its file, for its functions: PIE, non-PIE or
// shared library of x86-64. Not a dynamic linker: constructors don't run, needed libraries are
// not looked for. Symbols are the object's own, or the process's. A function that is neither gets
// a stand-in that reports its name when it is called.
//
// A shared library can also be placed in memory that two processes have at one address, and see
// each other's writes in: one lays it out there, with what depends on nothing but the address;
// the other adds what is its own, code and the addresses of its libraries, each time it begins.
//
// Thread-local variables of its own each thread of the process has where it asks for their address
// (__tls_get_addr); an access at a fixed distance from the thread's pointer, which a program's code
// makes (thread_local_use.h), would find the process's.
//
// Refused, with a text that names it: functions that are chosen at load time (IFUNC), and what is
// not well-formed.
//
// Thread safety: none; one thread at a time. What it maps stays until the process ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <elf.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace acc::openmp
{

// Functions that are taken instead of the process's own.
struct Override {
    const char *name;
    void *function;
};

class ElfObject
{
public:
    // `missing` is called in the place of a function that nobody has, with its name; it does not
    // return. `overrides` ends with a null name. Null: `why` says what was expected and found.
    static std::unique_ptr<ElfObject> load(const std::byte *file, size_t bytes,
                                           const Override *overrides,
                                           void (*missing)(const char *name), std::string &why);

    // Lays a shared library out at `memory`, which holds extent() bytes at a multiple of 4096, for
    // attach() by another process. Null: `why`.
    static std::unique_ptr<ElfObject> place(const std::byte *file, size_t bytes, std::byte *memory,
                                            std::string &why);
    // What place() did at `memory` in another process: variables stay as they are.
    static std::unique_ptr<ElfObject> attach(const std::byte *file, size_t bytes, std::byte *memory,
                                             const Override *overrides,
                                             void (*missing)(const char *name), std::string &why);
    // The pages that attach() maps at `memory`, code and what else isn't written to. Empty: `why`.
    struct Pages {
        std::byte *start;
        size_t bytes;
    };
    static std::vector<Pages> own_pages(const std::byte *file, size_t bytes, std::byte *memory,
                                        std::string &why);
    // Bytes that a shared library takes from its lowest page to its highest. 0: `why`.
    static size_t extent(const std::byte *file, size_t bytes, std::string &why);

    // The address here of a virtual address of the object, if it lies in its code; else null.
    void *code(uint64_t address) const;
    // The same of `bytes` bytes of its variables.
    void *data(uint64_t address, uint64_t bytes) const;

private:
    struct ThreadLocalIndex {
        const ElfObject *object;
        uint64_t offset;
    };
    static void *address_of_thread_local(const ThreadLocalIndex *index);

    // Which relocations: all, or those that name another's symbol, or the others.
    enum class Part { All, Own, Others };

    ElfObject() = default;

    std::string check(const std::byte *file, size_t bytes);
    std::string map(const std::byte *file);
    std::string map_around(const std::byte *file);
    std::string put_at(std::byte *memory);
    std::string read_dynamic();
    std::string relocate(Part part, const Override *overrides);
    std::string relocate_table(const Elf64_Rela *table, size_t count, Part part,
                               const Override *overrides);
    std::string apply_relr();
    std::string relocate_thread_local(const Elf64_Rela &relocation, const Override *overrides);
    std::string make_stubs(size_t count);
    std::string protect();
    void register_unwinding();

    std::byte *at(uint64_t address) const { return base_ + address; }
    Pages pages_of(const Elf64_Phdr &segment) const;
    bool inside(uint64_t address, uint64_t bytes) const;
    std::string_view name_of(const Elf64_Sym &symbol) const;
    const char *version_of(uint32_t index) const;
    void *find(uint32_t index, const Override *overrides) const;
    uint64_t stand_in(uint32_t index);

    // Which of them is another's business.
    bool left_out(Part part, const Elf64_Rela &relocation) const;

    std::vector<Elf64_Phdr> segments_;
    uint64_t low_ = 0, high_ = 0;  // of the mapped addresses
    bool fixed_ = false;           // ET_EXEC
    bool mapped_ = false;          // by this, and not another's memory
    Elf64_Phdr thread_local_ = {}; // p_memsz 0: there are no such variables
    std::byte *base_ = nullptr;    // address here = base + virtual address

    // Of the dynamic section; addresses here.
    const Elf64_Sym *symbols_ = nullptr;
    const char *strings_ = nullptr;
    size_t string_bytes_ = 0;
    const Elf64_Rela *rela_ = nullptr, *plt_ = nullptr;
    size_t rela_count_ = 0, plt_count_ = 0;
    const uint64_t *relr_ = nullptr;
    size_t relr_count_ = 0;
    const Elf64_Half *versions_ = nullptr;
    std::vector<std::pair<uint16_t, const char *>> needed_versions_;

    void (*missing_)(const char *) = nullptr;
    std::byte *stubs_ = nullptr;
    size_t stub_count_ = 0, stub_room_ = 0;
    std::byte *nowhere_ = nullptr; // an address for data that nobody has: touching it is a fault
};

} // namespace acc::openmp
