// SPDX-License-Identifier: MIT
//
// What a device is made of, by its specification "ENGINE:key=value,…" (Emulator::create).
#pragma once

#include "emulator/cell_store.h"
#include "emulator/device.h"
#include "emulator/emulator.h"

#include <memory>
#include <string>
#include <string_view>

namespace acc::emu
{

struct DeviceParts {
    std::unique_ptr<Engine> engine;
    DeviceOptions options;
    std::unique_ptr<CellStore> cells; // null: nothing outlives the device
};

// -ENODEV: no such engine; -EINVAL: an option. `why` names what was expected and found.
Result<DeviceParts> make_device_parts(std::string_view spec, std::string &why,
                                      const LogFunction &log);

} // namespace acc::emu
