// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/prints.h"

#include "libacc/interop/opencl/device.h"
#include "libacc/interop/opencl/svm.h"

#include <cstring>

namespace acc::ocl
{

PrintPool::~PrintPool()
{
    for (acc_buffer *buffer : all_)
        (void)acc_buffer_destroy(buffer);
}

acc_buffer *PrintPool::take()
{
    constexpr uint32_t nothing = 0;
    std::lock_guard lock(mutex_);
    acc_buffer *found = nullptr;
    if (!free_.empty()) {
        found = free_.back();
        free_.pop_back();
    } else {
        all_.reserve(all_.size() + 1);
        free_.reserve(all_.capacity()); // give_back() never allocates
        found = make_buffer(sizeof nothing + kPrintfBytes);
        if (!found) return nullptr;
        all_.push_back(found);
    }
    std::memcpy(acc_buffer_data(found), &nothing, sizeof nothing);
    return found;
}

void PrintPool::give_back(acc_buffer *buffer)
{
    std::lock_guard lock(mutex_);
    free_.push_back(buffer);
}

} // namespace acc::ocl
