// SPDX-License-Identifier: MIT
#include "gcc_variables.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

namespace acc::openmp
{
namespace
{

constexpr const char *kTable = ".gnu.offload_vars";
constexpr uint64_t kLinkBit = uint64_t{1} << 63;

struct Table {
    std::string path;
    uint64_t base = 0;  // what is added to addresses of the object's
    uint64_t start = 0; // here
    uint64_t bytes = 0;
};

template <typename T>
bool read_at(int fd, uint64_t offset, T &value)
{
    return pread(fd, &value, sizeof value, static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(sizeof value);
}

// Where a file says the table is; 0 bytes: it has none.
Elf64_Shdr section_of(const std::string &path)
{
    Elf64_Shdr found = {};
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr header;
    Elf64_Shdr names, one;
    if (fd >= 0 && read_at(fd, 0, header) && header.e_shentsize == sizeof one &&
        read_at(fd, header.e_shoff + header.e_shstrndx * sizeof names, names))
        for (uint32_t i = 0; i < header.e_shnum; i++) {
            char name[sizeof ".gnu.offload_vars"] = {};
            if (!read_at(fd, header.e_shoff + i * sizeof one, one) ||
                !read_at(fd, names.sh_offset + one.sh_name, name) ||
                std::memcmp(name, kTable, sizeof name) != 0)
                continue;
            found = one;
            break;
        }
    if (fd >= 0) close(fd);
    return found;
}

// Of what is mapped, as it was relocated.
int look_for_table(dl_phdr_info *info, size_t, void *user)
{
    Table table;
    table.path = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : Objects::kSelf;
    const Elf64_Shdr section = section_of(table.path);
    if (!section.sh_size) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto &segment = info->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || section.sh_addr < segment.p_vaddr ||
            section.sh_addr - segment.p_vaddr > segment.p_filesz ||
            section.sh_size > segment.p_filesz - (section.sh_addr - segment.p_vaddr))
            continue;
        table.base = info->dlpi_addr;
        table.start = info->dlpi_addr + section.sh_addr;
        table.bytes = section.sh_size;
        static_cast<std::vector<Table> *>(user)->push_back(table);
        break;
    }
    return 0;
}

} // namespace

GccVariables::GccVariables(Offload &offload) : offload_(offload)
{
    std::vector<Table> tables;
    dl_iterate_phdr(look_for_table, &tables);
    for (const Table &one : tables)
        add(one.path, one.base, one.start, one.bytes);
}

void GccVariables::add(const std::string &path, uint64_t base, uint64_t table, uint64_t bytes)
{
    std::string why;
    const Objects::Object *object = offload_.objects().of_file(path, why);
    if (!object) return;
    for (uint64_t at = 0; at + sizeof(Variable) <= bytes; at += sizeof(Variable)) {
        Variable one;
        std::memcpy(&one, reinterpret_cast<const void *>(table + at), sizeof one);
        const uint64_t size = one.bytes & ~kLinkBit;
        void *const there = Objects::find_placed(*object, one.host - base, size);
        if (!there || !size) continue;
        uint64_t start = reinterpret_cast<uint64_t>(there);
        if (one.bytes & kLinkBit) {
            links_.push_back({there, size});
            start = reinterpret_cast<uint64_t>(&links_.back().mapped);
        }
        host_.push_back(one);
        device_.push_back({start, start + size});
    }
}

bool GccVariables::any_linked() const
{
    return std::any_of(links_.begin(), links_.end(),
                       [](const Link &one) { return one.mapped != nullptr; });
}

void GccVariables::copy_in()
{
    for (Link &one : links_) {
        if (!one.mapped) continue;
        std::memcpy(one.variable, one.mapped, one.bytes);
        one.before.assign(one.mapped, one.mapped + one.bytes);
    }
}

void GccVariables::copy_out()
{
    for (const Link &one : links_) {
        if (!one.mapped || one.before.size() != one.bytes) continue;
        const auto *now = static_cast<const std::byte *>(one.variable);
        for (size_t i = 0; i < one.bytes; i++)
            if (now[i] != one.before[i]) one.mapped[i] = now[i];
    }
}

void GccVariables::forget(const void *piece, size_t bytes)
{
    const auto *start = static_cast<const std::byte *>(piece);
    for (Link &one : links_)
        if (one.mapped >= start && one.mapped < start + bytes) one.mapped = nullptr;
}

} // namespace acc::openmp
