// SPDX-License-Identifier: MIT
//
// Checks without a program: memory, signals, every plain packet, time, sleep.
#include "validate.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <numeric>

namespace acc::ctl
{
namespace
{

acc_packet vendor(uint8_t format)
{
    acc_packet packet = {};
    packet.copy.header = ACC_HEADER(ACC_PACKET_VENDOR, 0);
    packet.copy.format = format;
    return packet;
}

std::string status_text(const acc_signal_result &result)
{
    return std::string("expected completion OK; found ") + acc_status_name(result.status);
}

Outcome check_identity(const Subject &subject)
{
    const acc_device_info &info = subject.info;
    if (info.abi_major != ACC_ABI_MAJOR)
        return wrong("expected ABI major " + std::to_string(ACC_ABI_MAJOR) + "; found " +
                     std::to_string(info.abi_major));
    if (info.name[0] == '\0') return wrong("expected a name; found none");
    if (info.engine > ACC_ENGINE_FPGA)
        return wrong("expected a known engine; found " + std::to_string(info.engine));
    if (info.slots == 0) return wrong("expected at least one slot; found none");
    if (info.page_size == 0 || (info.page_size & (info.page_size - 1)) != 0)
        return wrong("expected a page size that is a power of two; found " +
                     std::to_string(info.page_size));
    return pass("ABI " + std::to_string(info.abi_major) + "." + std::to_string(info.abi_minor) +
                ", " + std::to_string(info.slots) + " slots");
}

Outcome check_buffer(const Subject &subject)
{
    constexpr size_t bytes = 100'000;
    const Buffer buffer = subject.buffer(bytes);
    if (!buffer) return refused("acc_buffer_create");
    const size_t whole = acc_buffer_bytes(buffer.get());
    if (whole < bytes || whole % subject.info.page_size != 0)
        return wrong("expected whole pages of at least 100000 bytes; found " +
                     std::to_string(whole));
    auto *data = static_cast<uint8_t *>(acc_buffer_data(buffer.get()));
    if (address_of(data) < subject.info.va_start || address_of(data) + whole > subject.info.va_end)
        return wrong("expected an address that the device can reach");
    if (std::any_of(data, data + whole, [](uint8_t byte) { return byte != 0; }))
        return wrong("expected zeroed memory; found other bytes");
    std::iota(data, data + whole, uint8_t{1});
    return pass(std::to_string(whole) + " bytes, zeroed");
}

Outcome check_signal(const Subject &subject)
{
    const Signal signal = subject.signal(7);
    if (!signal) return refused("acc_signal_create");
    if (acc_signal_load(signal.get()) != 7) return wrong("expected the initial value 7");
    const int late =
        acc_signal_wait(signal.get(), ACC_COND_EQ, 0, acc_deadline(1'000'000), nullptr);
    if (late != -ETIME)
        return wrong("expected -ETIME of a wait that nobody ends; found " + std::to_string(late));
    if (acc_signal_store(signal.get(), 3) < 0) return refused("acc_signal_store");
    if (acc_signal_add(signal.get(), -3) < 0) return refused("acc_signal_add");
    if (!wait_equal(signal, 0)) return refused("acc_signal_wait");
    return pass("store, add, wait, time-out");
}

Outcome check_barrier(const Subject &subject)
{
    const Queue queue = subject.queue();
    const Signal gate = subject.signal(1);
    const Signal done = subject.signal(2);
    if (!queue || !gate || !done) return refused("queue or signal");
    acc_signal *const waited = gate.get();
    if (acc_queue_barrier(queue.get(), &waited, 1, done.get()) < 0 ||
        acc_queue_barrier(queue.get(), nullptr, 0, done.get()) < 0)
        return refused("acc_queue_barrier");
    const timespec pause = {0, 5'000'000};
    nanosleep(&pause, nullptr);
    if (acc_signal_load(done.get()) != 2)
        return wrong("expected the barrier to wait for its signal; it completed");
    if (acc_signal_store(gate.get(), 0) < 0) return refused("acc_signal_store");
    if (!wait_equal(done, 0)) return refused("acc_signal_wait");
    return pass("barrier-AND holds the queue until its signal is 0");
}

Outcome check_barrier_value(const Subject &subject)
{
    const Queue queue = subject.queue();
    const Signal gate = subject.signal(4);
    if (!queue || !gate) return refused("queue or signal");
    acc_packet packet = vendor(ACC_VENDOR_BARRIER_VALUE);
    packet.barrier_value.signal = acc_signal_address(gate.get());
    packet.barrier_value.value = 4;
    packet.barrier_value.mask = 0x0f;
    packet.barrier_value.condition = ACC_COND_GE;
    acc_signal_result result;
    if (!submit_and_wait(subject, queue, packet, result)) return refused("barrier-value");
    if (result.status != ACC_STATUS_OK) return wrong(status_text(result));
    return pass("barrier on a masked value");
}

Outcome check_copy(const Subject &subject)
{
    constexpr size_t bytes = 3 * 65536 + 7;
    const Queue queue = subject.queue();
    const Buffer from = subject.buffer(bytes);
    const Buffer to = subject.buffer(bytes + 1);
    if (!queue || !from || !to) return refused("queue or buffer");
    auto *source = static_cast<uint8_t *>(acc_buffer_data(from.get()));
    auto *target = static_cast<uint8_t *>(acc_buffer_data(to.get()));
    for (size_t i = 0; i < bytes; ++i)
        source[i] = static_cast<uint8_t>(i * 31 + i / 251);
    acc_packet packet = vendor(ACC_VENDOR_COPY);
    packet.copy.source = address_of(source);
    packet.copy.destination = address_of(target + 1);
    packet.copy.size = bytes;
    acc_signal_result result;
    if (!submit_and_wait(subject, queue, packet, result)) return refused("copy");
    if (result.status != ACC_STATUS_OK) return wrong(status_text(result));
    if (memcmp(source, target + 1, bytes) != 0) return wrong("expected a copy; found other bytes");
    if (target[0] != 0) return wrong("expected the byte before the target untouched");
    return pass(std::to_string(bytes) + " bytes, to an odd address");
}

Outcome check_fill(const Subject &subject)
{
    constexpr size_t words = 20'000;
    const Queue queue = subject.queue();
    const Buffer buffer = subject.buffer((words + 2) * 4);
    if (!queue || !buffer) return refused("queue or buffer");
    auto *data = static_cast<uint32_t *>(acc_buffer_data(buffer.get()));
    acc_packet packet = vendor(ACC_VENDOR_FILL);
    packet.fill.pattern = 0xacc0ffeeu;
    packet.fill.destination = address_of(data + 1);
    packet.fill.size = words * 4;
    acc_signal_result result;
    if (!submit_and_wait(subject, queue, packet, result)) return refused("fill");
    if (result.status != ACC_STATUS_OK) return wrong(status_text(result));
    if (std::any_of(data + 1, data + 1 + words, [](uint32_t v) { return v != 0xacc0ffeeu; }))
        return wrong("expected the pattern everywhere; found other bytes");
    if (data[0] != 0 || data[words + 1] != 0)
        return wrong("expected the words around the range untouched");
    return pass(std::to_string(words * 4) + " bytes");
}

Outcome check_order(const Subject &subject)
{
    constexpr int rounds = 1000; // many times around the ring of 64
    const Queue queue = subject.queue();
    const Buffer buffer = subject.buffer(8);
    const Signal done = subject.signal(rounds);
    if (!queue || !buffer || !done) return refused("queue, buffer or signal");
    auto *data = static_cast<uint32_t *>(acc_buffer_data(buffer.get()));
    for (int i = 1; i <= rounds; ++i) {
        acc_packet packet = vendor(ACC_VENDOR_FILL);
        packet.fill.header = ACC_HEADER(ACC_PACKET_VENDOR, ACC_HEADER_BARRIER);
        packet.fill.pattern = static_cast<uint32_t>(i);
        packet.fill.destination = address_of(data);
        packet.fill.size = 4;
        packet.fill.completion_signal = acc_signal_address(done.get());
        if (acc_queue_submit(queue.get(), &packet, 1, acc_deadline(patience_ns), nullptr) < 0)
            return refused("acc_queue_submit");
    }
    if (!wait_equal(done, 0)) return refused("acc_signal_wait");
    if (data[0] != rounds)
        return wrong("expected the last of 1000 fills; found number " + std::to_string(data[0]));
    return pass("1000 packets through a ring of 64, in order");
}

Outcome check_timestamps(const Subject &subject)
{
    const Queue queue = subject.queue();
    const Buffer buffer = subject.buffer(8);
    if (!queue || !buffer) return refused("queue or buffer");
    const auto *stamp = static_cast<uint64_t *>(acc_buffer_data(buffer.get()));
    acc_packet packet = vendor(ACC_VENDOR_TIMESTAMP);
    packet.timestamp.address = address_of(stamp);
    // Barriers read the device's clock before and after: a card's is not the host's.
    acc_packet barrier = {};
    barrier.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
    const uint64_t host_before = acc_deadline(0);
    acc_signal_result before, result, after;
    if (!submit_and_wait(subject, queue, barrier, before)) return refused("barrier before");
    if (!submit_and_wait(subject, queue, packet, result)) return refused("timestamp");
    if (!submit_and_wait(subject, queue, barrier, after)) return refused("barrier after");
    const uint64_t host_after = acc_deadline(0);
    if (result.status != ACC_STATUS_OK) return wrong(status_text(result));
    const bool ordered = before.end_ns <= result.start_ns && result.start_ns <= *stamp &&
                         *stamp <= result.end_ns && result.end_ns <= after.end_ns;
    if (!ordered)
        return wrong("expected earlier end, start, stamp, end, later end in this order; found " +
                     std::to_string(before.end_ns) + " " + std::to_string(result.start_ns) + " " +
                     std::to_string(*stamp) + " " + std::to_string(result.end_ns) + " " +
                     std::to_string(after.end_ns));
    const bool host = host_before <= before.end_ns && after.end_ns <= host_after;
    return pass(std::string("start before stamp before end, on ") +
                (host ? "CLOCK_MONOTONIC" : "a clock of the device's own"));
}

Outcome check_sleep(const Subject &subject)
{
    const Queue queue = subject.queue();
    if (!queue) return refused("acc_queue_create");
    acc_signal_result result;
    acc_packet packet = {};
    packet.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
    for (const long pause_ms : {0L, 1L, 100L}) {
        const timespec pause = {0, pause_ms * 1'000'000};
        nanosleep(&pause, nullptr);
        if (!submit_and_wait(subject, queue, packet, result)) return refused("barrier after sleep");
    }
    return pass("a launch arrives after 0, 1 and 100 ms of idleness");
}

} // namespace

const std::vector<Check> &packet_checks()
{
    static const std::vector<Check> checks = {
        {"identity", check_identity},
        {"buffer", check_buffer},
        {"signal", check_signal},
        {"barrier", check_barrier},
        {"barrier-value", check_barrier_value},
        {"copy", check_copy},
        {"fill", check_fill},
        {"order", check_order},
        {"timestamps", check_timestamps},
        {"sleep", check_sleep},
    };
    return checks;
}

} // namespace acc::ctl
