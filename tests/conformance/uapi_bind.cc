// SPDX-License-Identifier: MIT
//
// VM_BIND.
#include "tests/conformance/suite.h"

#include <thread>

namespace acc::conformance
{

namespace
{

class UapiBind : public DeviceTest
{
protected:
    void SetUp() override
    {
        DeviceTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_EQ(accel().create(8 * page_bytes, bo_), 0);
        at_ = accel().reserve(16 * page_bytes);
    }
    void TearDown() override
    {
        if (at_) {
            Accel::release(at_, 16 * page_bytes);
            EXPECT_EQ(accel().close(bo_.handle), 0);
        }
        DeviceTest::TearDown();
    }
    int bind(uint64_t page, uint64_t pages, uint64_t bo_page = 0)
    {
        return accel().bind(bo_.handle, bo_page * page_bytes, pages * page_bytes,
                            at_ + page * page_bytes);
    }
    int unbind(uint64_t page, uint64_t pages)
    {
        return accel().unbind(at_ + page * page_bytes, pages * page_bytes);
    }

    drm_acc_bo_create bo_ = {};
    uint64_t at_ = 0;
};

TEST_F(UapiBind, MapRejectsOneFieldAtATime)
{
    const drm_acc_memory &memory = accel().memory();
    drm_acc_vm_bind good = {};
    good.handle = bo_.handle;
    good.op = DRM_ACC_VM_MAP;
    good.flags = DRM_ACC_VM_READ;
    good.bo_offset = page_bytes;
    good.range = 2 * page_bytes;
    good.address = at_;
    using R = Refusal<drm_acc_vm_bind>;
    expect_refusals<drm_acc_vm_bind>(
        accel(), DRM_IOCTL_ACC_VM_BIND, good,
        {R{"an unknown handle", ENOENT, [](auto &b) { b.handle = 0x7777; }},
         R{"handle 0", ENOENT, [](auto &b) { b.handle = 0; }},
         R{"op 0", EINVAL, [](auto &b) { b.op = 0; }}, R{"op 3", EINVAL, [](auto &b) { b.op = 3; }},
         R{"no access at all", EINVAL, [](auto &b) { b.flags = 0; }},
         R{"an unknown flag", EINVAL, [](auto &b) { b.flags |= 4; }},
         R{"pad", EINVAL, [](auto &b) { b.pad = 1; }},
         R{"bo_offset within a page", EINVAL, [](auto &b) { b.bo_offset += 8; }},
         R{"range within a page", EINVAL, [](auto &b) { b.range -= 1; }},
         R{"range 0", EINVAL, [](auto &b) { b.range = 0; }},
         R{"address within a page", EINVAL, [](auto &b) { b.address += 0x800; }},
         R{"past the buffer's end", EINVAL, [](auto &b) { b.range = 8 * page_bytes; }},
         R{"behind the buffer's end", EINVAL, [](auto &b) { b.bo_offset = 8 * page_bytes; }},
         R{"bo_offset + range wraps", EINVAL, [](auto &b) { b.bo_offset = 0 - page_bytes; }},
         R{"below the arena", EINVAL, [&](auto &b) { b.address = memory.va_start - page_bytes; }},
         R{"address 0", EINVAL, [](auto &b) { b.address = 0; }},
         R{"over the arena's end", EINVAL,
           [&](auto &b) { b.address = memory.va_end - page_bytes; }},
         R{"behind the arena", EINVAL, [&](auto &b) { b.address = memory.va_end; }},
         R{"address + range wraps", EINVAL, [](auto &b) { b.address = 0 - page_bytes; }}});
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_VM_BIND, good), 0);
    EXPECT_EQ(unbind(0, 2), 0);
}

TEST_F(UapiBind, UnmapRejectsOneFieldAtATime)
{
    ASSERT_EQ(bind(0, 4), 0);
    drm_acc_vm_bind good = {};
    good.op = DRM_ACC_VM_UNMAP;
    good.range = 4 * page_bytes;
    good.address = at_;
    using R = Refusal<drm_acc_vm_bind>;
    expect_refusals<drm_acc_vm_bind>(
        accel(), DRM_IOCTL_ACC_VM_BIND, good,
        {R{"a handle", EINVAL, [&](auto &b) { b.handle = bo_.handle; }},
         R{"an offset", EINVAL, [](auto &b) { b.bo_offset = page_bytes; }},
         R{"flags", EINVAL, [](auto &b) { b.flags = DRM_ACC_VM_READ; }},
         R{"pad", EINVAL, [](auto &b) { b.pad = 1; }},
         R{"range 0", EINVAL, [](auto &b) { b.range = 0; }},
         R{"range within a page", EINVAL, [](auto &b) { b.range += 1; }},
         R{"nothing begins there", ENOENT, [](auto &b) { b.address += 8 * page_bytes; }},
         R{"the middle of a binding", ENOENT,
           [](auto &b) {
               b.address += page_bytes;
               b.range = page_bytes;
           }},
         R{"the first part of a binding", EINVAL, [](auto &b) { b.range = page_bytes; }},
         R{"more than is bound", EINVAL, [](auto &b) { b.range = 5 * page_bytes; }},
         R{"outside the arena", EINVAL, [&](auto &b) { b.address = accel().memory().va_end; }}});
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_VM_BIND, good), 0);
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_VM_BIND, good), -ENOENT) << "twice";
}

