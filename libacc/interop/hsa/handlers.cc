// SPDX-License-Identifier: MIT
//
// Handlers that are called when a signal's value fits, and other work for the same thread.
#include "signals.h"
#include "workers.h"

#include <cerrno>

namespace acc::hsa
{
namespace
{

struct Handler {
    Runtime &runtime;
    SignalRef signal;
    uint32_t condition;
    int64_t value;
    hsa_amd_signal_handler fn;
    void *arg;
};
using HandlerRef = std::shared_ptr<Handler>;

hsa_status_t arm(const HandlerRef &handler);

// On the thread of handlers, one after the other.
void call(const HandlerRef &handler, int64_t observed, int error)
{
    Signals &signals = handler->runtime.signals();
    const auto gone = [&] { return handler->signal->destroyed.load(std::memory_order_acquire); };
    if (error == -EIO || error == -ENODEV)
        log_line(ACC_LOG_WARN, "a signal's handler was dropped: a device was reset or is gone");
    if (!error && !gone() && handler->fn(observed, handler->arg) && !gone()) (void)arm(handler);
    signals.end_callback();
}

// On a thread of libacc's.
void fired(void *user, acc_signal *, int64_t observed, int error)
{
    const std::unique_ptr<HandlerRef> handler(static_cast<HandlerRef *>(user));
    Runtime &runtime = (*handler)->runtime;
    // Moved, not shared: who drops the last reference ends the signal, and where one of its
    // callbacks runs it can't be ended.
    Worker::Job job = [handler = std::move(*handler), observed, error] {
        call(handler, observed, error);
    };
    if (runtime.workers().handlers.post(std::move(job)) != HSA_STATUS_SUCCESS) job();
}

hsa_status_t arm(const HandlerRef &handler)
{
    auto user = std::make_unique<HandlerRef>(handler);
    HSA_TRY(handler->runtime.signals().on(handler->signal, handler->condition, handler->value,
                                          fired, user.get()));
    (void)user.release(); // fired() has it
    return HSA_STATUS_SUCCESS;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_amd_signal_async_handler(hsa_signal_t signal, hsa_signal_condition_t cond,
                                          hsa_signal_value_t value, hsa_amd_signal_handler handler,
                                          void *arg)
{
    return with_runtime([&](Runtime &runtime) {
        SignalRef found = runtime.signals().find(signal);
        if (!found) return HSA_STATUS_ERROR_INVALID_SIGNAL;
        if (!handler || uint32_t(cond) > ACC_COND_GE) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return arm(std::make_shared<Handler>(
            Handler{runtime, std::move(found), uint32_t(cond), value, handler, arg}));
    });
}

hsa_status_t hsa_amd_async_function(void (*callback)(void *arg), void *arg)
{
    return with_runtime([&](Runtime &runtime) {
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return runtime.workers().handlers.post([callback, arg] { callback(arg); });
    });
}

} // extern "C"
