// SPDX-License-Identifier: MIT
//
// QUEUE_CREATE, QUEUE_DESTROY, QUEUE_QUERY; RESET.
#include "tests/conformance/suite.h"

#include <list>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::conformance
{

namespace
{

class UapiQueue : public DeviceTest
{
};
class UapiReset : public DeviceTest
{
};

TEST_F(UapiQueue, CreateRejectsOneFieldAtATime)
{
    Buffer memory(accel(), ring_offset + 128 * ACC_PACKET_BYTES);
    const uint64_t most = accel().limits().max_timeout_ns;
    using R = Refusal<drm_acc_queue_create>;
    expect_refusals<drm_acc_queue_create>(
        accel(), DRM_IOCTL_ACC_QUEUE_CREATE, queue_request(memory),
        {R{"an unknown handle", ENOENT, [](auto &q) { q.handle = 0x7777; }},
         R{"0 packets", EINVAL, [](auto &q) { q.packets = 0; }},
         R{"32 packets", EINVAL, [](auto &q) { q.packets = 32; }},
         R{"96 packets", EINVAL, [](auto &q) { q.packets = 96; }},
         R{"2^21 packets", EINVAL, [](auto &q) { q.packets = 1u << 21; }},
         R{"a ring past the buffer's end", EINVAL, [](auto &q) { q.packets = 256; }},
         R{"ring_offset not of a packet", EINVAL, [](auto &q) { q.ring_offset += 32; }},
         R{"ring_offset past the end", EINVAL, [](auto &q) { q.ring_offset = 1 << 20; }},
         R{"ring_offset that wraps", EINVAL, [](auto &q) { q.ring_offset = 0ull - 4096; }},
         R{"control_offset not of 256", EINVAL, [](auto &q) { q.control_offset = 64; }},
         R{"control_offset past the end", EINVAL, [](auto &q) { q.control_offset = 1 << 20; }},
         R{"control_offset that wraps", EINVAL, [](auto &q) { q.control_offset = 0ull - 256; }},
         R{"control page inside the ring", EINVAL,
           [](auto &q) { q.control_offset = ring_offset + 256; }},
         R{"timeout above the limit", EINVAL, [&](auto &q) { q.timeout_ns = most + 1; }},
         R{"priority 3", EINVAL, [](auto &q) { q.priority = DRM_ACC_PRIORITY_HIGH + 1; }},
         R{"an unknown flag", EINVAL, [](auto &q) { q.flags = 2; }},
         R{"pad", EINVAL, [](auto &q) { q.pad = 1; }}});
    drm_acc_queue_create good = queue_request(memory);
    // What is only written is not looked at.
    good.queue = good.doorbell_slot = ~0u;
    good.doorbell_mmap_offset = ~0ull;
    good.kick_fd = -1;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, good), 0);
    const UniqueFd kick(good.kick_fd);
    EXPECT_LT(good.doorbell_slot, accel().limits().doorbells_per_page);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = good.queue;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
}

TEST_F(UapiQueue, MemoryMustBeBoundReadWrite)
{
    drm_acc_bo_create unbound;
    ASSERT_EQ(accel().create(4 * page_bytes, unbound), 0);
    Buffer read_only(accel(), 4 * page_bytes, DRM_ACC_VM_READ);
    Buffer write_only(accel(), 4 * page_bytes, DRM_ACC_VM_WRITE);
    Buffer partly(accel(), 4 * page_bytes);
    partly.unbind_from(page_bytes);
    drm_acc_queue_create args = queue_request(read_only);
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), -EINVAL);
    args = queue_request(write_only);
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), -EINVAL);
    args = queue_request(partly);
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), -EINVAL) << "the ring is not bound";
    args.handle = unbound.handle;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), -EINVAL);
    EXPECT_EQ(accel().close(unbound.handle), 0);
}

