// SPDX-License-Identifier: MIT
//
// hsa_ext_amd.h: times, priorities, masks, coherency.
#include "queues.h"

#include <algorithm>
#include <cerrno>

namespace acc::hsa
{
namespace
{

// f(Queue &) for a queue that a device serves.
template <typename F>
hsa_status_t with_device_queue(const hsa_queue_t *queue, F f)
{
    return with_runtime([&](Runtime &runtime) {
        Queue *const found = runtime.queues().find(queue);
        if (!found || found->soft) return HSA_STATUS_ERROR_INVALID_QUEUE;
        return f(*found);
    });
}

// Times of the last packet that completed into a signal, in ticks.
template <typename Time>
hsa_status_t times_of(Runtime &runtime, hsa_signal_t signal, Time *time)
{
    const SignalRef found = runtime.signals().find(signal);
    if (!found) return HSA_STATUS_ERROR_INVALID_SIGNAL;
    if (!time) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    auto result = acc_init<acc_signal_result>();
    if (const int error = acc_signal_get_result(found->handle, &result)) return status_of(error);
    time->start = result.start_ns / ns_per_tick;
    time->end = result.end_ns / ns_per_tick;
    return HSA_STATUS_SUCCESS;
}

constexpr uint32_t mask_word_bits = 32;

// The header's type of a pointer to a value, whatever qualifiers it has there.
template <typename>
struct SecondOf;
template <typename R, typename A, typename B>
struct SecondOf<R(A, B)> {
    using Type = B;
};
using ValuePointer = SecondOf<decltype(hsa_amd_signal_value_pointer)>::Type;

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

// Times are always taken.
hsa_status_t hsa_amd_profiling_set_profiler_enabled(hsa_queue_t *queue, int)
{
    return with_runtime([&](Runtime &runtime) {
        if (!queue) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return runtime.queues().find(queue) ? HSA_STATUS_SUCCESS : HSA_STATUS_ERROR_INVALID_QUEUE;
    });
}

hsa_status_t hsa_amd_profiling_async_copy_enable(bool)
{
    return with_runtime([&](Runtime &) { return HSA_STATUS_SUCCESS; });
}

hsa_status_t hsa_amd_profiling_get_dispatch_time(hsa_agent_t agent, hsa_signal_t signal,
                                                 hsa_amd_profiling_dispatch_time_t *time)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.agents().find(agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        return times_of(runtime, signal, time);
    });
}

hsa_status_t hsa_amd_profiling_get_async_copy_time(hsa_signal_t signal,
                                                   hsa_amd_profiling_async_copy_time_t *time)
{
    return with_runtime([&](Runtime &runtime) { return times_of(runtime, signal, time); });
}

// All agents have one clock, the system's.
hsa_status_t hsa_amd_profiling_convert_tick_to_system_domain(hsa_agent_t agent, uint64_t agent_tick,
                                                             uint64_t *system_tick)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.agents().find(agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!system_tick) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *system_tick = agent_tick;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_coherency_get_type(hsa_agent_t agent, hsa_amd_coherency_type_t *type)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.agents().find(agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!type) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *type = HSA_AMD_COHERENCY_TYPE_COHERENT;
        return HSA_STATUS_SUCCESS;
    });
}

// As hsa_ext_amd.h says: it succeeds, and changes nothing.
hsa_status_t hsa_amd_coherency_set_type(hsa_agent_t agent, hsa_amd_coherency_type_t type)
{
    return with_runtime([&](Runtime &runtime) {
        if (!runtime.agents().find(agent)) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (type != HSA_AMD_COHERENCY_TYPE_COHERENT && type != HSA_AMD_COHERENCY_TYPE_NONCOHERENT)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_queue_set_priority(hsa_queue_t *queue, hsa_amd_queue_priority_t priority)
{
    return with_device_queue(queue, [&](Queue &found) {
        if (priority != HSA_AMD_QUEUE_PRIORITY_LOW && priority != HSA_AMD_QUEUE_PRIORITY_NORMAL &&
            priority != HSA_AMD_QUEUE_PRIORITY_HIGH)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        // The numbers are those of enum acc_priority.
        const int error = acc_queue_set_priority(found.handle, uint32_t(priority));
        if (!error) return HSA_STATUS_SUCCESS;
        // -EACCES for HIGH, -EBUSY after the first packet: the text says which.
        log_line(ACC_LOG_WARN, acc_error_text());
        return HSA_STATUS_ERROR;
    });
}

// Which slot runs a kernel is the residency manager's choice: only "all" can be set.
hsa_status_t hsa_amd_queue_cu_set_mask(const hsa_queue_t *queue, uint32_t num_cu_mask_count,
                                       const uint32_t *cu_mask)
{
    return with_device_queue(queue, [&](Queue &found) {
        if (num_cu_mask_count % mask_word_bits || (num_cu_mask_count && !cu_mask))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (uint32_t slot = 0; num_cu_mask_count && slot < found.agent->node->info.slots; slot++)
            if (slot >= num_cu_mask_count ||
                !(cu_mask[slot / mask_word_bits] >> slot % mask_word_bits & 1)) {
                log_line(ACC_LOG_WARN, "expected a mask of all slots; found one of some");
                return HSA_STATUS_ERROR;
            }
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_queue_cu_get_mask(const hsa_queue_t *queue, uint32_t num_cu_mask_count,
                                       uint32_t *cu_mask)
{
    return with_device_queue(queue, [&](Queue &found) {
        if (!num_cu_mask_count || num_cu_mask_count % mask_word_bits || !cu_mask)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        std::fill_n(cu_mask, num_cu_mask_count / mask_word_bits, 0);
        const uint32_t slots = std::min(num_cu_mask_count, found.agent->node->info.slots);
        for (uint32_t slot = 0; slot < slots; slot++)
            cu_mask[slot / mask_word_bits] |= 1u << slot % mask_word_bits;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_signal_create(hsa_signal_value_t initial_value, uint32_t num_consumers,
                                   const hsa_agent_t *consumers, uint64_t attributes,
                                   hsa_signal_t *signal)
{
    return with_runtime([&](Runtime &runtime) {
        if (attributes & ~uint64_t(HSA_AMD_SIGNAL_AMD_GPU_ONLY | HSA_AMD_SIGNAL_IPC))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return runtime.signals().create(initial_value, num_consumers, consumers, attributes,
                                        signal);
    });
}

hsa_status_t hsa_amd_signal_value_pointer(hsa_signal_t signal, ValuePointer value_ptr)
{
    return with_runtime([&](Runtime &runtime) {
        const SignalRef found = runtime.signals().find(signal);
        if (!found) return HSA_STATUS_ERROR_INVALID_SIGNAL;
        if (!value_ptr) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *value_ptr = reinterpret_cast<hsa_signal_value_t *>(&found->memory().value);
        return HSA_STATUS_SUCCESS;
    });
}

} // extern "C"
