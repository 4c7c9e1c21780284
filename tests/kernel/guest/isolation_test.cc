// SPDX-License-Identifier: MIT
//
// Two clients of one device: whatever one tries, nothing of the other's is read, written, rung,
// stopped or seen. One try a test. The clients are two opens; those that a process of its own
// makes a difference to fork.
#include "acc/regs.h"
#include "tests/kernel/guest/guest.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace acc::guest
{

using namespace conformance;

namespace
{

constexpr uint32_t secret = 0x5ec2e700;

class Isolation : public testing::Test
{
protected:
    // The owner has memory full of secrets, a signal, a queue and a program.
    void SetUp() override
    {
        for (uint32_t i = 0; i < page_bytes / 4; i++)
            memory_.at<uint32_t>()[i] = secret + i;
        own_done_ = own_signals_.make();
        done_ = signals_.make();
    }
    void TearDown() override
    {
        for (uint32_t i = 0; i < page_bytes / 4; i++)
            ASSERT_EQ(memory_.at<uint32_t>()[i], secret + i) << "the owner's memory changed";
        // The owner goes on, and the thief's other work too.
        acc_signal_memory *done = own_signals_.make();
        own_queue_.submit(nothing(done));
        EXPECT_EQ(wait_for(owner_, done), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(own_queue_.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
        EXPECT_EQ(own_done_->value, 1) << "the owner's signal changed";
        acc_signal_memory *well = signals_.make();
        spare_.submit(nothing(well));
        EXPECT_EQ(wait_for(thief_, well), 0);
        EXPECT_EQ(status_of(well), uint32_t(ACC_STATUS_OK));
    }
    // The packet puts the thief's queue, and it alone, into Error with this code.
    void expect_fault(const acc_packet &packet, acc_status code, uint64_t address)
    {
        queue_.submit(packet);
        ASSERT_TRUE(queue_.drained());
        const drm_acc_queue_query query = queue_.query();
        EXPECT_EQ(query.state, uint32_t(DRM_ACC_QUEUE_ERROR));
        EXPECT_EQ(query.fault_code, uint32_t(code));
        EXPECT_EQ(query.fault_address, address);
    }
    void *map(uint64_t offset, size_t bytes, int prot)
    {
        auto at = thief_.transport().map(offset, bytes, prot, nullptr);
        error_ = at.error();
        return at ? *at : MAP_FAILED;
    }

    std::unique_ptr<Accel> owner_open_ = open_client(), thief_open_ = open_client();
    Accel &owner_ = *owner_open_, &thief_ = *thief_open_;
    Buffer memory_{owner_, page_bytes};
    Signals own_signals_{owner_}, signals_{thief_};
    Queue own_queue_{owner_}, queue_{thief_}, spare_{thief_};
    Work own_work_{owner_}, work_{thief_};
    Buffer mine_{thief_, page_bytes};
    acc_signal_memory *own_done_ = nullptr, *done_ = nullptr;
    int error_ = 0;
};

// --------------------------------------------------------- packets and addresses

TEST_F(Isolation, ACopyFromAForeignAddressFaults)
{
    expect_fault(copy(mine_.address(), memory_.address(), page_bytes, done_),
                 ACC_STATUS_INVALID_ADDRESS, memory_.address());
    for (uint32_t i = 0; i < page_bytes / 4; i++)
        ASSERT_EQ(mine_.at<uint32_t>()[i], 0u);
}

TEST_F(Isolation, ACopyToAForeignAddressFaults)
{
    expect_fault(copy(memory_.address(), mine_.address(), page_bytes, done_),
                 ACC_STATUS_INVALID_ADDRESS, memory_.address());
}

TEST_F(Isolation, AFillOfAForeignAddressFaults)
{
    expect_fault(fill(memory_.address(), 0xdead, 64, done_), ACC_STATUS_INVALID_ADDRESS,
                 memory_.address());
}

TEST_F(Isolation, ATimestampAtAForeignAddressFaults)
{
    expect_fault(timestamp(memory_.address(), done_), ACC_STATUS_INVALID_ADDRESS,
                 memory_.address());
}

TEST_F(Isolation, AForeignSignalIsNoCompletionSignal)
{
    expect_fault(nothing(own_done_), ACC_STATUS_INVALID_SIGNAL, address_of(own_done_));
}

TEST_F(Isolation, AForeignSignalIsNoDependency)
{
    expect_fault(barrier_and({own_done_}, done_), ACC_STATUS_INVALID_SIGNAL, address_of(own_done_));
}

TEST_F(Isolation, ForeignKernelArgumentsFault)
{
    acc_packet packet = work_.packet(done_);
    packet.dispatch.kernarg_address = memory_.address();
    expect_fault(packet, ACC_STATUS_INVALID_ADDRESS, memory_.address());
}

TEST_F(Isolation, DmaOutsideTheTablesIsAFaultOfThatQueueAlone)
{
    const uint64_t hole = thief_.reserve(page_bytes);
    expect_fault(fill(hole, 1, 64, done_), ACC_STATUS_INVALID_ADDRESS, hole);
    Accel::release(hole, page_bytes);
}

TEST_F(Isolation, AddressesOfTheKernelFault)
{
    expect_fault(copy(mine_.address(), 0xffff'8880'0000'0000, 64, done_),
                 ACC_STATUS_INVALID_ADDRESS, 0xffff'8880'0000'0000);
}

TEST_F(Isolation, PhysicalAddressesFault)
{
    expect_fault(copy(mine_.address(), 0x10'0000, 64, done_), ACC_STATUS_INVALID_ADDRESS,
                 0x10'0000);
}

TEST_F(Isolation, AForeignKernelObjectIsUnknown)
{
    // The same number names the thief's own program, if anything: the owner's is never run.
    acc_packet packet = work_.packet(done_);
    packet.dispatch.kernel_object = own_work_.program().kernel() + (1u << 20);
    queue_.submit(packet);
    ASSERT_TRUE(queue_.drained());
    EXPECT_EQ(queue_.query().fault_code, uint32_t(ACC_STATUS_INVALID_KERNEL));
}

// --------------------------------------------------------------- handles and ids

TEST_F(Isolation, AForeignBufferHandleIsUnknown)
{
    // A number that the owner has and the thief has not.
    std::vector<drm_acc_bo_create> more(64);
    for (auto &bo : more)
        ASSERT_EQ(owner_.create(page_bytes, bo), 0);
    const uint32_t handle = more.back().handle;
    const uint64_t address = thief_.reserve(page_bytes);
    EXPECT_EQ(thief_.bind(handle, 0, page_bytes, address), -ENOENT);
    drm_acc_bo_info info = {};
    info.handle = handle;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_BO_INFO, info), -ENOENT);
    EXPECT_EQ(thief_.close(handle), -EINVAL);
    drm_prime_handle prime = {};
    prime.handle = handle;
    prime.flags = DRM_CLOEXEC;
    EXPECT_EQ(thief_.call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), -ENOENT);
    Accel::release(address, page_bytes);
    for (auto &bo : more)
        EXPECT_EQ(owner_.close(bo.handle), 0);
}

TEST_F(Isolation, AForeignQueueIsUnknown)
{
    std::vector<std::unique_ptr<Queue>> more;
    for (unsigned i = 0; i < 8; i++)
        more.push_back(std::make_unique<Queue>(owner_));
    const uint32_t id = more.back()->id();
    drm_acc_queue_query query = {};
    query.queue = id;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_QUEUE_QUERY, query), -ENOENT);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = id;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), -ENOENT);
    EXPECT_EQ(thief_.reset(DRM_ACC_RESET_QUEUE, id), -ENOENT);
    EXPECT_EQ(more.back()->query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
}

TEST_F(Isolation, AForeignProgramIsUnknown)
{
    Program second(owner_, Work::image(owner_.identity().engine, 0));
    const uint32_t id = second.id();
    ASSERT_NE(id, work_.program().id());
    drm_acc_program_unload unload = {};
    unload.program = id;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), -ENOENT);
    drm_acc_program_query query = {};
    query.program = id;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_PROGRAM_QUERY, query), -ENOENT);
    drm_acc_program_pin pin = {};
    pin.program = id;
    pin.pin = 1;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_PROGRAM_PIN, pin), -ENOENT);
    drm_acc_program_prefetch fetch = {};
    fetch.program = id;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_PROGRAM_PREFETCH, fetch), -ENOENT);
}

