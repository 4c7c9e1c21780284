// SPDX-License-Identifier: MIT
//
// Device images as LLVM's runtimes hand them over: which are ours, and where what they define is.
// Layouts are those of openmp/libomptarget/include/omptarget.h, versions 13 to 19.
#pragma once

#include "offload.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

extern "C" {
struct __tgt_offload_entry {
    void *addr;
    char *name;
    size_t size; // of a variable; 0: a function
    int32_t flags, reserved;
};

struct __tgt_device_image {
    void *start, *end;
    __tgt_offload_entry *entries_begin, *entries_end; // the host's
};

// The arguments of a launch, from version 16 on; a plugin is given the first two alone.
struct KernelArgsTy {
    uint32_t version, count;
    void **bases, **begins;
    int64_t *sizes, *types;
    void **names, **mappers;
};
}

namespace acc::openmp
{

// OMP_TARGET_OFFLOAD says that regions run on a device or not at all.
bool is_mandatory();
// What `requires` directives of the program say, of LLVM's enum OpenMPOffloadingRequiresDirFlags.
constexpr int64_t kRequiresUnifiedSharedMemory = 8;
// Regions see what is mapped, and nothing else of the program's memory. True: says so, once.
bool requires_too_much(int64_t flags);
// A shared library for x86-64 that says that it is for us, by a section; or any, if ACC_DEVICE
// names a device or offloading is mandatory: there is a plugin for the host, too, that takes any.
bool is_ours(const __tgt_device_image &image);
// Its entries in the order of the host's, with addresses of the device: of a function,
// Objects::Function. An empty text, or why not.
std::string load_entries(Offload &offload, const __tgt_device_image &image,
                         std::vector<__tgt_offload_entry> &entries);
// On stderr, behind what stdout has.
void complain(const std::string &text);

} // namespace acc::openmp
