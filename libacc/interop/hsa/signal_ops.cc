// SPDX-License-Identifier: MIT
//
// The atomics of signals, each operation in each order. All change the value with an order
// of at least the one that the name says, then fence and look for who waits, as
// docs/protocols.md asks of every writer. In the usual case, nobody waiting, that is one
// locked instruction, one fence, and no call.
#include "queues.h"
#include "signals.h"

using namespace acc::hsa;

namespace
{

constexpr uint32_t waiting = ACC_NOTIFY_HOST | ACC_NOTIFY_DEVICE;

acc_signal_memory *memory_of(hsa_signal_t signal)
{
    // Handle 0 is reserved; without a runtime no handle means anything.
    if (!Runtime::current()) [[unlikely]]
        return nullptr;
    return reinterpret_cast<acc_signal_memory *>(signal.handle);
}

bool is_doorbell(acc_signal_memory &memory)
{
    return std::atomic_ref(memory.kind).load(std::memory_order_relaxed) == doorbell_kind;
}

[[gnu::noinline]] void wake(hsa_signal_t signal) noexcept
{
    Runtime *const runtime = Runtime::current();
    if (!runtime) return;
    const SignalRef object = runtime->signals().find(signal);
    if (object && acc_signal_wake(object->handle)) log_line(ACC_LOG_WARN, acc_error_text());
}

void wake_if_waited_for(acc_signal_memory &memory, hsa_signal_t signal)
{
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (std::atomic_ref(memory.notify).load(std::memory_order_relaxed) & waiting) [[unlikely]]
        wake(signal);
}

int64_t load(hsa_signal_t signal, std::memory_order order) noexcept
{
    acc_signal_memory *const memory = memory_of(signal);
    return memory ? std::atomic_ref(memory->value).load(order) : 0;
}

void store(hsa_signal_t signal, int64_t value, std::memory_order order) noexcept
{
    acc_signal_memory *const memory = memory_of(signal);
    if (!memory) return;
    if (is_doorbell(*memory)) {
        auto &doorbell = *reinterpret_cast<Doorbell *>(memory);
        std::atomic_ref(doorbell.value).store(value, std::memory_order_relaxed);
        // It releases, fences and looks whether the device sleeps.
        (void)acc_queue_ring(doorbell.queue, uint64_t(value));
        return;
    }
    std::atomic_ref(memory->value).store(value, order);
    wake_if_waited_for(*memory, signal);
}

void silent_store(hsa_signal_t signal, int64_t value, std::memory_order order) noexcept
{
    acc_signal_memory *const memory = memory_of(signal);
    if (memory && !is_doorbell(*memory)) std::atomic_ref(memory->value).store(value, order);
}

// f(value, operand) changes the value and returns what it was.
template <typename F>
int64_t change(hsa_signal_t signal, F f) noexcept
{
    acc_signal_memory *const memory = memory_of(signal);
    if (!memory || is_doorbell(*memory)) return 0;
    const int64_t before = f(std::atomic_ref(memory->value));
    wake_if_waited_for(*memory, signal);
    return before;
}

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
// The "sc" of the names: one order of all such operations on all signals.
constexpr auto seq_cst = std::memory_order_seq_cst;

} // namespace

extern "C" {

hsa_signal_value_t hsa_signal_load_relaxed(hsa_signal_t signal)
{
    return load(signal, relaxed);
}
hsa_signal_value_t hsa_signal_load_scacquire(hsa_signal_t signal)
{
    return load(signal, seq_cst);
}
hsa_signal_value_t hsa_signal_load_acquire(hsa_signal_t signal)
{
    return load(signal, acquire);
}
void hsa_signal_store_relaxed(hsa_signal_t signal, hsa_signal_value_t value)
{
    store(signal, value, relaxed);
}
void hsa_signal_store_screlease(hsa_signal_t signal, hsa_signal_value_t value)
{
    store(signal, value, release);
}
void hsa_signal_store_release(hsa_signal_t signal, hsa_signal_value_t value)
{
    store(signal, value, release);
}
void hsa_signal_silent_store_relaxed(hsa_signal_t signal, hsa_signal_value_t value)
{
    silent_store(signal, value, relaxed);
}
void hsa_signal_silent_store_screlease(hsa_signal_t signal, hsa_signal_value_t value)
{
    silent_store(signal, value, seq_cst);
}

// One operation, seven names: four orders, three of them with an older name too.
#define IN_ALL_ORDERS(define, name)                                                                \
    define(name##_relaxed, relaxed) define(name##_scacquire, seq_cst)                              \
        define(name##_acquire, acquire) define(name##_screlease, seq_cst)                          \
            define(name##_release, release) define(name##_scacq_screl, seq_cst)                    \
                define(name##_acq_rel, acq_rel)

#define DEFINE_EXCHANGE(name, order)                                                               \
    hsa_signal_value_t name(hsa_signal_t signal, hsa_signal_value_t value)                         \
    {                                                                                              \
        return change(signal, [&](auto at) { return at.exchange(value, order); });                 \
    }
#define DEFINE_CAS(name, order)                                                                    \
    hsa_signal_value_t name(hsa_signal_t signal, hsa_signal_value_t expected,                      \
                            hsa_signal_value_t value)                                              \
    {                                                                                              \
        return change(signal, [&](auto at) {                                                       \
            acc_s64 observed = expected;                                                           \
            at.compare_exchange_strong(observed, value, order);                                    \
            return observed;                                                                       \
        });                                                                                        \
    }
#define DEFINE_FETCH(name, order, operation)                                                       \
    void name(hsa_signal_t signal, hsa_signal_value_t value)                                       \
    {                                                                                              \
        change(signal, [&](auto at) { return at.operation(value, order); });                       \
    }
#define DEFINE_ADD(name, order) DEFINE_FETCH(name, order, fetch_add)
#define DEFINE_SUBTRACT(name, order) DEFINE_FETCH(name, order, fetch_sub)
#define DEFINE_AND(name, order) DEFINE_FETCH(name, order, fetch_and)
#define DEFINE_OR(name, order) DEFINE_FETCH(name, order, fetch_or)
#define DEFINE_XOR(name, order) DEFINE_FETCH(name, order, fetch_xor)

IN_ALL_ORDERS(DEFINE_EXCHANGE, hsa_signal_exchange)
IN_ALL_ORDERS(DEFINE_CAS, hsa_signal_cas)
IN_ALL_ORDERS(DEFINE_ADD, hsa_signal_add)
IN_ALL_ORDERS(DEFINE_SUBTRACT, hsa_signal_subtract)
IN_ALL_ORDERS(DEFINE_AND, hsa_signal_and)
IN_ALL_ORDERS(DEFINE_OR, hsa_signal_or)
IN_ALL_ORDERS(DEFINE_XOR, hsa_signal_xor)

} // extern "C"
