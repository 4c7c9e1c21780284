// SPDX-License-Identifier: MIT
//
// Layouts: PCI Local Bus Specification 3.0, 6.1 (header), 6.8.2 (MSI-X); PCI Bus Power
// Management 1.2, 3.2.
#include "emulator/pci/function.h"

#include <algorithm>
#include <utility>

namespace acc::emu
{

namespace
{

constexpr unsigned reg_command = 0x04, reg_status = 0x06, reg_class = 0x0a, reg_bar0 = 0x10,
                   reg_subsystem_vendor = 0x2c, reg_subsystem = 0x2e, reg_capabilities = 0x34,
                   reg_line = 0x3c, reg_pin = 0x3d;
constexpr unsigned msix = 0x40, msix_control = msix + 2, power = 0x50, power_state = power + 4;

constexpr uint32_t command_memory = 0x0002, command_master = 0x0004, command_no_intx = 0x0400;
constexpr uint32_t status_capabilities = 0x0010;
constexpr uint32_t msix_enable = 0x8000, msix_function_mask = 0x4000;
constexpr uint32_t vector_masked = 1;
constexpr uint64_t pending_offset = 2048; // in BAR1
constexpr unsigned vector_bytes = 16;

constexpr std::array<uint64_t, PciFunction::bars> bar_bytes = {
    ACC_REGISTER_BYTES, ACC_REGISTER_BYTES, RegisterFace::doorbell_bytes};

uint64_t all_ones(unsigned bytes)
{
    return bytes >= 8 ? ~0ull : (1ull << 8 * bytes) - 1;
}

} // namespace

Result<std::unique_ptr<PciFunction>> PciFunction::create(std::string_view spec, PciHost &host,
                                                         std::string &why, LogFunction log)
{
    ACC_TRY(DeviceParts parts, make_device_parts(spec, why, log));
    std::unique_ptr<PciFunction> function(new PciFunction(host, log));
    auto face = RegisterFace::create(std::move(parts), *function, *function, std::move(log));
    if (!face) {
        why = "the emulated device did not start: errno " + std::to_string(-face.error());
        return Error{face.error()};
    }
    function->face_ = std::move(*face);
    function->power_on_ = function->config_ = power_on_config(function->face_->engine());
    return function;
}

// Its threads use the rest.
PciFunction::~PciFunction()
{
    face_.reset();
}

PciFunction::Config PciFunction::power_on_config(uint32_t engine)
{
    Config config;
    const auto set = [&](unsigned offset, unsigned bytes, uint32_t value, uint32_t writable = 0) {
        for (unsigned i = 0; i < bytes; i++) {
            config.value[offset + i] = uint8_t(value >> 8 * i);
            config.writable[offset + i] = uint8_t(writable >> 8 * i);
        }
    };
    set(0, 2, ACC_PCI_VENDOR);
    set(2, 2, ACC_PCI_DEVICE);
    set(reg_command, 2, 0, command_memory | command_master | command_no_intx);
    set(reg_status, 2, status_capabilities);
    set(reg_class, 2, ACC_PCI_CLASS);
    for (unsigned bar = 0; bar < bars; bar++)
        set(reg_bar0 + 4 * bar, 4, 0, ~uint32_t(bar_bytes[bar] - 1));
    set(reg_subsystem_vendor, 2, ACC_PCI_VENDOR);
    set(reg_subsystem, 2, engine);
    set(reg_capabilities, 1, msix);
    set(reg_line, 1, 0, 0xff);
    set(reg_pin, 1, 1); // QEMU's proxy asks where it leads; nothing is ever sent there
    set(msix, 2, 0x11 | power << 8);
    set(msix_control, 2, ACC_VECTORS - 1, msix_enable | msix_function_mask);
    set(msix + 4, 4, 0 | ACC_BAR_MSIX);
    set(msix + 8, 4, pending_offset | ACC_BAR_MSIX);
    set(power, 2, 0x01);
    set(power + 2, 2, 0x0003);         // version 1.2, no wake-up
    set(power_state, 2, 0x0000, 0x03); // D0; what comes back from D3hot has been reset
    return config;
}

uint32_t PciFunction::word(unsigned offset) const
{
    return config_.value[offset] | uint32_t(config_.value[offset + 1]) << 8;
}

bool PciFunction::masters_bus() const
{
    return (word(reg_command) & command_master) && (word(power_state) & 3) == 0;
}

// -------------------------------------------------------------- config space

uint32_t PciFunction::config_read(unsigned offset, unsigned bytes)
{
    if (!bytes || bytes > 4 || offset > config_bytes - bytes) return uint32_t(all_ones(bytes));
    std::lock_guard lock(mutex_);
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= uint32_t(config_.value[offset + i]) << 8 * i;
    return value;
}

void PciFunction::config_write(unsigned offset, uint32_t value, unsigned bytes)
{
    if (!bytes || bytes > 4 || offset > config_bytes - bytes) return;
    bool stop = false;
    {
        std::lock_guard lock(mutex_);
        for (unsigned i = 0; i < bytes; i++) {
            const uint8_t writable = config_.writable[offset + i];
            uint8_t &byte = config_.value[offset + i];
            byte = uint8_t((byte & ~writable) | (uint8_t(value >> 8 * i) & writable));
        }
        const bool was = std::exchange(running_on_bus_, masters_bus());
        dma_.store(running_on_bus_, std::memory_order_release);
        stop = was && !running_on_bus_;
        send_pending();
    }
    // What may not reach memory any more has nothing to go on with.
    if (stop) face_->stop();
}

// --------------------------------------------------------------------- BARs

bool PciFunction::decode(uint64_t address, unsigned bytes, unsigned &bar, uint64_t &offset) const
{
    if (!(word(reg_command) & command_memory) || (word(power_state) & 3)) return false;
    for (bar = 0; bar < bars; bar++) {
        const unsigned reg = reg_bar0 + 4 * bar;
        const uint64_t base = (word(reg) | uint64_t(word(reg + 2)) << 16) & ~uint64_t(0xf);
        if (!base || address < base || address - base >= bar_bytes[bar]) continue;
        offset = address - base;
        return bytes <= bar_bytes[bar] - offset;
    }
    return false;
}

uint64_t PciFunction::memory_read(uint64_t address, unsigned bytes)
{
    unsigned bar = 0;
    uint64_t offset = 0;
    {
        std::lock_guard lock(mutex_);
        if (!decode(address, bytes, bar, offset)) return all_ones(bytes);
        if (bar == ACC_BAR_MSIX) {
            if ((bytes != 4 && bytes != 8) || offset % bytes) return all_ones(bytes);
            const uint64_t low = msix_read(offset);
            return bytes == 4 ? low : low | uint64_t(msix_read(offset + 4)) << 32;
        }
    }
    return bar == ACC_BAR_REGISTERS ? face_->read(offset, bytes) : all_ones(bytes);
}

void PciFunction::memory_write(uint64_t address, uint64_t value, unsigned bytes)
{
    unsigned bar = 0;
    uint64_t offset = 0;
    {
        std::lock_guard lock(mutex_);
        if (!decode(address, bytes, bar, offset)) return;
        if (bar == ACC_BAR_MSIX) {
            if ((bytes != 4 && bytes != 8) || offset % bytes) return;
            msix_write(offset, uint32_t(value));
            if (bytes == 8) msix_write(offset + 4, uint32_t(value >> 32));
            send_pending();
            return;
        }
    }
    if (bar == ACC_BAR_REGISTERS)
        face_->write(offset, value, bytes);
    else
        face_->ring(offset);
}

std::byte *PciFunction::page(uint64_t bus_address)
{
    return dma_.load(std::memory_order_acquire) ? host_.page(bus_address) : nullptr;
}

// -------------------------------------------------------------------- MSI-X

uint32_t PciFunction::msix_read(uint64_t offset) const
{
    if (offset == pending_offset) {
        uint32_t bits = 0;
        for (unsigned i = 0; i < ACC_VECTORS; i++)
            bits |= uint32_t(vectors_[i].pending) << i;
        return bits;
    }
    if (offset >= ACC_VECTORS * vector_bytes) return 0;
    const Vector &vector = vectors_[offset / vector_bytes];
    const uint32_t words[] = {vector.address_low, vector.address_high, vector.data, vector.control};
    return words[offset % vector_bytes / 4];
}

void PciFunction::msix_write(uint64_t offset, uint32_t value)
{
    if (offset >= ACC_VECTORS * vector_bytes) return;
    Vector &vector = vectors_[offset / vector_bytes];
    switch (offset % vector_bytes / 4) {
    case 0:
        vector.address_low = value & ~3u;
        break;
    case 1:
        vector.address_high = value;
        break;
    case 2:
        vector.data = value;
        break;
    default:
        vector.control = value & vector_masked;
    }
}

void PciFunction::send_pending()
{
    const uint32_t control = word(msix_control);
    if (!(control & msix_enable) || (control & msix_function_mask) || !masters_bus()) return;
    for (Vector &vector : vectors_) {
        if (!vector.pending || (vector.control & vector_masked)) continue;
        vector.pending = false;
        host_.message(uint64_t(vector.address_high) << 32 | vector.address_low, vector.data);
    }
}

void PciFunction::interrupt(unsigned vector)
{
    std::lock_guard lock(mutex_);
    // A function whose MSI-X is off has no other interrupt.
    if (!(word(msix_control) & msix_enable)) return;
    vectors_[vector].pending = true;
    send_pending();
}

// --------------------------------------------------------------------- reset

void PciFunction::bus_reset()
{
    {
        std::lock_guard lock(mutex_);
        config_ = power_on_;
        vectors_ = {};
        running_on_bus_ = false;
        dma_.store(false, std::memory_order_release);
    }
    face_->reset();
}

void PciFunction::power_off()
{
    bus_reset();
    face_->reset_and_wait();
}

} // namespace acc::emu
