// SPDX-License-Identifier: MIT
//
// Signals. A handle is the address of the struct acc_signal_memory that packets name: rings
// take packets as programs write them. A doorbell's handle is the address of a Doorbell,
// which has a kind at the same place.
//
// Thread safety: all calls from any thread.
#pragma once

#include "runtime.h"

#include <array>
#include <condition_variable>
#include <shared_mutex>
#include <unordered_map>

namespace acc::hsa
{

// What amd_signal_t has for AMD_SIGNAL_KIND_DOORBELL.
constexpr int64_t doorbell_kind = -1;

struct alignas(64) Doorbell {
    acc_s64 kind = doorbell_kind;
    acc_s64 value = 0; // last rung, for who looks
    acc_queue *queue = nullptr;
};
static_assert(offsetof(Doorbell, value) == offsetof(acc_signal_memory, value));

// A signal stays until the last of those who wait on it has let it go.
struct SignalObject {
    acc_signal *handle = nullptr;
    std::atomic<bool> destroyed{false};
    int shared_fd = -1; // of the memory, for other processes
    // Another process may change it and wake nobody here: its emulator is not ours.
    bool polled = false;

    SignalObject() = default;
    ~SignalObject();
    SignalObject(const SignalObject &) = delete;
    SignalObject &operator=(const SignalObject &) = delete;

    acc_signal_memory &memory() const
    {
        return *reinterpret_cast<acc_signal_memory *>(acc_signal_address(handle));
    }
    uint64_t address() const { return acc_signal_address(handle); }
};
using SignalRef = std::shared_ptr<SignalObject>;

struct SignalGroup {
    std::vector<SignalRef> signals;
    hsa_signal_group_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
};

class Signals
{
public:
    explicit Signals(Runtime &runtime) : runtime_(runtime) {}
    ~Signals();

    hsa_status_t create(hsa_signal_value_t initial, uint32_t num_consumers,
                        const hsa_agent_t *consumers, uint64_t attributes, hsa_signal_t *signal);
    hsa_status_t destroy(hsa_signal_t signal);
    // Null for what is none; doorbells are none.
    SignalRef find(hsa_signal_t signal) const { return find(signal.handle); }
    SignalRef find(uint64_t address) const;
    // A signal of another process, in the memory behind `fd`, which it takes.
    hsa_status_t adopt(int fd, hsa_signal_t *signal);

    // Calls fn once as acc_signal_on() does, on a thread of libacc's; `user` is its. The
    // signal stays meanwhile. fn must lead to exactly one end_callback(), on another thread
    // than fn's, when what it began is over.
    hsa_status_t on(const SignalRef &signal, uint32_t condition, int64_t value, acc_signal_fn fn,
                    void *user);
    void end_callback();
    // Calls what waits with -ECANCELED and waits until it is over. on() fails from now on.
    void drain();

    hsa_signal_group_t add_group(std::unique_ptr<SignalGroup> group);
    bool remove_group(hsa_signal_group_t handle);
    std::shared_ptr<SignalGroup> find_group(hsa_signal_group_t handle) const;

private:
    struct Shard {
        mutable std::shared_mutex mutex;
        std::unordered_map<uint64_t, SignalRef> signals; // by address
    };
    static constexpr size_t shards = 64;
    Shard &shard(uint64_t address) { return shards_[address / ACC_SIGNAL_BYTES % shards]; }
    const Shard &shard(uint64_t address) const
    {
        return shards_[address / ACC_SIGNAL_BYTES % shards];
    }

    void add(const SignalRef &signal);

    Runtime &runtime_;
    std::array<Shard, shards> shards_;
    std::mutex callbacks_mutex_; // of what follows
    std::condition_variable callbacks_ended_;
    size_t callbacks_ = 0;
    bool draining_ = false;
    mutable std::mutex groups_mutex_;
    std::unordered_map<uint64_t, std::shared_ptr<SignalGroup>> groups_;
};

// Whether one of `consumers` is no agent, or is there twice.
hsa_status_t check_consumers(Runtime &runtime, uint32_t count, const hsa_agent_t *consumers);

// Ticks of the system clock: 250 MHz, which HSA's range allows, of CLOCK_MONOTONIC.
constexpr uint64_t ns_per_tick = 4, ticks_per_second = 250'000'000;
// A point of time `hint` ticks from now; UINT64_MAX is for ever.
uint64_t deadline_of(uint64_t hint);

// Waits as hsa_signal_wait_*: returns what was seen last, whether it fits or not. Ends
// early, at most every 100 ms, where nobody can be waited for.
int64_t wait_for(Runtime &runtime, const SignalRef &signal, uint32_t condition, int64_t value,
                 uint64_t deadline_ns, hsa_wait_state_t state);
// Index of a satisfied one, or SIZE_MAX when the time was over. `observed` may be null.
size_t wait_for_any(Runtime &runtime, const std::vector<SignalRef> &signals,
                    const uint32_t *conditions, const int64_t *values, uint64_t deadline_ns,
                    int64_t *observed);

} // namespace acc::hsa
