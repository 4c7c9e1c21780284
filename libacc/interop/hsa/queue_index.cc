// SPDX-License-Identifier: MIT
//
// The indices of queues, each operation in each order. They are words that the program, the
// device and libacc share: these functions are the atomics on them and nothing else.
#include "queues.h"

using namespace acc::hsa;

namespace
{

acc_queue_control *control_of(const hsa_queue_t *queue)
{
    if (!queue || !Runtime::current()) [[unlikely]]
        return nullptr;
    return reinterpret_cast<const Queue *>(queue)->control;
}

uint64_t load(acc_u64 acc_queue_control::*index, const hsa_queue_t *queue, std::memory_order order)
{
    acc_queue_control *const control = control_of(queue);
    return control ? std::atomic_ref(control->*index).load(order) : 0;
}

void store_write(const hsa_queue_t *queue, uint64_t value, std::memory_order order)
{
    if (acc_queue_control *const control = control_of(queue))
        std::atomic_ref(control->write_index).store(value, order);
}

void store_read(const hsa_queue_t *queue, uint64_t value, std::memory_order order)
{
    acc_queue_control *const control = control_of(queue);
    // A device's read index is the device's alone, and it would not believe another.
    if (control && reinterpret_cast<const Queue *>(queue)->soft)
        std::atomic_ref(control->read_index).store(value, order);
}

uint64_t add_write(const hsa_queue_t *queue, uint64_t value, std::memory_order order)
{
    acc_queue_control *const control = control_of(queue);
    return control ? std::atomic_ref(control->write_index).fetch_add(value, order) : 0;
}

uint64_t cas_write(const hsa_queue_t *queue, uint64_t expected, uint64_t value,
                   std::memory_order order)
{
    acc_queue_control *const control = control_of(queue);
    if (!control) return 0;
    acc_u64 observed = expected;
    std::atomic_ref(control->write_index).compare_exchange_strong(observed, value, order);
    return observed;
}

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;
// The "sc" of the names: one order of all such operations.
constexpr auto seq_cst = std::memory_order_seq_cst;

} // namespace

extern "C" {

#define DEFINE_LOAD(name, index, order)                                                            \
    uint64_t name(const hsa_queue_t *queue)                                                        \
    {                                                                                              \
        return load(&acc_queue_control::index, queue, order);                                      \
    }
DEFINE_LOAD(hsa_queue_load_read_index_relaxed, read_index, relaxed)
DEFINE_LOAD(hsa_queue_load_read_index_scacquire, read_index, seq_cst)
DEFINE_LOAD(hsa_queue_load_read_index_acquire, read_index, acquire)
DEFINE_LOAD(hsa_queue_load_write_index_relaxed, write_index, relaxed)
DEFINE_LOAD(hsa_queue_load_write_index_scacquire, write_index, seq_cst)
DEFINE_LOAD(hsa_queue_load_write_index_acquire, write_index, acquire)

#define DEFINE_STORE(name, store, order)                                                           \
    void name(const hsa_queue_t *queue, uint64_t value)                                            \
    {                                                                                              \
        store(queue, value, order);                                                                \
    }
DEFINE_STORE(hsa_queue_store_write_index_relaxed, store_write, relaxed)
DEFINE_STORE(hsa_queue_store_write_index_screlease, store_write, seq_cst)
DEFINE_STORE(hsa_queue_store_write_index_release, store_write, release)
DEFINE_STORE(hsa_queue_store_read_index_relaxed, store_read, relaxed)
DEFINE_STORE(hsa_queue_store_read_index_screlease, store_read, seq_cst)
DEFINE_STORE(hsa_queue_store_read_index_release, store_read, release)

#define DEFINE_ADD(name, order)                                                                    \
    uint64_t name(const hsa_queue_t *queue, uint64_t value)                                        \
    {                                                                                              \
        return add_write(queue, value, order);                                                     \
    }
#define DEFINE_CAS(name, order)                                                                    \
    uint64_t name(const hsa_queue_t *queue, uint64_t expected, uint64_t value)                     \
    {                                                                                              \
        return cas_write(queue, expected, value, order);                                           \
    }
// One operation, seven names: four orders, three of them with an older name too.
#define IN_ALL_ORDERS(define, name)                                                                \
    define(name##_relaxed, relaxed) define(name##_scacquire, seq_cst)                              \
        define(name##_acquire, acquire) define(name##_screlease, seq_cst)                          \
            define(name##_release, release) define(name##_scacq_screl, seq_cst)                    \
                define(name##_acq_rel, acq_rel)

IN_ALL_ORDERS(DEFINE_ADD, hsa_queue_add_write_index)
IN_ALL_ORDERS(DEFINE_CAS, hsa_queue_cas_write_index)

} // extern "C"
