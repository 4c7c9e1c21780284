// SPDX-License-Identifier: MIT
//
// Random streams of packets through the facade, against the model of stream.h: rings that
// wrap, gaps that are filled late, doorbells that go backwards, bad headers, webs of
// barriers over queues of several agents.
#include "stream.h"

#include "acc/kernels.h"
#include "fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>

namespace acc::test
{
namespace
{

using Kind = StreamPacket::Kind;

constexpr size_t block_at_most = 8; // packets that are reserved together

class Player
{
public:
    // Of the stream's queues those that one of several processes plays, with signals that all
    // of them have.
    struct Part {
        size_t index = 0, count = 1;
        std::vector<hsa_signal_t> signals; // the player's from now on; none: it makes them
    };
    Player(const Stream &stream, const std::vector<hsa_agent_t> &agents, uint64_t kernel,
           uint64_t seed)
        : Player(stream, agents, kernel, seed, Part())
    {
    }
    Player(const Stream &stream, const std::vector<hsa_agent_t> &agents, uint64_t kernel,
           uint64_t seed, Part part)
        : stream_(stream), kernel_(kernel), seed_(seed), signals_(std::move(part.signals))
    {
        for (size_t i = signals_.size(); i < stream_.signals.size(); i++) {
            hsa_signal_t made = {0};
            EXPECT_HSA(hsa_signal_create(stream_.signals[i].completions, 0, nullptr, &made));
            signals_.push_back(made);
        }
        for (size_t i = 0; i < stream_.queues.size(); i++) {
            hsa_queue_t *made = nullptr;
            if (i % part.count != part.index) {
                queues_.push_back(nullptr);
                continue;
            }
            EXPECT_HSA(hsa_queue_create(agents[i % agents.size()], 64,
                                        i % 3 ? HSA_QUEUE_TYPE_MULTI : HSA_QUEUE_TYPE_SINGLE,
                                        nullptr, nullptr, UINT32_MAX, UINT32_MAX, &made));
            queues_.push_back(made);
        }
    }
    ~Player()
    {
        for (hsa_queue_t *queue : queues_)
            if (queue) {
                EXPECT_HSA(hsa_queue_destroy(queue));
            }
        for (const hsa_signal_t signal : signals_)
            EXPECT_HSA(hsa_signal_destroy(signal));
    }
    Player(const Player &) = delete;
    Player &operator=(const Player &) = delete;

    void play()
    {
        std::vector<std::thread> producers;
        for (size_t i = 0; i < queues_.size(); i++)
            if (queues_[i]) producers.emplace_back([this, i] { produce(i); });
        for (std::thread &producer : producers)
            producer.join();
    }

    // Differences from the model.
    size_t check()
    {
        size_t differences = 0;
        for (size_t i = 0; i < signals_.size(); i++) {
            if (!wait_zero(signals_[i])) {
                ADD_FAILURE() << "signal " << i << " is still "
                              << hsa_signal_load_relaxed(signals_[i]);
                return differences + 1; // the rest would wait as long
            }
            const auto *memory = reinterpret_cast<const acc_signal_memory *>(signals_[i].handle);
            differences += (memory->status != ACC_STATUS_OK) != stream_.signals[i].failed;
            // Queues that complete one signal at once mix their times.
            if (stream_.signals[i].completions == 1)
                differences += memory->end_ns < memory->start_ns;
        }
        for (size_t i = 0; i < queues_.size(); i++) {
            if (!queues_[i]) continue;
            // Packets that complete nothing may still be behind.
            while (hsa_queue_load_read_index_scacquire(queues_[i]) < stream_.queues[i].size())
                std::this_thread::yield();
            differences += check_order(stream_.queues[i]);
        }
        return differences;
    }

private:
    // What ends after its dependencies ends after them on the clock too.
    size_t check_order(const std::vector<StreamPacket> &packets) const
    {
        size_t differences = 0;
        const auto end_of = [&](uint32_t signal) {
            return reinterpret_cast<const acc_signal_memory *>(signals_[signal].handle)->end_ns;
        };
        for (const StreamPacket &packet : packets) {
            if (packet.completes == no_signal || packet.waits.empty() ||
                packet.status == ACC_STATUS_CANCELLED ||
                stream_.signals[packet.completes].completions != 1)
                continue;
            std::vector<uint64_t> ends;
            std::ranges::transform(packet.waits, std::back_inserter(ends), end_of);
            const uint64_t bound =
                packet.kind == Kind::Or ? std::ranges::min(ends) : std::ranges::max(ends);
            differences += end_of(packet.completes) < bound;
        }
        return differences;
    }

