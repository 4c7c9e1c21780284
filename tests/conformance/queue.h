// SPDX-License-Identifier: MIT
//
// A user-mode queue as a client sees it, and packets to put into it. A second, plain
// producer beside libacc's: what the device is tested with is written from acc/abi.h and
// docs/protocols.md alone.
#pragma once

#include "common/unique_fd.h"
#include "tests/conformance/accel.h"

#include <initializer_list>

namespace acc::conformance
{

struct QueueOptions {
    uint32_t packets = 64;
    uint32_t priority = DRM_ACC_PRIORITY_NORMAL;
    uint32_t flags = 0;
    uint64_t timeout_ns = 0;
};

class Queue
{
public:
    explicit Queue(Accel &accel, const QueueOptions &options = {});
    ~Queue();
    Queue(const Queue &) = delete;
    Queue &operator=(const Queue &) = delete;

    uint32_t id() const { return args_.queue; }
    uint32_t packets() const { return args_.packets; }
    const Buffer &memory() const { return memory_; }
    acc_queue_control *control() const { return memory_.at<acc_queue_control>(); }
    acc_packet *slot(uint64_t index) const;
    uint64_t read_index() const;
    uint64_t write_index() const;
    drm_acc_queue_query query();
    int destroy();

    // The steps of a launch. submit() does all: reserves (waiting for space), publishes,
    // rings; the index.
    uint64_t reserve(uint64_t count = 1);
    bool has_space(uint64_t index) const { return index - read_index() < packets(); }
    void write_body(uint64_t index, const acc_packet &packet);
    void publish(uint64_t index, const acc_packet &packet);
    void store_doorbell(uint64_t index);
    void kick_if_sleeping();
    void kick(); // whether it sleeps or not
    void ring(uint64_t index);
    uint64_t submit(const acc_packet &packet);
    uint64_t submit(std::initializer_list<acc_packet> packets);
    uint64_t submit(std::span<const acc_packet> packets);

    bool idle() const { return read_index() == write_index(); }
    // Until everything reserved so far is consumed.
    [[nodiscard]] bool drained();

private:
    Accel &accel_;
    Buffer memory_; // control page, then the ring
    drm_acc_queue_create args_ = {};
    UniqueFd kick_;
    void *doorbells_ = nullptr;
    bool alive_ = false;
};

// A bound buffer big enough for a queue, and the request for one in it.
constexpr uint64_t ring_offset = page_bytes;
drm_acc_queue_create queue_request(const Buffer &memory, uint32_t packets = 64);

// Packets. Addresses are host pointers, which are device addresses; a null signal is none.
acc_packet dispatch(uint64_t kernel_object, uint64_t kernargs = 0,
                    acc_signal_memory *completion = nullptr);
acc_packet barrier_and(std::initializer_list<acc_signal_memory *> signals,
                       acc_signal_memory *completion = nullptr);
acc_packet barrier_or(std::initializer_list<acc_signal_memory *> signals,
                      acc_signal_memory *completion = nullptr);
acc_packet barrier_value(acc_signal_memory *signal, uint32_t condition, int64_t value,
                         int64_t mask = -1, acc_signal_memory *completion = nullptr);
acc_packet copy(uint64_t destination, uint64_t source, uint64_t size,
                acc_signal_memory *completion = nullptr);
acc_packet fill(uint64_t destination, uint32_t pattern, uint64_t size,
                acc_signal_memory *completion = nullptr);
acc_packet prefetch(uint64_t kernel_object, acc_signal_memory *completion = nullptr);
acc_packet timestamp(uint64_t address, acc_signal_memory *completion = nullptr);
// Waits for nothing: the packet that only completes.
inline acc_packet nothing(acc_signal_memory *completion = nullptr)
{
    return barrier_and({}, completion);
}

// The event descriptor of a file.
class Event
{
public:
    explicit Event(Accel &accel);
    ~Event();
    [[nodiscard]] bool wait(); // until it fires, and consumes that; false: the watchdog
    bool pending();            // consumes too
    int fd() const { return fd_.get(); }

private:
    Accel &accel_;
    UniqueFd fd_;
};

} // namespace acc::conformance
