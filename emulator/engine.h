// SPDX-License-Identifier: MIT
//
// What an engine is to the device: something that parses images, loads units into
// slots and executes kernels. The device does the rest (queues, memory, residency,
// faults, time). emulator/null/ is the template for a new engine.
//
// Threading: parse() may run on any thread, concurrently. For one slot, load(), reset(),
// unload(), blank() and execute() never run concurrently; for different slots they do.
#pragma once

#include "acc/abi.h"
#include "acc/program.h"
#include "common/result.h"
#include "common/unique_fd.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct drm_acc_tile; // drm/acc_drm.h

namespace acc::emu
{

// What lies behind a piece of a client's memory.
struct Backing {
    UniqueFd fd;         // a file, opened for what `write` says; none: none of this client's alone
    uint64_t offset = 0; // in the file, of
    uint64_t start = 0;  // the device address, with
    uint64_t bytes = 0;  // behind it: whole pages. 0: nothing is bound there
    bool write = false;  // reading and writing; else reading
};

// One client's memory as the device sees it while a packet executes. Pages are
// scattered: a span is never longer than the contiguous memory behind it.
class Memory
{
public:
    enum class Access { Read, Write };

    virtual ~Memory() = default;

    // The longest accessible span that starts at `address`, at most `bytes` long.
    // Empty: not bound or not with this access; fault_address() then names it.
    virtual std::span<std::byte> span(uint64_t address, size_t bytes, Access access) = 0;

    // Whole copies. False on a fault, after which memory before it may have changed.
    [[nodiscard]] virtual bool read(void *destination, uint64_t address, size_t bytes);
    [[nodiscard]] virtual bool write(uint64_t address, const void *source, size_t bytes);
    // True when every byte is accessible: engines check big ranges before they work.
    [[nodiscard]] bool check(uint64_t address, uint64_t bytes, Access access);

    // What another process may map to reach `address` and as much around it as lies in one
    // file; without a file, as much as is bound with the same access. No bytes: it is not bound
    // with this access.
    virtual Backing backing(uint64_t /*address*/, Access) { return {}; }
    // Of a process that maps a client's memory: pages which it has put something else over. From
    // now on they are left alone. False: too many of them, or no such process.
    [[nodiscard]] virtual bool keep(uint64_t /*address*/, uint64_t /*bytes*/) { return false; }
    // What somebody else has read and written, who had a backing.
    void account(uint64_t read, uint64_t written)
    {
        bytes_read_ += read;
        bytes_written_ += written;
    }

    uint64_t fault_address() const { return fault_address_; }

    // Totals of read() and write(), for the device's counters.
    uint64_t bytes_read() const { return bytes_read_; }
    uint64_t bytes_written() const { return bytes_written_; }

protected:
    uint64_t fault_address_ = 0;
    uint64_t bytes_read_ = 0;
    uint64_t bytes_written_ = 0;
};

// One kernel dispatch on its way through an engine.
struct Dispatch {
    // in
    uint32_t client = 0; // its address space
    uint32_t slot = 0;
    uint32_t kernel = 0;                 // index in the engine's program
    std::span<const std::byte> kernargs; // private copy, kernarg_bytes long
    uint32_t grid[3] = {1, 1, 1};
    Memory *memory = nullptr;
    const std::atomic<bool> *stop = nullptr; // set: give up, whatever status is returned
    uint64_t deadline_ns = 0;                // CLOCK_MONOTONIC; 0: none

    // out
    uint64_t modelled_ns = 0; // how long it took on the model's clock
    uint64_t energy_pj = 0;
    uint64_t saturations = 0; // ADC conversions that clipped
    uint64_t mvms = 0;        // array activations
    std::string text;         // of an error: what was expected and what was found
    // With an error: what is loaded in the slot is not to be trusted any more (it hangs,
    // crashed, reached out of its window). The slot is blanked, and the unit loaded again.
    bool slot_fault = false;

