// SPDX-License-Identifier: MIT
//
// Regions whose roles are machine code: which process runs which image for whom. Designs of
// trusted signers may have none: then the device runs them itself.
//
// Thread safety: load(), unload() and run() of one slot never run concurrently; everything else is
// any thread's at any time.
#pragma once

#include "emulator/fpga/local.h"
#include "emulator/fpga/process/region_process.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace acc::emu::fpga
{

class NativeRegions
{
public:
    // `trace`: a file for the waveform of the first design that is loaded; empty: none.
    // `trust`: trusted images run in this process. `most_staged`: bytes that a dispatch may touch
    // where memory is copied for it.
    NativeRegions(uint32_t slots, const std::string &trace, bool trust, uint64_t most_staged);

    // Starts a process for (image, client) in a slot, in the place of what was there. What goes
    // wrong is foreign code's: the next dispatch says it, and its region faults.
    void load(uint32_t slot, uint32_t client, const Image &image);
    // Ends whatever runs there; does not wait for it to agree, nor for its end. Its windows are
    // gone before anything else is dispatched there, and before unmapped() of its client returns.
    void unload(uint32_t slot);
    // Waits for that end.
    void settle(uint32_t slot);

    // A dispatch. A slot that another client used before gets a fresh process first. Sets
    // dispatch.slot_fault when the process is gone or was ended.
    acc_status run(Dispatch &dispatch, const Image &image, const RunOrder &order, uint64_t &cycles);

    // Whether the image runs in a process.
    bool has_process(const Image &image) const { return !is_local(image); }
    // Lets the slot's process take packets of a kernel from a ring, if it is the one that run()
    // would take; see Engine.
    void follow(Following &following, const Image &image, const RunOrder &order,
                const Kernel &kernel, const Rates &rates);
    void leave(uint32_t client);

    // See Engine.
    void unmapping(uint32_t client, uint64_t address, uint64_t bytes);
    void unmapped(uint32_t client);
    void client_gone(uint32_t client);

private:
    struct Range {
        uint64_t address, bytes;
    };
    struct Slot {
        std::mutex mutex; // of all that follows; the process is its runner's while `running`
        bool running = false, following = false;
        std::unique_ptr<RegionProcess> process;
        std::unique_ptr<LocalRoles> local; // instead of a process
        uint32_t client = 0;
        // What was there before: killed, and perhaps still ending. Whoever resets it waits.
        std::unique_ptr<RegionProcess> ending;
        uint32_t ending_client = 0;
        bool trusted = false;
        std::string failure; // of the load, for the dispatch that it was for
        uint8_t digest[32] = {};
        std::vector<Range> marks; // being unmapped, and not yet dropped by the process
    };
    std::unique_ptr<RegionProcess> start(const Image &image, std::string &why);
    UniqueFd take_trace(const Image &image);
    static void end(Slot &slot);
    void drop_marked(Slot &slot);
    bool is_local(const Image &image) const { return trust_ && image.trusted; }

    const bool trust_;
    LocalImages images_;
    std::mutex trace_mutex_;
    UniqueFd trace_; // until it is given away
    CopyTurns turns_;
    ProcessPool pool_;
    std::vector<Slot> slots_;
};

} // namespace acc::emu::fpga
