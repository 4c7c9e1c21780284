// SPDX-License-Identifier: MIT
//
// What can be seen from outside: fdinfo, sysfs, debugfs, core dumps, tracepoints; and memory of
// other drivers.
#include "tests/kernel/guest/guest.h"

#include <gtest/gtest.h>

#include <xf86drm.h>

#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace acc::guest
{

using namespace conformance;

namespace
{

TEST(Visible, FdinfoTellsWhatAFileDoes)
{
    const auto client = open_client();
    Work work(*client);
    Signals signals(*client);
    Queue queue(*client);
    acc_signal_memory *done = signals.make();
    queue.submit(work.packet(done));
    ASSERT_EQ(wait_for(*client, done), 0);
    const std::vector<std::string> texts = own_fdinfo();
    ASSERT_EQ(texts.size(), 1u);
    const std::string &text = texts[0];
    EXPECT_EQ(field(text, "drm-driver"), DRM_ACC_DRIVER_NAME);
    EXPECT_NE(field(text, "drm-client-id"), "");
    EXPECT_NE(field(text, "drm-pdev"), "");
    EXPECT_GT(std::stoull(field(text, "drm-engine-compute")), 0u);
    EXPECT_TRUE(field(text, "drm-engine-compute").ends_with(" ns"));
    EXPECT_GE(std::stoull(field(text, "acc-packets")), 1u);
    EXPECT_NE(field(text, "drm-total-memory"), "");
    EXPECT_EQ(field(text, "acc-lost"), "0");
    EXPECT_EQ(field(text, "acc-guilty"), "0");
}

TEST(Visible, SysfsTellsWhatADeviceIs)
{
    static constexpr const char *engines[] = {"null", "crossbar", "fpga"};
    const auto client = open_client();
    const std::string engine = read_text(device() + "/engine");
    EXPECT_EQ(engine, std::string(engines[client->identity().engine]) + "\n");
    EXPECT_NE(read_text(device() + "/model").find(client->identity().name), std::string::npos);
    EXPECT_EQ(read_text(device() + "/abi"), std::to_string(client->identity().abi_major) + "." +
                                                std::to_string(client->identity().abi_minor) +
                                                "\n");
    EXPECT_EQ(std::stoull(read_text(device() + "/features"), nullptr, 16),
              client->identity().features);
    EXPECT_EQ(read_text(device() + "/uuid").size(), 37u);
    EXPECT_EQ(read_text(device() + "/state"), "ready\n");
    const unsigned long before = std::stoul(read_text(device() + "/clients"));
    {
        const auto second = open_client();
        EXPECT_EQ(std::stoul(read_text(device() + "/clients")), before + 1);
    }
    EXPECT_EQ(std::stoul(read_text(device() + "/clients")), before);
}

TEST(Visible, DebugfsTellsOfQueues)
{
    const auto client = open_client();
    Queue queue(*client);
    const std::string text = read_text(debugfs() + "/state");
    EXPECT_NE(text.find("registers:"), std::string::npos);
    EXPECT_NE(text.find("  queue " + std::to_string(queue.id()) + ": doorbell"), std::string::npos);
    EXPECT_FALSE(write_text(debugfs() + "/inject", "no such thing"));
    EXPECT_FALSE(write_text(debugfs() + "/inject", "99 1 0"));
}

// The dumps that the kernel keeps for five minutes, or until somebody writes to them.
std::vector<std::string> dumps()
{
    std::vector<std::string> found;
    const std::string folder = "/sys/class/devcoredump";
    if (DIR *at = opendir(folder.c_str())) {
        while (const dirent *entry = readdir(at))
            if (std::string_view(entry->d_name).starts_with("devcd"))
                found.push_back(folder + "/" + entry->d_name + "/data");
        closedir(at);
    }
    return found;
}

TEST(Visible, AResetOfTheDriversOwnLeavesACoreDump)
{
    if (access("/sys/class/devcoredump", F_OK)) GTEST_SKIP() << "a kernel without core dumps";
    for (const std::string &old : dumps())
        write_text(old, "1");
    // The link in the device goes last; a dump that comes before that is a warning.
    ASSERT_TRUE(eventually(
        [] { return dumps().empty() && !std::filesystem::is_symlink(device() + "/devcoredump"); }));
    const auto client = open_client();
    const unsigned long before = std::stoul(read_text(device() + "/resets"));
    ASSERT_TRUE(write_text(debugfs() + "/reset", "0"));
    ASSERT_TRUE(eventually([&] { return client->query_error() == -EIO; }));
    ASSERT_TRUE(eventually([] { return !dumps().empty(); }));
    const std::string text = read_text(dumps()[0]);
    EXPECT_TRUE(text.starts_with("acc coredump, version 1\nwhy: asked for by debugfs\n")) << text;
    EXPECT_NE(text.find("registers:"), std::string::npos);
    EXPECT_NE(text.find("(acc-kernel-test, pid "), std::string::npos);
    EXPECT_TRUE(
        eventually([&] { return std::stoul(read_text(device() + "/resets")) == before + 1; }));
    write_text(dumps()[0], "1");
}

TEST(Visible, TracepointsTellOfCommandsAndEvents)
{
    const std::string tracing = "/sys/kernel/debug/tracing";
    if (access((tracing + "/events/acc").c_str(), F_OK)) GTEST_SKIP() << "a kernel without ftrace";
    ASSERT_TRUE(write_text(tracing + "/events/acc/enable", "1"));
    {
        const auto client = open_client();
        Signals signals(*client);
        Queue queue(*client);
        acc_signal_memory *gate = signals.make(), *done = signals.make();
        queue.submit(barrier_and({gate}, done));
        std::thread waiter([&] { EXPECT_EQ(wait_for(*client, done), 0); });
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        store_signal(*client, gate, 0);
        waiter.join();
    }
    EXPECT_TRUE(write_text(tracing + "/events/acc/enable", "0"));
    const std::string text = read_text(tracing + "/trace");
    for (const char *event : {"acc_admin:", "acc_admin_done:", "acc_event:", "acc_wait:"})
        EXPECT_NE(text.find(event), std::string::npos) << event;
    write_text(tracing + "/trace", "");
}

// Memory that no driver of ours made: data and a signal in it.
TEST(Foreign, MemoryIsReadWrittenAndWaitedFor)
{
    const UniqueFd maker(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
    if (!maker) GTEST_SKIP() << "a kernel without udmabuf";
    constexpr uint64_t bytes = 4 * page_bytes;
    const UniqueFd memory(memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(ftruncate(memory.get(), bytes), 0);
    ASSERT_EQ(fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
    udmabuf_create create = {};
    create.memfd = uint32_t(memory.get());
    create.flags = UDMABUF_FLAGS_CLOEXEC;
    create.size = bytes;
    const UniqueFd shared_fd(ioctl(maker.get(), UDMABUF_CREATE, &create));
    ASSERT_TRUE(shared_fd);
    const auto client = open_client(), other = open_client();
    // By two files: what one's device completes wakes the other's waiter.
    uint32_t handles[2] = {};
    Accel *files[2] = {client.get(), other.get()};
    const uint64_t address = client->reserve(bytes);
    for (unsigned i = 0; i < 2; i++) {
        drm_prime_handle prime = {};
        prime.fd = shared_fd.get();
        ASSERT_EQ(files[i]->call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime), 0);
        handles[i] = prime.handle;
        ASSERT_EQ(files[i]->bind(prime.handle, 0, bytes, address), 0);
    }
    auto *at = static_cast<std::byte *>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0));
    ASSERT_NE(static_cast<void *>(at), MAP_FAILED);
    auto *signal = reinterpret_cast<acc_signal_memory *>(at);
    signal->kind = ACC_SIGNAL_KIND_USER;
    shared(signal->value).store(1, std::memory_order_release);
    reinterpret_cast<uint32_t *>(at + page_bytes)[3] = 0xfeed;
    {
        Queue queue(*client);
        std::thread waiter(
            [&] { EXPECT_EQ(other->wait(address, DRM_ACC_COND_EQ, 0, deadline()), 0); });
        ASSERT_TRUE(eventually([&] {
            return shared(signal->notify).load(std::memory_order_acquire) & ACC_NOTIFY_HOST;
        }));
        queue.submit(copy(address + 2 * page_bytes, address + page_bytes, page_bytes,
                          reinterpret_cast<acc_signal_memory *>(address)));
        waiter.join();
        const drm_acc_queue_query query = queue.query();
        EXPECT_EQ(query.state, uint32_t(DRM_ACC_QUEUE_ACTIVE))
            << "code " << query.fault_code << " at " << std::hex << query.fault_address;
    }
    EXPECT_EQ(reinterpret_cast<uint32_t *>(at + 2 * page_bytes)[3], 0xfeedu);
    for (unsigned i = 0; i < 2; i++) {
        EXPECT_EQ(files[i]->unbind(address, bytes), 0);
        EXPECT_EQ(files[i]->close(handles[i]), 0);
    }
    munmap(at, bytes);
    Accel::release(address, bytes);
}

} // namespace

} // namespace acc::guest
