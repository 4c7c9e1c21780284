// SPDX-License-Identifier: MIT
//
// The emulated card as a PCI function: config space, MSI-X table and BARs around the register
// face. What brings accesses from a virtual machine and takes interrupt messages to it is a
// PciHost: mpqemu.cc today; a vfio-user server would be another.
//
// Thread safety: every call from any thread. None waits for the device but the destructor and
// power_off(); a virtual machine's processor stands still while it waits for an access.
#pragma once

#include "emulator/regs.h"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace acc::emu
{

// The virtual machine as a card sees it: its memory by bus address, and where interrupt
// messages go. Both from any thread; message() returns at once.
class PciHost : public Bus
{
public:
    virtual void message(uint64_t address, uint32_t data) = 0;
};

class PciFunction final : private Bus, private InterruptSink
{
public:
    static constexpr unsigned config_bytes = 256;
    static constexpr unsigned bars = 3;

    // `spec` as of Emulator::create, whose errors it has. `host` outlives the function.
    static Result<std::unique_ptr<PciFunction>> create(std::string_view spec, PciHost &host,
                                                       std::string &why, LogFunction log);
    ~PciFunction() override;

    // 1, 2 or 4 bytes inside the config space; else all ones, or nothing.
    uint32_t config_read(unsigned offset, unsigned bytes);
    void config_write(unsigned offset, uint32_t value, unsigned bytes);

    // At a bus address, which the BARs decode if memory is enabled; else all ones, or nothing.
    uint64_t memory_read(uint64_t address, unsigned bytes);
    void memory_write(uint64_t address, uint64_t value, unsigned bytes);

    // A bus reset: config space as at power on, the device resets. Returns at once.
    void bus_reset();
    // The virtual machine is gone: a bus reset, and no access to its memory will come any more.
    void power_off();

private:
    struct Config {
        std::array<uint8_t, config_bytes> value{}, writable{};
    };
    struct Vector {
        uint32_t address_low = 0, address_high = 0, data = 0, control = 1;
        bool pending = false;
    };

    PciFunction(PciHost &host, LogFunction log) : host_(host), log_(std::move(log)) {}
    static Config power_on_config(uint32_t engine);

    std::byte *page(uint64_t bus_address) override;
    void interrupt(unsigned vector) override;

    // Under mutex_.
    uint32_t word(unsigned offset) const; // 16 bits
    bool masters_bus() const;
    bool decode(uint64_t address, unsigned bytes, unsigned &bar, uint64_t &offset) const;
    void send_pending();
    uint32_t msix_read(uint64_t offset) const;
    void msix_write(uint64_t offset, uint32_t value);

    PciHost &host_;
    const LogFunction log_;
    std::unique_ptr<RegisterFace> face_;

    // Never held while the face is called: the face calls interrupt() under a lock of its own.
    std::mutex mutex_; // of what follows
    Config power_on_, config_;
    std::array<Vector, ACC_VECTORS> vectors_{};
    bool running_on_bus_ = false; // masters_bus() as it was last

    std::atomic<bool> dma_{false}; // masters_bus(), for page()
};

} // namespace acc::emu