TEST_F(Isolation, AForeignSignalCannotBeWaitedForOrWoken)
{
    EXPECT_EQ(thief_.wait(address_of(own_done_), DRM_ACC_COND_EQ, 1, deadline()), -EFAULT);
    EXPECT_EQ(thief_.wake(address_of(own_done_)), -EFAULT);
    EXPECT_EQ(own_done_->notify, 0u);
}

TEST_F(Isolation, AForeignBindingCannotBeUnbound)
{
    EXPECT_EQ(thief_.unbind(memory_.address(), page_bytes), -ENOENT);
}

TEST_F(Isolation, AForeignFaultIsNotSeen)
{
    // The owner faults a queue of its own.
    Queue bad(owner_);
    bad.submit(fill(0x1000, 1, 64, nullptr));
    ASSERT_TRUE(bad.drained());
    EXPECT_EQ(owner_.query(DRM_ACC_QUERY_FAULT, 0).fault.queue, bad.id());
    drm_acc_dev_query query = {};
    query.type = DRM_ACC_QUERY_FAULT;
    EXPECT_EQ(thief_.call(DRM_IOCTL_ACC_DEV_QUERY, query), -ENOENT);
}

// ------------------------------------------------------------------------- mmap

TEST_F(Isolation, AForeignBufferCannotBeMapped)
{
    // Offsets of many buffers of the owner: none opens to the thief, whose own do.
    std::vector<drm_acc_bo_create> more(64);
    for (auto &bo : more)
        ASSERT_EQ(owner_.create(page_bytes, bo), 0);
    for (auto &bo : more) {
        void *at = map(bo.mmap_offset, page_bytes, PROT_READ);
        if (at == MAP_FAILED) {
            EXPECT_TRUE(error_ == -EINVAL || error_ == -EACCES) << error_;
        } else { // a number that the thief has too: it is the thief's
            EXPECT_NE(*static_cast<uint32_t *>(at), secret);
            munmap(at, page_bytes);
        }
        EXPECT_EQ(owner_.close(bo.handle), 0);
    }
    const uint64_t last = more.back().mmap_offset;
    EXPECT_EQ(map(last, page_bytes, PROT_READ), MAP_FAILED);
}