    acc_packet translate(const StreamPacket &packet) const
    {
        const hsa_signal_t completion =
            packet.completes == no_signal ? hsa_signal_t{0} : signals_[packet.completes];
        std::vector<hsa_signal_t> waits;
        for (const uint32_t signal : packet.waits)
            waits.push_back(signals_[signal]);
        acc_packet out = {};
        switch (packet.kind) {
        case Kind::And:
            return barrier_and(waits, completion);
        case Kind::Or:
            // Without a dependency it would wait for ever.
            return waits.empty() ? barrier_and(waits, completion) : barrier_or(waits, completion);
        case Kind::Dispatch:
            return dispatch_of(kernel_, nullptr, completion);
        case Kind::Bad:
            out = barrier_and({}, completion);
            out.header = uint16_t((out.header & ~0xff) | 0x5a);
            return out;
        case Kind::Value:
            break;
        }
        hsa_amd_barrier_value_packet_t value = {};
        value.header.header = header_of(HSA_PACKET_TYPE_VENDOR_SPECIFIC);
        value.header.AmdFormat = HSA_AMD_PACKET_TYPE_BARRIER_VALUE;
        if (!waits.empty()) value.signal = waits.front();
        value.value = waits.empty() ? 0 : 1;
        value.mask = waits.empty() ? 0 : -1;
        value.cond = waits.empty() ? HSA_SIGNAL_CONDITION_EQ : HSA_SIGNAL_CONDITION_LT;
        value.completion_signal = completion;
        std::memcpy(&out, &value, sizeof out);
        return out;
    }

    // Reserves blocks and fills each in any order; rings for what comes to its mind.
    void produce(size_t index)
    {
        std::mt19937_64 random(seed_ + index);
        const auto below = [&](size_t bound) {
            return std::uniform_int_distribution<size_t>(0, bound - 1)(random);
        };
        hsa_queue_t *const queue = queues_[index];
        auto *const ring = static_cast<acc_packet *>(queue->base_address);
        const std::vector<StreamPacket> &packets = stream_.queues[index];
        for (size_t done = 0; done < packets.size();) {
            const size_t count = std::min(packets.size() - done, 1 + below(block_at_most));
            const uint64_t first = hsa_queue_add_write_index_relaxed(queue, count);
            while (first + count - hsa_queue_load_read_index_scacquire(queue) > queue->size)
                std::this_thread::yield();
            std::vector<size_t> order(count);
            std::iota(order.begin(), order.end(), 0);
            std::ranges::shuffle(order, random);
            for (const size_t i : order) {
                const acc_packet packet = translate(packets[done + i]);
                acc_packet &slot = ring[(first + i) & (queue->size - 1)];
                slot.raw.body32 = packet.raw.body32;
                for (size_t word = 1; word < 8; word++)
                    slot.words[word] = packet.words[word];
                std::atomic_ref(slot.raw.publish)
                    .store(packet.raw.publish, std::memory_order_release);
                const uint64_t rung = below(4) ? first + i : first + i - below(first + i + 1);
                hsa_signal_store_screlease(queue->doorbell_signal, hsa_signal_value_t(rung));
            }
            done += count;
        }
    }

