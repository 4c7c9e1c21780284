// SPDX-License-Identifier: MIT
//
// Device memory for mapped variables: pieces of a few large buffers, since a buffer that ends
// ends the region's process, which can't be trusted to have forgotten it. What is freed is used
// again and stays bound until the device is closed.
//
// Thread safety: all functions are any thread's.
#pragma once

#include "acc/acc.h"
#include "region_abi.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace acc::openmp
{

class DeviceMemory
{
public:
    // Of a device that outlives it.
    explicit DeviceMemory(acc_device *device) : device_(device) {}
    ~DeviceMemory();
    DeviceMemory(const DeviceMemory &) = delete;
    DeviceMemory &operator=(const DeviceMemory &) = delete;

    // Aligned to 64 bytes, of unspecified contents, at one address on host and device. Null:
    // acc_error_text() says why.
    void *allocate(size_t bytes);
    // How many bytes there were; 0: not from allocate(), or freed already.
    size_t free(void *pointer);

    // What regions may touch, for a launch: as of now, or later.
    struct Ranges {
        uint64_t table = 0; // struct acc_omp_range[count]
        uint32_t count = 0;
        uint64_t generation = 0;
    };
    Ranges ranges();

private:
    bool add_chunk(size_t bytes);

    acc_device *const device_;
    std::mutex mutex_; // of all that follows
    std::vector<acc_buffer *> chunks_;
    std::byte *next_ = nullptr, *end_ = nullptr; // what is left of the newest chunk
    acc_buffer *table_ = nullptr;
    uint32_t count_ = 0;
    std::unordered_map<void *, size_t> sizes_;     // of what is in use
    std::map<size_t, std::vector<void *>> unused_; // by size
};

} // namespace acc::openmp
