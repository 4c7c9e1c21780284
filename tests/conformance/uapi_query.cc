// SPDX-License-Identifier: MIT
//
// DEV_QUERY, EVENT_SET, WAIT, SIGNAL_WAKE.
#include "tests/conformance/suite.h"

#include <cstring>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace acc::conformance
{

namespace
{

class UapiQuery : public DeviceTest
{
};
class UapiEvent : public DeviceTest
{
};
class UapiWait : public DeviceTest
{
};

TEST_F(UapiQuery, RejectsWhatItDoesNotKnow)
{
    drm_acc_dev_query good = {};
    good.type = DRM_ACC_QUERY_LIMITS;
    using R = Refusal<drm_acc_dev_query>;
    expect_refusals<drm_acc_dev_query>(
        accel(), DRM_IOCTL_ACC_DEV_QUERY, good,
        {R{"unknown type", EINVAL, [](auto &q) { q.type = DRM_ACC_QUERY_TILE + 1; }},
         R{"type ~0", EINVAL, [](auto &q) { q.type = ~0u; }},
         R{"index of limits", EINVAL, [](auto &q) { q.index = 1; }},
         R{"index of identity", EINVAL,
           [](auto &q) {
               q.type = DRM_ACC_QUERY_IDENTITY;
               q.index = 1;
           }},
         R{"index of memory", EINVAL,
           [](auto &q) {
               q.type = DRM_ACC_QUERY_MEMORY;
               q.index = 1;
           }},
         R{"index of counters", EINVAL,
           [](auto &q) {
               q.type = DRM_ACC_QUERY_COUNTERS;
               q.index = 1;
           }},
         R{"index of clock", EINVAL,
           [](auto &q) {
               q.type = DRM_ACC_QUERY_CLOCK;
               q.index = 1;
           }},
         R{"slot past the last", ENOENT,
           [](auto &q) {
               q.type = DRM_ACC_QUERY_SLOT;
               q.index = 0x10000;
           }},
         R{"client past the newest", ENOENT,
           [](auto &q) {
               q.type = DRM_ACC_QUERY_CLIENT;
               q.index = ~0u;
           }},
         R{"fault before the first", ENOENT, [](auto &q) { q.type = DRM_ACC_QUERY_FAULT; }}});
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_DEV_QUERY, good), 0);
}

TEST_F(UapiQuery, TilesAreACrossbars)
{
    drm_acc_dev_query query = {};
    query.type = DRM_ACC_QUERY_TILE;
    const bool crossbar = accel().identity().engine == DRM_ACC_ENGINE_CROSSBAR;
    EXPECT_EQ(!!(accel().identity().features & DRM_ACC_FEATURE_TILES), crossbar);
    if (!crossbar) {
        EXPECT_EQ(accel().call(DRM_IOCTL_ACC_DEV_QUERY, query), -EINVAL);
        return;
    }
    uint32_t last_slot = 0;
    int error = 0;
    while ((error = accel().call(DRM_IOCTL_ACC_DEV_QUERY, query)) == 0) {
        EXPECT_GT(query.tile.arrays, 0u);
        EXPECT_LE(query.tile.arrays_used, query.tile.arrays);
        EXPECT_GE(query.tile.slot, last_slot);
        last_slot = query.tile.slot;
        query.index++;
    }
    EXPECT_EQ(error, -ENOENT);
    EXPECT_GT(query.index, last_slot);
    query.index = ~0u;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_DEV_QUERY, query), -ENOENT);
}

TEST_F(UapiQuery, IdentityIsSound)
{
    const drm_acc_identity &identity = accel().identity();
    EXPECT_LE(identity.engine, uint32_t(DRM_ACC_ENGINE_FPGA));
    EXPECT_EQ(identity.abi_major, ACC_ABI_MAJOR);
    EXPECT_GE(identity.abi_minor, ACC_ABI_MINOR);
    EXPECT_FALSE(identity.features & DRM_ACC_FEATURE_USERPTR);
    EXPECT_NE(identity.name[0], 0);
    EXPECT_NE(std::memchr(identity.name, 0, sizeof identity.name), nullptr);
    EXPECT_NE(std::memchr(identity.config, 0, sizeof identity.config), nullptr);
}