// The ring lies in one binding; two that are neighbours will not do.
TEST_F(UapiQueue, RingOverTwoBindingsIsRefused)
{
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(4 * page_bytes, bo), 0);
    const uint64_t at = accel().reserve(4 * page_bytes);
    ASSERT_EQ(accel().bind(bo.handle, 0, 2 * page_bytes, at), 0);
    ASSERT_EQ(accel().bind(bo.handle, 2 * page_bytes, 2 * page_bytes, at + 2 * page_bytes), 0);
    drm_acc_queue_create args = {};
    args.handle = bo.handle;
    args.packets = 64;
    args.ring_offset = 2 * page_bytes - ACC_PACKET_BYTES;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), -EINVAL);
    args.ring_offset = 2 * page_bytes; // in the other binding: each lies in one
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), 0);
    const UniqueFd kick(args.kick_fd);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = args.queue;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
    EXPECT_EQ(accel().unbind(at, 4 * page_bytes), 0);
    Accel::release(at, 4 * page_bytes);
    EXPECT_EQ(accel().close(bo.handle), 0);
}

TEST_F(UapiQueue, DestroyAndQueryRejectOneFieldAtATime)
{
    Queue queue(accel());
    drm_acc_queue_destroy destroy = {};
    destroy.queue = queue.id();
    using D = Refusal<drm_acc_queue_destroy>;
    expect_refusals<drm_acc_queue_destroy>(
        accel(), DRM_IOCTL_ACC_QUEUE_DESTROY, destroy,
        {D{"pad", EINVAL, [](auto &q) { q.pad = 1; }},
         D{"an unknown id", ENOENT, [](auto &q) { q.queue = 0x7777; }},
         D{"id 0", ENOENT, [](auto &q) { q.queue = 0; }}});
    drm_acc_queue_query query = {};
    query.queue = 0x7777;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_QUERY, query), -ENOENT);
    query.queue = queue.id();
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_QUERY, query), 0);
    EXPECT_EQ(second().call(DRM_IOCTL_ACC_QUEUE_QUERY, query), -ENOENT) << "another file's";
    EXPECT_EQ(second().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), -ENOENT);
    EXPECT_EQ(queue.destroy(), 0);
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), -ENOENT) << "twice";
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_QUERY, query), -ENOENT);
}

TEST_F(UapiQueue, RingAndControlPageAreInitialised)
{
    Buffer memory(accel(), ring_offset + 64 * ACC_PACKET_BYTES);
    std::fill_n(memory.at<uint8_t>(), memory.bytes(), uint8_t(0xff));
    drm_acc_queue_create args = queue_request(memory);
    args.priority = DRM_ACC_PRIORITY_LOW;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), 0);
    const UniqueFd kick(args.kick_fd);
    auto mapped =
        accel().transport().map(args.doorbell_mmap_offset, page_bytes, PROT_READ, nullptr);
    ASSERT_TRUE(mapped);
    EXPECT_EQ(static_cast<uint64_t *>(*mapped)[args.doorbell_slot], ACC_DOORBELL_NONE);
    munmap(*mapped, page_bytes);
    auto *control = memory.at<acc_queue_control>();
    EXPECT_EQ(shared(control->write_index).load(), 0u);
    EXPECT_EQ(shared(control->read_index).load(), 0u);
    EXPECT_EQ(shared(control->space_wanted).load(), 0u);
    EXPECT_LE(shared(control->sleeping).load(), 1u);
    for (uint32_t i = 0; i < 64; i++)
        EXPECT_EQ(memory.at<acc_packet>(ring_offset)[i].header & ACC_HEADER_TYPE_MASK,
                  ACC_PACKET_INVALID)
            << i;
    drm_acc_queue_query query = {};
    query.queue = args.queue;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_QUERY, query), 0);
    EXPECT_EQ(query.state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
    EXPECT_EQ(query.priority, uint32_t(DRM_ACC_PRIORITY_LOW));
    EXPECT_EQ(query.read_index | query.write_index | query.packets | query.fault_code |
                  query.fault_packet | query.fault_address | query.fault_kernel,
              0u);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = args.queue;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
}

