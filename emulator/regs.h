// SPDX-License-Identifier: MIT
//
// The register face: BAR0's registers, the admin and event rings, and doorbells, over the
// same device core as the in-process face. docs/device.md is its specification. What carries
// register accesses and interrupt messages (emulator/pci/) is not known here.
//
// Threading: read(), write() and ring() come from a bus that waits for the answer, so they
// take short locks and never wait for the device. A thread fetches commands and executes those
// that never wait; the others have threads of their own, so that a WAKE passes an UNMAP.
//
//   READY --RUN--> RUNNING --error--> FAILED
//     ^---- RESETTING <---- RESET from any ----'
#pragma once

#include "emulator/device.h"
#include "emulator/emulator.h"
#include "emulator/spec.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace acc::emu
{

// Who delivers interrupts. interrupt() is called from any thread, under a lock: it takes note
// and returns at once.
class InterruptSink
{
public:
    virtual ~InterruptSink() = default;
    virtual void interrupt(unsigned vector) = 0; // ACC_VECTOR_*
};

class RegisterFace final : public EventSink
{
public:
    // `bus` and `interrupts` outlive it. Errors of Device::create.
    static Result<std::unique_ptr<RegisterFace>> create(DeviceParts parts, Bus &bus,
                                                        InterruptSink &interrupts, LogFunction log);
    ~RegisterFace() override;

    // Accesses of 4 or 8 bytes, aligned; what is not one, or no register, reads all ones and
    // writes nothing.
    uint64_t read(uint64_t offset, unsigned bytes);
    void write(uint64_t offset, uint64_t value, unsigned bytes);
    // A store anywhere into the doorbell BAR.
    void ring(uint64_t offset);

    // What ACC_REG_RESET does; returns at once.
    void reset();
    // The bus takes nothing from it any more: a reset if it runs. Returns at once.
    void stop();
    // Resets, and returns when no access to the bus is in flight or will come.
    void reset_and_wait();

    uint32_t engine() const { return identity_.engine; }
    static constexpr uint32_t asids = 1024; // 1 … asids - 1
    static constexpr uint64_t doorbell_bytes = uint64_t(asids) * ACC_DOORBELL_PAGE_BYTES;

    void raise(const acc_event &event) override;

private:
    struct Command {
        acc_admin_cmd words;
        uint64_t life; // the reset count when it was fetched
    };
    // A ring that the device writes: entries [head, tail) are the driver's to take.
    struct OutRing {
        uint64_t address = 0;
        uint32_t log2 = 0;
        uint32_t tail = 0, head = 0;
        uint32_t entries() const { return 1u << log2; }
        bool full() const { return tail - head >= entries(); }
        uint16_t phase() const { return (tail >> log2 & 1) ? 0 : 1; }
    };

    RegisterFace(InterruptSink &interrupts, Bus &bus, LogFunction log)
        : interrupts_(interrupts), bus_(bus), log_(std::move(log))
    {
    }

    // All of these under mutex_.
    uint32_t read_word(uint32_t offset);
    void write_word(uint32_t offset, uint32_t value);
    void run();
    bool check_ring(uint64_t address, uint32_t log2, uint32_t least, uint32_t most,
                    uint32_t entry_bytes);
    void move_head(OutRing &ring, uint32_t head);
    void fail(acc_device_error error, uint64_t info);
    void cause(uint32_t bits);
    void send(uint32_t bits);
    std::byte *at(uint64_t address);
    bool put_event(const acc_event &event);
    bool put_completion(const acc_admin_cpl &completion);
    void flush_completions();
    void complete(const acc_admin_cpl &completion, uint64_t life);
    bool fetch(Command &command);

    void fetch_loop();
    void work_loop();
    void execute(const Command &command);
    void do_reset(std::unique_lock<std::mutex> &lock);
    acc_admin_cpl inject(const acc_admin_cmd &command);

    InterruptSink &interrupts_;
    Bus &bus_;
    const LogFunction log_;
    drm_acc_identity identity_ = {};

    std::mutex mutex_; // of all that follows
    std::condition_variable fetch_wanted_, work_wanted_, idle_;
    bool stopping_ = false;

    uint32_t state_ = ACC_DEVICE_READY, error_ = ACC_ERROR_NONE;
    uint64_t error_info_ = 0;
    uint32_t resets_ = 0;
    uint64_t life_ = 0; // changes when commands and events before it are void
    bool reset_wanted_ = false, stuck_ = false;
    uint32_t heartbeat_ = 0;
    uint32_t cause_ = 0, mask_ = ACC_IRQ_ALL;
    std::chrono::steady_clock::time_point repeat_at_{}; // when causes that stay are told again
    std::chrono::milliseconds repeat_after_{};          // and how long after that once more
    uint64_t clock_latch_ = 0;

    // As written; taken over by RUN.
    uint64_t sq_ = 0, cq_ = 0, event_ring_ = 0;
    uint32_t admin_log2_ = 0, event_log2_ = 0;

    uint64_t sq_base_ = 0;
    uint32_t fetched_ = 0, sq_tail_ = 0;
    OutRing completions_, events_;
    std::deque<acc_admin_cpl> held_; // completions for which the ring had no room
    bool events_lost_ = false;       // a LOST record is due

    std::deque<Command> work_;
    unsigned in_flight_ = 0; // commands that execute now
    unsigned waiting_workers_ = 0;
    std::vector<std::thread> workers_;
    std::thread fetcher_;

    std::unique_ptr<Device> device_; // last: its threads raise events
};

} // namespace acc::emu