TEST_F(UapiQuery, LimitsAreSound)
{
    const drm_acc_limits &limits = accel().limits();
    EXPECT_GE(limits.max_queues, 1u);
    EXPECT_GE(limits.max_active_queues, 1u);
    EXPECT_EQ(limits.min_ring_packets, 1u << ACC_RING_MIN_LOG2);
    EXPECT_EQ(limits.max_ring_packets, 1u << ACC_RING_MAX_LOG2);
    EXPECT_GE(limits.max_kernarg_bytes, 256u);
    EXPECT_NE(limits.max_timeout_ns, 0u);
    EXPECT_NE(limits.doorbells_per_page, 0u);
    EXPECT_GE(accel().slots(), 1u);
}

TEST_F(UapiQuery, MemoryCountsWhatIsAllocated)
{
    const drm_acc_memory before = accel().query(DRM_ACC_QUERY_MEMORY).memory;
    EXPECT_EQ(before.page_size, page_bytes);
    EXPECT_GE(before.va_bits, 47u);
    EXPECT_LT(before.va_start, before.va_end);
    drm_acc_bo_create args;
    ASSERT_EQ(accel().create(3 * page_bytes - 5, args), 0);
    const drm_acc_memory with = accel().query(DRM_ACC_QUERY_MEMORY).memory;
    EXPECT_EQ(with.client_bytes, before.client_bytes + 3 * page_bytes);
    EXPECT_GE(with.device_bytes, with.client_bytes);
    ASSERT_EQ(accel().close(args.handle), 0);
    const drm_acc_memory after = accel().query(DRM_ACC_QUERY_MEMORY).memory;
    EXPECT_EQ(after.client_bytes, before.client_bytes);
    // A service may be freeing what an earlier client left, and the device's count goes down.
    EXPECT_TRUE(eventually([&] {
        const uint64_t without = accel().query(DRM_ACC_QUERY_MEMORY).memory.device_bytes;
        if (accel().create(3 * page_bytes - 5, args)) return false;
        const uint64_t all = accel().query(DRM_ACC_QUERY_MEMORY).memory.device_bytes;
        return accel().close(args.handle) == 0 && all >= without + 3 * page_bytes;
    }));
}

TEST_F(UapiQuery, ClockIsMonotonic)
{
    const uint64_t before = now_ns();
    const drm_acc_clock clock = accel().query(DRM_ACC_QUERY_CLOCK).clock;
    const uint64_t after = now_ns();
    EXPECT_LE(before, clock.monotonic_ns);
    EXPECT_LE(clock.monotonic_ns, after);
    EXPECT_NE(clock.device_hz, 0u);
    EXPECT_LE(clock.device_ns, accel().query(DRM_ACC_QUERY_CLOCK).clock.device_ns);
}

TEST_F(UapiQuery, SlotsAreEmptyAtFirst)
{
    for (uint32_t i = 0; i < accel().slots(); i++) {
        const drm_acc_slot slot = accel().query(DRM_ACC_QUERY_SLOT, i).slot;
        EXPECT_LE(slot.state, uint32_t(DRM_ACC_SLOT_FAULT));
        EXPECT_EQ(slot.pad, 0u);
        EXPECT_NE(slot.capacity, 0u);
        EXPECT_NE(std::memchr(slot.resident, 0, sizeof slot.resident), nullptr);
    }
}

// --------------------------------------------------------------------- events