    const Stream &stream_;
    const uint64_t kernel_, seed_;
    std::vector<hsa_signal_t> signals_;
    std::vector<hsa_queue_t *> queues_;
};

// The null engine's no-op on both agents: one kernel object each.
class HsaStream : public HsaKernelTest
{
protected:
    void run(size_t rounds, size_t queues, size_t packets, double bad)
    {
        std::mt19937_64 random(20'260'721);
        size_t played = 0;
        for (size_t round = 0; round < rounds && !HasFailure(); round++) {
            SCOPED_TRACE("round " + std::to_string(round));
            const Stream stream = Stream::random(random, queues, packets, bad);
            Player player(stream, {agent_}, kernel(ACC_NULL_NOOP), round);
            player.play();
            EXPECT_EQ(player.check(), 0u);
            played += packets;
        }
        RecordProperty("packets", std::to_string(played));
    }
};

TEST_F(HsaStream, OneQueue)
{
    run(2, 1, 5'000, 0);
}

TEST_F(HsaStream, ManyQueues)
{
    run(4, 8, 8'000, 0);
}

TEST_F(HsaStream, BadHeadersToo)
{
    run(8, 6, 2'000, 0.001);
}

// By hand: --gtest_also_run_disabled_tests --gtest_filter='*Million*'
TEST_F(HsaStream, DISABLED_MillionPackets)
{
    run(50, 8, 20'000, 0);
    run(50, 6, 4'000, 0.0005);
}

// One web of packets, whose queues are of two processes: each waits for what the other completes.
class HsaStreamProcesses : public HsaStream
{
protected:
    void SetUp() override
    {
        NEEDS_RUNTIME_IN_CHILDREN();
        if (null_device().starts_with("inproc:"))
            GTEST_SKIP() << "only a service has one device for two processes";
        HsaStream::SetUp();
    }
    void TearDown() override
    {
        if (!IsSkipped()) HsaStream::TearDown();
    }
    void run(size_t rounds, size_t queues, size_t packets, double bad)
    {
        std::mt19937_64 random(20'261'126);
        for (size_t round = 0; round < rounds && !HasFailure(); round++) {
            SCOPED_TRACE("round " + std::to_string(round));
            play(Stream::random(random, queues, packets, bad), round);
        }
    }

private:
    void play(const Stream &stream, size_t round)
    {
        std::vector<hsa_signal_t> signals(stream.signals.size());
        std::vector<hsa_amd_ipc_signal_t> handles(signals.size());
        for (size_t i = 0; i < signals.size(); i++) {
            ASSERT_HSA(hsa_amd_signal_create(stream.signals[i].completions, 0, nullptr,
                                             HSA_AMD_SIGNAL_IPC, &signals[i]));
            ASSERT_HSA(hsa_amd_ipc_signal_create(signals[i], &handles[i]));
        }
        const pid_t child = fork();
        if (!child) {
            alarm(120);
            _exit(play_beside(stream, handles, round));
        }
        ASSERT_GT(child, 0);
        // Without the child's half of the web this one never ends.
        std::thread watch([child] {
            siginfo_t end = {};
            while (waitid(P_PID, id_t(child), &end, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
            }
            if (end.si_code == CLD_EXITED && end.si_status == 0) return;
            fprintf(stderr, "the child ended with %d\n", end.si_status);
            abort();
        });
        {
            Player player(stream, {agent_}, kernel(ACC_NULL_NOOP), round,
                          {.index = 0, .count = 2, .signals = signals});
            player.play();
            EXPECT_EQ(player.check(), 0u);
            int status = -1;
            watch.join();
            ASSERT_EQ(waitpid(child, &status, 0), child);
            EXPECT_EQ(status, 0);
        }
    }
    // In the child, with a runtime and a program of its own. Its exit status.
    int play_beside(const Stream &stream, const std::vector<hsa_amd_ipc_signal_t> &handles,
                    size_t round)
    {
        HsaStream::SetUp();
        std::vector<hsa_signal_t> signals(handles.size());
        for (size_t i = 0; i < signals.size(); i++)
            if (hsa_amd_ipc_signal_attach(&handles[i], &signals[i])) return 2;
        {
            Player player(stream, {agent_}, kernel(ACC_NULL_NOOP), round,
                          {.index = 1, .count = 2, .signals = signals});
            player.play();
            if (player.check()) return 3;
        }
        HsaStream::TearDown();
        return HasFailure() ? 4 : 0;
    }
};

TEST_F(HsaStreamProcesses, OneWebOfTwoProcesses)
{
    run(3, 4, 600, 0);
}

TEST_F(HsaStreamProcesses, BadHeadersToo)
{
    run(3, 4, 600, 0.002);
}

// By hand, as above.
TEST_F(HsaStreamProcesses, DISABLED_MillionPackets)
{
    run(250, 4, 4'000, 0);
    run(50, 4, 600, 0.0003);
}

// Several agents, whose signals go from device to device: barriers only, for a kernel object
// belongs to one of them.
TEST(HsaStreams, OverSeveralAgents)
{
    use_devices(null_device() + ";inproc:null");
    ASSERT_HSA(hsa_init());
    const auto agents = kernel_agents();
    ASSERT_EQ(agents.size(), 2u);
    std::mt19937_64 random(4);
    for (int round = 0; round < 3; round++) {
        Stream stream = Stream::random(random, 4, 1'000, 0.0005);
        for (auto &queue : stream.queues)
            for (StreamPacket &packet : queue)
                if (packet.kind == Kind::Dispatch) packet.kind = Kind::And;
        Player player(stream, agents, 0, uint64_t(round));
        player.play();
        EXPECT_EQ(player.check(), 0u);
    }
    EXPECT_HSA(hsa_shut_down());
}

} // namespace
} // namespace acc::test
