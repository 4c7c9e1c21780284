// SPDX-License-Identifier: MIT
#include "tests/conformance/queue.h"

#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <thread>

namespace acc::conformance
{

drm_acc_queue_create queue_request(const Buffer &memory, uint32_t packets)
{
    drm_acc_queue_create args = {};
    args.handle = memory.handle();
    args.packets = packets;
    args.ring_offset = ring_offset;
    args.control_offset = 0;
    args.priority = DRM_ACC_PRIORITY_NORMAL;
    return args;
}

Queue::Queue(Accel &accel, const QueueOptions &options)
    : accel_(accel), memory_(accel, ring_offset + uint64_t(options.packets) * ACC_PACKET_BYTES)
{
    args_ = queue_request(memory_, options.packets);
    args_.priority = options.priority;
    args_.flags = options.flags;
    args_.timeout_ns = options.timeout_ns;
    if (const int error = accel.call(DRM_IOCTL_ACC_QUEUE_CREATE, args_))
        give_up("QUEUE_CREATE", error);
    kick_.reset(args_.kick_fd);
    alive_ = true;
    auto mapped = accel.transport().map(args_.doorbell_mmap_offset, page_bytes,
                                        PROT_READ | PROT_WRITE, nullptr);
    if (!mapped) give_up("mmap of the doorbells", mapped.error());
    doorbells_ = *mapped;
}

Queue::~Queue()
{
    if (alive_) (void)destroy();
    munmap(doorbells_, page_bytes);
}

int Queue::destroy()
{
    drm_acc_queue_destroy args = {};
    args.queue = args_.queue;
    alive_ = false;
    return accel_.call(DRM_IOCTL_ACC_QUEUE_DESTROY, args);
}

acc_packet *Queue::slot(uint64_t index) const
{
    return memory_.at<acc_packet>(ring_offset + (index & (packets() - 1)) * ACC_PACKET_BYTES);
}

uint64_t Queue::read_index() const
{
    return shared(control()->read_index).load(std::memory_order_acquire);
}

uint64_t Queue::write_index() const
{
    return shared(control()->write_index).load(std::memory_order_relaxed);
}

drm_acc_queue_query Queue::query()
{
    drm_acc_queue_query args = {};
    args.queue = id();
    if (const int error = accel_.call(DRM_IOCTL_ACC_QUEUE_QUERY, args))
        give_up("QUEUE_QUERY", error);
    return args;
}

uint64_t Queue::reserve(uint64_t count)
{
    return shared(control()->write_index).fetch_add(count, std::memory_order_relaxed);
}

void Queue::write_body(uint64_t index, const acc_packet &packet)
{
    acc_packet *to = slot(index);
    shared(to->raw.body32).store(packet.raw.body32, std::memory_order_relaxed);
    for (unsigned i = 1; i < 8; i++)
        shared(to->words[i]).store(packet.words[i], std::memory_order_relaxed);
}

void Queue::publish(uint64_t index, const acc_packet &packet)
{
    write_body(index, packet);
    shared(slot(index)->raw.publish).store(packet.raw.publish, std::memory_order_release);
}

void Queue::store_doorbell(uint64_t index)
{
    shared(static_cast<acc_u64 *>(doorbells_)[args_.doorbell_slot])
        .store(index, std::memory_order_relaxed);
}

void Queue::kick_if_sleeping()
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (shared(control()->sleeping).load(std::memory_order_relaxed)) kick();
}

void Queue::kick()
{
    const uint64_t one = 1;
    if (kick_ && write(kick_.get(), &one, sizeof one) < 0) give_up("the kick", -errno);
}

void Queue::ring(uint64_t index)
{
    store_doorbell(index);
    kick_if_sleeping();
}

uint64_t Queue::submit(std::span<const acc_packet> packets)
{
    const uint64_t first = reserve(packets.size());
    uint64_t index = first;
    for (const acc_packet &packet : packets) {
        if (!has_space(index)) {
            ring(index - 1); // what is in the ring must move
            if (!eventually([&] { return has_space(index); })) give_up("no space in the ring");
        }
        publish(index++, packet);
    }
    ring(index - 1);
    return first;
}

