// SPDX-License-Identifier: MIT
//
// Two opens of one device: what they share, and what they must not see of each other.
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <unistd.h>

namespace acc::emu
{

using namespace conformance;

namespace
{

class Files : public testing::Test
{
protected:
    Card card_;
    std::unique_ptr<Accel> one_ = card_.open(), two_ = card_.open();
};

TEST_F(Files, HandlesAreOfAFile)
{
    // `one` has things that `two` hasn't, at numbers that `two` may try.
    drm_acc_bo_create first, args;
    ASSERT_EQ(one_->create(4096, first), 0);
    ASSERT_EQ(one_->create(4096, args), 0);
    drm_acc_bo_info info = {};
    info.handle = args.handle;
    EXPECT_EQ(two_->call(DRM_IOCTL_ACC_BO_INFO, info), -ENOENT);
    EXPECT_EQ(two_->close(args.handle), -EINVAL);
    const uint64_t at = two_->reserve(4096);
    EXPECT_EQ(two_->bind(args.handle, 0, 4096, at), -ENOENT);
    Accel::release(at, 4096);
    drm_prime_handle prime = {};
    prime.handle = args.handle;
    EXPECT_EQ(two_->call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), -ENOENT);
    EXPECT_EQ(two_->transport().map(args.mmap_offset, 4096, PROT_READ, nullptr).error(), -EINVAL)
        << "another's buffer";

    Queue queue(*one_);
    NullWork work(*one_);
    EXPECT_EQ(two_->reset(DRM_ACC_RESET_QUEUE, queue.id()), -ENOENT);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = queue.id();
    EXPECT_EQ(two_->call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), -ENOENT);
    drm_acc_program_unload unload = {};
    unload.program = work.program().id();
    EXPECT_EQ(two_->call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), -ENOENT);
    EXPECT_EQ(queue.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
}

// One file's addresses and kernels mean nothing in another's packets.
TEST_F(Files, AddressSpacesAreSeparate)
{
    Buffer secret(*one_, 4096), mine(*two_, 4096);
    NullWork theirs(*one_);
    *secret.at<uint32_t>() = 0x5ec7e7;
    Signals signals(*two_);
    {
        Queue queue(*two_);
        acc_signal_memory *done = signals.make();
        queue.submit(copy(mine.address(), secret.address(), 4, done));
        ASSERT_EQ(wait_for(*two_, done), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_INVALID_ADDRESS));
    }
    {
        Queue queue(*two_);
        acc_signal_memory *done = signals.make();
        queue.submit(theirs.noop(done));
        ASSERT_EQ(wait_for(*two_, done), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_INVALID_KERNEL));
    }
    EXPECT_EQ(*mine.at<uint32_t>(), 0u);
    EXPECT_EQ(two_->wait(secret.address(), DRM_ACC_COND_EQ, 0, 1), -EFAULT);
    EXPECT_EQ(two_->wake(secret.address()), -EFAULT);
    // The faults are two's alone.
    EXPECT_EQ(two_->query(DRM_ACC_QUERY_FAULT, 0).fault.sequence, 2u);
    drm_acc_dev_query none = {};
    none.type = DRM_ACC_QUERY_FAULT;
    EXPECT_EQ(one_->call(DRM_IOCTL_ACC_DEV_QUERY, none), -ENOENT);
}

TEST_F(Files, BuffersOfEachAtOneAddress)
{
    drm_acc_bo_create a, b;
    ASSERT_EQ(one_->create(4096, a), 0);
    ASSERT_EQ(two_->create(4096, b), 0);
    const uint64_t at = one_->reserve(4096);
    ASSERT_EQ(one_->bind(a.handle, 0, 4096, at), 0);
    ASSERT_EQ(two_->bind(b.handle, 0, 4096, at), 0);
    Signals s1(*one_), s2(*two_);
    Queue q1(*one_), q2(*two_);
    acc_signal_memory *d1 = s1.make(), *d2 = s2.make();
    q1.submit(fill(at, 1, 4096, d1));
    q2.submit(fill(at, 2, 4096, d2));
    ASSERT_EQ(wait_for(*one_, d1), 0);
    ASSERT_EQ(wait_for(*two_, d2), 0);
    auto m1 = one_->transport().map(a.mmap_offset, 4096, PROT_READ, nullptr);
    auto m2 = two_->transport().map(b.mmap_offset, 4096, PROT_READ, nullptr);
    ASSERT_TRUE(m1 && m2);
    EXPECT_EQ(static_cast<uint32_t *>(*m1)[1000], 1u);
    EXPECT_EQ(static_cast<uint32_t *>(*m2)[1000], 2u);
    munmap(*m1, 4096);
    munmap(*m2, 4096);
    EXPECT_EQ(one_->unbind(at, 4096), 0);
    EXPECT_EQ(two_->unbind(at, 4096), 0);
    Accel::release(at, 4096);
}