TEST_F(UapiEvent, RejectsWhatIsNoEventfd)
{
    const UniqueFd event(eventfd(0, EFD_CLOEXEC));
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reader(ends[0]), writer(ends[1]);
    const int closed = dup(event.get());
    ::close(closed);
    drm_acc_event_set good = {};
    good.fd = event.get();
    using R = Refusal<drm_acc_event_set>;
    expect_refusals<drm_acc_event_set>(
        accel(), DRM_IOCTL_ACC_EVENT_SET, good,
        {R{"flags", EINVAL, [](auto &e) { e.flags = 1; }},
         R{"fd -2", EINVAL, [](auto &e) { e.fd = -2; }},
         R{"a closed fd", EBADF, [&](auto &e) { e.fd = closed; }},
         R{"an fd that never was", EBADF, [](auto &e) { e.fd = 0x7fffffff; }},
         R{"a pipe", EINVAL, [&](auto &e) { e.fd = reader.get(); }}});
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_EVENT_SET, good), 0);
    EXPECT_EQ(accel().set_event(-1), 0);
    EXPECT_EQ(accel().set_event(-1), 0) << "clearing what is clear";
}

// The device keeps a descriptor of its own: the client may close its.
TEST_F(UapiEvent, OutlivesTheClientsDescriptor)
{
    UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const UniqueFd mine(dup(event.get()));
    ASSERT_EQ(accel().set_event(event.get()), 0);
    event.reset();
    Queue queue(accel());
    acc_packet bad = nothing();
    bad.header |= 0x8000;
    queue.submit(bad);
    EXPECT_TRUE(eventually([&] {
        eventfd_t count = 0;
        return eventfd_read(mine.get(), &count) == 0;
    }));
    EXPECT_EQ(accel().set_event(-1), 0);
}

// A client may fill its event counter. The device never blocks on it.
TEST_F(UapiEvent, FullCounterBlocksNobody)
{
    Event event(accel());
    ASSERT_EQ(eventfd_write(event.fd(), 0xfffffffffffffffeull), 0);
    Queue bad_queue(accel()), queue(accel());
    acc_packet bad = nothing();
    bad.header |= 0x8000;
    bad_queue.submit(bad);
    Signals signals(accel());
    acc_signal_memory *signal = signals.make();
    queue.submit(nothing(signal));
    EXPECT_EQ(wait_for(accel(), signal), 0);
    EXPECT_TRUE(bad_queue.drained());
    EXPECT_TRUE(event.pending());
}

// -------------------------------------------------------------------- waiting

TEST_F(UapiWait, RejectsOneFieldAtATime)
{
    Signals signals(accel());
    Buffer read_only(accel(), page_bytes, DRM_ACC_VM_READ);
    Buffer write_only(accel(), page_bytes, DRM_ACC_VM_WRITE);
    const uint64_t free_range = accel().reserve(page_bytes);
    drm_acc_wait good = {};
    good.address = address_of(signals.make(0));
    good.condition = DRM_ACC_COND_EQ;
    good.timeout_ns = deadline();
    using R = Refusal<drm_acc_wait>;
    expect_refusals<drm_acc_wait>(
        accel(), DRM_IOCTL_ACC_WAIT, good,
        {R{"flags", EINVAL, [](auto &w) { w.flags = 1; }},
         R{"condition", EINVAL, [](auto &w) { w.condition = DRM_ACC_COND_GE + 1; }},
         R{"address + 8", EINVAL, [](auto &w) { w.address += 8; }},
         R{"address + 32", EINVAL, [](auto &w) { w.address += 32; }},
         R{"an address that is not bound", EFAULT, [&](auto &w) { w.address = free_range; }},
         R{"address 0", EFAULT, [](auto &w) { w.address = 0; }},
         R{"an address above all", EFAULT, [](auto &w) { w.address = ~0ull - 63; }},
         R{"bound for reading only", EFAULT, [&](auto &w) { w.address = read_only.address(); }},
         R{"bound for writing only", EFAULT, [&](auto &w) { w.address = write_only.address(); }}});
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_WAIT, good), 0);
    Accel::release(free_range, page_bytes);
}

