// SPDX-License-Identifier: MIT
//
// Buffers that kernels print into, used again and again: a region's process that maps memory which
// goes away is ended, and the next launch has to load its program.
//
// Thread safety: all calls from any thread.
#pragma once

#include "acc/acc.h"

#include <mutex>
#include <vector>

namespace acc::ocl
{

class PrintPool
{
public:
    PrintPool() = default;
    ~PrintPool();
    PrintPool(const PrintPool &) = delete;
    PrintPool &operator=(const PrintPool &) = delete;

    // A u32, which is 0: how much text is behind it; then room for kPrintfBytes. Null: no memory.
    acc_buffer *take();
    // Precondition: no launch will touch it any more.
    void give_back(acc_buffer *buffer);

private:
    std::mutex mutex_;
    std::vector<acc_buffer *> all_, free_;
};

} // namespace acc::ocl