// A barrier of one file on a signal that a packet of the other decrements: the device
// wakes it, with no host between.
TEST_F(Files, QueuesWaitAcrossFiles)
{
    Signals signals(*one_, 256);
    Shared seen(*one_, signals.buffer(), *two_);
    Queue q1(*one_), q2(*two_);
    acc_signal_memory *last = signals.make(0);
    for (int i = 0; i < 100; i++) {
        acc_signal_memory *there = signals.make(), *back = signals.make();
        q2.submit({barrier_and({there}), nothing(back)});
        q1.submit({barrier_and({last}), nothing(there)});
        last = back;
    }
    EXPECT_EQ(wait_for(*one_, last), 0);
    EXPECT_EQ(wait_for(*two_, last), 0);
}

TEST_F(Files, HostsWaitAcrossFiles)
{
    Signals signals(*one_);
    Shared seen(*one_, signals.buffer(), *two_);
    acc_signal_memory *signal = signals.make(1);
    Event event(*two_);
    int result = 1;
    std::thread waiter([&] { result = wait_for(*two_, signal); });
    EXPECT_TRUE(eventually([&] { return shared(signal->notify).load() & ACC_NOTIFY_HOST; }));
    Queue queue(*one_);
    queue.submit(nothing(signal));
    waiter.join();
    EXPECT_EQ(result, 0);
    EXPECT_TRUE(event.wait()) << "the file that binds it is told";
}

// A wake fires the descriptors of all but the file that gives it (else two that relay
// would wake each other for ever).
TEST_F(Files, WakeFiresTheOthersEvents)
{
    Signals signals(*one_);
    Shared seen(*one_, signals.buffer(), *two_);
    Event mine(*one_), theirs(*two_);
    ASSERT_EQ(one_->wake(signals.buffer().address()), 0);
    EXPECT_TRUE(theirs.wait());
    EXPECT_FALSE(mine.pending());
    Buffer own(*one_, 4096);
    ASSERT_EQ(one_->wake(own.address()), 0);
    EXPECT_FALSE(theirs.pending()) << "it does not bind this";
}

TEST_F(Files, ResidentsAreNamedToTheirOwner)
{
    NullWork work(*one_);
    ASSERT_EQ(work.program().prefetch(0), 0);
    const uint32_t slot = work.program().query().slot;
    EXPECT_STRNE(one_->query(DRM_ACC_QUERY_SLOT, slot).slot.resident, "");
    EXPECT_STREQ(two_->query(DRM_ACC_QUERY_SLOT, slot).slot.resident, "");
    EXPECT_EQ(two_->query(DRM_ACC_QUERY_SLOT, slot).slot.state, uint32_t(DRM_ACC_SLOT_READY));
    EXPECT_EQ(two_->reset(DRM_ACC_RESET_SLOT, slot), -EACCES);
    EXPECT_EQ(one_->reset(DRM_ACC_RESET_SLOT, slot), 0);
}

