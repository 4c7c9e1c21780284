// SPDX-License-Identifier: MIT
//
// Waiting: look, spin for a while if asked to, then sleep in libacc.
#include "agents.h"
#include "signals.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <thread>

namespace acc::hsa
{
namespace
{

// How long a thread that asked for HSA_WAIT_STATE_ACTIVE spins before it sleeps all the same.
constexpr uint64_t active_spin_ns = 1'000'000;
constexpr int looks_per_clock_read = 64;
// Where nobody will write a signal any more: how often it is looked at, and for how long.
constexpr uint64_t lost_nap_ns = 1'000'000, lost_wait_ns = 100'000'000;
// How often a signal is looked at that another process changes unheard.
constexpr uint64_t poll_ns = 1'000'000;

uint64_t now_ns()
{
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return uint64_t(now.tv_sec) * 1'000'000'000u + uint64_t(now.tv_nsec);
}

void relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

int64_t value_of(const SignalRef &signal)
{
    return std::atomic_ref(signal->memory().value).load(std::memory_order_seq_cst);
}

bool holds(int64_t observed, uint32_t condition, int64_t value)
{
    switch (condition) {
    case HSA_SIGNAL_CONDITION_EQ:
        return observed == value;
    case HSA_SIGNAL_CONDITION_NE:
        return observed != value;
    case HSA_SIGNAL_CONDITION_LT:
        return observed < value;
    default:
        return observed >= value;
    }
}

// As many threads spin as leave a processor to somebody else.
class Spinner
{
public:
    Spinner() : may_(spinners_.fetch_add(1, std::memory_order_relaxed) < limit()) {}
    ~Spinner() { spinners_.fetch_sub(1, std::memory_order_relaxed); }
    Spinner(const Spinner &) = delete;
    Spinner &operator=(const Spinner &) = delete;
    explicit operator bool() const { return may_; }

private:
    static uint32_t limit()
    {
        static const uint32_t most = std::max(1u, std::thread::hardware_concurrency() / 2);
        return most;
    }
    static inline std::atomic<uint32_t> spinners_{0};
    const bool may_;
};

bool spin(const SignalRef &signal, uint32_t condition, int64_t value, uint64_t until,
          int64_t &observed)
{
    const acc_signal_memory &memory = signal->memory();
    const std::atomic_ref at(const_cast<acc_s64 &>(memory.value));
    const Spinner spinner;
    if (!spinner) return false;
    do {
        for (int i = 0; i < looks_per_clock_read; i++) {
            observed = at.load(std::memory_order_acquire);
            if (holds(observed, condition, value)) return true;
            relax();
        }
    } while (now_ns() < until);
    return false;
}

// After a reset or the loss of a device: others may still change the value, and libacc
// wakes nobody for it.
int64_t wait_without_device(const SignalRef &signal, uint32_t condition, int64_t value,
                            uint64_t deadline_ns)
{
    const uint64_t end = std::min(deadline_ns, now_ns() + lost_wait_ns);
    int64_t observed = value_of(signal);
    while (!holds(observed, condition, value) && now_ns() < end) {
        const timespec nap = {0, long(lost_nap_ns)};
        nanosleep(&nap, nullptr);
        observed = value_of(signal);
    }
    return observed;
}

} // namespace

uint64_t deadline_of(uint64_t hint)
{
    if (hint > UINT64_MAX / ns_per_tick) return ACC_FOREVER;
    return hint ? acc_deadline(hint * ns_per_tick) : uint64_t(ACC_NOW);
}

int64_t wait_for(Runtime &, const SignalRef &signal, uint32_t condition, int64_t value,
                 uint64_t deadline_ns, hsa_wait_state_t state)
{
    int64_t observed = value_of(signal);
    if (holds(observed, condition, value) || deadline_ns == ACC_NOW) return observed;
    if (state == HSA_WAIT_STATE_ACTIVE &&
        spin(signal, condition, value, std::min(deadline_ns, now_ns() + active_spin_ns), observed))
        return observed;
    int error;
    do {
        const uint64_t end =
            signal->polled ? std::min(deadline_ns, now_ns() + poll_ns) : deadline_ns;
        error = acc_signal_wait(signal->handle, condition, value, end, &observed);
    } while (error == -ETIME && signal->polled && now_ns() < deadline_ns);
    if (!error) return observed;
    if (error == -ETIME) return value_of(signal);
    return wait_without_device(signal, condition, value, deadline_ns);
}

size_t wait_for_any(Runtime &, const std::vector<SignalRef> &signals, const uint32_t *conditions,
                    const int64_t *values, uint64_t deadline_ns, int64_t *observed)
{
    std::vector<acc_signal *> handles;
    for (const SignalRef &signal : signals)
        handles.push_back(signal->handle);
    const bool polled =
        std::ranges::any_of(signals, [](const SignalRef &signal) { return signal->polled; });
    for (;;) {
        for (size_t i = 0; i < signals.size(); i++) {
            const int64_t seen = value_of(signals[i]);
            if (!holds(seen, conditions[i], values[i])) continue;
            if (observed) *observed = seen;
            return i;
        }
        if (now_ns() >= deadline_ns) return SIZE_MAX;
        size_t index = 0;
        const uint64_t end = polled ? std::min(deadline_ns, now_ns() + poll_ns) : deadline_ns;
        const int error =
            acc_signal_wait_any(handles.data(), conditions, values, handles.size(), end, &index);
        if (!error) {
            if (observed) *observed = value_of(signals[index]);
            return index;
        }
        if (error == -ETIME) continue; // looks a last time
        const timespec nap = {0, long(lost_nap_ns)};
        nanosleep(&nap, nullptr);
    }
}

} // namespace acc::hsa

