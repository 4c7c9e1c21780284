// SPDX-License-Identifier: MIT
//
// Signals of libacc that commands complete, used again and again. One that somebody still waits
// on is not handed out: whoever waits holds a ref.
//
// Thread safety: all calls from any thread, of one signal as libacc says.
#pragma once

#include "acc/acc.h"
#include "libacc/interop/opencl/object.h"

#include <memory>
#include <mutex>
#include <vector>

namespace acc::ocl
{

class SignalPool;

struct Signal {
    acc_signal *handle = nullptr;
    SignalPool *pool = nullptr;
    std::atomic<uint32_t> refs{0};

    void ref() { refs.fetch_add(1, std::memory_order_relaxed); }
    void unref();
};

inline bool is_over(const Signal &signal)
{
    return acc_signal_load(signal.handle) <= 0;
}

// Ended after all refs, on a thread that is none of libacc's.
class SignalPool
{
public:
    explicit SignalPool(acc_device *device) : device_(device) {}
    ~SignalPool();
    SignalPool(const SignalPool &) = delete;
    SignalPool &operator=(const SignalPool &) = delete;

    // Of value 1. Null: none can be made.
    Ref<Signal> take();

private:
    friend struct Signal;
    void give_back(Signal *signal);

    acc_device *const device_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Signal>> all_;
    std::vector<Signal *> free_;
};

} // namespace acc::ocl