    // True when the engine must return now: ask at least every millisecond of work.
    bool should_stop() const;
};

// A queue whose next packets whatever executes them may take from the ring itself, for as long as
// they are dispatches of one kernel.
struct Following {
    uint32_t client = 0; // asid
    uint32_t slot = 0;
    uint32_t kernel = 0;            // index in the engine's program
    uint64_t kernel_object = 0;     // as packets name it
    uint64_t ring = 0, control = 0; // device addresses
    uint32_t packets = 0;           // of the ring
    uint64_t index = 0;             // of the next packet
    uint64_t model_ns = 0;          // the model's clock before it
    uint64_t linger_ns = 0;         // for a packet, when there is none
    uint64_t session_ns = 0;        // no packet is begun later
    uint64_t timeout_ns = 0;        // of one packet
    Memory *memory = nullptr;
    const std::atomic<bool> *stop = nullptr; // set: stop before the next packet
    // Asked once before the first packet, when Engine::leave() is heeded already.
    std::function<bool()> still;

    // out
    bool lingered = false;                   // it ended because nothing came
    bool unable = false;                     // it can't reach the ring, and never will
    bool tried = false;                      // false: it could not begin
    uint64_t served = 0;                     // packets that are over and retired
    uint64_t modelled_ns = 0, energy_pj = 0; // of these
    uint32_t notified = 0;        // ACC_NOTIFY_* of the last one's signal: an event is to be raised
    uint64_t notified_signal = 0; // its address
    acc_status status = ACC_STATUS_OK; // of the packet behind them, which is not retired
    uint64_t address = 0;              // of a memory fault
    std::string text;
    bool slot_fault = false;
};

// By enum drm_acc_resource: what a region of an FPGA has and a unit takes of it. The first is
// the capacity. All zero: the engine counts nothing but capacity.
using Resources = std::array<uint64_t, ACC_RESOURCES>;

struct SlotInfo {
    uint32_t class_id = 0;
    uint64_t capacity = 0;
    Resources resources = {};
};

// A unit of residency: what is loaded into a slot as a whole.
struct Unit {
    std::string name;
    uint32_t class_id = 0; // 0: any slot
    uint64_t capacity = 0;
    Resources resources = {};
    uint8_t hash[16] = {}; // equal non-zero hashes: the same unit, whoever loaded it
    uint64_t load_ns = 0;  // modelled
    uint64_t load_pj = 0;
    // Of what non-volatile cells hold once it is loaded, the bytes of Engine::save(); nobody
    // can make another unit with the same. All zero: the engine's slots are volatile.
    uint8_t cells[32] = {};
};

struct Kernel {
    std::string name;
    uint32_t unit = 0;
    uint32_t kernarg_bytes = 0;
    uint32_t group_bytes = 0;
    uint32_t private_bytes = 0;
};

// A parsed image. Immutable once parsed.
class EngineProgram
{
public:
    virtual ~EngineProgram() = default;
    uint32_t client = 0; // whose it is: set by the device once it is parsed
    std::vector<Unit> units;
    std::vector<Kernel> kernels;
};

// Identity of an engine, for DEV_QUERY.
struct EngineInfo {
    uint32_t engine = 0; // enum drm_acc_engine
    uint32_t device_id = 0;
    std::string name;
    std::string config; // key=value,…, at most 95 bytes
    uint8_t shell[16] = {};
    bool modelled = false;
    bool non_volatile = false; // save() and restore() work
    bool recovers = false;     // a dispatch that is cut short is a slot_fault
    bool tiles = false;        // tile() works
    bool resources = false;    // slots have Resources
};

class Engine
{
public:
    virtual ~Engine() = default;

    virtual EngineInfo info() const = 0;
    virtual std::vector<SlotInfo> slots() const = 0;

    // Parses `image` (a whole .accx file, private to the device: nobody changes it) and
    // takes what this engine needs. On error `why` says what was expected and found.
    virtual Result<std::unique_ptr<EngineProgram>> parse(std::span<const std::byte> image,
                                                         std::string &why) = 0;

