// SPDX-License-Identifier: MIT
//
// DEV_QUERY CLIENT: who has the device open. Others may have it too, and come and go.
#include "tests/conformance/queue.h"
#include "tests/conformance/suite.h"

#include <cstring>
#include <unistd.h>

namespace acc::conformance
{

namespace
{

class UapiClient : public DeviceTest
{
protected:
    // All that are seen now.
    std::vector<drm_acc_client> clients()
    {
        std::vector<drm_acc_client> found;
        drm_acc_dev_query args = {};
        args.type = DRM_ACC_QUERY_CLIENT;
        int error;
        while (!(error = accel().call(DRM_IOCTL_ACC_DEV_QUERY, args))) {
            found.push_back(args.client);
            args.index++;
        }
        EXPECT_EQ(error, -ENOENT);
        return found;
    }
    // This open: of this process, with these many bytes.
    bool own(uint64_t bytes, drm_acc_client &out)
    {
        for (const drm_acc_client &client : clients()) {
            if (client.pid != uint32_t(getpid()) || client.bytes != bytes) continue;
            out = client;
            return true;
        }
        return false;
    }
    uint64_t client_bytes() { return accel().query(DRM_ACC_QUERY_MEMORY).memory.client_bytes; }
};

// The numbers of this open follow what it does; a queue that is gone is still counted.
TEST_F(UapiClient, TellsWhatThisOpenHolds)
{
    // A size that no other open of this process has.
    Buffer mark(accel(), 1237 * page_bytes);
    drm_acc_client before = {};
    ASSERT_TRUE(own(client_bytes(), before));
    EXPECT_EQ(before.uid, uint32_t(getuid()));
    EXPECT_GE(before.weight, 1u);
    EXPECT_LE(before.weight, 10000u);
    EXPECT_EQ(before.pad, 0u);
    EXPECT_NE(before.name[0], 0);
    EXPECT_NE(std::memchr(before.name, 0, sizeof before.name), nullptr);
    EXPECT_EQ(before.buffers, 1u);
    EXPECT_EQ(before.queues, 0u);
    EXPECT_EQ(before.programs, 0u);
    EXPECT_EQ(before.pins, 0u);
    constexpr uint64_t packets = 20, dispatches = 3;
    uint64_t packets_after = 0;
    {
        Work work(accel());
        Signals signals(accel());
        acc_signal_memory *done = signals.make(int64_t(packets + dispatches));
        Queue queue(accel());
        queue.submit(std::vector<acc_packet>(packets, nothing(done)));
        queue.submit(std::vector<acc_packet>(dispatches, work.packet(done)));
        ASSERT_EQ(wait_for(accel(), done), 0);
        ASSERT_TRUE(queue.drained());
        drm_acc_client with = {};
        ASSERT_TRUE(own(client_bytes(), with));
        EXPECT_EQ(with.client, before.client);
        EXPECT_EQ(with.queues, 1u);
        EXPECT_EQ(with.programs, 1u);
        EXPECT_EQ(with.buffers, 4u) << "mark, work, signals, ring";
        EXPECT_EQ(with.packets, before.packets + packets + dispatches);
        EXPECT_EQ(with.dispatches, before.dispatches + dispatches);
        EXPECT_GT(with.busy_ns, before.busy_ns);
        packets_after = with.packets;
    }
    drm_acc_client after = {};
    ASSERT_TRUE(own(client_bytes(), after));
    EXPECT_EQ(after.queues, 0u);
    EXPECT_EQ(after.programs, 0u);
    EXPECT_EQ(after.packets, packets_after);
}

TEST_F(UapiClient, OldestFirstAndEachOnce)
{
    uint64_t last = 0;
    for (const drm_acc_client &client : clients()) {
        EXPECT_GT(client.client, last);
        last = client.client;
    }
    drm_acc_dev_query past = {};
    past.type = DRM_ACC_QUERY_CLIENT;
    past.index = 0x10000;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_DEV_QUERY, past), -ENOENT);
}

} // namespace

} // namespace acc::conformance
