// SPDX-License-Identifier: MIT
//
// One user-mode queue as the device sees it: fetch, check, execute, complete, retire.
// A worker of the scheduler runs it; nobody else touches what is not atomic here.
//
// States: ACTIVE until a fault or a reset, then ERROR for ever: packets are consumed
// unexecuted with status CANCELLED, so that nobody waits for them.
#pragma once

#include "emulator/device.h"
#include "emulator/memory.h"
#include "emulator/residency.h"
#include "emulator/scheduler.h"

#include <memory>
#include <optional>
#include <vector>

namespace acc::emu
{

// Written by the queue's worker alone, summed by DEV_QUERY: no locked instruction.
struct QueueCounters {
    std::atomic<uint64_t> packets{0}, dispatches{0}, bytes_read{0}, bytes_written{0}, busy_ns{0},
        modelled_ns{0}, energy_pj{0}, saturations{0}, mvms{0}, sleeps{0};

    static void add(std::atomic<uint64_t> &counter, uint64_t value)
    {
        counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }
    void add_to(drm_acc_counters &out) const;
};

class Queue final : public SlotClient
{
public:
    struct Config {
        uint32_t id = 0;
        uint64_t ring = 0, control = 0; // device addresses
        uint32_t packets = 0;
        uint32_t priority = 0;
        uint32_t doorbell = 0; // index in the client's page
        uint64_t timeout_ns = 0;
    };

    // -EFAULT when ring or control page are not bound read/write. Initialises both.
    static Result<std::unique_ptr<Queue>> create(Device &device, std::shared_ptr<Space> space,
                                                 const Config &config);

    const Config &config() const { return config_; }
    const std::shared_ptr<Space> &space() const { return space_; }
    acc_queue_state state() const;
    const QueueCounters &counters() const { return counters_; }

    // Any thread: Error with this code at the next packet; a running dispatch is stopped.
    void request_stop(acc_status code);
    // A program that a dispatch executes now, or null.
    const LoadedProgram *executing() const;

    // The scheduler's side, under its lock.
    Scheduler::QueueState sched_state = Scheduler::QueueState::Idle;
    Scheduler::Lane *sched_lane = nullptr;
    bool sched_again = false;
    bool sched_leaving = false;

    // Runs packets until there are none, it waits, or its slice is used up.
    Scheduler::Finish run();
    // After run(), on its thread: for how long it had the worker while others wanted one.
    uint64_t take_service_ns();
    // True when the next packet is published. For kicks; any thread.
    bool has_packet() const;
    // After the scheduler let go of it: completes what was published with CANCELLED.
    void cancel_published();

    void slot_available() override;

private:
    enum class Step { Consumed, Empty, WaitSignal, WaitSlot };
    struct Outcome {
        acc_status status = ACC_STATUS_OK;
        bool fault = false; // the queue's, not only the packet's
        uint64_t address = 0, kernel_object = 0;
        const char *kernel = "";
        std::string text;
        uint64_t start_ns = 0, end_ns = 0, energy_pj = 0;
    };

    Queue(Device &device, std::shared_ptr<Space> space, const Config &config)
        : device_(device), space_(std::move(space)), config_(config)
    {
        priority = config.priority;
        share = &space_->slot_share;
    }

    acc_packet *slot_at(uint64_t index) const;
    bool fetch();
    Step step();
    bool spin_for_packet();
    enum class Followed { Not, Lingered, Served };
    Followed follow();
    void count_run(uint64_t kernel_object);
    void skip(uint64_t packets);
    void account(const Following &following, const SpaceMemory &memory, uint64_t start_ns);
    void fail(Following &following);
    void check_space();
    Step finish_packet(const Outcome &outcome);
    void tell_completion(const Outcome &outcome);
    void tell_sleepers(uint64_t signal, uint32_t bits);
    void flush_wakes();
    void retire();
    void enter_error(const Outcome &outcome);

    void describe_malformed(Outcome &outcome) const;
    acc_signal_memory *signal_at(uint64_t address) const;
    bool barrier_holds(Outcome &outcome, bool &bad, bool arm);
    Step do_barrier(Outcome &outcome);
    Step do_dispatch(Outcome &outcome);
    void execute(const LoadedProgram &program, uint32_t kernel, Outcome &outcome);
    void explain_stop(Outcome &outcome, bool late);
    bool lease_slot(const std::shared_ptr<LoadedProgram> &program, uint32_t unit, Step &step,
                    Outcome &outcome);
    void release_lease();
    bool turn_is_over();
    void share_lease();
    void look_ahead();
    void rest();
    uint64_t backlog() const;
    std::shared_ptr<LoadedProgram> program_of(uint64_t kernel_object);
    void do_vendor(Outcome &outcome);
    void do_copy(Outcome &outcome);
    void do_fill(Outcome &outcome);
    bool find_kernel(uint64_t object, Outcome &outcome);

    Device &device_;
    const std::shared_ptr<Space> space_;
    const Config config_;
    acc_queue_control *control_ = nullptr;
    std::vector<std::byte *> ring_pages_; // host pointers: the driver keeps them bound
    uint64_t ring_page_offset_ = 0;

    uint64_t read_index_ = 0;
    uint64_t space_checked_at_ = 0;
    bool have_packet_ = false; // packet_ is the private copy of the one at read_index_
    acc_packet packet_ = {};
    std::vector<acc_event> wakes_; // of sleeping hosts, to be raised before this queue rests
    uint64_t model_ns_ = 0;        // this queue on the model's clock

    std::shared_ptr<LoadedProgram> program_; // last used, valid for program_generation_
    uint64_t program_generation_ = ~0ull;
    uint64_t lengthy_ns_ = 0; // spent in packets of this slice, as far as it was measured
    uint64_t service_ns_ = 0; // of this slice before service_from_ns_, without spinning
    uint64_t service_from_ns_ = 0;
    std::optional<uint32_t> lease_;
    std::shared_ptr<LoadedProgram> lease_program_;
    uint32_t lease_unit_ = 0;
    Residency::Use lease_use_;
    Residency::After lease_after_ = Residency::After::Fine;
    uint64_t lease_load_ns_ = 0;  // modelled, of the load that the lease caused
    uint64_t lease_ready_ns_ = 0; // with pace=real: when that load is over
    std::vector<std::byte> kernargs_;
    uint64_t run_object_ = 0; // the kernel of the last dispatches,
    unsigned run_ = 0;        // so many of them, as far as it matters
    unsigned follow_after_ = 2;

    std::atomic<bool> stop_{false};
    std::atomic<uint32_t> stop_code_{0};
    std::atomic<const LoadedProgram *> executing_{nullptr}, following_{nullptr};
    bool error_ = false;

    mutable std::mutex state_mutex_; // of state_
    acc_queue_state state_ = {};
    std::atomic<uint64_t> read_index_public_{0};
    QueueCounters counters_;
};

} // namespace acc::emu
