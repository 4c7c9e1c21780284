// SPDX-License-Identifier: MIT
//
// Several clients want more than there is: who gets how much. Shares are told by packets
// that are consumed when a fixed number is through. The work is counted in milliseconds, so
// that a machine with other things to do takes from everybody alike; the tolerances are for
// what remains, and far from what an unfair device would show.
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <thread>

namespace acc::emu
{

using namespace conformance;

namespace
{

constexpr int64_t plenty = 1'000'000;

// A client with work that waits for its gate to open.
class Party
{
public:
    struct Options {
        uint32_t weight = 100;
        int queues = 1;
        uint32_t packets = 512; // a queue
        uint64_t spin_ns = millisecond_ns;
        uint32_t priority = DRM_ACC_PRIORITY_NORMAL;
    };
    Party(Card &card, const Options &options)
        : accel_(card.open({.weight = options.weight})), signals_(*accel_), work_(*accel_),
          gate_(signals_.make()), done_(signals_.make(plenty))
    {
        const acc_packet packet = work_.spin(options.spin_ns, done_);
        for (int i = 0; i < options.queues; i++) {
            queues_.push_back(std::make_unique<Queue>(
                *accel_, QueueOptions{.packets = std::bit_ceil(1 + options.packets),
                                      .priority = options.priority}));
            std::vector<acc_packet> packets(1, barrier_and({gate_}));
            packets.resize(1 + options.packets, packet);
            queues_.back()->submit(packets);
        }
    }
    ~Party()
    {
        queues_.clear(); // what is left is cancelled
    }
    Party(const Party &) = delete;
    Party &operator=(const Party &) = delete;