TEST_F(Isolation, OnlyTheOwnDoorbellPageCanBeMapped)
{
    const uint64_t page = thief_.query(DRM_ACC_QUERY_MEMORY).memory.doorbell_mmap_offset;
    for (const uint64_t offset : {page - page_bytes, page + page_bytes, page + 2 * page_bytes,
                                  page + 16 * page_bytes, page + 1023 * page_bytes}) {
        EXPECT_EQ(map(offset, page_bytes, PROT_READ | PROT_WRITE), MAP_FAILED) << offset;
        EXPECT_TRUE(error_ == -EINVAL || error_ == -EACCES) << error_;
    }
    EXPECT_EQ(map(page, 2 * page_bytes, PROT_READ | PROT_WRITE), MAP_FAILED);
    EXPECT_EQ(error_, -EINVAL);
    EXPECT_EQ(map(page, page_bytes, PROT_READ | PROT_WRITE | PROT_EXEC), MAP_FAILED);
    EXPECT_EQ(error_, -EACCES);
    void *own = map(page, page_bytes, PROT_READ | PROT_WRITE);
    ASSERT_NE(own, MAP_FAILED);
    EXPECT_EQ(mprotect(own, page_bytes, PROT_READ | PROT_EXEC), -1);
    EXPECT_EQ(mremap(own, page_bytes, 2 * page_bytes, MREMAP_MAYMOVE), MAP_FAILED);
    munmap(own, page_bytes);
}

TEST_F(Isolation, NoStoreToTheOwnDoorbellsStartsAForeignQueue)
{
    // A packet that the owner has published and not rung.
    acc_signal_memory *quiet = own_signals_.make();
    const uint64_t index = own_queue_.reserve();
    own_queue_.publish(index, nothing(quiet));
    const uint64_t page = thief_.query(DRM_ACC_QUERY_MEMORY).memory.doorbell_mmap_offset;
    auto *doorbells = static_cast<acc_u64 *>(map(page, page_bytes, PROT_READ | PROT_WRITE));
    ASSERT_NE(static_cast<void *>(doorbells), MAP_FAILED);
    for (unsigned i = 0; i < ACC_DOORBELLS_PER_PAGE; i++)
        shared(doorbells[i]).store(index, std::memory_order_release);
    munmap(doorbells, page_bytes);
    // The device has looked at all that these rang once this is over.
    acc_signal_memory *own = signals_.make();
    spare_.submit(nothing(own));
    ASSERT_EQ(wait_for(thief_, own), 0);
    EXPECT_EQ(value_of(quiet), 1);
    EXPECT_EQ(own_queue_.query().read_index, index);
    own_queue_.ring(index);
    EXPECT_EQ(wait_for(owner_, quiet), 0);
}

TEST_F(Isolation, TheStatusPageCannotBeWritten)
{
    const uint64_t page = thief_.query(DRM_ACC_QUERY_MEMORY).memory.status_mmap_offset;
    EXPECT_EQ(map(page, page_bytes, PROT_READ | PROT_WRITE), MAP_FAILED);
    EXPECT_EQ(error_, -EACCES);
    void *at = map(page, page_bytes, PROT_READ);
    ASSERT_NE(at, MAP_FAILED);
    EXPECT_EQ(mprotect(at, page_bytes, PROT_READ | PROT_WRITE), -1);
    EXPECT_EQ(errno, EACCES);
    munmap(at, page_bytes);
}

// ------------------------------------------------------------- memory that was

