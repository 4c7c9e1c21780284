// SPDX-License-Identifier: MIT
//
// Regions of an FPGA: their states, recovery, one configuration port, policies by option,
// loads ahead, and what is told of every decision.
#include "acc/regs.h"
#include "emulator/region.h"
#include "policy/policy.h"
#include "program/samples.h"
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>

namespace acc::emu
{

using namespace conformance;

namespace
{

constexpr uint64_t zcu106_load_ns = 89 * millisecond_ns;

std::vector<drm_acc_trace> trace_of(Accel &accel)
{
    std::vector<drm_acc_trace> all;
    drm_acc_dev_query query = {};
    query.type = DRM_ACC_QUERY_TRACE;
    for (; accel.call(DRM_IOCTL_ACC_DEV_QUERY, query) == 0; query.index++)
        all.push_back(query.trace);
    std::reverse(all.begin(), all.end()); // the oldest first
    return all;
}

uint64_t count(const std::vector<drm_acc_trace> &trace, uint32_t kind, uint32_t reason = ~0u)
{
    return uint64_t(std::count_if(trace.begin(), trace.end(), [&](const drm_acc_trace &t) {
        return t.kind == kind && (reason == ~0u || t.reason == reason);
    }));
}

// Those that place a unit. A slot is given up after the completion is told: who is quick enough
// with the next packet finds it held, and the trace says so in a record more.
std::vector<drm_acc_trace> placements_of(Accel &accel)
{
    auto all = trace_of(accel);
    std::erase_if(all, [](const drm_acc_trace &t) {
        return t.kind == DRM_ACC_TRACE_WAIT || t.kind == DRM_ACC_TRACE_GRANT;
    });
    return all;
}

// A client with roles of its own.
struct Tenant {
    Tenant(Card &card, std::initializer_list<unsigned> variants, const ClientOptions &options = {})
        : accel(card.open(options)), signals(*accel, 256)
    {
        for (const unsigned variant : variants)
            works.push_back(std::make_unique<Work>(*accel, variant));
    }
    // One dispatch; its status.
    uint32_t run(Queue &queue, unsigned which = 0)
    {
        works[which]->clear();
        // One signal for all: some tests dispatch until something else has happened.
        if (!once) once = signals.make();
        acc_signal_memory *const done = once;
        std::memset(done, 0, sizeof *done);
        done->kind = ACC_SIGNAL_KIND_USER;
        std::atomic_ref(done->value).store(1, std::memory_order_release);
        queue.submit(works[which]->packet(done));
        EXPECT_EQ(wait_for(*accel, done), 0);
        modelled_ns = shared(done->modelled_ns).load();
        const uint32_t status = status_of(done);
        EXPECT_EQ(works[which]->done_right(), status == ACC_STATUS_OK);
        return status;
    }
    drm_acc_slot slot(uint32_t index) { return accel->query(DRM_ACC_QUERY_SLOT, index).slot; }