TEST_F(UapiBind, OverlapsExist)
{
    ASSERT_EQ(bind(4, 4), 0);
    EXPECT_EQ(bind(4, 4), -EEXIST) << "the same";
    EXPECT_EQ(bind(3, 2), -EEXIST) << "over its start";
    EXPECT_EQ(bind(7, 2), -EEXIST) << "over its end";
    EXPECT_EQ(bind(5, 1), -EEXIST) << "inside";
    EXPECT_EQ(bind(2, 8), -EEXIST) << "all over it";
    EXPECT_EQ(bind(2, 2), 0) << "just before";
    EXPECT_EQ(bind(8, 1), 0) << "just behind";
    EXPECT_EQ(unbind(4, 4), 0);
    EXPECT_EQ(bind(4, 4), 0) << "again";
    EXPECT_EQ(unbind(2, 7), 0) << "all of them at once";
}

TEST_F(UapiBind, UnmapTakesWholeBindingsOnly)
{
    ASSERT_EQ(bind(0, 2), 0);
    ASSERT_EQ(bind(2, 2), 0);
    ASSERT_EQ(bind(6, 2), 0);
    EXPECT_EQ(unbind(0, 3), -EINVAL) << "cuts the second";
    EXPECT_EQ(unbind(0, 8), -EINVAL) << "a gap";
    EXPECT_EQ(unbind(1, 1), -ENOENT);
    EXPECT_EQ(unbind(0, 4), 0);
    EXPECT_EQ(unbind(6, 2), 0);
}

TEST_F(UapiBind, WholeArenaEndsAreUsable)
{
    const drm_acc_memory &memory = accel().memory();
    EXPECT_EQ(accel().bind(bo_.handle, 0, page_bytes, memory.va_start), 0);
    EXPECT_EQ(accel().bind(bo_.handle, 0, page_bytes, memory.va_end - page_bytes), 0);
    EXPECT_EQ(accel().unbind(memory.va_start, page_bytes), 0);
    EXPECT_EQ(accel().unbind(memory.va_end - page_bytes, page_bytes), 0);
}

TEST_F(UapiBind, QueueMemoryIsBusy)
{
    Buffer memory(accel(), ring_offset + 64 * ACC_PACKET_BYTES);
    {
        Queue other(accel()); // its own memory is its own matter
        drm_acc_queue_create args = queue_request(memory);
        ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), 0);
        const UniqueFd kick(args.kick_fd);
        EXPECT_EQ(accel().unbind(memory.address(), memory.bytes()), -EBUSY);
        EXPECT_EQ(accel().unbind(other.memory().address(), other.memory().bytes()), -EBUSY);
        drm_acc_queue_destroy destroy = {};
        destroy.queue = args.queue;
        ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
    }
    EXPECT_EQ(accel().unbind(memory.address(), memory.bytes()), 0);
    EXPECT_EQ(accel().bind(memory.handle(), 0, memory.bytes(), memory.address()), 0);
}

// Ring and control page in bindings of their own: both are held.
TEST_F(UapiBind, RingAndControlPageAreBothBusy)
{
    ASSERT_EQ(bind(0, 1, 0), 0);
    ASSERT_EQ(bind(4, 1, 1), 0);
    drm_acc_queue_create args = {};
    args.handle = bo_.handle;
    args.packets = 64;
    args.ring_offset = page_bytes;
    args.control_offset = 0;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, args), 0);
    const UniqueFd kick(args.kick_fd);
    EXPECT_EQ(unbind(0, 1), -EBUSY);
    EXPECT_EQ(unbind(4, 1), -EBUSY);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = args.queue;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
    EXPECT_EQ(unbind(0, 1), 0);
    EXPECT_EQ(unbind(4, 1), 0);
}

// Who binds and unbinds at once gets clean answers, and the device sees whole bindings.
TEST_F(UapiBind, ConcurrentBindsExclude)
{
    std::atomic<int> bound{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 200; i++) {
                const int error = bind(0, 4);
                if (error) {
                    EXPECT_EQ(error, -EEXIST);
                    continue;
                }
                EXPECT_EQ(bound.fetch_add(1), 0) << "two bound one address";
                bound.fetch_sub(1);
                EXPECT_EQ(unbind(0, 4), 0);
            }
        });
    for (auto &thread : threads)
        thread.join();
    EXPECT_EQ(bind(0, 4), 0);
    EXPECT_EQ(unbind(0, 4), 0);
}

} // namespace

} // namespace acc::conformance