using namespace acc::hsa;

namespace
{

hsa_signal_value_t wait(hsa_signal_t signal, hsa_signal_condition_t condition,
                        hsa_signal_value_t compare, uint64_t hint, hsa_wait_state_t state) noexcept
{
    try {
        Runtime *const runtime = Runtime::current();
        const SignalRef object = runtime ? runtime->signals().find(signal) : nullptr;
        if (!object) return 0;
        const uint32_t operation = uint32_t(condition);
        if (operation > HSA_SIGNAL_CONDITION_GTE)
            return std::atomic_ref(object->memory().value).load(std::memory_order_seq_cst);
        return wait_for(*runtime, object, operation, compare, deadline_of(hint), state);
    } catch (const std::exception &error) {
        log_line(ACC_LOG_ERROR, error.what());
        return 0;
    }
}

hsa_status_t group_wait(hsa_signal_group_t signal_group, const hsa_signal_condition_t *conditions,
                        const hsa_signal_value_t *compare_values, hsa_signal_t *signal,
                        hsa_signal_value_t *value)
{
    return with_runtime([&](Runtime &runtime) {
        const auto group = runtime.signals().find_group(signal_group);
        if (!group) return HSA_STATUS_ERROR_INVALID_SIGNAL_GROUP;
        if (!conditions || !compare_values || !signal || !value)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        std::vector<uint32_t> operations(conditions, conditions + group->signals.size());
        if (std::ranges::any_of(operations, [](uint32_t c) { return c > ACC_COND_GE; }))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const size_t index = wait_for_any(runtime, group->signals, operations.data(),
                                          compare_values, ACC_FOREVER, value);
        *signal = {group->signals[index]->address()};
        return HSA_STATUS_SUCCESS;
    });
}

} // namespace

extern "C" {

hsa_signal_value_t hsa_signal_wait_scacquire(hsa_signal_t signal, hsa_signal_condition_t condition,
                                             hsa_signal_value_t compare_value,
                                             uint64_t timeout_hint,
                                             hsa_wait_state_t wait_state_hint)
{
    return wait(signal, condition, compare_value, timeout_hint, wait_state_hint);
}

hsa_signal_value_t hsa_signal_wait_acquire(hsa_signal_t signal, hsa_signal_condition_t condition,
                                           hsa_signal_value_t compare_value, uint64_t timeout_hint,
                                           hsa_wait_state_t wait_state_hint)
{
    return wait(signal, condition, compare_value, timeout_hint, wait_state_hint);
}

hsa_signal_value_t hsa_signal_wait_relaxed(hsa_signal_t signal, hsa_signal_condition_t condition,
                                           hsa_signal_value_t compare_value, uint64_t timeout_hint,
                                           hsa_wait_state_t wait_state_hint)
{
    return wait(signal, condition, compare_value, timeout_hint, wait_state_hint);
}

hsa_status_t hsa_signal_group_wait_any_scacquire(hsa_signal_group_t signal_group,
                                                 const hsa_signal_condition_t *conditions,
                                                 const hsa_signal_value_t *compare_values,
                                                 hsa_wait_state_t, hsa_signal_t *signal,
                                                 hsa_signal_value_t *value)
{
    return group_wait(signal_group, conditions, compare_values, signal, value);
}

hsa_status_t hsa_signal_group_wait_any_relaxed(hsa_signal_group_t signal_group,
                                               const hsa_signal_condition_t *conditions,
                                               const hsa_signal_value_t *compare_values,
                                               hsa_wait_state_t, hsa_signal_t *signal,
                                               hsa_signal_value_t *value)
{
    return group_wait(signal_group, conditions, compare_values, signal, value);
}

uint32_t hsa_amd_signal_wait_any(uint32_t signal_count, hsa_signal_t *signals,
                                 hsa_signal_condition_t *conds, hsa_signal_value_t *values,
                                 uint64_t timeout_hint, hsa_wait_state_t,
                                 hsa_signal_value_t *satisfying_value)
{
    constexpr uint32_t none = UINT32_MAX;
    try {
        Runtime *const runtime = Runtime::current();
        if (!runtime || !signal_count || !signals || !conds || !values) return none;
        std::vector<SignalRef> objects;
        std::vector<uint32_t> operations;
        for (uint32_t i = 0; i < signal_count; i++) {
            objects.push_back(runtime->signals().find(signals[i]));
            operations.push_back(uint32_t(conds[i]));
            if (!objects.back() || operations.back() > ACC_COND_GE) return none;
        }
        const size_t index = wait_for_any(*runtime, objects, operations.data(), values,
                                          deadline_of(timeout_hint), satisfying_value);
        return index == SIZE_MAX ? none : uint32_t(index);
    } catch (const std::exception &error) {
        log_line(ACC_LOG_ERROR, error.what());
        return none;
    }
}

} // extern "C"