    std::unique_ptr<Accel> accel;
    Signals signals;
    acc_signal_memory *once = nullptr;
    std::vector<std::unique_ptr<Work>> works;
    uint64_t modelled_ns = 0; // when the last one ended
};

// ------------------------------------------------------------------- states

TEST(Region, TheTableHasOnlyTheArrowsOfTheDrawing)
{
    const std::set<std::pair<uint32_t, uint32_t>> arrows = {
        {DRM_ACC_SLOT_EMPTY, DRM_ACC_SLOT_DECOUPLED},
        {DRM_ACC_SLOT_EMPTY, DRM_ACC_SLOT_DRAINING},
        {DRM_ACC_SLOT_DECOUPLED, DRM_ACC_SLOT_LOADING},
        {DRM_ACC_SLOT_DECOUPLED, DRM_ACC_SLOT_EMPTY},
        {DRM_ACC_SLOT_DECOUPLED, DRM_ACC_SLOT_FAULT},
        {DRM_ACC_SLOT_LOADING, DRM_ACC_SLOT_RESET},
        {DRM_ACC_SLOT_LOADING, DRM_ACC_SLOT_DECOUPLED},
        {DRM_ACC_SLOT_RESET, DRM_ACC_SLOT_READY},
        {DRM_ACC_SLOT_RESET, DRM_ACC_SLOT_DECOUPLED},
        {DRM_ACC_SLOT_READY, DRM_ACC_SLOT_BUSY},
        {DRM_ACC_SLOT_READY, DRM_ACC_SLOT_DECOUPLED},
        {DRM_ACC_SLOT_READY, DRM_ACC_SLOT_DRAINING},
        {DRM_ACC_SLOT_BUSY, DRM_ACC_SLOT_READY},
        {DRM_ACC_SLOT_BUSY, DRM_ACC_SLOT_DRAINING},
        {DRM_ACC_SLOT_DRAINING, DRM_ACC_SLOT_DECOUPLED},
        {DRM_ACC_SLOT_DRAINING, DRM_ACC_SLOT_FAULT},
        {DRM_ACC_SLOT_FAULT, DRM_ACC_SLOT_DECOUPLED},
    };
    std::set<std::string_view> names;
    for (uint32_t from = 0; from <= region_states; from++) {
        if (from < region_states) names.insert(region_state_name(from));
        for (uint32_t to = 0; to <= region_states; to++)
            EXPECT_EQ(region_may_go(from, to), arrows.contains({from, to})) << from << " " << to;
    }
    EXPECT_EQ(names.size(), region_states);
    EXPECT_EQ(region_state_name(region_states), "unknown");
}

// Of two regions one is big: what is small leaves it free for what fits only there.
TEST(Region, SizesDecideWhatFits)
{
    Card card("fpga:regions=2,big=1");
    Tenant party(card, {0});
    EXPECT_EQ(party.slot(0).capacity, 40'000u);
    EXPECT_EQ(party.slot(1).capacity, 100'000u);
    Queue queue(*party.accel);
    EXPECT_EQ(party.run(queue), uint32_t(ACC_STATUS_OK));
    EXPECT_TRUE(eventually([&] { return party.slot(0).state == DRM_ACC_SLOT_READY; }));
    EXPECT_EQ(party.slot(1).state, uint32_t(DRM_ACC_SLOT_EMPTY));

    EXPECT_EQ(party.slot(0).class_id, 1u);
    EXPECT_EQ(party.slot(1).class_id, 2u);
    EXPECT_EQ(party.slot(0).resources[3], 300u);
    EXPECT_EQ(party.slot(1).resources[3], 750u);
    const auto image = [](uint64_t luts, uint64_t dsps = 0, uint32_t class_id = 0) {
        program::ProgramWriter writer;
        acc_unit_desc unit = {};
        unit.target = ACC_TARGET_FPGA;
        unit.capacity = luts;
        unit.class_id = class_id;
        acc_unit_resources takes = {};
        takes.amount[0] = luts;
        takes.amount[3] = dsps;
        writer.add_resources(takes);
        std::strncpy(unit.name, "relu", sizeof unit.name - 1);
        acc_kernel_desc kernel = {};
        kernel.target = ACC_TARGET_FPGA;
        kernel.unit = writer.add_unit(unit);
        kernel.kernarg_bytes = sizeof(acc_elementwise_f32_args);
        std::strncpy(kernel.name, "relu", sizeof kernel.name - 1);
        writer.add_kernel(kernel);
        std::vector<std::byte> bytes(sizeof(acc_fpga_image) + sizeof(acc_fpga_kernel));
        acc_fpga_image head = {};
        head.magic = ACC_FPGA_MAGIC;
        head.version = 1;
        head.kernels = 1;
        std::memcpy(bytes.data(), &head, sizeof head);
        acc_fpga_kernel role = {};
        std::strncpy(role.role, ACC_ROLE_CLIP_F32, sizeof role.role - 1);
        std::memcpy(bytes.data() + sizeof head, &role, sizeof role);
        writer.set_image(ACC_TARGET_FPGA, std::move(bytes));
        std::string why;
        auto made = writer.finish(&why);
        if (!made) give_up(why, made.error());
        return std::move(*made);
    };
    Program big(*party.accel, image(60'000));
    ASSERT_EQ(big.prefetch(0), 0);
    EXPECT_EQ(big.query().slot, 1u);
    drm_acc_program_load args = {};
    EXPECT_EQ(load_program(*party.accel, image(100'001), args), -ENOSPC);
    EXPECT_NE(std::string(args.why).find("100001"), std::string::npos) << args.why;
    EXPECT_NE(std::string(args.why).find("100000"), std::string::npos) << args.why;
    EXPECT_EQ(big.unload(), 0);

    // Small, but for its multipliers; then whoever asks for a class.
    {
        Program dsp(*party.accel, image(2000, 301));
        ASSERT_EQ(dsp.prefetch(0), 0);
        EXPECT_EQ(dsp.query().slot, 1u);
        EXPECT_EQ(party.slot(1).resources_used[0], 2000u);
        EXPECT_EQ(party.slot(1).resources_used[3], 301u);
    }
    EXPECT_EQ(load_program(*party.accel, image(2000, 751), args), -ENOSPC);
    EXPECT_NE(std::string(args.why).find("expected at most 750 DSPs of a region; found 751"),
              std::string::npos)
        << args.why;
    for (const uint32_t class_id : {1u, 2u}) {
        Program asks(*party.accel, image(2000, 0, class_id));
        ASSERT_EQ(asks.prefetch(0), 0);
        EXPECT_EQ(asks.query().slot, class_id - 1);
    }
    EXPECT_EQ(load_program(*party.accel, image(2000, 0, 3), args), -EINVAL);
    EXPECT_EQ(load_program(*party.accel, image(60'000, 0, 1), args), -ENOSPC);
    EXPECT_NE(std::string(args.why).find("40000 LUTs"), std::string::npos) << args.why;
}

// ----------------------------------------------------------------- recovery

TEST(Region, ATimeoutIsRecoveredWhileTheOthersGoOn)
{
    Card card("fpga:regions=2,workers=4");
    Tenant hung(card, {0}), other(card, {1});
    Queue good(*other.accel);
    ASSERT_EQ(other.run(good), uint32_t(ACC_STATUS_OK));
    {
        Queue first(*hung.accel);
        ASSERT_EQ(hung.run(first), uint32_t(ACC_STATUS_OK));
    }
    ASSERT_EQ(other.accel->counters().loads, 2u);
    ASSERT_EQ(card.emulator().inject(ACC_INJECT_HANG, 1, 0), 0);
    Queue bad(*hung.accel, {.timeout_ns = 50 * millisecond_ns});
    acc_signal_memory *done = hung.signals.make();
    bad.submit(hung.works[0]->packet(done));
    ASSERT_TRUE(eventually([&] {
        return hung.slot(0).state == DRM_ACC_SLOT_BUSY || hung.slot(1).state == DRM_ACC_SLOT_BUSY ||
               !value_of(done);
    }));
    unsigned went_on = 0;
    while (value_of(done)) {
        ASSERT_EQ(other.run(good), uint32_t(ACC_STATUS_OK));
        went_on++;
    }
    EXPECT_GT(went_on, 0u);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_TIMEOUT));
    // The lease ends just behind the completion.
    ASSERT_TRUE(eventually([&] {
        return count(trace_of(*hung.accel), DRM_ACC_TRACE_RECOVER, DRM_ACC_REASON_TIMEOUT) == 1;
    }));
    const auto trace = trace_of(*hung.accel);
    EXPECT_EQ(count(trace, DRM_ACC_TRACE_FAULT, DRM_ACC_REASON_TIMEOUT), 1u);
    EXPECT_EQ(hung.accel->counters().loads, 3u) << "it was loaded again";
    Queue next(*hung.accel);
    EXPECT_EQ(hung.run(next), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(hung.accel->counters().loads, 3u);
    // A queue keeps its slot while it looks for the next packet.
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_TRUE(eventually([&] { return hung.slot(i).state == DRM_ACC_SLOT_READY; })) << i;
}

// Who goes away in the middle of a dispatch leaves an empty region.
TEST(Region, AClientThatGoesLeavesNothing)
{
    Card card("fpga:regions=2");
    Tenant watcher(card, {});
    {
        Tenant party(card, {0, 1});
        ASSERT_EQ(card.emulator().inject(ACC_INJECT_HANG, 2, 0), 0);
        Queue one(*party.accel), two(*party.accel);
        one.submit(party.works[0]->packet(nullptr));
        two.submit(party.works[1]->packet(nullptr));
        ASSERT_TRUE(eventually([&] {
            return watcher.slot(0).state == DRM_ACC_SLOT_BUSY &&
                   watcher.slot(1).state == DRM_ACC_SLOT_BUSY;
        }));
        EXPECT_EQ(one.destroy(), 0);
        EXPECT_EQ(two.destroy(), 0);
    }
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_EQ(watcher.slot(i).state, uint32_t(DRM_ACC_SLOT_EMPTY));
    EXPECT_EQ(watcher.accel->counters().loads, 2u) << "nothing is loaded for who is gone";
    EXPECT_EQ(count(trace_of(*watcher.accel), DRM_ACC_TRACE_RECOVER), 0u);
}

TEST(Region, AFaultStaysUntilItIsReset)
{
    Card card("fpga:regions=1");
    Tenant party(card, {0});
    {
        Queue queue(*party.accel);
        ASSERT_EQ(party.run(queue), uint32_t(ACC_STATUS_OK));
    }
    ASSERT_EQ(card.emulator().inject(ACC_INJECT_SLOT_FAULT, 1, 0), 0);
    ASSERT_TRUE(eventually([&] { return party.slot(0).state == DRM_ACC_SLOT_FAULT; }));
    {
        Queue queue(*party.accel);
        EXPECT_EQ(party.run(queue), uint32_t(ACC_STATUS_NO_SLOT));
    }
    EXPECT_EQ(count(trace_of(*party.accel), DRM_ACC_TRACE_REFUSE, DRM_ACC_REASON_UNAVAILABLE), 1u);
    EXPECT_EQ(party.accel->reset(DRM_ACC_RESET_SLOT, 0), 0);
    EXPECT_EQ(party.slot(0).state, uint32_t(DRM_ACC_SLOT_EMPTY));
    Queue queue(*party.accel);
    EXPECT_EQ(party.run(queue), uint32_t(ACC_STATUS_OK));
}

// ---------------------------------------------------------- the model's clock

TEST(Region, ThereIsOneConfigurationPort)
{
    Card card("fpga:regions=2");
    Tenant party(card, {0, 1});
    Queue one(*party.accel), two(*party.accel);
    ASSERT_EQ(party.run(one, 0), uint32_t(ACC_STATUS_OK));
    const uint64_t first = party.modelled_ns;
    EXPECT_GE(first, zcu106_load_ns);
    ASSERT_EQ(party.run(two, 1), uint32_t(ACC_STATUS_OK));
    EXPECT_GE(party.modelled_ns, 2 * zcu106_load_ns) << "the other region's load comes behind";
    ASSERT_EQ(party.run(one, 0), uint32_t(ACC_STATUS_OK));
    EXPECT_LT(party.modelled_ns, first + millisecond_ns) << "what is resident waits for no port";
}

// A load that was asked for ahead takes its time as well.
TEST(Region, APrefetchIsNotFree)
{
    Card card("fpga:regions=2");
    Tenant party(card, {0});
    ASSERT_EQ(party.works[0]->program().prefetch(0), 0);
    Queue queue(*party.accel);
    ASSERT_EQ(party.run(queue), uint32_t(ACC_STATUS_OK));
    EXPECT_GE(party.modelled_ns, zcu106_load_ns);
    EXPECT_EQ(party.accel->counters().loads, 1u);
}

// ---------------------------------------------------------------- decisions

TEST(RegionTrace, TellsWhatWasLoadedOverWhatAndWhy)
{
    const std::pair<const char *, uint32_t> reasons[] = {
        {"adaptive", DRM_ACC_REASON_LEAST_VALUE},
        {"lru", DRM_ACC_REASON_LEAST_RECENT},
        {"fcfs-reuse", DRM_ACC_REASON_FIRST_LOADED},
        {"fcfs", DRM_ACC_REASON_FIRST_LOADED},
    };
    for (const auto &[policy, reason] : reasons) {
        SCOPED_TRACE(policy);
        Card card(std::string("fpga:regions=1,policy=") + policy);
        Tenant party(card, {0, 1});
        Queue queue(*party.accel);
        ASSERT_EQ(party.run(queue, 0), uint32_t(ACC_STATUS_OK));
        ASSERT_EQ(party.run(queue, 1), uint32_t(ACC_STATUS_OK));
        const auto trace = placements_of(*party.accel);
        ASSERT_EQ(trace.size(), 2u);
        EXPECT_EQ(trace[0].kind, uint32_t(DRM_ACC_TRACE_LOAD));
        EXPECT_EQ(trace[0].reason, uint32_t(DRM_ACC_REASON_EMPTY));
        EXPECT_STREQ(trace[0].unit, ACC_ROLE_RELU_F32);
        EXPECT_STREQ(trace[0].victim, "");
        // Bytes over bytes/s, rounded.
        EXPECT_NEAR(double(trace[0].load_ns), double(zcu106_load_ns), 1000);
        EXPECT_EQ(trace[1].kind, uint32_t(DRM_ACC_TRACE_LOAD));
        EXPECT_EQ(trace[1].reason, reason);
        EXPECT_STREQ(trace[1].unit, ACC_ROLE_ADD_F32);
        EXPECT_STREQ(trace[1].victim, ACC_ROLE_RELU_F32);
        EXPECT_EQ(trace[1].slot, 0u);
        EXPECT_GT(trace[1].value_ns, 0u);
        EXPECT_NE(trace[1].client, 0u);
        EXPECT_EQ(trace[1].client, trace[1].victim_client);
        EXPECT_GE(trace[1].time_ns, trace[0].time_ns);
        EXPECT_GT(trace[1].sequence, trace[0].sequence);
    }
}

TEST(RegionTrace, OthersNamesAreNotForEverybody)
{
    Card card("fpga:regions=1");
    Tenant mine(card, {0}, {.privileged = false}), others(card, {1}, {.privileged = false}),
        root(card, {}, {.privileged = true});
    Queue one(*mine.accel), two(*others.accel);
    ASSERT_EQ(mine.run(one), uint32_t(ACC_STATUS_OK));
    ASSERT_EQ(others.run(two), uint32_t(ACC_STATUS_OK));
    const auto seen = placements_of(*mine.accel), all = placements_of(*root.accel);
    ASSERT_EQ(seen.size(), 2u);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_STREQ(seen[1].unit, "");
    EXPECT_EQ(seen[1].client, 0u);
    EXPECT_STREQ(seen[1].victim, ACC_ROLE_RELU_F32);
    EXPECT_EQ(seen[1].victim_client, seen[0].client);
    EXPECT_STREQ(all[1].unit, ACC_ROLE_ADD_F32);
    EXPECT_NE(all[1].client, all[1].victim_client);
}

TEST(RegionTrace, KeepsTheNewest)
{
    Card card("fpga:regions=1,policy=fcfs-reuse");
    Tenant party(card, {0, 1});
    Queue queue(*party.accel);
    for (int i = 0; i < 520; i++)
        for (unsigned which : {0u, 1u})
            ASSERT_EQ(party.run(queue, which), uint32_t(ACC_STATUS_OK));
    const auto trace = trace_of(*party.accel);
    ASSERT_EQ(trace.size(), 1024u);
    EXPECT_GE(trace.back().sequence, 1040u);
    EXPECT_EQ(trace.back().sequence, trace.front().sequence + 1023);
    drm_acc_dev_query past = {};
    past.type = DRM_ACC_QUERY_TRACE;
    past.index = 1024;
    EXPECT_EQ(party.accel->call(DRM_IOCTL_ACC_DEV_QUERY, past), -ENOENT);
    EXPECT_TRUE(party.accel->identity().features & DRM_ACC_FEATURE_TRACE);
}

TEST(RegionPolicy, EveryOneServesEverybody)
{
    for (const std::string_view policy : policy::policy_names()) {
        SCOPED_TRACE(policy);
        Card card("fpga:regions=2,workers=4,policy=" + std::string(policy));
        std::vector<std::thread> clients;
        std::atomic<int> right{0};
        for (unsigned i = 0; i < 4; i++)
            clients.emplace_back([&, i] {
                Tenant party(card, {i, (i + 1) % 5});
                Queue queue(*party.accel);
                for (int round = 0; round < 25; round++)
                    right += party.run(queue, unsigned(round % 2)) == ACC_STATUS_OK;
            });
        for (auto &client : clients)
            client.join();
        EXPECT_EQ(right, 100);
    }
    std::string why;
    EXPECT_EQ(Emulator::create("fpga:policy=best", why).error(), -EINVAL);
    EXPECT_NE(why.find("adaptive fcfs rr fcfs-reuse lru fewest"), std::string::npos) << why;
    EXPECT_NE(why.find("'best'"), std::string::npos) << why;
    EXPECT_EQ(Emulator::create("fpga:slot_quota=1025", why).error(), -EINVAL);
    EXPECT_EQ(Emulator::create("fpga:regions=2,big=3", why).error(), -EINVAL);
    EXPECT_NE(why.find("big"), std::string::npos) << why;
}

// What is published behind the dispatch that executes is loaded beside it.
TEST(RegionPolicy, LooksAheadInTheRing)
{
    Card card("fpga:regions=2");
    Tenant party(card, {0, 1});
    Queue queue(*party.accel);
    acc_signal_memory *done = party.signals.make(2);
    queue.submit({party.works[0]->packet(done), party.works[1]->packet(done)});
    ASSERT_EQ(wait_for(*party.accel, done), 0);
    EXPECT_TRUE(party.works[0]->done_right() && party.works[1]->done_right());
    const auto trace = placements_of(*party.accel);
    ASSERT_EQ(trace.size(), 2u);
    EXPECT_EQ(trace[0].kind, uint32_t(DRM_ACC_TRACE_LOAD));
    EXPECT_EQ(trace[1].kind, uint32_t(DRM_ACC_TRACE_PREFETCH));
    EXPECT_STREQ(trace[1].unit, ACC_ROLE_ADD_F32);
    EXPECT_EQ(party.accel->counters().loads, 2u);
    // The baselines load when they are asked.
    Card plain("fpga:regions=2,policy=lru");
    Tenant other(plain, {0, 1});
    Queue second(*other.accel);
    done = other.signals.make(2);
    second.submit({other.works[0]->packet(done), other.works[1]->packet(done)});
    ASSERT_EQ(wait_for(*other.accel, done), 0);
    EXPECT_EQ(count(trace_of(*other.accel), DRM_ACC_TRACE_PREFETCH), 0u);
}

} // namespace

} // namespace acc::emu
