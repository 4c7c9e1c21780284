// SPDX-License-Identifier: MIT
//
// What the cells of a device's slots hold, in a directory: a file a slot, "slot-N", so that a
// device that is made anew comes up with its cells as they were. A file is written beside,
// made durable and renamed: it is there as it was or as it is, whenever the process dies.
// What does not verify is renamed to "slot-N.damaged", or "….2" and so on, and never read.
//
// The directory is locked for one store; a lock outlives no process. The format is of this
// file and cell_store.cc; a version that is not ours is foreign, whatever it says.
//
// Thread safety: calls for different slots from any thread.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"
#include "emulator/emulator.h"
#include "emulator/engine.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace acc::emu
{

class CellStore
{
public:
    static constexpr uint32_t version = 1;

    // Makes the directory (not its parents) if there is none. -EBUSY when another device
    // uses it; `why` names what was expected and found.
    static Result<std::unique_ptr<CellStore>>
    open(const std::string &path, const EngineInfo &engine, LogFunction log, std::string &why);
    ~CellStore();
    CellStore(const CellStore &) = delete;
    CellStore &operator=(const CellStore &) = delete;

    // What is read has the form, version, length and digest that it should; whether it fits
    // the device's geometry only the engine can tell.
    struct Kept {
        uint32_t slot = 0;
        std::string unit; // name
        uint8_t cells[32] = {};
        uint64_t capacity = 0;
        std::vector<std::byte> state;
    };
    // Of slots below `slots`. All others, and what does not verify, are set aside.
    std::vector<Kept> read_all(uint32_t slots);
    void set_aside(uint32_t slot, const std::string &reason);

    // Replaces what is kept of the slot. 0 when it is durable, or -errno, logged: then what was
    // kept before may still be.
    int save(uint32_t slot, const Unit &unit, std::span<const std::byte> state);
    int erase(uint32_t slot);

private:
    CellStore(std::string path, const EngineInfo &engine, LogFunction log);
    int read(uint32_t slot, Kept &kept, std::string &why);
    int write_file(const std::string &name, std::span<const std::byte> header,
                   std::span<const std::byte> state);
    int failed(const std::string &what, int error) const;

    const std::string path_;
    const EngineInfo engine_;
    const LogFunction log_;
    const pid_t owner_;
    UniqueFd directory_, lock_;
};

} // namespace acc::emu