TEST_F(UapiWait, EveryConditionHoldsOrTimesOut)
{
    Signals signals(accel());
    const uint64_t at = address_of(signals.make(5));
    struct {
        uint32_t condition;
        int64_t value;
        bool holds;
    } cases[] = {{DRM_ACC_COND_EQ, 5, true},  {DRM_ACC_COND_EQ, 4, false},
                 {DRM_ACC_COND_NE, 4, true},  {DRM_ACC_COND_NE, 5, false},
                 {DRM_ACC_COND_LT, 6, true},  {DRM_ACC_COND_LT, 5, false},
                 {DRM_ACC_COND_GE, 5, true},  {DRM_ACC_COND_GE, 6, false},
                 {DRM_ACC_COND_GE, -1, true}, {DRM_ACC_COND_LT, -1, false}};
    for (const auto &one : cases) {
        int64_t observed = 0;
        // A time that has long passed: one look.
        EXPECT_EQ(accel().wait(at, one.condition, one.value, 1, &observed), one.holds ? 0 : -ETIME)
            << one.condition << " " << one.value;
        EXPECT_EQ(observed, 5);
        EXPECT_EQ(accel().wait(at, one.condition, one.value, now_ns() + 1000, &observed),
                  one.holds ? 0 : -ETIME);
    }
}

TEST_F(UapiWait, AStoreAndAWakeEndIt)
{
    Signals signals(accel());
    acc_signal_memory *signal = signals.make(1);
    std::atomic<int> result{1};
    int64_t observed = 0;
    std::thread waiter(
        [&] { result = accel().wait(address_of(signal), DRM_ACC_COND_GE, 10, ~0ull, &observed); });
    // WAIT sets the bit itself, once it can be found.
    EXPECT_TRUE(eventually([&] { return shared(signal->notify).load() & ACC_NOTIFY_HOST; }));
    store_signal(accel(), signal, 3); // a wake that is not enough
    EXPECT_TRUE(eventually([&] { return shared(signal->notify).load() & ACC_NOTIFY_HOST; }));
    EXPECT_EQ(result.load(), 1);
    store_signal(accel(), signal, 11);
    waiter.join();
    EXPECT_EQ(result.load(), 0);
    EXPECT_EQ(observed, 11);
}

// Unbinding takes the address away, not the memory that a WAIT looks at.
TEST_F(UapiWait, MemoryStaysAliveForTheCall)
{
    Buffer memory(accel(), page_bytes);
    auto *signal = memory.at<acc_signal_memory>();
    signal->kind = ACC_SIGNAL_KIND_USER;
    shared(signal->value).store(1);
    int result = 1;
    std::thread waiter([&] {
        result =
            accel().wait(memory.address(), DRM_ACC_COND_EQ, 0, now_ns() + second_ns / 2, nullptr);
    });
    EXPECT_TRUE(eventually([&] { return shared(signal->notify).load() & ACC_NOTIFY_HOST; }));
    EXPECT_EQ(accel().unbind(memory.address(), page_bytes), 0);
    shared(signal->value).store(0); // by the host's mapping
    EXPECT_EQ(accel().wake(memory.address()), -EFAULT);
    EXPECT_EQ(accel().wait(memory.address(), DRM_ACC_COND_EQ, 0, 1), -EFAULT);
    waiter.join();
    EXPECT_EQ(result, 0) << "found by the last look";
    EXPECT_EQ(accel().bind(memory.handle(), 0, page_bytes, memory.address()), 0);
}