    // Makes a unit callable in a slot. 0 or -errno. The program outlives its residency.
    virtual int load(uint32_t slot, const EngineProgram &program, uint32_t unit) = 0;
    virtual void unload(uint32_t slot) = 0;
    // Behind load(): lets the unit come out of reset, and returns when it is ready, within a
    // bound of the engine's own. An error is that of a load.
    virtual int reset(uint32_t /*slot*/, const EngineProgram &, uint32_t /*unit*/) { return 0; }
    // Takes away what is loaded, whatever it does, within a bound of the engine's own. After
    // an error the slot is out of use until it is reset.
    virtual int blank(uint32_t slot)
    {
        unload(slot);
        return 0;
    }

    // For engines that let others map a client's memory. A range is being unmapped: nothing that
    // starts from now on may reach it. Then what was in flight has ended, and it must be
    // unreachable when unmapped() returns. Never concurrent with itself for one client.
    virtual void unmapping(uint32_t /*client*/, uint64_t /*address*/, uint64_t /*bytes*/) {}
    virtual void unmapped(uint32_t /*client*/) {}
    // Its programs are unloaded and nothing of it runs; its number may be another's next.
    virtual void client_gone(uint32_t /*client*/) {}

    // Of non-volatile engines. The state of the cells of a slot where this unit has been
    // loaded: bytes that mean something to the engine alone. And back, on a device that has
    // just come up: what is then resident there, with `cells` computed from the state and no
    // name; -EINVAL, and `why`, for state that is not of a device like this.
    virtual Result<std::vector<std::byte>> save(uint32_t /*slot*/, const EngineProgram &,
                                                uint32_t /*unit*/)
    {
        return Error{-EOPNOTSUPP};
    }
    virtual Result<Unit> restore(uint32_t /*slot*/, std::span<const std::byte> /*state*/,
                                 std::string &)
    {
        return Error{-EOPNOTSUPP};
    }

    // Of crossbars: what a tile has been through. 0, or -ENOENT past the last. At any time, from
    // any thread; what executes meanwhile is counted or not yet.
    virtual int tile(uint32_t /*index*/, drm_acc_tile &) { return -EOPNOTSUPP; }
    // Of engines whose cells age: lets `ns` pass for them, before the next execute(). At any time,
    // from any thread. -EINVAL when their clock would pass 2^63 ns.
    virtual int age(uint64_t /*ns*/) { return -EOPNOTSUPP; }

    // Executes one kernel in a slot where its unit is resident.
    virtual enum acc_status execute(const EngineProgram &program, Dispatch &dispatch) = 0;

    // Whether it takes packets of this program's kernels from a ring itself, and that. For one slot
    // as execute(). A client's memory stays mapped meanwhile.
    virtual bool follows(const EngineProgram &) const { return false; }
    virtual void follow(const EngineProgram &, Following &) {}
    // Who follows a queue of this client stops before the next packet. Any thread.
    virtual void leave(uint32_t /*client*/) {}

    // Rough real time of a dispatch: short ones (< 2000 ns) run on the packet processor
    // without waking a second worker.
    virtual uint64_t estimate_ns(const EngineProgram &program, const Dispatch &dispatch) const = 0;
};

// Options of an engine, as `key=value` pairs of the URI. An unknown key or a bad value is
// -EINVAL, named in `why`.
struct Option {
    std::string key;
    std::string value;
};
using EngineFactory = Result<std::unique_ptr<Engine>> (*)(std::span<const Option> options,
                                                          std::string &why);

Result<std::unique_ptr<Engine>> create_null_engine(std::span<const Option>, std::string &why);
Result<std::unique_ptr<Engine>> create_crossbar_engine(std::span<const Option>, std::string &why);
Result<std::unique_ptr<Engine>> create_fpga_engine(std::span<const Option>, std::string &why);

} // namespace acc::emu
