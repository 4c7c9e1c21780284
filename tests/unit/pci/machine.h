// SPDX-License-Identifier: MIT
//
// A machine with one emulated card in it, and a small driver of it in user space: what a kernel
// driver does with registers, rings and interrupts, from acc/regs.h and docs/device.md alone.
#pragma once

#include "emulator/pci/function.h"

#include "acc/abi.h"
#include "acc/kernels.h"

#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace acc::test
{

constexpr uint64_t ram_start = 0x10'0000; // bus address
constexpr uint64_t ram_bytes = 8ull << 20;
constexpr uint64_t registers_at = 0xe000'0000, msix_at = 0xe000'1000, doorbells_at = 0xe040'0000;
constexpr uint64_t arena = 0x5660'0000'0000; // device addresses begin here
constexpr uint64_t message_address = 0xfee0'0000;
constexpr uint64_t second_ns = 1'000'000'000;

class Machine final : public emu::PciHost
{
public:
    Machine();
    ~Machine() override;

    std::byte *page(uint64_t bus_address) override;
    void message(uint64_t address, uint32_t data) override;

    template <typename T = std::byte>
    T *at(uint64_t bus_address)
    {
        return reinterpret_cast<T *>(ram_ + (bus_address - ram_start));
    }
    // Zeroed pages, bus-contiguous; the bus address.
    uint64_t allocate(uint64_t pages = 1);

    // Messages with this data so far.
    unsigned messages(uint32_t data);
    // Until there are so many, or the watchdog.
    [[nodiscard]] bool wait_messages(uint32_t data, unsigned count);

private:
    std::byte *ram_;
    uint64_t next_ = ram_start;
    std::mutex mutex_;
    std::condition_variable came_;
    std::map<uint32_t, unsigned> messages_;
};

// `done` within the watchdog's time.
[[nodiscard]] bool eventually(const std::function<bool()> &done);

class Driver
{
public:
    explicit Driver(const char *spec = "null");

    Machine &machine() { return machine_; }
    emu::PciFunction &card() { return *card_; }

    uint32_t reg(uint64_t offset) { return uint32_t(card_->memory_read(registers_at + offset, 4)); }
    uint64_t reg64(uint64_t offset) { return card_->memory_read(registers_at + offset, 8); }
    void reg(uint64_t offset, uint32_t value)
    {
        card_->memory_write(registers_at + offset, value, 4);
    }
    void reg64(uint64_t offset, uint64_t value)
    {
        card_->memory_write(registers_at + offset, value, 8);
    }
    uint32_t state() { return reg(ACC_REG_STATE); }

    // BARs, memory and bus mastering, MSI-X: vector v sends data v.
    void enable();
    // Rings of 1 << log2 entries, and RUN. With `mask` as IRQ_MASK.
    void start(uint32_t log2 = 4, uint32_t mask = 0);
    [[nodiscard]] bool reset(); // the register, until READY

    // Submits, without waiting; the id.
    uint16_t submit(acc_admin_cmd command);
    void submit_raw(const acc_admin_cmd &command); // and the tail register
    // Takes completions until that of `id`, in any order, is there.
    acc_admin_cpl wait(uint16_t id);
    // Whether it is there already.
    bool completed(uint16_t id);
    acc_admin_cpl call(const acc_admin_cmd &command) { return wait(submit(command)); }
    void take_completions();
    bool free_completions = true; // stores the head register as it takes them

    // The next event record, or none within the time.
    bool next_event(acc_event &event, uint64_t timeout_ns = 20 * second_ns);

    // Commands.
    int identify(uint32_t what, void *out, size_t bytes, uint32_t asid = 0, uint32_t index = 0);
    int create_space(uint32_t asid);
    int map(uint32_t asid, uint64_t address, uint64_t bus_address, uint64_t pages = 1,
            uint32_t flags = ACC_MAP_READ | ACC_MAP_WRITE);
    static acc_admin_cmd command(uint16_t op, uint32_t asid = 0, uint32_t object = 0);

    uint64_t events_ring = 0, admin_log2 = 0;

private:
    Machine machine_; // outlives the card
    std::unique_ptr<emu::PciFunction> card_;
    uint64_t sq_ = 0, cq_ = 0;
    uint32_t tail_ = 0, head_ = 0, event_head_ = 0, event_log2_ = 0;
    uint16_t next_id_ = 1;
    std::map<uint16_t, acc_admin_cpl> done_;
};

// A client: an address space with memory, one queue of 64 packets, and a program of the null
// engine whose kernels are noop and hang.
class TestClient
{
public:
    TestClient(Driver &driver, uint32_t asid, uint32_t doorbell = 0, uint64_t timeout_ns = 0);

    // Publishes a packet; ring() stores its index to the doorbell.
    uint64_t put(acc_packet packet);
    void ring();
    uint64_t launch(acc_packet packet)
    {
        const uint64_t index = put(packet);
        ring();
        return index;
    }
    acc_packet noop(unsigned signal) { return dispatch(0, signal); }
    acc_packet hang(unsigned signal) { return dispatch(1, signal); }
    acc_packet nothing(unsigned signal); // a barrier on nothing

    uint64_t signal_address(unsigned index) const;
    acc_signal_memory *signal(unsigned index);
    int64_t value(unsigned index); // acquire
    [[nodiscard]] bool wait(unsigned index);
    void notify(unsigned index); // asks for an event

    acc_queue_control *control() { return driver_.machine().at<acc_queue_control>(control_); }
    acc_queue_state query();

    const uint32_t asid, queue = 1;
    int error = 0; // of what it took to make it

private:
    acc_packet dispatch(uint32_t kernel, unsigned signal);

    Driver &driver_;
    uint32_t doorbell_;
    uint64_t control_ = 0, ring_ = 0, signals_ = 0; // bus addresses
    uint64_t kernels_ = 0, write_index_ = 0;
};

} // namespace acc::test