TEST_F(Isolation, NewMemoryIsZeroed)
{
    for (unsigned round = 0; round < 8; round++) {
        {
            Buffer old(owner_, 64 * page_bytes);
            std::memset(old.at(), 0xa5, 64 * page_bytes);
        }
        Buffer fresh(thief_, 64 * page_bytes);
        for (uint64_t i = 0; i < 64 * page_bytes / 8; i++)
            ASSERT_EQ(fresh.at<uint64_t>()[i], 0u) << i;
    }
}

TEST_F(Isolation, ASharedBufferIsSharedByItsDescriptorAlone)
{
    drm_prime_handle prime = {};
    prime.handle = memory_.handle();
    prime.flags = uint32_t(DRM_CLOEXEC | DRM_RDWR);
    ASSERT_EQ(owner_.call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
    const UniqueFd fd(prime.fd);
    ASSERT_EQ(thief_.call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime), 0);
    const uint64_t address = thief_.reserve(page_bytes);
    // Read alone: the device may not write what was bound so.
    ASSERT_EQ(thief_.bind(prime.handle, 0, page_bytes, address, DRM_ACC_VM_READ), 0);
    spare_.submit(copy(mine_.address(), address, page_bytes, done_));
    ASSERT_EQ(wait_for(thief_, done_), 0);
    EXPECT_EQ(mine_.at<uint32_t>()[7], secret + 7);
    expect_fault(fill(address, 0, 64), ACC_STATUS_INVALID_ADDRESS, address);
    EXPECT_EQ(thief_.unbind(address, page_bytes), 0);
    EXPECT_EQ(thief_.close(prime.handle), 0);
    Accel::release(address, page_bytes);
}

// ------------------------------------------------------------- other processes

// Runs in a child, with the parent's descriptor; its exit status, 0 if all is as it should be.
int in_child(const std::function<bool()> &body)
{
    const pid_t child = fork();
    if (!child) _exit(body() ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

TEST_F(Isolation, AnotherProcessCannotUseAnOpen)
{
    EXPECT_EQ(in_child([&] {
                  drm_acc_dev_query query = {};
                  drm_acc_bo_create create = {};
                  create.size = page_bytes;
                  return thief_.call(DRM_IOCTL_ACC_DEV_QUERY, query) == -ENODEV &&
                         thief_.call(DRM_IOCTL_ACC_BO_CREATE, create) == -ENODEV &&
                         thief_.transport()
                                 .map(thief_.memory().doorbell_mmap_offset, page_bytes,
                                      PROT_READ | PROT_WRITE, nullptr)
                                 .error() == -ENODEV;
              }),
              0);
}

TEST_F(Isolation, WithoutPrivilegeNothingOfAllIsReset)
{
    const std::string node = nodes()[0];
    chmod(node.c_str(), 0666);
    EXPECT_EQ(in_child([&] {
                  if (setgid(65534) || setuid(65534)) return false;
                  auto mine = open_client();
                  const bool device = mine->reset(DRM_ACC_RESET_DEVICE, 0) == -EACCES;
                  bool slots = true;
                  for (uint32_t i = 0; i < mine->slots(); i++)
                      slots &= !*mine->query(DRM_ACC_QUERY_SLOT, i).slot.resident;
                  drm_acc_dev_query query = {};
                  query.type = DRM_ACC_QUERY_CLIENT;
                  query.index = 1; // 0 is the child itself
                  const bool clients = mine->call(DRM_IOCTL_ACC_DEV_QUERY, query) == -ENOENT;
                  if (!device || !slots || !clients)
                      fprintf(stderr, "device %d slots %d clients %d\n", device, slots, clients);
                  return device && slots && clients;
              }),
              0);
}

TEST_F(Isolation, AKilledClientLeavesNothingBehind)
{
    const uint64_t before = owner_.query(DRM_ACC_QUERY_MEMORY).memory.device_bytes;
    for (unsigned round = 0; round < 5; round++) {
        int ready[2];
        ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
        const pid_t child = fork();
        if (!child) {
            auto mine = open_client();
            Buffer big(*mine, 256 * page_bytes);
            Signals signals(*mine);
            Queue queue(*mine);
            for (unsigned i = 0; i < 32; i++)
                queue.submit(
                    copy(big.address(), big.address() + 128 * page_bytes, 64 * page_bytes));
            [[maybe_unused]] const ssize_t wrote = write(ready[1], "x", 1);
            for (;;)
                pause();
        }
        ::close(ready[1]);
        char byte;
        ASSERT_EQ(read(ready[0], &byte, 1), 1);
        ::close(ready[0]);
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
    }
    EXPECT_TRUE(eventually(
        [&] { return owner_.query(DRM_ACC_QUERY_MEMORY).memory.device_bytes == before; }));
}

} // namespace

} // namespace acc::guest