// More queues than the device has queues in hardware, and then as many as the limit says.
TEST_F(UapiQueue, LimitIsOfQueuesNotOfHardware)
{
    const uint32_t most = accel().limits().max_queues;
    ASSERT_GT(most, accel().limits().max_active_queues);
    constexpr uint64_t one = 64 * ACC_PACKET_BYTES + 4096;
    Buffer memory(accel(), (most + 1) * one);
    std::vector<drm_acc_queue_create> made;
    std::vector<UniqueFd> kicks;
    for (uint32_t i = 0; i <= most; i++) {
        drm_acc_queue_create args = queue_request(memory);
        args.control_offset = i * one;
        args.ring_offset = i * one + 4096;
        const int error = accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args);
        if (i == most) {
            EXPECT_EQ(error, -E2BIG);
            break;
        }
        ASSERT_EQ(error, 0) << i;
        kicks.emplace_back(args.kick_fd);
        made.push_back(args);
    }
    std::vector<bool> used(accel().limits().doorbells_per_page);
    for (const auto &args : made) {
        EXPECT_FALSE(used[args.doorbell_slot]) << "one doorbell for two queues";
        used[args.doorbell_slot] = true;
        drm_acc_queue_destroy destroy = {};
        destroy.queue = args.queue;
        EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
    }
    Queue again(accel());
    EXPECT_EQ(again.destroy(), 0);
}

TEST_F(UapiQueue, BiggestRingWorks)
{
    Signals signals(accel());
    Queue queue(accel(), {.packets = 1u << ACC_RING_MAX_LOG2});
    acc_signal_memory *done = signals.make();
    queue.submit(nothing(done));
    EXPECT_EQ(wait_for(accel(), done), 0);
    EXPECT_TRUE(queue.drained()); // a completion may be seen before its slot is free
    EXPECT_EQ(queue.query().packets, 1u);
}

// ---------------------------------------------------------------------- reset

TEST_F(UapiReset, RejectsOneFieldAtATime)
{
    Queue queue(accel());
    drm_acc_reset good = {};
    good.what = DRM_ACC_RESET_QUEUE;
    good.id = queue.id();
    using R = Refusal<drm_acc_reset>;
    expect_refusals<drm_acc_reset>(accel(), DRM_IOCTL_ACC_RESET, good,
                                   {R{"an unknown thing", EINVAL, [](auto &r) { r.what = 3; }},
                                    R{"flags", EINVAL, [](auto &r) { r.flags = 1; }},
                                    R{"pad", EINVAL, [](auto &r) { r.pad = 1; }},
                                    R{"an unknown queue", ENOENT, [](auto &r) { r.id = 0x7777; }},
                                    R{"a slot past the last", ENOENT,
                                      [](auto &r) {
                                          r.what = DRM_ACC_RESET_SLOT;
                                          r.id = 0x10000;
                                      }},
                                    R{"the device has no id", EINVAL, [](auto &r) {
                                          r.what = DRM_ACC_RESET_DEVICE;
                                          r.id = 1;
                                      }}});
    EXPECT_EQ(queue.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_RESET, good), 0);
}

TEST_F(UapiReset, QueueGoesToErrorForEver)
{
    Signals signals(accel());
    Event event(accel());
    Queue queue(accel());
    acc_signal_memory *before = signals.make(), *after = signals.make();
    queue.submit(nothing(before));
    ASSERT_EQ(wait_for(accel(), before), 0);
    ASSERT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
    ASSERT_TRUE(eventually([&] { return queue.query().state == DRM_ACC_QUEUE_ERROR; }));
    EXPECT_TRUE(event.wait());
    EXPECT_EQ(queue.query().fault_code, uint32_t(ACC_STATUS_RESET));
    EXPECT_EQ(queue.query().fault_packet, 1u);
    queue.submit(nothing(after));
    EXPECT_EQ(wait_for(accel(), after), 0);
    EXPECT_EQ(status_of(after), uint32_t(ACC_STATUS_CANCELLED));
    // Once more changes nothing.
    EXPECT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
    EXPECT_EQ(queue.query().fault_code, uint32_t(ACC_STATUS_RESET));
}

