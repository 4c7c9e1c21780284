// SPDX-License-Identifier: MIT
//
// Emulated devices as the PCI cards of one virtual machine, as accemud --pci serves them.
#pragma once

#include "emulator/server/server.h"

#include <memory>
#include <string>
#include <vector>

namespace acc::emu
{

struct PciOptions {
    std::vector<std::string> devices; // specs as of Emulator::create(); one card each
    // Made, or there already and entered by its owner alone. In it: N.sock, to which a process
    // connects to hand the descriptor to QEMU as -device x-pci-proxy-dev,fd=…; and msi.sock, to
    // which QEMU's -qtest connects.
    std::string folder;
    LogFunction log;
};

// -EACCES when others may enter the folder, for who writes to msi.sock's machine owns it.
// run() serves until stop(); a machine that goes leaves its card to the next.
Result<std::unique_ptr<Server>> create_pci_server(PciOptions options, std::string &why);

} // namespace acc::emu
