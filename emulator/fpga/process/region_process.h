// SPDX-License-Identifier: MIT
//
// The device's side of a region's process: starting it, giving it orders, ending it.
//
// Thread safety: a RegionProcess is used by one thread at a time, but kill() is any thread's. A
// ProcessPool is any thread's.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "emulator/engine.h"
#include "emulator/fpga/process/control.h"
#include "emulator/fpga/process/staging.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <thread>
#include <utility>
#include <vector>

namespace acc::emu::fpga
{

// Machine code of a program, sealed: what was checked is what a process maps.
struct Image {
    uint32_t kind = 0; // enum acc_fpga_code
    bool trusted = false;
    UniqueFd fd; // a memfd; none for the behavioural library
    uint8_t digest[32] = {};
};

struct RunOrder {
    std::string_view role;
    std::span<const Register> registers;
    std::span<const GraphStage> stages; // of a graph
    std::span<const GraphEdge> edges;
};

std::string system_call_name(int number);

// A process that has begun, as the device holds it.
struct Started {
    Started() = default;
    ~Started();
    Started(Started &&other) noexcept;
    Started &operator=(Started &&) = delete;

    pid_t pid = -1;
    UniqueFd pidfd;             // none: whoever answers is not a process
    UniqueFd socket;            // what is mapped goes there
    UniqueFd order;             // writing end, non-blocking: rung with each turn that is given
    UniqueFd unread;            // its reading end: without a reader, writing to it were a SIGPIPE
    UniqueFd answer;            // reading end, non-blocking: closed when the process ends
    Control *control = nullptr; // unmapped in the end
};

class RegionProcess
{
public:
    // `most_staged`: bytes of the client's memory that a dispatch may touch as copies (staging.h).
    // `turns`: of all processes of a device; null: this is the only one.
    explicit RegionProcess(Started &&started, uint64_t most_staged = kMostStaged,
                           CopyTurns *turns = nullptr)
        : it_(std::move(started)), most_staged_(most_staged), turns_(turns)
    {
    }
    static constexpr uint64_t kMostStaged = 256u << 20;
    ~RegionProcess();
    RegionProcess(const RegionProcess &) = delete;
    RegionProcess &operator=(const RegionProcess &) = delete;

    // Maps an image and creates its roles. `trace_fd` < 0: no waveform. 0; -EINVAL for what is
    // no library of roles, -EIO when it ended, -ETIME when it took too long; `why` says.
    int load(const Image &image, int trace_fd, std::string &why);

    // One dispatch: status, cycles and text as an engine's execute(). What the role touches of
    // the client's memory is mapped on the way; copies of it have been written back in the end,
    // however that came. dispatch.slot_fault... see `broken()`.
    acc_status run(Dispatch &dispatch, const RunOrder &order, uint64_t &cycles);

    // Packets of one kernel from a ring, until there is something else to do.
    void follow(Following &following, const RunOrder &order, const Kernel &kernel,
                const Rates &rates);
    // Before it; and, from any thread during it: stop before the next packet.
    void may_follow() { it_.control->leave.store(0, std::memory_order_relaxed); }
    void leave() { it_.control->leave.store(1, std::memory_order_seq_cst); }

    // Drops its mappings of a range. False: it did not answer in time; it is to be ended.
    bool forget(uint64_t address, uint64_t bytes);
    bool reset();
    // Whether a window that it was given meets the range; copies are gone with their dispatch.
    bool maps(uint64_t address, uint64_t bytes) const;

    // It has ended, or must not be used any more.
    bool broken() const { return broken_; }
    void kill();

private:
    enum class Waited { Answered, Stopped, Ended };
    Waited give(Order order, const std::function<bool()> &stop);
    bool give_for(Order order, uint64_t ns);
    // Why a dispatch did not come to its end.
    struct Failure {
        acc_status status = ACC_STATUS_OK;
        std::string text;
    };
    // An order that runs roles, and the windows that they ask for. No failure: it was answered.
    Failure obey(Order order, Memory &memory, const std::function<bool()> &stop);
    // Behind it: what has been written to copies goes where it belongs.
    void write_back(Memory &memory, Failure &failure);
    void wait_for_end();
    void describe(const RunOrder &order);
    // Of Answer::Done and Followed.
    Failure outcome(Memory &memory);
    Failure serve_window(Memory &memory);
    Staging::Given stage(Memory &memory, const Backing &bound, uint64_t address,
                         WindowMessage &message, int &fd, std::string &why);
    std::string how_it_ended();
    Failure fault(Memory *memory);

    Started it_;
    const uint64_t most_staged_;
    CopyTurns *const turns_;
    Dispatch *dispatch_ = nullptr; // that runs
    bool has_turn_ = false;
    bool broken_ = false;
    std::unique_ptr<Staging> staging_; // once something was touched that is to be copied
    struct Range {
        uint64_t start, end;
    };
    std::vector<Range> given_;
};

// Processes that have started and belong to nobody yet.
class ProcessPool
{
public:
    // `most_staged` and `turns`: of each process.
    ProcessPool(uint64_t most_staged, CopyTurns &turns) : most_staged_(most_staged), turns_(turns)
    {
    }
    ~ProcessPool();
    ProcessPool(const ProcessPool &) = delete;
    ProcessPool &operator=(const ProcessPool &) = delete;

    // A fresh one, which the next caller does not get. Null and `why`: it could not be started.
    std::unique_ptr<RegionProcess> take(std::string &why);
    // Starts one ahead of the next take(), a moment later. Not part of take(): it would compete
    // with what the taken one has to do.
    void prepare();

private:
    void serve();
    void begin();
    std::unique_ptr<RegionProcess> spawn(std::string &why);

    const uint64_t most_staged_;
    CopyTurns &turns_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::unique_ptr<RegionProcess> spare_;
    std::string why_;
    unsigned wanted_ = 0;
    bool ahead_ = false, failed_ = false, ending_ = false;
    UniqueFd program_; // what a process executes
    // The one thread that is a parent: processes die with it, whatever kills the device.
    std::thread thread_;
};

} // namespace acc::emu::fpga