// Equal units are one: resident once, pinned by both, reset by neither alone.
TEST_F(Files, EqualUnitsShareASlot)
{
    Program mine(*one_, null_image_hashed(7)), theirs(*two_, null_image_hashed(7));
    ASSERT_EQ(mine.pin(0), 0);
    const uint32_t slot = mine.query().slot;
    EXPECT_EQ(theirs.query().slot, slot);
    ASSERT_EQ(theirs.pin(0), 0);
    EXPECT_EQ(one_->query(DRM_ACC_QUERY_SLOT, slot).slot.pins, 2u);
    EXPECT_EQ(theirs.query().loads, 0u) << "it was there";
    EXPECT_EQ(one_->reset(DRM_ACC_RESET_SLOT, slot), -EACCES) << "the other's pin";
    EXPECT_EQ(mine.unload(), 0);
    EXPECT_EQ(one_->query(DRM_ACC_QUERY_SLOT, slot).slot.pins, 1u);
    EXPECT_EQ(theirs.query().slot, slot) << "stays for the one who pinned it";
    Signals signals(*two_);
    Queue queue(*two_);
    acc_signal_memory *done = signals.make();
    queue.submit(dispatch(theirs.kernel(), 0, done));
    ASSERT_EQ(wait_for(*two_, done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
}

TEST_F(Files, PinQuotaIsOfAFile)
{
    const uint32_t most = one_->limits().max_pins;
    std::vector<std::unique_ptr<Program>> programs;
    for (uint32_t i = 0; i < most; i++) { // equal units: one slot holds them all
        programs.push_back(std::make_unique<Program>(*one_, null_image_hashed(9)));
        ASSERT_EQ(programs.back()->pin(0), 0) << i;
    }
    Program more(*one_, null_image_hashed(9));
    EXPECT_EQ(more.pin(0), -E2BIG);
    EXPECT_EQ(programs[0]->pin(0), 0) << "again is not another unit";
    Program theirs(*two_, null_image_hashed(9));
    EXPECT_EQ(theirs.pin(0), 0);
    EXPECT_EQ(programs[1]->unload(), 0);
    EXPECT_EQ(more.pin(0), 0) << "an unload gives its pins back";
}

// Closing one file in full flight leaves the other alone.
TEST_F(Files, ClosingOneDisturbsNobody)
{
    Signals signals(*two_);
    NullWork work(*two_);
    Queue queue(*two_);
    for (int i = 0; i < 20; i++) {
        auto doomed = card_.open();
        auto memory = std::make_unique<Signals>(*doomed);
        auto theirs = std::make_unique<NullWork>(*doomed);
        auto busy = std::make_unique<Queue>(*doomed), stuck = std::make_unique<Queue>(*doomed);
        busy->submit(theirs->hang(memory->make()));
        stuck->submit(barrier_and({memory->make()}));
        acc_signal_memory *done = signals.make();
        queue.submit(work.noop(done));
        doomed->kill();
        ASSERT_EQ(wait_for(*two_, done), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    }
}

// The descriptor of the status page is for reading, and so is whatever it is opened as again.
TEST_F(Files, StatusPageIsTheDevicesToWrite)
{
    auto opened = card_.emulator().open({});
    ASSERT_TRUE(opened);
    Client &client = **opened;
    auto source = client.map(one_->memory().status_mmap_offset, page_bytes, PROT_READ);
    ASSERT_TRUE(source);
    const auto try_to_write = [&](int fd, int error) {
        void *at = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        EXPECT_EQ(at, MAP_FAILED);
        EXPECT_EQ(errno, error);
    };
    try_to_write(source->fd.get(), EACCES);
    const std::string path = "/proc/self/fd/" + std::to_string(source->fd.get());
    const UniqueFd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(again) << std::strerror(errno);
    try_to_write(again.get(), EPERM);
    const uint32_t lost = EIO;
    EXPECT_EQ(pwrite(again.get(), &lost, sizeof lost, 0), -1);
    EXPECT_EQ(fallocate(again.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page_bytes),
              -1);
    EXPECT_EQ(ftruncate(again.get(), 0), -1);
    // The device still writes it.
    void *seen = mmap(nullptr, page_bytes, PROT_READ, MAP_SHARED, again.get(), 0);
    ASSERT_NE(seen, MAP_FAILED);
    EXPECT_EQ(mprotect(seen, page_bytes, PROT_READ | PROT_WRITE), -1);
    auto *status = static_cast<acc_status_page *>(seen);
    EXPECT_EQ(shared(status->lost).load(), 0u);
    card_.emulator().unplug();
    EXPECT_EQ(shared(status->lost).load(), uint32_t(ENODEV));
    munmap(seen, page_bytes);
}

// A buffer of another card's, which knows nothing of this one.
TEST_F(Files, CardsShareMemory)
{
    Card other("null:slots=1");
    auto far = other.open();
    Buffer buffer(*far, page_bytes);
    Shared seen(*far, buffer, *one_);
    Signals signals(*one_);
    Queue queue(*one_);
    acc_signal_memory *done = signals.make();
    queue.submit(fill(buffer.address(), 0xfeedf00d, page_bytes, done));
    ASSERT_EQ(wait_for(*one_, done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(*buffer.at<uint32_t>(page_bytes - 4), 0xfeedf00du);
    EXPECT_EQ(one_->query(DRM_ACC_QUERY_MEMORY).memory.client_bytes,
              signals.buffer().bytes() + queue.memory().bytes())
        << "imports count for nobody else";
}

// Shared memory outlives the file that made it.
TEST_F(Files, MemoryOutlivesItsMaker)
{
    Signals signals(*one_);
    const uint64_t at = signals.buffer().address();
    Shared seen(*one_, signals.buffer(), *two_);
    acc_signal_memory *gate = signals.make(), *done = signals.make();
    Queue queue(*two_);
    queue.submit(barrier_and({gate}, done));
    one_->kill();
    store_signal(*two_, gate, 0);
    EXPECT_EQ(wait_for(*two_, done), 0);
    EXPECT_EQ(two_->wake(at), 0);
}

} // namespace

} // namespace acc::emu
