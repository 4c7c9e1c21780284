// SPDX-License-Identifier: MIT
//
// Shared virtual memory of a context: blocks that have one address for the host and all devices,
// which all of libacc's buffers have.
//
// Thread safety: all calls from any thread.
#pragma once

#include "libacc/interop/opencl/object.h"

#include "acc/acc.h"

#include <map>
#include <mutex>
#include <optional>

namespace acc::ocl
{

struct WaitList;

// Allocates on all devices. Null: no room. Ended by acc_buffer_destroy().
acc_buffer *make_buffer(size_t bytes);

class SvmBlocks
{
public:
    struct Block {
        acc_buffer *buffer = nullptr;
        uint64_t start = 0;
        size_t bytes = 0;     // asked for
        size_t alignment = 0; // the address is the next multiple
        cl_svm_mem_flags flags = 0;
        // Of the extension: CL_MEM_TYPE_*_INTEL, 0: made by clSVMAlloc.
        cl_uint usm_type = 0;
        cl_device_id usm_device = nullptr;
        cl_mem_alloc_flags_intel usm_flags = 0;
    };

    SvmBlocks() = default;
    ~SvmBlocks();
    SvmBlocks(const SvmBlocks &) = delete;
    SvmBlocks &operator=(const SvmBlocks &) = delete;

    // The address; null: no room.
    void *add(Block block);
    // False: no block begins there.
    bool remove(const void *address);
    // The block that `address` lies in, as it was a moment ago.
    std::optional<Block> find(const void *address) const;
    // All of it lies in one block.
    bool holds(const void *address, size_t bytes) const;

private:
    mutable std::mutex mutex_;
    std::map<uint64_t, Block> blocks_; // by start
};

// clEnqueueSVMMemFill() and clEnqueueSVMMemcpy() as `command`, with their errors: USM has the same.
cl_int enqueue_fill(cl_command_queue queue, cl_command_type command, void *to, const void *pattern,
                    size_t pattern_bytes, size_t bytes, WaitList list, cl_event *event);
cl_int enqueue_copy(cl_command_queue queue, cl_command_type command, cl_bool blocking, void *to,
                    const void *from, size_t bytes, WaitList list, cl_event *event);

} // namespace acc::ocl
