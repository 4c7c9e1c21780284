// SPDX-License-Identifier: MIT
//
// A signal and the ways to wait for it.
//
// Thread safety: all calls from any thread, but destroy() alone.
#pragma once

#include "acc/acc.h"
#include "acc/check.h"
#include "libacc/clock.h"
#include "libacc/handle.h"
#include "libacc/signal_pool.h"

#include <atomic>
#include <memory>
#include <span>

namespace acc
{

class Device;

class Signal : public Handle
{
public:
    static Result<std::unique_ptr<Signal>> create(std::span<Device *const> devices,
                                                  int64_t initial);
    static Result<std::unique_ptr<Signal>> import(std::span<Device *const> devices, int fd,
                                                  uint64_t offset);
    // -EBUSY, and nothing has changed, while somebody waits.
    static int destroy(std::unique_ptr<Signal> &signal);
    ~Signal();

    acc_signal_memory *memory() const { return cell_.memory; }
    const SignalChunk &chunk() const { return *cell_.chunk; }
    uint64_t address() const { return reinterpret_cast<uint64_t>(cell_.memory); }
    std::span<Device *const> devices() const { return cell_.chunk->devices(); }
    // Whose WAIT and reader serve the waiters of this process.
    Device &device() const { return *cell_.chunk->devices().front(); }

    int64_t load() const
    {
        const int64_t value = std::atomic_ref(memory()->value).load(std::memory_order_acquire);
        note_status();
        return value;
    }
    int store(int64_t value);
    int add(int64_t value);
    // For who changed the value.
    int wake();
    // Fires the callbacks that wait, with -ECANCELED.
    void cancel();
    void reset(int64_t value);

    int wait(uint32_t condition, int64_t value, uint64_t deadline_ns, int64_t *observed)
    {
        // What is there already, or comes within a device's time for a short packet.
        const int looks = deadline_ns == ACC_NOW ? 1 : quick_looks;
        for (int i = 0; i < looks; i++) {
            const int64_t now = std::atomic_ref(memory()->value).load(std::memory_order_acquire);
            if (acc_condition_holds(now, condition, value)) [[likely]] {
                note_status();
                if (observed) *observed = now;
                return 0;
            }
            cpu_relax();
        }
        return wait_long(condition, value, deadline_ns, observed);
    }
    // -EINVAL with a text for what is no enum acc_condition.
    static int check_condition(uint32_t condition);

    int on(uint32_t condition, int64_t value, acc_signal_fn fn, void *user);
    Result<int> wait_fd(uint32_t condition, int64_t value);
    acc_signal_result result() const;

    // Held by whoever waits: an EBUSY of destroy().
    void begin_wait() { waits_.fetch_add(1, std::memory_order_relaxed); }
    void end_wait() { waits_.fetch_sub(1, std::memory_order_release); }

private:
    friend class CallbackEntry;
    friend class FdEntry;

    static constexpr int quick_looks = 64;

    explicit Signal(const SignalPools::Cell &cell) : Handle(HandleKind::Signal), cell_(cell) {}
    int wait_long(uint32_t condition, int64_t value, uint64_t deadline_ns, int64_t *observed);
    int sleep(uint32_t condition, int64_t value, uint64_t deadline_ns, int64_t *observed);
    // An error in the cell means that some queue may be in Error.
    void note_status() const
    {
        if (std::atomic_ref(memory()->status).load(std::memory_order_relaxed) != ACC_STATUS_OK)
            [[unlikely]]
            tell_error();
    }
    void tell_error() const;

    const SignalPools::Cell cell_;
    std::atomic<uint32_t> waits_{0};   // waits, and callbacks that have not been called
    std::atomic<uint32_t> running_{0}; // callbacks that run
    std::atomic<uint32_t> fds_{0};     // descriptors that have not been written
};

// What acc_signal_wait_any() does.
int wait_any(std::span<Signal *const> signals, const uint32_t *conditions, const int64_t *values,
             uint64_t deadline_ns, size_t *index);
// The same without spinning first. `index` and `observed` (may be null): what was satisfied.
int sleep_any(std::span<Signal *const> signals, const uint32_t *conditions, const int64_t *values,
              uint64_t deadline_ns, size_t *index, int64_t *observed);

} // namespace acc