TEST_F(UapiWait, ManyWaitersAreAllWoken)
{
    Signals signals(accel());
    acc_signal_memory *signal = signals.make(0);
    std::atomic<int> ended{0};
    std::vector<std::thread> waiters;
    for (int i = 1; i <= 8; i++)
        waiters.emplace_back([&, i] {
            if (accel().wait(address_of(signal), DRM_ACC_COND_GE, i, deadline()) == 0) ended++;
        });
    for (int64_t value = 1; value <= 8; value++) {
        store_signal(accel(), signal, value);
        EXPECT_TRUE(eventually([&] { return ended >= value; }));
    }
    for (auto &waiter : waiters)
        waiter.join();
    EXPECT_EQ(ended.load(), 8);
}

TEST_F(UapiWait, WakeRejectsOneFieldAtATime)
{
    Signals signals(accel());
    Buffer write_only(accel(), page_bytes, DRM_ACC_VM_WRITE);
    const uint64_t free_range = accel().reserve(page_bytes);
    drm_acc_signal_wake good = {};
    good.address = signals.buffer().address();
    good.range = 2 * ACC_SIGNAL_BYTES;
    using R = Refusal<drm_acc_signal_wake>;
    expect_refusals<drm_acc_signal_wake>(
        accel(), DRM_IOCTL_ACC_SIGNAL_WAKE, good,
        {R{"flags", EINVAL, [](auto &w) { w.flags = 1; }},
         R{"pad", EINVAL, [](auto &w) { w.pad = 1; }},
         R{"address + 8", EINVAL, [](auto &w) { w.address += 8; }},
         R{"half a signal", EINVAL, [](auto &w) { w.range = 32; }},
         R{"a range that wraps", EINVAL, [](auto &w) { w.range = ~0ull - 63; }},
         R{"an address that is not bound", EFAULT, [&](auto &w) { w.address = free_range; }},
         R{"bound for writing only", EFAULT, [&](auto &w) { w.address = write_only.address(); }},
         R{"a range that leaves what is bound", EFAULT,
           [](auto &w) { w.range = page_bytes + ACC_SIGNAL_BYTES; }}});
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_SIGNAL_WAKE, good), 0);
    good.range = 0; // one signal
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_SIGNAL_WAKE, good), 0);
    Accel::release(free_range, page_bytes);
}

// The range is of addresses: it goes through bindings, not on in the memory object.
TEST_F(UapiWait, WakeGoesFromBindingToBinding)
{
    drm_acc_bo_create one, two;
    ASSERT_EQ(accel().create(2 * page_bytes, one), 0);
    ASSERT_EQ(accel().create(page_bytes, two), 0);
    const uint64_t at = accel().reserve(2 * page_bytes);
    // The first page of `one`, then `two`.
    ASSERT_EQ(accel().bind(one.handle, 0, page_bytes, at), 0);
    auto mapped = accel().transport().map(two.mmap_offset, page_bytes, 3,
                                          reinterpret_cast<void *>(at + page_bytes));
    ASSERT_TRUE(mapped);
    EXPECT_EQ(accel().wake(at, 2 * page_bytes), -EFAULT) << "the second page is not bound";
    ASSERT_EQ(accel().bind(two.handle, 0, page_bytes, at + page_bytes), 0);
    auto *signal = reinterpret_cast<acc_signal_memory *>(at + page_bytes);
    signal->kind = ACC_SIGNAL_KIND_USER;
    int result = 1;
    std::thread waiter(
        [&] { result = accel().wait(address_of(signal), DRM_ACC_COND_EQ, 1, deadline()); });
    EXPECT_TRUE(eventually([&] { return shared(signal->notify).load() & ACC_NOTIFY_HOST; }));
    shared(signal->value).store(1);
    EXPECT_EQ(accel().wake(at, 2 * page_bytes), 0);
    waiter.join();
    EXPECT_EQ(result, 0);
    EXPECT_EQ(accel().unbind(at, 2 * page_bytes), 0);
    Accel::release(at, 2 * page_bytes);
    EXPECT_EQ(accel().close(one.handle), 0);
    EXPECT_EQ(accel().close(two.handle), 0);
}

} // namespace

} // namespace acc::conformance
