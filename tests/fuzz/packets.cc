// SPDX-License-Identifier: MIT
#include "tests/fuzz/packets.h"

#include "tests/fuzz/device_input.h"
#include "tests/unit/emulator/card.h"

#include <cstdio>
#include <cstdlib>

namespace acc::fuzz
{

using namespace conformance;

namespace
{

// A device with a client that does nothing wrong and must not notice anything.
struct Bystander {
    explicit Bystander(const char *spec) : card(spec), accel(card.open())
    {
        signals = std::make_unique<Signals>(*accel);
        work = std::make_unique<Work>(*accel);
        queue = std::make_unique<Queue>(*accel);
        done = signals->make(0);
    }
    void check()
    {
        work->clear();
        shared(done->value).store(1);
        queue->submit(work->packet(done));
        if (wait_for(*accel, done)) fail("the bystander's dispatch did not come back");
        if (status_of(done) || !work->done_right()) fail("the bystander was disturbed");
    }
    emu::Card card;
    std::unique_ptr<Accel> accel;
    std::unique_ptr<Signals> signals;
    std::unique_ptr<Work> work;
    std::unique_ptr<Queue> queue;
    acc_signal_memory *done;
};

Bystander &bystander(bool fpga)
{
    static Bystander instances[2] = {Bystander("null:memory=268435456"),
                                     Bystander("fpga:memory=268435456,scatter=1")};
    return instances[fpga];
}

// The client under attack of its own making.
struct Attacker {
    explicit Attacker(Accel &accel)
        : accel(accel), signals(accel), data(accel, 4 * page_bytes), edge(accel, 2 * page_bytes),
          read_only(accel, page_bytes, DRM_ACC_VM_READ), work(accel)
    {
        edge.unbind_from(page_bytes);
        for (int i = 0; i < 16; i++)
            signals.make(i % 3);
        if (accel.identity().engine == DRM_ACC_ENGINE_NULL) all = std::make_unique<NullWork>(accel);
        for (auto &queue : queues)
            queue = std::make_unique<Queue>(accel, QueueOptions{.timeout_ns = 1'000'000});
    }
    // An address or a kernel that means something here.
    uint64_t address(Input &input)
    {
        const uint64_t offset = input.take<uint8_t>();
        switch (input.below(10)) {
        case 0:
            return data.address() + offset * 61;
        case 1:
            return data.address() + offset * 64;
        case 2:
            return edge.address() + page_bytes - offset;
        case 3:
            return read_only.address() + offset;
        case 4:
            return signals.buffer().address() + offset % 16 * 64;
        case 5:
            return queues[offset & 1]->memory().address() + offset * 64;
        case 6:
            return work.program().kernel() + offset % 2;
        case 7:
            return all ? all->kernel(NullKernel(offset % 6)) : work.kernargs();
        case 8:
            return work.kernargs() + offset % 3 * 16;
        default:
            return offset;
        }
    }
    acc_packet packet(Input &input)
    {
        constexpr uint16_t types[] = {ACC_PACKET_VENDOR, ACC_PACKET_DISPATCH,
                                      ACC_PACKET_BARRIER_AND, ACC_PACKET_BARRIER_OR};
        constexpr uint8_t formats[] = {ACC_VENDOR_BARRIER_VALUE, ACC_VENDOR_COPY, ACC_VENDOR_FILL,
                                       ACC_VENDOR_PREFETCH, ACC_VENDOR_TIMESTAMP};
        acc_packet packet = {};
        const uint8_t how = input.take<uint8_t>();
        if (how & 1) { // wild
            input.fill(&packet, sizeof packet);
        } else if (how & 2) { // a good dispatch, to be bent
            packet = work.packet(signals[how % 16]);
        } else { // a good header, and a body that is mostly addresses
            packet.header = ACC_HEADER(types[how / 4 % 4], how & 64 ? ACC_HEADER_BARRIER : 0);
            if (!(packet.header & ACC_HEADER_TYPE_MASK)) packet.copy.format = formats[how / 16 % 5];
        }
        for (uint32_t i = 0, n = input.below(5); i < n; i++) {
            const uint32_t where = input.below(16);
            if (where < 8)
                packet.words[where] = where ? address(input) : packet.words[0];
            else
                reinterpret_cast<uint8_t *>(&packet)[input.below(64)] ^= input.take<uint8_t>();
        }
        return packet;
    }
    void act(Input &input)
    {
        Queue &queue = *queues[input.below(2)];
        switch (input.below(16)) {
        case 0: // its own words
            shared(queue.control()->write_index).store(input.take<uint64_t>());
            break;
        case 1:
            shared(queue.control()->read_index).store(input.take<uint64_t>());
            break;
        case 2:
            shared(queue.control()->sleeping).store(input.take<uint8_t>() & 1);
            break;
        case 3:
            shared(queue.control()->space_wanted).store(1);
            break;
        case 4:
            queue.store_doorbell(input.take<uint64_t>());
            queue.kick();
            break;
        case 5:
            store_signal(accel, signals[input.below(16)], input.take<int8_t>());
            break;
        case 6: { // any word of any ring
            auto &word = queue.slot(input.take<uint8_t>())->words[input.below(8)];
            shared(word).store(input.take<uint64_t>());
            break;
        }
        case 7: // the kernel's arguments
            input.fill(data.at(page_bytes), 64);
            std::memcpy(reinterpret_cast<void *>(work.kernargs()), data.at(page_bytes), 64);
            break;
        case 8:
            shared(signals[input.below(16)]->kind).store(input.take<uint8_t>() & 1);
            break;
        case 9:
            (void)accel.reset(DRM_ACC_RESET_QUEUE, queue.id());
            break;
        default: { // wherever the device is
            const uint64_t index = queue.query().packets + input.below(2);
            queue.publish(index, packet(input));
            queue.kick();
        }
        }
    }
    Accel &accel;
    Signals signals;
    Buffer data, edge, read_only;
    Work work;
    std::unique_ptr<NullWork> all; // of the null engine
    std::unique_ptr<Queue> queues[2];
};

} // namespace

void try_packets(std::span<const std::byte> bytes)
{
    Input input(bytes);
    Bystander &beside = bystander(input.take<uint8_t>() & 1);
    {
        auto accel = beside.card.open();
        Attacker attacker(*accel);
        for (int i = 0; i < 200 && !input.empty(); i++)
            attacker.act(input);
        beside.check();
        // Whatever waits, runs or is broken can be ended.
        for (auto &queue : attacker.queues) {
            const drm_acc_queue_query query = queue->query();
            if (query.fault_code >= ACC_STATUS_COUNT) fail("a fault code that is none");
            if (queue->destroy()) fail("a queue could not be destroyed");
        }
    }
    beside.check();
}

std::vector<std::vector<std::byte>> packets_seeds()
{
    std::vector<std::vector<std::byte>> seeds;
    for (unsigned engine = 0; engine < 2; engine++)
        for (unsigned how = 0; how < 256; how += 6) {
            std::vector<std::byte> seed = {std::byte(engine)};
            for (unsigned i = 0; i < 12; i++)
                for (const unsigned byte :
                     {i & 1, 10u, 0u, how, 3u, 3u, i * 5, i, 2u, 7u, 4u, 7u, 9u, 4u})
                    seed.push_back(std::byte(byte));
            seeds.push_back(std::move(seed));
        }
    return seeds;
}

} // namespace acc::fuzz
