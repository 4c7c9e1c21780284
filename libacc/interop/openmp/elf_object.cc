// SPDX-License-Identifier: MIT
#include "elf_object.h"

#include "elf_detail.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

extern "C" void __register_frame(void *); // libgcc's: tables for the unwinding of exceptions

namespace acc::openmp
{

using elf::hex;
using elf::kPage;
using elf::kStubBytes;
using elf::page_down;
using elf::page_up;

namespace
{

constexpr uint64_t kMostBytes = uint64_t{1} << 30; // of an object in memory
constexpr uint16_t kMostSegments = 128;

int access_of(const Elf64_Phdr &segment)
{
    return (segment.p_flags & PF_R ? PROT_READ : 0) | (segment.p_flags & PF_W ? PROT_WRITE : 0) |
           (segment.p_flags & PF_X ? PROT_EXEC : 0);
}

} // namespace

// Headers are copied before they are looked at: the file lies in memory that others may write.
std::string ElfObject::check(const std::byte *file, size_t bytes)
{
    Elf64_Ehdr header;
    if (bytes < sizeof header)
        return "expected an ELF file; found " + std::to_string(bytes) + " bytes";
    std::memcpy(&header, file, sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return "expected an ELF file of 64 bits; found another";
    if (header.e_machine != EM_X86_64)
        return "expected machine 62 (x86-64); found " + std::to_string(header.e_machine);
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return "expected a program or a shared library; found ELF type " +
               std::to_string(header.e_type);
    if (header.e_phentsize != sizeof(Elf64_Phdr) || !header.e_phnum ||
        header.e_phnum > kMostSegments || header.e_phoff > bytes ||
        header.e_phnum * sizeof(Elf64_Phdr) > bytes - header.e_phoff)
        return "expected 1 to 128 program headers inside the file; found " +
               std::to_string(header.e_phnum) + " at " + hex(header.e_phoff);
    fixed_ = header.e_type == ET_EXEC;
    segments_.resize(header.e_phnum);
    std::memcpy(segments_.data(), file + header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr));

    low_ = UINT64_MAX;
    for (const Elf64_Phdr &one : segments_) {
        if (one.p_type != PT_LOAD && one.p_type != PT_TLS) continue;
        if (one.p_filesz > one.p_memsz || one.p_offset > bytes ||
            one.p_filesz > bytes - one.p_offset)
            return "expected segments inside the file; found one of " +
                   std::to_string(one.p_filesz) + " bytes at " + hex(one.p_offset);
        if (one.p_vaddr > (uint64_t{1} << 47) || one.p_memsz > kMostBytes)
            return "expected segments below 2^47, of at most 2^30 bytes; found one of " +
                   std::to_string(one.p_memsz) + " bytes at " + hex(one.p_vaddr);
        if (one.p_type == PT_TLS) {
            if (one.p_align > kPage || (one.p_align & (one.p_align - 1)))
                return "expected thread-local variables aligned to at most a page; found " +
                       std::to_string(one.p_align);
            thread_local_ = one; // its initial values lie in a segment that is loaded
            continue;
        }
        low_ = std::min(low_, page_down(one.p_vaddr));
        high_ = std::max(high_, page_up(one.p_vaddr + one.p_memsz));
    }
    if (low_ >= high_) return "expected something to load; found no segment";
    if (high_ - low_ > kMostBytes)
        return "expected at most 2^30 bytes of addresses; found " + std::to_string(high_ - low_);
    return {};
}

std::string ElfObject::map(const std::byte *file)
{
    void *const want = fixed_ ? reinterpret_cast<void *>(low_) : nullptr;
    void *const found =
        mmap(want, high_ - low_, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | (fixed_ ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    if (found == MAP_FAILED || (fixed_ && found != want)) {
        if (found != MAP_FAILED) munmap(found, high_ - low_);
        return fixed_ ? "expected addresses from " + hex(low_) + " to be free; found them taken"
                      : "expected " + std::to_string(high_ - low_) + " bytes of memory; found none";
    }
    mapped_ = true;
    base_ = static_cast<std::byte *>(found) - low_;
    for (const Elf64_Phdr &one : segments_)
        if (one.p_type == PT_LOAD) std::memcpy(at(one.p_vaddr), file + one.p_offset, one.p_filesz);
    return {};
}

std::string ElfObject::put_at(std::byte *memory)
{
    if (fixed_) return "expected a shared library; found a program at addresses of its own";
    if (reinterpret_cast<uint64_t>(memory) % kPage)
        return "expected memory for an object at a multiple of 4096; found " +
               hex(reinterpret_cast<uint64_t>(memory));
    base_ = memory - low_;
    return {};
}

ElfObject::Pages ElfObject::pages_of(const Elf64_Phdr &segment) const
{
    const uint64_t start = page_down(segment.p_vaddr);
    return {at(start), page_up(segment.p_vaddr + segment.p_memsz) - start};
}

// What is not written to, over the memory that is shared: code of one's own.
std::string ElfObject::map_around(const std::byte *file)
{
    for (const Elf64_Phdr &one : segments_) {
        if (one.p_type != PT_LOAD || one.p_flags & PF_W) continue;
        const Pages pages = pages_of(one);
        if (mmap(pages.start, pages.bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
            return "expected memory for code; found none";
        std::memcpy(at(one.p_vaddr), file + one.p_offset, one.p_filesz);
    }
    return {};
}

bool ElfObject::inside(uint64_t address, uint64_t bytes) const
{
    return address >= low_ && address <= high_ && bytes <= high_ - address;
}

std::string ElfObject::read_dynamic()
{
    const auto found = std::find_if(segments_.begin(), segments_.end(),
                                    [](const Elf64_Phdr &one) { return one.p_type == PT_DYNAMIC; });
    if (found == segments_.end()) return {}; // nothing to relocate, nothing to find
    if (!inside(found->p_vaddr, found->p_memsz) || found->p_vaddr % alignof(Elf64_Dyn))
        return "expected the dynamic section in a segment; found it at " + hex(found->p_vaddr);
    uint64_t value[64] = {}; // by tag
    bool text = false;       // relocations of what isn't written to
    uint64_t relr = 0, relr_bytes = 0, versions = 0, needed = 0, needed_count = 0;
    const auto *entry = reinterpret_cast<const Elf64_Dyn *>(at(found->p_vaddr));
    for (size_t i = 0; i < found->p_memsz / sizeof *entry && entry[i].d_tag != DT_NULL; i++) {
        const uint64_t v = entry[i].d_un.d_val;
        if (entry[i].d_tag > 0 && entry[i].d_tag < 64) value[entry[i].d_tag] = v;
        text = text || entry[i].d_tag == DT_TEXTREL ||
               (entry[i].d_tag == DT_FLAGS && (v & DF_TEXTREL));
        if (entry[i].d_tag == 36) relr = v; // DT_RELR, which older elf.h don't have
        if (entry[i].d_tag == 35) relr_bytes = v;
        if (entry[i].d_tag == DT_VERSYM) versions = v;
        if (entry[i].d_tag == DT_VERNEED) needed = v;
        if (entry[i].d_tag == DT_VERNEEDNUM) needed_count = v;
    }
    if (text && !mapped_) return "expected code without relocations; found some (DT_TEXTREL)";
    const auto table = [&](uint64_t address, uint64_t bytes, size_t align) {
        return !bytes || (inside(address, bytes) && address % align == 0);
    };
    if (!table(value[DT_SYMTAB], value[DT_SYMTAB] ? sizeof(Elf64_Sym) : 0, 8) ||
        !table(value[DT_STRTAB], value[DT_STRSZ], 1) ||
        !table(value[DT_RELA], value[DT_RELASZ], 8) ||
        !table(value[DT_JMPREL], value[DT_PLTRELSZ], 8) || !table(relr, relr_bytes, 8) ||
        !table(versions, versions ? 2 : 0, 2))
        return "expected the dynamic section's tables in its segments; found one outside";
    if (value[DT_RELSZ]) return "expected relocations with addends; found some without";
    if (value[DT_SYMTAB]) symbols_ = reinterpret_cast<const Elf64_Sym *>(at(value[DT_SYMTAB]));
    if (value[DT_STRSZ]) {
        strings_ = reinterpret_cast<const char *>(at(value[DT_STRTAB]));
        string_bytes_ = value[DT_STRSZ];
        if (strings_[string_bytes_ - 1]) return "expected strings that end; found one that doesn't";
    }
    rela_ = reinterpret_cast<const Elf64_Rela *>(at(value[DT_RELA]));
    rela_count_ = value[DT_RELASZ] / sizeof(Elf64_Rela);
    plt_ = reinterpret_cast<const Elf64_Rela *>(at(value[DT_JMPREL]));
    plt_count_ = value[DT_PLTRELSZ] / sizeof(Elf64_Rela);
    relr_ = reinterpret_cast<const uint64_t *>(at(relr));
    relr_count_ = relr_bytes / sizeof(uint64_t);
    if (versions) versions_ = reinterpret_cast<const Elf64_Half *>(at(versions));
    // Versions that it wants of others' symbols; what is malformed is done without.
    for (uint64_t n = 0; n < needed_count && inside(needed, sizeof(Elf64_Verneed)); n++) {
        Elf64_Verneed need;
        std::memcpy(&need, at(needed), sizeof need);
        uint64_t aux = needed + need.vn_aux;
        for (uint16_t k = 0; k < need.vn_cnt && inside(aux, sizeof(Elf64_Vernaux)); k++) {
            Elf64_Vernaux one;
            std::memcpy(&one, at(aux), sizeof one);
            if (one.vna_name < string_bytes_)
                needed_versions_.emplace_back(one.vna_other, strings_ + one.vna_name);
            aux += one.vna_next;
        }
        if (!need.vn_next) break;
        needed += need.vn_next;
    }
    return {};
}

std::string_view ElfObject::name_of(const Elf64_Sym &symbol) const
{
    return symbol.st_name < string_bytes_ ? strings_ + symbol.st_name : "";
}

const char *ElfObject::version_of(uint32_t index) const
{
    if (!versions_ || !inside(static_cast<uint64_t>(
                                  reinterpret_cast<const std::byte *>(versions_ + index) - base_),
                              sizeof(Elf64_Half)))
        return nullptr;
    const uint16_t version = versions_[index] & 0x7fff;
    for (const auto &[number, name] : needed_versions_)
        if (number == version) return name;
    return nullptr;
}

std::string ElfObject::protect()
{
    for (const Elf64_Phdr &one : segments_) {
        if (one.p_type != PT_LOAD || (!mapped_ && one.p_flags & PF_W)) continue;
        const uint64_t start = page_down(one.p_vaddr);
        if (mprotect(at(start), page_up(one.p_vaddr + one.p_memsz) - start, access_of(one)))
            return "a segment could not be protected";
    }
    if (stub_room_ && mprotect(stubs_, page_up(stub_room_ * kStubBytes), PROT_READ | PROT_EXEC))
        return "stand-ins could not be protected";
    return {};
}

// Of the usual form of .eh_frame_hdr alone: version 1, a relative pointer of 4 bytes.
void ElfObject::register_unwinding()
{
    for (const Elf64_Phdr &one : segments_) {
        if (one.p_type != PT_GNU_EH_FRAME || !inside(one.p_vaddr, 8)) continue;
        const std::byte *header = at(one.p_vaddr);
        if (header[0] != std::byte{1} || header[1] != std::byte{0x1b}) continue;
        int32_t offset;
        std::memcpy(&offset, header + 4, sizeof offset);
        const uint64_t frames = one.p_vaddr + 4 + static_cast<uint64_t>(int64_t{offset});
        if (inside(frames, 4)) __register_frame(at(frames));
    }
}

std::unique_ptr<ElfObject> ElfObject::load(const std::byte *file, size_t bytes,
                                           const Override *overrides, void (*missing)(const char *),
                                           std::string &why)
{
    std::unique_ptr<ElfObject> object(new ElfObject);
    object->missing_ = missing;
    why = object->check(file, bytes);
    if (why.empty()) why = object->map(file);
    if (why.empty()) why = object->read_dynamic();
    if (why.empty()) why = object->relocate(Part::All, overrides);
    if (why.empty()) why = object->protect();
    if (!why.empty()) {
        // A fixed one's addresses must be free when it is tried again.
        if (object->mapped_) munmap(object->at(object->low_), object->high_ - object->low_);
        if (object->stubs_)
            munmap(object->stubs_, page_up(object->stub_room_ * kStubBytes) + kPage);
        return nullptr;
    }
    object->register_unwinding();
    return object;
}

size_t ElfObject::extent(const std::byte *file, size_t bytes, std::string &why)
{
    ElfObject object;
    why = object.check(file, bytes);
    return why.empty() ? object.high_ - object.low_ : 0;
}

std::vector<ElfObject::Pages> ElfObject::own_pages(const std::byte *file, size_t bytes,
                                                   std::byte *memory, std::string &why)
{
    ElfObject object;
    why = object.check(file, bytes);
    if (why.empty()) why = object.put_at(memory);
    std::vector<Pages> found;
    if (!why.empty()) return found;
    for (const Elf64_Phdr &one : object.segments_)
        if (one.p_type == PT_LOAD && !(one.p_flags & PF_W)) found.push_back(object.pages_of(one));
    return found;
}

std::unique_ptr<ElfObject> ElfObject::place(const std::byte *file, size_t bytes, std::byte *memory,
                                            std::string &why)
{
    std::unique_ptr<ElfObject> object(new ElfObject);
    why = object->check(file, bytes);
    if (why.empty()) why = object->put_at(memory);
    if (!why.empty()) return nullptr;
    std::memset(memory, 0, object->high_ - object->low_);
    for (const Elf64_Phdr &one : object->segments_)
        if (one.p_type == PT_LOAD)
            std::memcpy(object->at(one.p_vaddr), file + one.p_offset, one.p_filesz);
    why = object->read_dynamic();
    if (why.empty()) why = object->relocate(Part::Own, nullptr);
    if (!why.empty()) return nullptr;
    return object;
}

std::unique_ptr<ElfObject> ElfObject::attach(const std::byte *file, size_t bytes, std::byte *memory,
                                             const Override *overrides,
                                             void (*missing)(const char *), std::string &why)
{
    std::unique_ptr<ElfObject> object(new ElfObject);
    object->missing_ = missing;
    why = object->check(file, bytes);
    if (why.empty()) why = object->put_at(memory);
    if (why.empty()) why = object->map_around(file);
    if (why.empty()) why = object->read_dynamic();
    if (why.empty()) why = object->relocate(Part::Others, overrides);
    if (why.empty()) why = object->protect();
    if (!why.empty()) {
        if (object->stubs_)
            munmap(object->stubs_, page_up(object->stub_room_ * kStubBytes) + kPage);
        return nullptr;
    }
    object->register_unwinding();
    return object;
}

void *ElfObject::data(uint64_t address, uint64_t bytes) const
{
    for (const Elf64_Phdr &one : segments_)
        if (one.p_type == PT_LOAD && address >= one.p_vaddr &&
            address - one.p_vaddr <= one.p_memsz && bytes <= one.p_memsz - (address - one.p_vaddr))
            return at(address);
    return nullptr;
}

void *ElfObject::code(uint64_t address) const
{
    for (const Elf64_Phdr &one : segments_)
        if (one.p_type == PT_LOAD && (one.p_flags & PF_X) && address >= one.p_vaddr &&
            address - one.p_vaddr < one.p_filesz)
            return at(address);
    return nullptr;
}

} // namespace acc::openmp