uint64_t Queue::submit(std::initializer_list<acc_packet> packets)
{
    return submit(std::span(packets.begin(), packets.size()));
}

uint64_t Queue::submit(const acc_packet &packet)
{
    return submit(std::span(&packet, 1));
}

bool Queue::drained()
{
    return eventually([this] { return idle(); });
}

// -------------------------------------------------------------------- packets

namespace
{

acc_packet vendor(uint8_t format, acc_signal_memory *completion)
{
    acc_packet packet = {};
    packet.barrier_value.header = ACC_HEADER(ACC_PACKET_VENDOR, 0);
    packet.barrier_value.format = format;
    packet.raw.completion_signal = address_of(completion);
    return packet;
}

acc_packet barrier(uint16_t type, std::initializer_list<acc_signal_memory *> signals,
                   acc_signal_memory *completion)
{
    acc_packet packet = {};
    packet.header = ACC_HEADER(type, 0);
    unsigned i = 0;
    for (acc_signal_memory *signal : signals)
        packet.barrier.dep_signal[i++] = address_of(signal);
    packet.raw.completion_signal = address_of(completion);
    return packet;
}

} // namespace

acc_packet dispatch(uint64_t kernel_object, uint64_t kernargs, acc_signal_memory *completion)
{
    acc_packet packet = {};
    packet.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = kernel_object;
    packet.dispatch.kernarg_address = kernargs;
    packet.dispatch.completion_signal = address_of(completion);
    return packet;
}

acc_packet barrier_and(std::initializer_list<acc_signal_memory *> signals,
                       acc_signal_memory *completion)
{
    return barrier(ACC_PACKET_BARRIER_AND, signals, completion);
}

acc_packet barrier_or(std::initializer_list<acc_signal_memory *> signals,
                      acc_signal_memory *completion)
{
    return barrier(ACC_PACKET_BARRIER_OR, signals, completion);
}

acc_packet barrier_value(acc_signal_memory *signal, uint32_t condition, int64_t value, int64_t mask,
                         acc_signal_memory *completion)
{
    acc_packet packet = vendor(ACC_VENDOR_BARRIER_VALUE, completion);
    packet.barrier_value.signal = address_of(signal);
    packet.barrier_value.value = value;
    packet.barrier_value.mask = mask;
    packet.barrier_value.condition = condition;
    return packet;
}

acc_packet copy(uint64_t destination, uint64_t source, uint64_t size, acc_signal_memory *completion)
{
    acc_packet packet = vendor(ACC_VENDOR_COPY, completion);
    packet.copy.destination = destination;
    packet.copy.source = source;
    packet.copy.size = size;
    return packet;
}

acc_packet fill(uint64_t destination, uint32_t pattern, uint64_t size,
                acc_signal_memory *completion)
{
    acc_packet packet = vendor(ACC_VENDOR_FILL, completion);
    packet.fill.destination = destination;
    packet.fill.pattern = pattern;
    packet.fill.size = size;
    return packet;
}

acc_packet prefetch(uint64_t kernel_object, acc_signal_memory *completion)
{
    acc_packet packet = vendor(ACC_VENDOR_PREFETCH, completion);
    packet.prefetch.kernel_object = kernel_object;
    return packet;
}

acc_packet timestamp(uint64_t address, acc_signal_memory *completion)
{
    acc_packet packet = vendor(ACC_VENDOR_TIMESTAMP, completion);
    packet.timestamp.address = address;
    return packet;
}

// --------------------------------------------------------------------- events

Event::Event(Accel &accel) : accel_(accel), fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (!fd_) give_up("eventfd", -errno);
    if (const int error = accel.set_event(fd_.get())) give_up("EVENT_SET", error);
}

Event::~Event()
{
    (void)accel_.set_event(-1);
}

bool Event::wait()
{
    pollfd ready = {fd_.get(), POLLIN, 0};
    return poll(&ready, 1, int(watchdog_ns / 1'000'000)) == 1 && pending();
}

bool Event::pending()
{
    eventfd_t count = 0;
    return eventfd_read(fd_.get(), &count) == 0 && count;
}

} // namespace acc::conformance
