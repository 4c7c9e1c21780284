// SPDX-License-Identifier: MIT
//
// The page that the device and a region's process share, and the one word that says whose turn
// it is.
//
// Ordering contract: `turn` is the only word that both watch. Who has the turn may write what
// lies in its half and then gives the turn away with a release store and a byte through a pipe; the
// other acquires it before it reads. The process runs foreign code: the device copies what it
// reads once, checks the copy and believes nothing; a turn that the process takes out of order, or
// a byte too many, spoils nobody's dispatch but its own client's.
#pragma once

#include "emulator/fpga/process/bell.h"
#include "emulator/fpga/rates.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace acc::emu::fpga
{

// Descriptors that the process is born with, beside 0 to 2 on /dev/null.
inline constexpr int kSocketFd = 3;  // windows and the image come here, one descriptor each
inline constexpr int kControlFd = 4; // a memfd of sizeof(Control)
inline constexpr int kOrderFd = 5;   // a byte comes here with each turn
inline constexpr int kAnswerFd = 6;  // and goes back here

inline constexpr size_t kMaxKernargBytes = 4096;
inline constexpr size_t kTextBytes = 192;
inline constexpr size_t kNameBytes = 48;

enum Turn : uint32_t {
    kTurnProcess = 0,
    kTurnDevice = 1,
};

// What the device asks for.
enum class Order : uint32_t {
    Load = 1, // an image: comes over the socket, or none for the behavioural library
    Run,      // a dispatch
    Window,   // the answer to Answer::Window: it comes over the socket
    NoWindow, // ditto: nothing is bound there
    Follow,   // dispatches, from a queue's ring, until there is something else to do
    Forget,   // drop every window that meets [address, address + bytes)
    Reset,    // the roles' reset lines
};

// What the process answers.
enum class Answer : uint32_t {
    Ready = 1, // has done what was asked
    Refused,   // could not, `text` says why
    Done,      // a dispatch has ended with `status`
    Followed,  // packets of a ring, `why` not more of them
    Window,    // in the middle of a dispatch: what is bound at `address`?
    Fault,     // foreign code did what it may not; `fault`, `address`. Nothing more is to come
};

enum class Fault : uint32_t {
    None = 0,
    Memory,  // SIGSEGV or SIGBUS at `address`
    Illegal, // SIGILL or SIGFPE at `address`
    System,  // the system call `number`
    Barrier, // work-items of a group came to different barriers
    Stack,   // a work-item's stack overflowed at `address`
};

// Why a process follows a ring no longer.
enum class FollowEnd : uint32_t {
    Never = 0, // it could not begin
    Idle,      // nothing came
    Asked,     // by `leave`, or its time is over
    Other,     // the next packet, or somebody who waits for space, is the device's to deal with
    Notify,    // somebody sleeps who waits for the signal of the last one
    Failed,    // the next packet failed with `status`; it is not retired
};

// A ring to follow. Packets that are dispatches of `kernel_object` in every way right are executed
// and completed; anything else is left to the device, which says what is wrong with it.
struct FollowOrder {
    uint64_t kernel_object = 0;
    uint64_t ring = 0, control = 0; // device addresses
    uint64_t index = 0;             // of the next packet
    uint32_t packets = 0;           // of the ring
    uint32_t kernarg_bytes = 0, group_bytes = 0, private_bytes = 0;
    uint64_t model_ns = 0; // before it, on the model's clock
    uint64_t linger_ns = 0, session_ns = 0;
    Rates rates;
};

// Registers that carry a kernel's arguments.
struct Register {
    uint32_t argument = 0; // byte in the kernargs
    uint32_t offset = 0;   // in the register space
    uint32_t bytes = 0;    // 4 or 8
};
inline constexpr size_t kMaxRegisters = 256;

// A graph, where a kernel is one.
struct GraphStage {
    char role[kNameBytes] = {};
};
struct GraphEdge {
    uint32_t from_stage = 0, from_stream = 0, to_stage = 0, to_stream = 0;
    uint32_t depth = 0;
};
inline constexpr size_t kMaxStages = 32, kMaxEdges = 64;

struct alignas(64) Control {
    std::atomic<uint32_t> turn{kTurnProcess};
    // Packets of this Follow that are over; written by the process, release.
    std::atomic<uint64_t> followed{0};
    // 1: no further packet is to be begun. Written by the device; seen by who acquired something
    // that was published after it.
    std::atomic<uint32_t> leave{0};
    // Of a long run, for a timeout's text; written by the process at any time.
    std::atomic<uint64_t> cycle{0};
    char waits_for[kTextBytes] = {};

    struct alignas(64) {
        Order order = {};
        uint32_t kind = 0;   // Load: enum acc_fpga_code
        uint32_t traced = 0; // Load: a waveform's descriptor follows the image's
        uint32_t kernarg_bytes = 0;
        uint32_t grid[3] = {};
        uint32_t group[3] = {};
        uint32_t registers = 0;
        uint64_t address = 0, bytes = 0; // Forget
        FollowOrder follow;
        char role[kNameBytes] = {}; // Run: which of the library
        Register map[kMaxRegisters] = {};
        uint32_t stages = 0, edges = 0; // Run: of a graph
        GraphStage stage[kMaxStages] = {};
        GraphEdge edge[kMaxEdges] = {};
        alignas(16) std::byte kernargs[kMaxKernargBytes] = {};
    } to_process;

    struct alignas(64) {
        Answer answer = {};
        uint32_t status = 0;
        Fault fault = Fault::None;
        int32_t number = 0;
        uint64_t address = 0;
        uint32_t write = 0;
        uint64_t cycles = 0;
        uint64_t bytes_read = 0, bytes_written = 0;
        FollowEnd why = {};
        uint32_t notified = 0; // ACC_NOTIFY_* of the last one's signal
        uint64_t notified_signal = 0;
        uint64_t modelled_ns = 0, energy_pj = 0; // Followed: of them all
        char text[kTextBytes] = {};
    } to_device;
};

// A message on the socket beside a descriptor: what to map, and where.
struct WindowMessage {
    uint64_t start = 0; // device address = address in the process
    uint64_t bytes = 0;
    uint64_t offset = 0; // in the descriptor
    uint32_t write = 0;
    uint32_t staged = 0; // a copy, for this dispatch alone
};

static_assert(std::atomic<uint32_t>::is_always_lock_free &&
              std::atomic<uint64_t>::is_always_lock_free);

inline void give_turn(Control &control, Turn turn, int bell)
{
    control.turn.store(turn, std::memory_order_release);
    ring(bell);
}

// The process's: returns when it has the turn. False: the device is gone.
[[nodiscard]] inline bool await_turn(const Control &control)
{
    while (control.turn.load(std::memory_order_acquire) != kTurnProcess)
        if (!take_rings(kOrderFd)) return false;
    return true;
}

} // namespace acc::emu::fpga
