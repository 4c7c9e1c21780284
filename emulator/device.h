// SPDX-License-Identifier: MIT
//
// The device proper. A driver reaches it through admin commands (acc/regs.h), doorbell
// pages and event records, and through nothing else; so the in-process face, a register
// face and a daemon are transports to one device.
//
// Thread safety: all public calls from any thread.
#pragma once

#include "emulator/bus.h"
#include "emulator/engine.h"
#include "emulator/memory.h"
#include "emulator/residency.h"
#include "emulator/scheduler.h"

#include "common/unique_fd.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace acc::emu
{

class Queue;

struct DeviceOptions {
    unsigned workers = 0;   // 0: slots + 2, at least 4
    bool pace_real = false; // modelled time delays real time
    bool scatter = false;   // reported only; the driver's memory does it
    bool staged = false; // the driver's memory is none that others may map; a card's is not anyway
    std::string policy{policy::policy_names().front()}; // of the slots, one of policy_names()
    uint32_t slot_quota = 0; // most slots that a client may occupy while others wait; 0: all
    uint64_t memory_bytes = 8ull << 30;
};

// One address space with what belongs to it.
struct Space {
    uint32_t asid = 0;
    AddressSpace memory;
    SlotShare slot_share;

    std::mutex mutex;                // of all that follows
    bool gone = false;               // being destroyed: takes no queue and no program any more
    uint32_t stopping = 0;           // queues that are no more in `queues` and may still run
    std::condition_variable stopped; // `stopping` has become 0
    std::map<uint64_t, std::shared_ptr<LoadedProgram>> programs; // by kernel object base
    uint64_t next_base = 1ull << 16;
    std::map<uint32_t, std::unique_ptr<Queue>> queues;
    std::deque<drm_acc_fault> faults; // newest first
    uint64_t fault_count = 0;

    std::atomic<uint64_t> program_generation{0}; // changes with every load and unload
    std::atomic<uint64_t> timeouts{0};           // dispatches that outlived their bound
    UniqueFd kick; // eventfd that producers write when `sleeping` is set

    drm_acc_counters retired = {}; // of its queues that are gone; Device::totals_mutex_

    std::mutex end_mutex; // held by who destroys it, outside `mutex`
};

class Device
{
public:
    static Result<std::unique_ptr<Device>> create(std::unique_ptr<Engine> engine,
                                                  const DeviceOptions &options, Bus &bus,
                                                  EventSink &events,
                                                  std::unique_ptr<CellStore> cells = nullptr);
    ~Device();

    // Executes one command. The completion's status is 0 or -errno.
    acc_admin_cpl admin(const acc_admin_cmd &command);

    // What a software device has beside the register interface: the descriptor that wakes
    // its packet processors when a queue of this client sleeps. Borrowed; -1: no such client.
    int kick_fd(uint32_t asid);
    drm_acc_identity identity() const; // as IDENTIFY writes it
    // A store to a client's doorbell page: `doorbell` is the index of the word. Returns at once,
    // and does nothing where there is no such client or queue.
    void ring(uint32_t asid, uint32_t doorbell) { scheduler_.ring(asid, doorbell); }
    // No queue has a published packet that it has not finished.
    bool idle();

    static constexpr uint32_t max_queues = ACC_DOORBELLS_PER_PAGE;
    static constexpr uint32_t max_programs = 1024;
    static constexpr uint32_t max_pins = 64;
    static constexpr uint32_t max_kernels = 1u << 16;
    static constexpr uint32_t max_kernarg_bytes = 4096;
    static constexpr uint64_t max_program_bytes = 1ull << 30;
    static constexpr uint64_t max_timeout_ns = 60'000'000'000;
    static constexpr size_t kept_faults = 64;

private:
    friend class Queue;

    Device(std::unique_ptr<Engine> engine, const DeviceOptions &options, Bus &bus,
           EventSink &events, unsigned workers, std::unique_ptr<CellStore> cells);

    std::shared_ptr<Space> find_space(uint32_t asid);
    std::shared_ptr<LoadedProgram> find_program(Space &space, uint32_t id);

    int identify(const acc_admin_cmd &command);
    int create_space(uint32_t asid, uint32_t weight);
    int destroy_space(uint32_t asid);
    int map(Space &space, const acc_admin_cmd &command);
    int unmap(Space &space, const acc_admin_cmd &command);
    int create_queue(const std::shared_ptr<Space> &space, const acc_admin_cmd &command);
    int destroy_queue(Space &space, uint32_t id);
    int reset_queue(Space &space, uint32_t id);
    int query_queue(Space &space, const acc_admin_cmd &command);
    int load_program(Space &space, const acc_admin_cmd &command, acc_admin_cpl &completion);
    int unload_program(Space &space, uint32_t id);
    int query_program(Space &space, const acc_admin_cmd &command);
    int prefetch_program(Space &space, const acc_admin_cmd &command);
    int pin_program(Space &space, const acc_admin_cmd &command, acc_admin_cpl &completion);
    int read_log(Space &space, const acc_admin_cmd &command);
    int inject(const acc_admin_cmd &command);
    int reset_device();
    int read_image(const acc_admin_cmd &command, std::vector<std::byte> &image);
    int write_page(uint64_t bus_address, const void *data, size_t bytes);
    void stop_queue(Space &space, std::unique_ptr<Queue> queue, bool cancel);
    drm_acc_counters counters();
    int describe_client(uint32_t asid, drm_acc_client &out);
    void record_fault(Space &space, drm_acc_fault fault);
    void raise(const acc_event &event);
    bool take_injected(std::atomic<uint32_t> &count);

    const std::unique_ptr<Engine> engine_;
    const EngineInfo info_;
    const DeviceOptions options_;
    Bus &bus_;
    EventSink &events_;
    ModelClock clock_;
    Residency residency_;
    Scheduler scheduler_;
    const unsigned workers_;

    std::shared_mutex spaces_mutex_;
    std::map<uint32_t, std::shared_ptr<Space>> spaces_;

    std::mutex totals_mutex_;       // of Space::retired, too
    drm_acc_counters retired_ = {}; // of queues that are gone
    std::atomic<uint64_t> fault_count_{0};
    std::atomic<bool> lost_{false};

    std::atomic<bool> injecting_{false};
    std::atomic<uint32_t> inject_errors_{0}, inject_hangs_{0}, inject_dropped_events_{0},
        inject_delays_{0};
    std::atomic<uint64_t> inject_delay_ns_{0};
};

} // namespace acc::emu