TEST_F(UapiReset, SlotIsEmptied)
{
    ASSERT_NO_FATAL_FAILURE(start_afresh());
    if (IsSkipped()) return;
    Signals signals(accel());
    Work work(accel());
    acc_signal_memory *done = signals.make(), *again = signals.make();
    uint32_t slot;
    {
        Queue queue(accel());
        queue.submit(work.packet(done));
        ASSERT_EQ(wait_for(accel(), done), 0);
        slot = work.program().query().slot;
        ASSERT_NE(slot, ~0u);
        ASSERT_TRUE(eventually([&] { return accel().reset(DRM_ACC_RESET_SLOT, slot) != -EBUSY; }));
        EXPECT_EQ(work.program().query().slot, ~0u);
        EXPECT_EQ(accel().query(DRM_ACC_QUERY_SLOT, slot).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
        EXPECT_STREQ(accel().query(DRM_ACC_QUERY_SLOT, slot).slot.resident, "");
        work.clear();
        queue.submit(work.packet(again));
        EXPECT_EQ(wait_for(accel(), again), 0);
    }
    EXPECT_EQ(status_of(again), uint32_t(ACC_STATUS_OK)) << "it is loaded again";
    EXPECT_TRUE(work.done_right());
    EXPECT_EQ(work.program().query().loads, 2u);
}

// A pin says "stays resident": the reset that ends that ends the pin.
TEST_F(UapiReset, SlotResetEndsItsPins)
{
    if (accel().slots() < 2) GTEST_SKIP() << "one slot: nothing can be pinned";
    Work work(accel());
    ASSERT_EQ(work.program().pin(0), 0);
    const uint32_t slot = work.program().query().slot;
    ASSERT_NE(slot, ~0u);
    ASSERT_EQ(accel().reset(DRM_ACC_RESET_SLOT, slot), 0);
    EXPECT_EQ(accel().query(DRM_ACC_QUERY_SLOT, slot).slot.pins, 0u);
    EXPECT_EQ(work.program().query().pinned, 0u);
    EXPECT_EQ(work.program().pin(0, false), -EINVAL) << "not pinned any more";
    EXPECT_EQ(work.program().pin(0), 0) << "and it can be pinned again, which loads it";
    EXPECT_NE(work.program().query().slot, ~0u);
    EXPECT_EQ(work.program().query().loads, 2u);
}

// Everybody's context is lost, for good; a new open finds the device working.
TEST_F(UapiReset, DeviceResetLosesTheContext)
{
    Signals signals(accel());
    Event event(accel());
    Queue queue(accel());
    auto status = accel().transport().map(accel().memory().status_mmap_offset, page_bytes,
                                          PROT_READ, nullptr);
    ASSERT_TRUE(status);
    auto *page = static_cast<acc_status_page *>(*status);
    acc_signal_memory *never = signals.make();
    queue.submit(barrier_and({signals.make()}, never));
    ASSERT_EQ(accel().reset(DRM_ACC_RESET_DEVICE, 0), 0);
    EXPECT_TRUE(event.wait());
    EXPECT_EQ(shared(page->lost).load(), uint32_t(EIO));
    EXPECT_EQ(wait_for(accel(), never), -EIO);
    EXPECT_EQ(value_of(never), 1) << "nobody writes signals of a lost context";
    drm_acc_bo_create bo;
    EXPECT_EQ(accel().create(page_bytes, bo), -EIO);
    drm_acc_queue_query query = {};
    query.queue = queue.id();
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_QUERY, query), -EIO);
    EXPECT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue.id()), -EIO);
    munmap(*status, page_bytes);

    // What a lost file still answers: who it is, letting go of handles, and two pages.
    drm_version version = {};
    EXPECT_EQ(accel().call(DRM_IOCTL_VERSION, version), 0);
    drm_get_cap cap = {};
    cap.capability = DRM_CAP_PRIME;
    EXPECT_EQ(accel().call(DRM_IOCTL_GET_CAP, cap), 0);
    EXPECT_EQ(accel().close(0x7777), -EINVAL);
    EXPECT_EQ(accel().transport().ioctl(DRM_IOCTL_ACC_BO_CREATE, nullptr), -EIO)
        << "the loss comes before the pointer";
    EXPECT_EQ(accel().transport().map(1ull << 32, page_bytes, PROT_READ, nullptr).error(), -EIO);
    for (const uint64_t offset :
         {accel().memory().status_mmap_offset, accel().memory().doorbell_mmap_offset}) {
        auto mapped = accel().transport().map(offset, page_bytes, PROT_READ, nullptr);
        ASSERT_TRUE(mapped) << offset;
        munmap(*mapped, page_bytes);
    }

    Signals fresh(second());
    Queue works(second());
    acc_signal_memory *done = fresh.make();
    works.submit(nothing(done));
    EXPECT_EQ(wait_for(second(), done), 0);
}

} // namespace

} // namespace acc::conformance
