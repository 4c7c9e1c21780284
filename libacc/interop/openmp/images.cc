// SPDX-License-Identifier: MIT
#include "images.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <span>
#include <strings.h>

namespace acc::openmp
{
namespace
{

constexpr const char *kMarker = "acc_openmp";

bool policy_is(const char *wanted)
{
    const char *policy = getenv("OMP_TARGET_OFFLOAD");
    return policy && strcasecmp(policy, wanted) == 0;
}

bool claims_all()
{
    const char *device = getenv("ACC_DEVICE");
    return is_mandatory() || (device && *device);
}

template <typename T>
bool copy_at(std::span<const char> image, uint64_t offset, T &value)
{
    if (offset > image.size() || sizeof(T) > image.size() - offset) return false;
    memcpy(&value, image.data() + offset, sizeof value);
    return true;
}

bool has_section(std::span<const char> image, const char *wanted)
{
    Elf64_Ehdr header;
    Elf64_Shdr names, one;
    if (!copy_at(image, 0, header) || header.e_shentsize != sizeof one ||
        !copy_at(image, header.e_shoff + header.e_shstrndx * sizeof names, names))
        return false;
    const size_t length = strlen(wanted) + 1;
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        if (!copy_at(image, header.e_shoff + i * sizeof one, one)) return false;
        const uint64_t name = names.sh_offset + one.sh_name;
        if (name < image.size() && length <= image.size() - name &&
            memcmp(image.data() + name, wanted, length) == 0)
            return true;
    }
    return false;
}

std::span<const char> bytes_of(const __tgt_device_image &image)
{
    const auto *start = static_cast<const char *>(image.start);
    return {start, static_cast<const char *>(image.end)};
}

} // namespace

bool is_mandatory()
{
    return policy_is("mandatory");
}

bool is_ours(const __tgt_device_image &image)
{
    Elf64_Ehdr header;
    const std::span<const char> bytes = bytes_of(image);
    return !policy_is("disabled") && copy_at(bytes, 0, header) &&
           memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
           header.e_machine == EM_X86_64 && (claims_all() || has_section(bytes, kMarker));
}

bool requires_too_much(int64_t flags)
{
    static std::atomic<bool> told{false};
    if (!(flags & kRequiresUnifiedSharedMemory)) return false;
    if (!told.exchange(true, std::memory_order_relaxed))
        complain("the program requires unified shared memory, which regions of an FPGA do not "
                 "have: its target regions are left to other devices");
    return true;
}

std::string load_entries(Offload &offload, const __tgt_device_image &image,
                         std::vector<__tgt_offload_entry> &entries)
{
    std::string why;
    const std::span<const char> bytes = bytes_of(image);
    // Images have no name: the program's.
    const Objects::Object *object =
        offload.objects().add_image(program_invocation_short_name, bytes.data(), bytes.size(), why);
    if (!object) return why;
    for (const __tgt_offload_entry *host = image.entries_begin; host != image.entries_end; host++) {
        __tgt_offload_entry entry = *host;
        entry.addr = host->size ? offload.objects().find_variable(*object, host->name, host->size)
                                : const_cast<Objects::Function *>(
                                      offload.objects().find_function(*object, host->name));
        if (!entry.addr)
            return object->path + ": expected " + host->name + " in it; found none" +
                   (host->size ? " of " + std::to_string(host->size) + " bytes" : "");
        entries.push_back(entry);
    }
    return {};
}

void complain(const std::string &text)
{
    fflush(stdout);
    fprintf(stderr, "acc: %s\n", text.c_str());
}

} // namespace acc::openmp
