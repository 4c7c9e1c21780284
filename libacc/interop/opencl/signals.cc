// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/signals.h"

namespace acc::ocl
{

void Signal::unref()
{
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) pool->give_back(this);
}

SignalPool::~SignalPool()
{
    for (const auto &signal : all_)
        (void)acc_signal_destroy(signal->handle);
}

Ref<Signal> SignalPool::take()
{
    {
        std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            Signal *const found = free_.back();
            free_.pop_back();
            acc_signal_reset(found->handle, 1);
            return Ref(found);
        }
    }
    auto made = std::make_unique<Signal>();
    if (acc_signal_create(&device_, 1, 1, &made->handle)) return {};
    made->pool = this;
    Signal *const signal = made.get();
    std::lock_guard lock(mutex_);
    free_.reserve(all_.size() + 1); // give_back() never allocates
    all_.push_back(std::move(made));
    return Ref(signal);
}

void SignalPool::give_back(Signal *signal)
{
    std::lock_guard lock(mutex_);
    free_.push_back(signal);
}

} // namespace acc::ocl
