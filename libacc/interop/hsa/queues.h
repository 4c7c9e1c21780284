// SPDX-License-Identifier: MIT
//
// Queues. hsa_queue_t points straight at the ring that libacc shares with the device; the
// indices are those of its control page. A soft queue has the same form in memory of a
// region, and nobody but the program reads it.
//
// Thread safety: all calls from any thread; a queue is not destroyed while it is used.
#pragma once

#include "agents.h"
#include "signals.h"

#include <unordered_map>

namespace acc::hsa
{

struct Queue {
    hsa_queue_t api = {}; // first: the program's pointer is to it
    acc_queue_control *control = nullptr;
    bool soft = false;
    acc_queue *handle = nullptr;        // null: soft
    acc_buffer *soft_memory = nullptr;  // ring and control page of a soft queue
    const Agent *agent = nullptr;       // null: soft
    std::atomic<bool> inactive{false};  // by the program
    std::atomic<uint32_t> profiling{0}; // hsa_amd_profiling_set_profiler_enabled
    void (*callback)(hsa_status_t, hsa_queue_t *, void *) = nullptr;
    void *data = nullptr;
    Runtime *runtime = nullptr;
    Doorbell doorbell;

    Queue() = default;
    ~Queue();
    Queue(const Queue &) = delete;
    Queue &operator=(const Queue &) = delete;
};

class Queues
{
public:
    Queues() = default;
    ~Queues();
    Queues(const Queues &) = delete;
    Queues &operator=(const Queues &) = delete;

    hsa_queue_t *add(std::unique_ptr<Queue> queue);
    // Null for what is none.
    Queue *find(const hsa_queue_t *queue) const;
    std::unique_ptr<Queue> remove(const hsa_queue_t *queue);
    // Of all queues that the application has ever had.
    static uint64_t next_id();

private:
    mutable std::mutex mutex_;
    std::unordered_map<const hsa_queue_t *, std::unique_ptr<Queue>> queues_;
};

// What the specification calls a fault of ours. `packet` is what the slot holds, or null.
hsa_status_t status_of_fault(uint32_t code, const acc_packet *packet);

} // namespace acc::hsa
