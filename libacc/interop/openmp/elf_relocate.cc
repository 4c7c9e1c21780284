// SPDX-License-Identifier: MIT
//
// Relocations of an ELF object, and the stand-ins for functions that nobody has.
#include "elf_detail.h"
#include "elf_object.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>

namespace acc::openmp
{

using elf::hex;
using elf::kPage;
using elf::kStubBytes;
using elf::page_up;

namespace
{

// A distance that leads from any thread's pointer to what is no address.
constexpr uint64_t kNowhere = uint64_t{1} << 62;

uint64_t thread_pointer()
{
    uint64_t pointer;
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

} // namespace

// Of another than the object; null: nobody has it.
void *ElfObject::find(uint32_t index, const Override *overrides) const
{
    const char *name = name_of(symbols_[index]).data();
    for (const Override *one = overrides; one && one->name; one++)
        if (std::strcmp(name, one->name) == 0) return one->function;
    if (std::strcmp(name, "__tls_get_addr") == 0)
        return reinterpret_cast<void *>(address_of_thread_local);
    void *found = nullptr;
    if (const char *version = version_of(index)) found = dlvsym(RTLD_DEFAULT, name, version);
    return found ? found : dlsym(RTLD_DEFAULT, name);
}

std::string ElfObject::make_stubs(size_t count)
{
    stub_room_ = count;
    const size_t bytes = page_up(count * kStubBytes) + kPage;
    void *page = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return "expected memory for stand-ins; found none";
    stubs_ = static_cast<std::byte *>(page);
    nowhere_ = stubs_ + bytes - kPage;
    return mprotect(nowhere_, kPage, PROT_NONE) ? "a page could not be protected" : "";
}

// mov $name, %rdi; mov $missing, %rax; jmp *%rax
uint64_t ElfObject::stand_in(uint32_t index)
{
    const Elf64_Sym &symbol = symbols_[index];
    if (ELF64_ST_TYPE(symbol.st_info) == STT_OBJECT || stub_count_ == stub_room_)
        return reinterpret_cast<uint64_t>(nowhere_);
    std::byte *stub = stubs_ + stub_count_++ * kStubBytes;
    const char *name = name_of(symbol).data();
    constexpr unsigned char to_rdi[] = {0x48, 0xbf}, to_rax[] = {0x48, 0xb8}, jump[] = {0xff, 0xe0};
    std::memcpy(stub, to_rdi, 2);
    std::memcpy(stub + 2, &name, 8);
    std::memcpy(stub + 10, to_rax, 2);
    std::memcpy(stub + 12, &missing_, 8);
    std::memcpy(stub + 20, jump, 2);
    return reinterpret_cast<uint64_t>(stub);
}

bool ElfObject::left_out(Part part, const Elf64_Rela &relocation) const
{
    if (part == Part::All) return false;
    const auto index = static_cast<uint32_t>(ELF64_R_SYM(relocation.r_info));
    const auto type = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
    const bool named =
        index && symbols_ && type != R_X86_64_RELATIVE &&
        inside(static_cast<uint64_t>(reinterpret_cast<const std::byte *>(symbols_ + index) - base_),
               sizeof(Elf64_Sym));
    // A copied variable is a library's, and the object's copy of it each process's own; where a
    // thread has its own is each process's business, too.
    const bool thread_local_one =
        type == R_X86_64_TPOFF64 || type == R_X86_64_DTPMOD64 || type == R_X86_64_DTPOFF64;
    const bool others = thread_local_one ||
                        (named && (symbols_[index].st_shndx == SHN_UNDEF || type == R_X86_64_COPY));
    return others != (part == Part::Others);
}

// What code asks for with DTPMOD64 and DTPOFF64 is this object and an offset (`struct tls_index`,
// psABI of x86-64 and "ELF Handling For Thread-Local Storage"); the object stands for its module.
void *ElfObject::address_of_thread_local(const ThreadLocalIndex *index)
{
    struct Block {
        const ElfObject *object;
        std::unique_ptr<std::byte, void (*)(void *)> bytes;
    };
    static thread_local std::vector<Block> blocks;
    if (!index->object) return reinterpret_cast<void *>(kNowhere);
    for (const Block &one : blocks)
        if (one.object == index->object) return one.bytes.get() + index->offset;
    const Elf64_Phdr &segment = index->object->thread_local_;
    void *memory = nullptr;
    if (posix_memalign(&memory, std::max<size_t>(segment.p_align, sizeof memory),
                       segment.p_memsz + 1))
        abort();
    auto *bytes = static_cast<std::byte *>(memory);
    std::memcpy(bytes, index->object->at(segment.p_vaddr), segment.p_filesz);
    std::memset(bytes + segment.p_filesz, 0, segment.p_memsz - segment.p_filesz);
    blocks.push_back({index->object, {bytes, free}});
    return bytes + index->offset;
}

std::string ElfObject::relocate_thread_local(const Elf64_Rela &relocation,
                                             const Override *overrides)
{
    const auto type = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
    const auto index = static_cast<uint32_t>(ELF64_R_SYM(relocation.r_info));
    const Elf64_Sym &symbol = symbols_[index];
    const bool own = !index || symbol.st_shndx != SHN_UNDEF;
    uint64_t value = 0;
    if (own && (!thread_local_.p_memsz || !inside(thread_local_.p_vaddr, thread_local_.p_filesz)))
        return "expected a segment of thread-local variables; found a relocation for one without";
    if (type == R_X86_64_TPOFF64) {
        // A library's, which has been there since the process began: at one distance from every
        // thread's pointer. Others, its own too, no thread reaches so.
        const void *theirs = own ? nullptr : find(index, overrides);
        value = theirs ? reinterpret_cast<uint64_t>(theirs) - thread_pointer() +
                             static_cast<uint64_t>(relocation.r_addend)
                       : kNowhere;
    } else if (type == R_X86_64_DTPMOD64) {
        value = own ? reinterpret_cast<uint64_t>(this) : 0;
    } else if (own) {
        value = (index ? symbol.st_value : 0) + static_cast<uint64_t>(relocation.r_addend);
        if (value > thread_local_.p_memsz)
            return "expected an offset in its thread-local variables; found " + hex(value);
    }
    std::memcpy(at(relocation.r_offset), &value, sizeof value);
    return {};
}

std::string ElfObject::relocate_table(const Elf64_Rela *table, size_t count, Part part,
                                      const Override *overrides)
{
    for (size_t i = 0; i < count; i++) {
        const Elf64_Rela r = table[i];
        if (left_out(part, r)) continue;
        const auto type = static_cast<uint32_t>(ELF64_R_TYPE(r.r_info));
        const auto index = static_cast<uint32_t>(ELF64_R_SYM(r.r_info));
        if (type == R_X86_64_NONE) continue;
        const std::string which = "relocation " + std::to_string(i) + ": ";
        if (type != R_X86_64_COPY && !inside(r.r_offset, 8))
            return which + "expected a place in its segments; found " + hex(r.r_offset);
        if (type == R_X86_64_IRELATIVE)
            return "expected no IFUNC; found an IRELATIVE relocation for " +
                   hex(static_cast<uint64_t>(r.r_addend));
        const auto store = [&](uint64_t value) { std::memcpy(at(r.r_offset), &value, 8); };
        if (type == R_X86_64_RELATIVE) {
            store(reinterpret_cast<uint64_t>(base_) + static_cast<uint64_t>(r.r_addend));
            continue;
        }
        if (!symbols_ || !inside(static_cast<uint64_t>(
                                     reinterpret_cast<const std::byte *>(symbols_ + index) - base_),
                                 sizeof(Elf64_Sym)))
            return which + "expected a symbol; found number " + std::to_string(index);
        const Elf64_Sym &symbol = symbols_[index];
        const std::string name(name_of(symbol));
        switch (type) {
        case R_X86_64_TPOFF64:
        case R_X86_64_DTPMOD64:
        case R_X86_64_DTPOFF64:
            if (std::string why = relocate_thread_local(r, overrides); !why.empty()) return why;
            continue;
        case R_X86_64_COPY: {
            const void *from = find(index, overrides);
            if (!from) return "expected variable " + name + " (COPY) in the region; found none";
            if (!inside(r.r_offset, symbol.st_size))
                return which + "expected a place in its segments; found " + hex(r.r_offset);
            std::memcpy(at(r.r_offset), from, symbol.st_size);
            continue;
        }
        case R_X86_64_64:
        case R_X86_64_GLOB_DAT:
        case R_X86_64_JUMP_SLOT:
            break;
        default:
            return which + "expected one that a program or a library has; found type " +
                   std::to_string(type);
        }
        uint64_t value = 0;
        if (!index || symbol.st_shndx != SHN_UNDEF) {
            if (ELF64_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC)
                return "expected no IFUNC; found " + name;
            value = reinterpret_cast<uint64_t>(base_) + (index ? symbol.st_value : 0);
            if (index && symbol.st_shndx == SHN_ABS) value = symbol.st_value;
        } else if (void *found = find(index, overrides)) {
            value = reinterpret_cast<uint64_t>(found);
        } else if (ELF64_ST_BIND(symbol.st_info) != STB_WEAK) {
            value = stand_in(index);
        }
        store(value + (type == R_X86_64_64 ? static_cast<uint64_t>(r.r_addend) : 0));
    }
    return {};
}

// Places that the base is added to: an address, then bitmaps of the 63 words behind it.
std::string ElfObject::apply_relr()
{
    uint64_t where = 0;
    const auto add = [&](uint64_t address) {
        if (!inside(address, 8)) return false;
        uint64_t value;
        std::memcpy(&value, at(address), 8);
        value += reinterpret_cast<uint64_t>(base_);
        std::memcpy(at(address), &value, 8);
        return true;
    };
    for (size_t i = 0; i < relr_count_; i++) {
        const uint64_t entry = relr_[i];
        bool good = true;
        if (!(entry & 1)) {
            good = add(entry);
            where = entry + 8;
        } else {
            for (unsigned bit = 1; bit < 64; bit++)
                if (entry >> bit & 1) good = good && add(where + (bit - 1) * 8);
            where += 63 * 8;
        }
        if (!good) return "expected places in its segments to relocate; found " + hex(where);
    }
    return {};
}

std::string ElfObject::relocate(Part part, const Override *overrides)
{
    std::string why;
    if (part != Part::Own) why = make_stubs(rela_count_ + plt_count_);
    if (why.empty() && part != Part::Others) why = apply_relr();
    if (why.empty()) why = relocate_table(rela_, rela_count_, part, overrides);
    return why.empty() ? relocate_table(plt_, plt_count_, part, overrides) : why;
}

} // namespace acc::openmp
