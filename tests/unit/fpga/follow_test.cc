// SPDX-License-Identifier: MIT
//
// A region's process that takes packets from the ring itself: what it executes, what it leaves to
// the device, and that it is believed no further than its own client's queue.
#include "roles.h"

#include "emulator/engine.h"
#include "emulator/memory.h"
#include "program/samples.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fcntl.h>
#include <functional>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::test
{
namespace
{

using emu::Following;
using testing::HasSubstr;

// A client's memory: one file, bound once, all that a queue needs in it.
class ClientMemory final : public emu::Memory
{
public:
    static constexpr uint64_t kStart = emu::arena_start + 0x100000, kBytes = 1u << 18;

    ClientMemory() : file_(memfd_create("client", MFD_CLOEXEC))
    {
        EXPECT_EQ(ftruncate(file_.get(), kBytes), 0);
        void *at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
        EXPECT_NE(at, MAP_FAILED);
        host_ = static_cast<std::byte *>(at);
    }
    ~ClientMemory() override { munmap(host_, kBytes); }
    template <typename T>
    T *at(uint64_t address)
    {
        return reinterpret_cast<T *>(host_ + (address - kStart));
    }
    std::span<std::byte> span(uint64_t address, size_t bytes, Access) override
    {
        if (address < kStart || address >= kStart + kBytes) {
            fault_address_ = address;
            return {};
        }
        return {host_ + (address - kStart), std::min<uint64_t>(bytes, kStart + kBytes - address)};
    }
    emu::Backing backing(uint64_t address, Access) override
    {
        emu::Backing found;
        if (address < kStart || address >= kStart + kBytes) return found;
        found.fd.reset(fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
        found.start = kStart;
        found.bytes = kBytes;
        found.write = true;
        return found;
    }

private:
    UniqueFd file_;
    std::byte *host_ = nullptr;
};

class Follow : public testing::Test
{
protected:
    static constexpr uint64_t kControl = ClientMemory::kStart, kRing = kControl + 4096,
                              kSignals = kRing + 4096, kKernargs = kSignals + 4096,
                              kData = kKernargs + 4096;
    static constexpr uint32_t kPackets = 16, kCount = 100;
    static constexpr uint64_t kObject = 7, kForEver = 1ull << 60;

    void SetUp() override
    {
        NEEDS_REGION_PROCESS();
        std::string why;
        const emu::Option all[] = {{"isolation", "all"}, {"preset", "fast"}};
        auto made = emu::create_fpga_engine(all, why);
        ASSERT_TRUE(made) << why;
        engine = std::move(*made);
        const auto image = program::fpga_program(std::vector<std::string_view>{"clip_i8"}, &why);
        ASSERT_TRUE(image) << why;
        auto parsed = engine->parse(*image, why);
        ASSERT_TRUE(parsed) << why;
        code = std::move(*parsed);
        code->client = following.client = 3;
        ASSERT_EQ(engine->load(0, *code, 0), 0);
        following.kernel_object = kObject;
        following.ring = kRing;
        following.control = kControl;
        following.packets = kPackets;
        following.linger_ns = 1'000'000;
        following.session_ns = following.timeout_ns = kForEver;
        following.memory = &memory;
        following.stop = &stop;
        following.still = [] { return true; };
        for (uint32_t i = 0; i < kPackets; i++)
            packet(i)->raw.publish = ACC_PACKET_INVALID;
    }
    acc_packet *packet(uint64_t index)
    {
        return memory.at<acc_packet>(kRing + index % kPackets * sizeof(acc_packet));
    }
    acc_signal_memory *signal(uint64_t index)
    {
        return memory.at<acc_signal_memory>(kSignals + index * sizeof(acc_signal_memory));
    }
    acc_clip_i8_args *arguments(uint64_t index)
    {
        return memory.at<acc_clip_i8_args>(kKernargs + index * 64);
    }
    bool published(uint64_t index)
    {
        return (packet(index)->raw.publish & ACC_HEADER_TYPE_MASK) != ACC_PACKET_INVALID;
    }
    // A right dispatch of the next packet, for a test to spoil before publish().
    acc_packet make()
    {
        const uint64_t index = written++;
        *signal(index) = {};
        signal(index)->kind = ACC_SIGNAL_KIND_USER;
        signal(index)->value = 1;
        *arguments(index) = {kData, kData + 4096 * (1 + index), kCount, -5, 9};
        acc_packet made = {};
        made.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
        made.dispatch.setup = 1;
        made.dispatch.workgroup_x = made.dispatch.workgroup_y = made.dispatch.workgroup_z = 1;
        made.dispatch.grid_x = made.dispatch.grid_y = made.dispatch.grid_z = 1;
        made.dispatch.kernel_object = kObject;
        made.dispatch.kernarg_address = kKernargs + index * 64;
        made.raw.completion_signal = kSignals + index * sizeof(acc_signal_memory);
        return made;
    }
    void publish(const acc_packet &made, uint64_t index)
    {
        std::memcpy(reinterpret_cast<char *>(packet(index)) + 4,
                    reinterpret_cast<const char *>(&made) + 4, sizeof made - 4);
        std::atomic_ref(packet(index)->raw.publish)
            .store(made.raw.publish, std::memory_order_release);
    }
    void launch()
    {
        const uint64_t index = written;
        publish(make(), index);
    }
    // While it lingers for ever, somebody else acts; then it ends. Otherwise the test hangs.
    void until(const std::function<void()> &act)
    {
        following.linger_ns = kForEver;
        launch();
        std::thread other([&] {
            while (std::atomic_ref(signal(0)->value).load(std::memory_order_acquire))
                std::this_thread::yield();
            act();
        });
        engine->follow(*code, following);
        other.join();
        EXPECT_EQ(following.served, 1u);
        EXPECT_FALSE(following.lingered);
        EXPECT_EQ(following.status, ACC_STATUS_OK);
    }

    ClientMemory memory;
    std::unique_ptr<emu::Engine> engine;
    std::unique_ptr<emu::EngineProgram> code;
    Following following;
    std::atomic<bool> stop{false};
    uint64_t written = 0;
};

TEST_F(Follow, ExecutesAndCompletesWhatIsThere)
{
    for (int i = 0; i < 100; i++)
        memory.at<int8_t>(kData)[i] = static_cast<int8_t>(i - 50);
    // The device's own way to do it, for the cost.
    arguments(0)[0] = {kData, kData + 4096, kCount, -5, 9};
    emu::Dispatch dispatch;
    dispatch.client = 3;
    dispatch.memory = &memory;
    dispatch.stop = &stop;
    dispatch.kernargs = std::as_bytes(std::span(arguments(0), 1));
    ASSERT_EQ(engine->execute(*code, dispatch), ACC_STATUS_OK) << dispatch.text;
    ASSERT_GT(dispatch.modelled_ns, 0u);

    following.index = 14; // over the end of the ring
    written = 14;
    following.model_ns = 1000;
    for (int i = 0; i < 5; i++) {
        const acc_packet made = make();
        publish(made, written - 1);
    }
    engine->follow(*code, following);
    EXPECT_TRUE(following.tried && following.lingered);
    EXPECT_EQ(following.served, 5u);
    EXPECT_EQ(following.status, ACC_STATUS_OK) << following.text;
    EXPECT_EQ(memory.at<acc_queue_control>(kControl)->read_index, 19u);
    EXPECT_EQ(following.modelled_ns, 5 * dispatch.modelled_ns);
    EXPECT_EQ(following.energy_pj, 5 * dispatch.energy_pj);
    for (uint64_t i = 14; i < 19; i++) {
        EXPECT_FALSE(published(i));
        const acc_signal_memory &done = *signal(i);
        EXPECT_EQ(done.value, 0);
        EXPECT_EQ(done.status, uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(done.modelled_ns, 1000 + (i - 13) * dispatch.modelled_ns);
        EXPECT_EQ(done.energy_pj, dispatch.energy_pj);
        EXPECT_LE(done.start_ns, done.end_ns);
        const auto *out = memory.at<int8_t>(kData + 4096 * (1 + i));
        for (int k = 0; k < 100; k++)
            ASSERT_EQ(out[k], std::clamp(k - 50, -5, 9)) << i << " " << k;
    }
}

// All of these are the device's to refuse or to do.
TEST_F(Follow, LeavesWhatIsNotItsKernelsDispatch)
{
    const std::function<void(acc_packet &)> spoil[] = {
        [](acc_packet &p) { p.dispatch.kernel_object++; },
        [](acc_packet &p) {
            p = {};
            p.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
        },
        [](acc_packet &p) { p.header |= ACC_HEADER_RESERVED; },
        [](acc_packet &p) { p.dispatch.grid_x = 0; },
        [](acc_packet &p) { p.dispatch.kernarg_address = kData + ClientMemory::kBytes; },
        [](acc_packet &p) { p.dispatch.kernarg_address++; },
        [](acc_packet &p) { p.raw.completion_signal = kData + ClientMemory::kBytes; },
        [](acc_packet &p) { p.raw.completion_signal = kData; }, // not a signal
        [](acc_packet &p) { p.raw.completion_signal += 8; },
    };
    following.linger_ns = kForEver;
    for (const auto &spoiling : spoil) {
        SCOPED_TRACE(&spoiling - spoil);
        following.index = written = 0;
        launch();
        acc_packet bad = make();
        spoiling(bad);
        publish(bad, 1);
        engine->follow(*code, following);
        EXPECT_EQ(following.served, 1u);
        EXPECT_FALSE(following.lingered);
        EXPECT_EQ(following.status, ACC_STATUS_OK) << following.text;
        EXPECT_TRUE(published(1));
        EXPECT_EQ(signal(1)->value, 1);
        packet(1)->raw.publish = ACC_PACKET_INVALID;
    }
}

TEST_F(Follow, SaysWhichPacketFailed)
{
    launch();
    launch();
    const acc_packet bad = make();
    arguments(2)->count = 0;
    publish(bad, 2);
    engine->follow(*code, following);
    EXPECT_EQ(following.served, 2u);
    EXPECT_EQ(following.status, ACC_STATUS_INVALID_KERNARG);
    EXPECT_THAT(following.text, HasSubstr("count of at least 1"));
    EXPECT_FALSE(following.slot_fault);
    EXPECT_TRUE(published(2));
    EXPECT_EQ(signal(2)->value, 1); // the device's to tell

    following.index = 2;
    *arguments(2) = {kData + ClientMemory::kBytes, kData, kCount, -5, 9};
    engine->follow(*code, following);
    EXPECT_EQ(following.served, 0u);
    EXPECT_EQ(following.status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(following.address, kData + ClientMemory::kBytes);
}

TEST_F(Follow, EndsWhereASleeperIsToBeWoken)
{
    following.linger_ns = kForEver;
    launch();
    const acc_packet made = make();
    signal(1)->notify = ACC_NOTIFY_HOST;
    publish(made, 1);
    launch();
    engine->follow(*code, following);
    EXPECT_EQ(following.served, 2u);
    EXPECT_EQ(following.notified, uint32_t(ACC_NOTIFY_HOST));
    EXPECT_EQ(following.notified_signal, made.raw.completion_signal);
    EXPECT_EQ(signal(1)->notify, 0u); // whoever took it raises the event
    EXPECT_EQ(signal(1)->value, 0);
    EXPECT_TRUE(published(2));
}

TEST_F(Follow, EndsWhereAProducerWaitsForSpace)
{
    following.linger_ns = kForEver;
    memory.at<acc_queue_control>(kControl)->space_wanted = 1;
    launch();
    launch();
    engine->follow(*code, following);
    EXPECT_EQ(following.served, 1u);
    EXPECT_EQ(memory.at<acc_queue_control>(kControl)->space_wanted, 1u);
}

TEST_F(Follow, EndsWithItsTime)
{
    following.session_ns = 0;
    launch();
    launch();
    engine->follow(*code, following);
    EXPECT_EQ(following.served, 1u);
    EXPECT_FALSE(following.lingered);
}

TEST_F(Follow, EndsWhenItIsAsked)
{
    until([&] { engine->leave(3); });
}

TEST_F(Follow, EndsWhenItsQueueIsStopped)
{
    until([&] { stop = true; });
}

// Whoever waits for the section then finds it over.
TEST_F(Follow, EndsForAnUnmapping)
{
    until([&] { engine->unmapping(3, kData, 4096); });
    engine->unmapped(3);
}

TEST_F(Follow, OthersDoNotEndIt)
{
    until([&] {
        engine->leave(4);
        engine->unmapping(4, kData, 4096);
        EXPECT_FALSE(following.tried && following.served > 1);
        engine->leave(3);
    });
}

TEST_F(Follow, DoesNotBeginWhenItIsTooLate)
{
    following.still = [] { return false; };
    launch();
    engine->follow(*code, following);
    EXPECT_FALSE(following.tried || following.unable);
    EXPECT_TRUE(published(0));
}

TEST_F(Follow, DoesNotBeginForAnotherClient)
{
    following.client = 4;
    launch();
    engine->follow(*code, following);
    EXPECT_FALSE(following.tried);
}

TEST_F(Follow, DoesNotBeginOnARingThatIsNotMapped)
{
    following.ring = kData + ClientMemory::kBytes;
    engine->follow(*code, following);
    EXPECT_FALSE(following.tried);
    EXPECT_TRUE(following.unable);
    EXPECT_FALSE(following.slot_fault);
    EXPECT_EQ(following.status, ACC_STATUS_OK);
}

// ------------------------------------------------------- through a device's queues

// The client's packets come one behind the other, so that the process follows; then one that it
// should not survive.
class FollowedRole : public testing::Test
{
protected:
    void SetUp() override
    {
        NEEDS_REGION_PROCESS();
        client.load(native_image(read_file(HOSTILE_LIBRARY), {"peek", "copy", "whim"}));
        in = client.buffer(8192);
        out = client.buffer(4096);
    }
    Completion last(const char *kernel, const std::vector<uint64_t> &good,
                    const std::vector<uint64_t> &bad)
    {
        for (int i = 0; i < 50; i++) {
            const Completion done = client.run(kernel, good);
            EXPECT_EQ(done.status, ACC_STATUS_OK) << i << ": " << done.text;
        }
        const Completion done = client.run(kernel, bad);
        EXPECT_NE(done.status, ACC_STATUS_OK);
        const Completion after = client.run(kernel, good);
        EXPECT_EQ(after.status, ACC_STATUS_OK) << after.text;
        return done;
    }

    RoleClient client{"inproc:fpga:preset=fast", 300'000'000};
    uint64_t in = 0, out = 0;
};

TEST_F(FollowedRole, LosesNoLaunch)
{
    for (uint64_t i = 1; i <= 2000; i++) {
        *RoleClient::at<uint64_t>(in) = i;
        const Completion done = client.run(i % 100 ? "peek" : "copy", {in, out});
        ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
        ASSERT_EQ(*RoleClient::at<uint64_t>(out), i);
    }
}

TEST_F(FollowedRole, ReadsWhatIsNotMapped)
{
    const uint64_t nowhere = emu::arena_end - 4096;
    const Completion done = last("peek", {in, out}, {nowhere, out});
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(done.address, nowhere);
}

TEST_F(FollowedRole, IsToldAnAddressOfNobody)
{
    const uint64_t nowhere = emu::arena_end - 4096;
    const Completion done = last("copy", {in, out}, {nowhere, out});
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(done.address, nowhere);
}

TEST_F(FollowedRole, Crashes)
{
    const Completion done = last("whim", {0}, {1});
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_THAT(done.text, HasSubstr("segmentation fault at 0x1230"));
}

TEST_F(FollowedRole, SpinsForEver)
{
    const Completion done = last("whim", {0}, {2});
    EXPECT_EQ(done.status, ACC_STATUS_TIMEOUT);
}

TEST_F(FollowedRole, Exits)
{
    const Completion done = last("whim", {0}, {3});
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_THAT(done.text, HasSubstr("exit status 3"));
}

TEST_F(FollowedRole, LosesWhatIsFreed)
{
    for (int i = 0; i < 50; i++)
        ASSERT_EQ(client.run("peek", {in, out}).status, ACC_STATUS_OK);
    client.free_buffer(in);
    const Completion done = client.run("peek", {in, out});
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(done.address, in);
}

} // namespace
} // namespace acc::test