    void start() { store_signal(*accel_, gate_, 0); }
    int64_t served() { return plenty - value_of(done_); }
    bool wait_served(int64_t count)
    {
        return eventually([&] { return served() >= count; });
    }
    Accel &accel() { return *accel_; }

private:
    std::unique_ptr<Accel> accel_;
    Signals signals_;
    NullWork work_;
    acc_signal_memory *gate_, *done_;
    std::vector<std::unique_ptr<Queue>> queues_;
};

using Parties = std::vector<std::unique_ptr<Party>>;

enum class Of { Packets, BusyTime };

// What each has when all together have had `count` packets, as parts of 1.
std::vector<double> shares(const Parties &parties, int64_t count, Of what = Of::Packets)
{
    std::vector<double> had(parties.size());
    EXPECT_TRUE(eventually([&] {
        for (size_t i = 0; i < parties.size(); i++)
            had[i] = double(parties[i]->served());
        return std::accumulate(had.begin(), had.end(), 0.0) >= double(count);
    }));
    if (what == Of::BusyTime)
        for (uint32_t i = 0; i < parties.size(); i++)
            had[i] = double(parties[0]->accel().query(DRM_ACC_QUERY_CLIENT, i).client.busy_ns);
    const double total = std::accumulate(had.begin(), had.end(), 0.0);
    for (double &one : had)
        one /= total;
    return had;
}

void start(const Parties &parties)
{
    for (const auto &party : parties)
        party->start();
}

// ------------------------------------------------------------- packet processors

// A queue more is no share more. By queues the one would have 1/33.
TEST(Fair, ManyQueuesGiveNoGreaterShare)
{
    Card card("null:slots=4,workers=1");
    Parties parties;
    parties.push_back(std::make_unique<Party>(card, Party::Options{.queues = 32, .packets = 64}));
    parties.push_back(std::make_unique<Party>(card, Party::Options{}));
    start(parties);
    EXPECT_NEAR(shares(parties, 300)[1], 0.5, 0.15);
}

TEST(Fair, WorkersAreSharedByWeight)
{
    Card card("null:slots=4,workers=1");
    Parties parties;
    parties.push_back(std::make_unique<Party>(card, Party::Options{.weight = 100, .queues = 2}));
    parties.push_back(std::make_unique<Party>(card, Party::Options{.weight = 300}));
    start(parties);
    EXPECT_NEAR(shares(parties, 400)[1], 0.75, 0.12);
}

// Of one client's queues each has its turn.
TEST(Fair, QueuesOfOneClientTakeTurns)
{
    Card card("null:slots=4,workers=1");
    auto accel = card.open();
    Signals signals(*accel);
    NullWork work(*accel);
    acc_signal_memory *gate = signals.make();
    std::vector<std::unique_ptr<Queue>> queues;
    std::vector<acc_signal_memory *> done;
    for (int i = 0; i < 8; i++) {
        done.push_back(signals.make(40));
        queues.push_back(std::make_unique<Queue>(*accel));
        std::vector<acc_packet> packets(1, barrier_and({gate}));
        packets.resize(41, work.spin(millisecond_ns, done.back()));
        queues.back()->submit(packets);
    }
    store_signal(*accel, gate, 0);
    ASSERT_TRUE(eventually([&] {
        return std::any_of(done.begin(), done.end(), [](auto *one) { return value_of(one) <= 0; });
    }));
    for (acc_signal_memory *one : done)
        EXPECT_LT(value_of(one), 20) << "half of it was to do when another was through";
}

// Who did nothing while another worked has no claim to the time that it did not want, and who
// worked alone owes nothing.
TEST(Fair, IdlenessSavesNoCredit)
{
    Card card("null:slots=4,workers=1");
    Party sleeper(card, {}), worker(card, {.queues = 2});
    worker.start();
    ASSERT_TRUE(worker.wait_served(300));
    const int64_t before = worker.served();
    sleeper.start();
    ASSERT_TRUE(sleeper.wait_served(100));
    // Credit of 300 packets would leave the worker nothing until the sleeper had them all.
    EXPECT_GT(worker.served() - before, 50);
    EXPECT_LT(worker.served() - before, 200);
}

TEST(Fair, NewcomersBeginAtOnce)
{
    Card card("null:slots=4,workers=1");
    Party old(card, {.queues = 2});
    old.start();
    ASSERT_TRUE(old.wait_served(200));
    const int64_t before = old.served();
    Party fresh(card, {.packets = 60});
    fresh.start();
    ASSERT_TRUE(fresh.wait_served(50));
    EXPECT_LT(old.served() - before, 150) << "the newcomer waited for what the old one had had";
}

// Whatever they weigh, and however many queues they have.
TEST(Fair, NobodyStarvesOfSixteen)
{
    Card card("null:slots=2,workers=2");
    Parties parties;
    for (uint32_t i = 0; i < 16; i++)
        parties.push_back(
            std::make_unique<Party>(card, Party::Options{.weight = i % 4 ? 100u : 400u,
                                                         .queues = i % 2 ? 1 : 8,
                                                         .packets = i % 2 ? 512u : 64u,
                                                         .spin_ns = millisecond_ns / 2}));
    start(parties);
    const auto got = shares(parties, 1120); // 28 parts: 4 × 4 and 12 × 1
    for (size_t i = 0; i < got.size(); i++)
        EXPECT_GT(got[i], (i % 4 ? 1.0 : 4.0) / 28 / 4) << "client " << i;
}

// A weight counts in one priority: between two the higher one is served first.
TEST(Fair, PriorityGoesBeforeWeight)
{
    Card card("null:slots=1,workers=1");
    Party heavy(card, {.weight = 10000, .priority = DRM_ACC_PRIORITY_LOW});
    Party light(card, {.weight = 1, .packets = 100});
    heavy.start();
    ASSERT_TRUE(heavy.wait_served(5));
    light.start();
    ASSERT_TRUE(light.wait_served(5));
    const int64_t before = heavy.served();
    ASSERT_TRUE(light.wait_served(95));
    EXPECT_LT(heavy.served() - before, 30);
}

// ------------------------------------------------------------------------- slots

// Several workers, so by the time that the device counts: on a machine with fewer processors
// a packet's millisecond takes longer for whom the host lets wait.
TEST(Fair, SlotsAreSharedByWeight)
{
    Card card("null:slots=1,workers=4");
    Parties parties;
    parties.push_back(std::make_unique<Party>(card, Party::Options{.weight = 100}));
    parties.push_back(std::make_unique<Party>(card, Party::Options{.weight = 300}));
    start(parties);
    EXPECT_NEAR(shares(parties, 400, Of::BusyTime)[1], 0.75, 0.12);
}

// More units than slots, and one client that asks for them 16 times as often.
TEST(Fair, ManyQueuesGetNoMoreOfTheSlots)
{
    Card card("null:slots=2,workers=24");
    Parties parties;
    parties.push_back(std::make_unique<Party>(card, Party::Options{.queues = 16, .packets = 64}));
    parties.push_back(std::make_unique<Party>(card, Party::Options{}));
    parties.push_back(std::make_unique<Party>(card, Party::Options{}));
    start(parties);
    for (const double share : shares(parties, 450, Of::BusyTime))
        EXPECT_NEAR(share, 1.0 / 3, 0.15);
}

// The modelled load is nearly all of what a dispatch costs, and delays it. So by time: a client
// whose unit is still there has many dispatches for the price of another's one, but nobody is
// through before each has had its turn.
TEST(Fair, ClientsWithMoreUnitsThanSlotsShareAnFpga)
{
    Card card("fpga:slots=2,pace=real");
    constexpr int count = 4;
    std::vector<std::unique_ptr<Accel>> accels;
    std::vector<std::unique_ptr<Signals>> signals;
    std::vector<std::unique_ptr<Work>> works;
    std::vector<std::unique_ptr<Queue>> queues;
    std::vector<acc_signal_memory *> done;
    // More than a resident unit's owner may run before it is another's turn, also where a dispatch
    // that the machine held up has made all of them look long.
    constexpr int64_t total = 256;
    for (int i = 0; i < count; i++) {
        accels.push_back(card.open());
        signals.push_back(std::make_unique<Signals>(*accels.back()));
        works.push_back(std::make_unique<Work>(*accels.back(), unsigned(i)));
        queues.push_back(std::make_unique<Queue>(*accels.back()));
        done.push_back(signals.back()->make(total));
    }
    for (int i = 0; i < count; i++)
        queues[size_t(i)]->submit(
            std::vector<acc_packet>(total, works[size_t(i)]->packet(done[size_t(i)])));
    ASSERT_TRUE(eventually([&] {
        return std::any_of(done.begin(), done.end(), [](auto *one) { return value_of(one) <= 0; });
    }));
    for (acc_signal_memory *one : done)
        EXPECT_LT(value_of(one), total);
    for (int i = 0; i < count; i++) {
        EXPECT_EQ(wait_for(*accels[size_t(i)], done[size_t(i)]), 0);
        EXPECT_TRUE(works[size_t(i)]->done_right());
    }
    queues.clear();
    works.clear();
    signals.clear();
}

// Two clients share a resident unit and never stop; a third wants the slot for its own.
TEST(Fair, StreamsThroughASharedUnitLetOthersIn)
{
    Card card("null:slots=1");
    std::atomic<bool> over{false};
    std::vector<std::thread> streams;
    std::atomic<int> running{0};
    for (int i = 0; i < 2; i++)
        streams.emplace_back([&] {
            auto accel = card.open();
            Program program(*accel, null_image_hashed(7));
            Queue queue(*accel);
            for (bool first = true; !over; first = false) {
                queue.submit(dispatch(program.kernel()));
                if (first) running++;
                std::this_thread::yield();
            }
        });
    EXPECT_TRUE(eventually([&] { return running == 2; }));
    {
        Party third(card, {.packets = 50});
        third.start();
        EXPECT_TRUE(third.wait_served(50));
    }
    over = true;
    for (auto &stream : streams)
        stream.join();
}

// --------------------------------------------------------------------- accounting

TEST(Clients, AreToldApart)
{
    Card card("null");
    auto one = card.open({.weight = 7, .pid = 4711, .uid = 1001, .name = "first"});
    auto two = card.open({.pid = 4712, .uid = 1002, .name = std::string(50, 'x')});
    auto signals = std::make_unique<Signals>(*one);
    acc_signal_memory *done = signals->make(30);
    {
        NullWork work(*one);
        Queue queue(*one);
        queue.submit(std::vector<acc_packet>(30, work.spin(10'000, done)));
        ASSERT_EQ(wait_for(*one, done), 0);
        const drm_acc_client client = one->query(DRM_ACC_QUERY_CLIENT, 0).client;
        EXPECT_EQ(client.queues, 1u);
        EXPECT_EQ(client.programs, 1u);
        EXPECT_GE(client.buffers, 2u);
        EXPECT_EQ(client.bytes, one->query(DRM_ACC_QUERY_MEMORY).memory.client_bytes);
    }
    // A queue that is gone still counts.
    for (Accel *asker : {one.get(), two.get()}) {
        const drm_acc_client first = asker->query(DRM_ACC_QUERY_CLIENT, 0).client;
        const drm_acc_client second = asker->query(DRM_ACC_QUERY_CLIENT, 1).client;
        EXPECT_EQ(first.pid, 4711u);
        EXPECT_EQ(first.uid, 1001u);
        EXPECT_STREQ(first.name, "first");
        EXPECT_EQ(first.weight, 7u);
        EXPECT_EQ(first.pad, 0u);
        EXPECT_EQ(first.packets, 30u);
        EXPECT_EQ(first.dispatches, 30u);
        EXPECT_GE(first.busy_ns, 30 * 10'000u);
        EXPECT_EQ(first.queues, 0u);
        EXPECT_EQ(second.pid, 4712u);
        EXPECT_EQ(second.packets, 0u);
        EXPECT_EQ(second.weight, 100u);
        EXPECT_EQ(std::string(second.name), std::string(31, 'x'));
        EXPECT_GT(second.client, first.client);
        drm_acc_dev_query past = {};
        past.type = DRM_ACC_QUERY_CLIENT;
        past.index = 2;
        EXPECT_EQ(asker->call(DRM_IOCTL_ACC_DEV_QUERY, past), -ENOENT);
    }
    const uint64_t was_second = two->query(DRM_ACC_QUERY_CLIENT, 1).client.client;
    signals.reset();
    one.reset();
    EXPECT_EQ(two->query(DRM_ACC_QUERY_CLIENT, 0).client.client, was_second);
}

// A user sees its own; what it does not see is not counted.
TEST(Clients, SeeTheirUserAlone)
{
    Card card("null");
    auto root = card.open({.privileged = true, .pid = 1, .uid = 0});
    auto alice = card.open({.privileged = false, .pid = 2, .uid = 1001});
    auto bob = card.open({.privileged = false, .pid = 3, .uid = 1002});
    auto alice_too = card.open({.privileged = false, .pid = 4, .uid = 1001});
    const auto seen = [](Accel &accel) {
        std::vector<uint32_t> pids;
        drm_acc_dev_query query = {};
        query.type = DRM_ACC_QUERY_CLIENT;
        int error;
        while (!(error = accel.call(DRM_IOCTL_ACC_DEV_QUERY, query))) {
            pids.push_back(query.client.pid);
            query.index++;
        }
        EXPECT_EQ(error, -ENOENT);
        return pids;
    };
    EXPECT_EQ(seen(*root), (std::vector<uint32_t>{1, 2, 3, 4}));
    EXPECT_EQ(seen(*alice), (std::vector<uint32_t>{2, 4}));
    EXPECT_EQ(seen(*bob), (std::vector<uint32_t>{3}));
    EXPECT_EQ(seen(*alice_too), (std::vector<uint32_t>{2, 4}));
    alice.reset();
    EXPECT_EQ(seen(*alice_too), (std::vector<uint32_t>{4}));
}

TEST(Clients, AreThisProcessByDefault)
{
    Card card("null");
    auto accel = card.open();
    const drm_acc_client client = accel->query(DRM_ACC_QUERY_CLIENT, 0).client;
    EXPECT_EQ(client.pid, uint32_t(getpid()));
    EXPECT_EQ(client.uid, uint32_t(getuid()));
    EXPECT_NE(client.name[0], 0);
}

TEST(Clients, WeighFromOneToTenThousand)
{
    Card card("null");
    EXPECT_EQ(card.open({.weight = 0})->query(DRM_ACC_QUERY_CLIENT, 0).client.weight, 100u)
        << "0 is the default";
    EXPECT_EQ(card.open({.weight = 1})->query(DRM_ACC_QUERY_CLIENT, 0).client.weight, 1u);
    EXPECT_EQ(card.open({.weight = 10000})->query(DRM_ACC_QUERY_CLIENT, 0).client.weight, 10000u);
    auto refused = card.emulator().open({.weight = 10001});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), -EINVAL);
}

} // namespace

} // namespace acc::emu
