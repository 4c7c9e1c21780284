// SPDX-License-Identifier: MIT
//
// What the driver finds out by itself: packets that hang, who is guilty of a reset, and when the
// device may sleep. Faults are injected by debugfs.
#include "tests/kernel/guest/guest.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace acc::guest
{

using namespace conformance;

namespace
{

// A parameter of the module, restored at the end.
class Parameter
{
public:
    Parameter(const std::string &path, const std::string &value)
        : path_(path), before_(read_text(path))
    {
        EXPECT_TRUE(write_text(path_, value)) << path_;
    }
    ~Parameter() { EXPECT_TRUE(write_text(path_, before_)) << path_; }
    Parameter(const Parameter &) = delete;
    Parameter &operator=(const Parameter &) = delete;

private:
    const std::string path_, before_;
};

bool works(Accel &accel)
{
    Signals signals(accel);
    Queue queue(accel);
    acc_signal_memory *done = signals.make();
    queue.submit(nothing(done));
    return wait_for(accel, done) == 0 && status_of(done) == uint32_t(ACC_STATUS_OK);
}

TEST(Hang, OfAPacketEndsItsQueueAlone)
{
    const Parameter hang("/sys/module/acc/parameters/hang_ms", "300");
    const auto owner = open_client(), other = open_client();
    Queue innocent(*other), spare(*owner);
    Work work(*owner);
    Signals signals(*owner);
    acc_signal_memory *done = signals.make();
    QueueOptions patient;
    patient.timeout_ns = owner->limits().max_timeout_ns; // the device would wait as long
    Queue queue(*owner, patient);
    ASSERT_TRUE(write_text(debugfs() + "/inject", "2 1 0")); // HANG
    queue.submit(work.packet(done));
    ASSERT_TRUE(eventually([&] { return queue.query().state == uint32_t(DRM_ACC_QUEUE_ERROR); }));
    EXPECT_EQ(queue.query().fault_code, uint32_t(ACC_STATUS_RESET));
    EXPECT_EQ(owner->query_error(), 0) << "the file was lost";
    EXPECT_EQ(spare.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
    EXPECT_EQ(innocent.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
    EXPECT_TRUE(works(*owner));
    EXPECT_TRUE(works(*other));
}

// Sixteen calls of one client wait for a dispatch that hangs, as many as the device executes side
// by side: those of another client are answered all the same.
TEST(Hang, HoldsUpNoOtherClient)
{
    constexpr unsigned count = 16;
    const auto owner = open_client(), other = open_client();
    Work work(*owner);
    Signals signals(*owner);
    acc_signal_memory *done = signals.make();
    QueueOptions patient;
    patient.timeout_ns = owner->limits().max_timeout_ns;
    Queue queue(*owner, patient);
    std::vector<std::unique_ptr<Buffer>> buffers;
    for (unsigned i = 0; i < count; i++)
        buffers.push_back(std::make_unique<Buffer>(*owner, page_bytes));
    ASSERT_TRUE(write_text(debugfs() + "/inject", "2 1 0")); // HANG
    queue.submit(work.packet(done));
    // The slot of the dispatch is taken once it executes.
    ASSERT_TRUE(eventually([&] {
        for (uint32_t i = 0; i < owner->slots(); i++)
            if (owner->query(DRM_ACC_QUERY_SLOT, i).slot.state == DRM_ACC_SLOT_BUSY) return true;
        return false;
    }));
    std::atomic<unsigned> ended{0};
    std::vector<std::thread> threads;
    for (auto &buffer : buffers)
        threads.emplace_back([&] {
            buffer.reset(); // unbinds
            ended++;
        });
    std::this_thread::sleep_for(std::chrono::seconds(1)); // for them to be at it
    EXPECT_TRUE(works(*other));
    EXPECT_TRUE(works(*open_client()));
    EXPECT_EQ(ended.load(), 0u) << "nothing held anybody up";
    EXPECT_EQ(owner->reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
    for (auto &thread : threads)
        thread.join();
    EXPECT_EQ(owner->query_error(), 0);
}

// A queue that waits for a signal is no queue that hangs, however long it does.
TEST(Hang, AWaitingQueueIsNone)
{
    const Parameter hang("/sys/module/acc/parameters/hang_ms", "100");
    const Parameter look("/sys/module/acc/parameters/watchdog_ms", "50");
    const auto owner = open_client();
    Signals signals(*owner);
    Queue queue(*owner);
    acc_signal_memory *gate = signals.make(), *done = signals.make();
    queue.submit(barrier_and({gate}, done));
    std::this_thread::sleep_for(std::chrono::seconds(2));
    EXPECT_EQ(queue.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
    store_signal(*owner, gate, 0);
    EXPECT_EQ(wait_for(*owner, done), 0);
}

// A file that is closed with queues of it alive, one round of many; false if a call fails.
bool open_and_drop(uint64_t va_start)
{
    const UniqueFd fd(open(nodes()[0].c_str(), O_RDWR | O_CLOEXEC));
    const auto call = [&](unsigned long request, auto &args) {
        return ioctl(fd.get(), request, &args) == 0;
    };
    drm_acc_bo_create create = {};
    create.size = 4 * page_bytes;
    if (!fd || !call(DRM_IOCTL_ACC_BO_CREATE, create)) return false;
    drm_acc_vm_bind bind = {};
    bind.op = DRM_ACC_VM_MAP;
    bind.handle = create.handle;
    bind.flags = DRM_ACC_VM_FLAGS;
    bind.address = va_start;
    bind.range = create.size;
    if (!call(DRM_IOCTL_ACC_VM_BIND, bind)) return false;
    for (unsigned i = 0; i < 4; i++) {
        drm_acc_queue_create queue = {};
        queue.handle = create.handle;
        queue.packets = 64;
        queue.ring_offset = page_bytes;
        queue.priority = DRM_ACC_PRIORITY_NORMAL;
        if (!call(DRM_IOCTL_ACC_QUEUE_CREATE, queue)) return false;
    }
    return true;
}

// The watchdog looks at queues, and debugfs prints them, while their file closes.
TEST(Hang, LooksMeetFilesThatClose)
{
    const Parameter look("/sys/module/acc/parameters/watchdog_ms", "5");
    const auto calm = open_client();
    std::atomic<bool> over{false};
    std::thread reader([&] {
        while (!over.load(std::memory_order_relaxed)) {
            EXPECT_NE(read_text(debugfs() + "/state"), "");
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    });
    unsigned rounds = 0;
    while (rounds < 20 && open_and_drop(calm->memory().va_start))
        rounds++;
    over.store(true, std::memory_order_relaxed);
    reader.join();
    EXPECT_EQ(rounds, 20u);
    EXPECT_TRUE(works(*calm));
}

const acc_status_page *status_page(Accel &accel)
{
    return static_cast<const acc_status_page *>(
        *accel.transport().map(accel.memory().status_mmap_offset, page_bytes, PROT_READ, nullptr));
}

// The ASIDs of this process's opens, as debugfs tells them.
std::vector<uint32_t> own_asids()
{
    std::vector<uint32_t> asids;
    const std::string text = read_text(debugfs() + "/state");
    const std::string mine = "pid " + std::to_string(getpid()) + ")";
    for (size_t at = 0; (at = text.find("\nclient ", at)) != std::string::npos;) {
        at += 8;
        const std::string line = text.substr(at, text.find('\n', at) - at);
        if (line.find(mine) != std::string::npos) asids.push_back(uint32_t(std::stoul(line)));
    }
    return asids;
}

TEST(Reset, TellsTheGuiltyFromTheInnocent)
{
    const auto first = open_client(), second = open_client();
    const acc_status_page *pages[] = {status_page(*first), status_page(*second)};
    const std::vector<uint32_t> asids = own_asids();
    ASSERT_EQ(asids.size(), 2u);
    Signals signals(*second);
    int result = 0;
    std::thread waiter([&] { result = wait_for(*second, signals.make()); });
    ASSERT_TRUE(write_text(debugfs() + "/reset", std::to_string(asids[0])));
    waiter.join();
    EXPECT_EQ(result, -EIO);
    unsigned guilty = 0;
    for (const acc_status_page *page : pages) {
        EXPECT_EQ(std::atomic_ref(const_cast<__u32 &>(page->lost)).load(std::memory_order_acquire),
                  uint32_t(EIO));
        guilty += page->guilty;
        munmap(const_cast<acc_status_page *>(page), page_bytes);
    }
    EXPECT_EQ(guilty, 1u);
    EXPECT_EQ(first->query_error(), -EIO);
    EXPECT_EQ(second->query_error(), -EIO);
    unsigned told = 0;
    for (const std::string &text : own_fdinfo()) {
        EXPECT_EQ(field(text, "acc-lost"), std::to_string(EIO));
        told += field(text, "acc-guilty") == "1";
    }
    EXPECT_EQ(told, 1u);
    EXPECT_TRUE(works(*open_client()));
}

// ------------------------------------------------------------------------------------ sleep

class Sleep : public testing::Test
{
protected:
    void SetUp() override
    {
        ASSERT_TRUE(write_text(device() + "/power/autosuspend_delay_ms", "100"));
        ASSERT_TRUE(write_text(device() + "/power/control", "auto"));
    }
    void TearDown() override
    {
        EXPECT_TRUE(write_text(device() + "/power/control", "on"));
        EXPECT_TRUE(write_text(device() + "/power/autosuspend_delay_ms", "5000"));
    }
    static bool asleep() { return read_text(device() + "/state") == "asleep\n"; }
};

TEST_F(Sleep, ComesWhenNobodyNeedsTheDeviceAndBindingsOutliveIt)
{
    const auto client = open_client();
    Buffer from(*client, page_bytes), to(*client, page_bytes);
    from.at<uint32_t>()[5] = 0x1234;
    ASSERT_TRUE(eventually(asleep));
    Signals signals(*client);
    Queue queue(*client);
    EXPECT_FALSE(asleep());
    acc_signal_memory *done = signals.make();
    queue.submit(copy(to.address(), from.address(), page_bytes, done));
    EXPECT_EQ(wait_for(*client, done), 0);
    EXPECT_EQ(to.at<uint32_t>()[5], 0x1234u);
}

TEST_F(Sleep, NeverComesWhileAQueueLives)
{
    const auto client = open_client();
    Signals signals(*client);
    {
        Queue queue(*client);
        std::this_thread::sleep_for(std::chrono::seconds(1));
        EXPECT_FALSE(asleep());
        acc_signal_memory *done = signals.make();
        queue.submit(nothing(done));
        EXPECT_EQ(wait_for(*client, done), 0);
    }
    EXPECT_TRUE(eventually(asleep));
}

// Doorbell stores to a device that sleeps reach nobody and raise nothing.
TEST_F(Sleep, DoorbellsStayMapped)
{
    const auto client = open_client();
    auto *bell = static_cast<uint64_t *>(*client->transport().map(
        client->memory().doorbell_mmap_offset, page_bytes, PROT_READ | PROT_WRITE, nullptr));
    std::atomic_ref(*bell).store(0, std::memory_order_release);
    ASSERT_TRUE(eventually(asleep));
    std::atomic_ref(*bell).store(1, std::memory_order_release);
    EXPECT_TRUE(works(*client));
    std::atomic_ref(*bell).store(2, std::memory_order_release);
    munmap(bell, page_bytes);
}

// The whole system, up to where the devices are asleep (PM_DEBUG's "devices").
TEST(SystemSleep, LosesOnlyFilesWithQueues)
{
    if (access("/sys/power/pm_test", W_OK)) GTEST_SKIP() << "a kernel without CONFIG_PM_DEBUG";
    const auto busy = open_client(), calm = open_client();
    Buffer from(*calm, page_bytes), to(*calm, page_bytes);
    from.at<uint32_t>()[9] = 77;
    Queue queue(*busy);
    ASSERT_TRUE(write_text("/sys/power/pm_test", "devices"));
    ASSERT_TRUE(write_text("/sys/power/state", "freeze"));
    EXPECT_TRUE(write_text("/sys/power/pm_test", "none"));
    EXPECT_EQ(busy->query_error(), -EIO);
    EXPECT_EQ(calm->query_error(), 0);
    Signals signals(*calm);
    Queue after(*calm);
    acc_signal_memory *done = signals.make();
    after.submit(copy(to.address(), from.address(), page_bytes, done));
    EXPECT_EQ(wait_for(*calm, done), 0);
    EXPECT_EQ(to.at<uint32_t>()[9], 77u);
}

} // namespace

} // namespace acc::guest
