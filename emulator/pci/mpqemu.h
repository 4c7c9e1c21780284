// SPDX-License-Identifier: MIT
//
// A card for QEMU's x-pci-proxy-dev: the other end of the socket whose descriptor that device
// is given ("-device x-pci-proxy-dev,fd=N"). The messages are those of QEMU 5.2 … 9
// (include/hw/remote/mpqemu-link.h there): it forwards every access to config space and BARs
// and waits for the answer, and sends its memory map with descriptors whenever that changes.
//
// Its interrupts would need KVM, so messages go another way (messages.h).
#pragma once

#include "common/unique_fd.h"
#include "emulator/pci/function.h"
#include "emulator/pci/guest_memory.h"
#include "emulator/pci/messages.h"

#include <memory>
#include <string>
#include <string_view>

namespace acc::emu
{

class MpqemuCard final : private PciHost
{
public:
    // Errors of PciFunction::create. `messages` outlives the card.
    static Result<std::unique_ptr<MpqemuCard>>
    create(std::string_view spec, MessageInjector &messages, std::string &why, LogFunction log);

    // Serves one virtual machine until it closes the socket or says what is no message of the
    // protocol; then powers off. One at a time.
    void serve(int socket);

private:
    struct Request;

    MpqemuCard(MessageInjector &messages, LogFunction log)
        : messages_(messages), log_(std::move(log))
    {
    }
    std::byte *page(uint64_t bus_address) override { return memory_.page(bus_address); }
    void message(uint64_t address, uint32_t data) override { messages_.post(address, data); }

    bool receive(int socket, Request &request);
    bool handle(int socket, const Request &request);
    bool set_memory(const Request &request);
    void log(int level, const std::string &text) const;

    MessageInjector &messages_;
    const LogFunction log_;
    GuestMemory memory_;
    std::unique_ptr<PciFunction> function_; // last: it uses the rest
};

} // namespace acc::emu
