// SPDX-License-Identifier: MIT
//
// The replay: exact on what can be reckoned by hand, bounded by what no policy can beat, and
// the traces. Times here are the model's.
#include "policy/policy.h"
#include "policy/replay.h"
#include "tests/unit/policy/units.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

namespace acc::policy
{

namespace
{

constexpr uint64_t load = 89 * ms;

Trace one_application(Application application, uint32_t slots = 10)
{
    Trace trace;
    trace.slots = slots;
    trace.sequences = {{std::move(application)}};
    return trace;
}

uint64_t response(const Trace &trace, const Manner &manner)
{
    const auto outcome = replay(trace, manner);
    return outcome ? outcome->response_ns.at(0) : 0;
}

TEST(Replay, OneTaskTakesALoadAndItsItems)
{
    for (const std::string_view name : policy_names()) {
        const Trace trace = one_application({.arrival_ns = 5, .batch = 3, .tasks = {{1, ms, {}}}});
        const auto outcome = replay(trace, {name, true, false});
        ASSERT_TRUE(outcome);
        EXPECT_EQ(outcome->response_ns.at(0), load + 3 * ms) << name;
        EXPECT_EQ(outcome->loads, 1u) << name;
    }
}

// A chain of equal tasks: one after the other with the whole batch, or item by item.
TEST(Replay, PipeliningOverlapsTheTasksOfABatch)
{
    constexpr uint64_t run = 1000 * ms;
    Application chain{.arrival_ns = 0, .batch = 10, .tasks = {}};
    for (uint32_t i = 0; i < 4; i++)
        chain.tasks.push_back({i, run, i ? std::vector<uint32_t>{i - 1} : std::vector<uint32_t>{}});
    EXPECT_EQ(response(one_application(chain), {"fcfs", false, false}), 4 * (load + 10 * run));
    // The first item meets a load in each task, the others follow it through the last.
    EXPECT_EQ(response(one_application(chain), {"fcfs", true, true}), 4 * (load + run) + 9 * run);
    // Loads ahead are hidden, but the first.
    EXPECT_EQ(response(one_application(chain), {"adaptive", true, false}),
              load + 4 * run + 9 * run);
}

TEST(Replay, ThePortTakesOneLoadAtATime)
{
    Application wide{.arrival_ns = 0, .batch = 1, .tasks = {}};
    for (uint32_t i = 0; i < 5; i++)
        wide.tasks.push_back({i, ms, {}});
    for (const std::string_view name : policy_names())
        EXPECT_EQ(response(one_application(wide), {name, false, false}), 5 * load + ms) << name;
}

TEST(Replay, ReuseSavesLoads)
{
    Trace trace;
    trace.slots = 1;
    trace.sequences.resize(1);
    for (uint64_t i = 0; i < 5; i++)
        trace.sequences[0].push_back(
            {.arrival_ns = i * 1000 * ms, .batch = 1, .tasks = {{7, ms, {}}}});
    for (const std::string_view name : policy_names()) {
        const auto outcome = replay(trace, {name, false, false});
        ASSERT_TRUE(outcome);
        const bool reuses = name != "fcfs" && name != "rr";
        EXPECT_EQ(outcome->loads, reuses ? 1u : 5u) << name;
    }
}

TEST(Replay, EveryDecisionSaysWhy)
{
    const auto trace = generate_trace("millis", 3);
    ASSERT_TRUE(trace);
    std::map<std::string_view, uint64_t> kinds;
    const auto outcome = replay(*trace, {"adaptive", true, false}, [&](const Decision &d) {
        kinds[d.kind]++;
        EXPECT_NE(d.reason, uint32_t(Reason::None));
        EXPECT_EQ(d.slot == no_slot, d.kind == "wait");
    });
    ASSERT_TRUE(outcome);
    EXPECT_EQ(kinds["load"] + kinds["prefetch"], outcome->loads);
    EXPECT_GT(kinds["prefetch"], 0u);
    EXPECT_GT(kinds["wait"], 0u);
    EXPECT_GT(kinds["grant"], 0u);
}

TEST(Replay, RefusesAnUnknownPolicyAndFindsADeadlock)
{
    const Trace trace = one_application({.arrival_ns = 0, .batch = 1, .tasks = {{1, ms, {}}}});
    EXPECT_EQ(replay(trace, {"best", false, false}).error(), -EINVAL);
    // Two tasks that keep their slots, and one slot.
    Application pair{.arrival_ns = 0, .batch = 2, .tasks = {{1, ms, {}}, {2, ms, {0}}}};
    EXPECT_TRUE(replay(one_application(pair, 1), {"fcfs", true, true}));
    Application fork{.arrival_ns = 0,
                     .batch = 2,
                     .tasks = {{1, ms, {}}, {2, ms, {}}, {3, ms, {0, 1}}, {4, ms, {2}}}};
    EXPECT_TRUE(replay(one_application(fork, 1), {"adaptive", true, false}));
}

// ---------------------------------------------------------------- the traces

TEST(Traces, AreTheSameForTheSameSeed)
{
    for (const std::string_view set : {"seconds", "millis"}) {
        const auto one = generate_trace(set, 5), two = generate_trace(set, 5);
        const auto other = generate_trace(set, 6);
        ASSERT_TRUE(one && two && other);
        EXPECT_EQ(write_trace(*one), write_trace(*two));
        EXPECT_NE(write_trace(*one), write_trace(*other));
        EXPECT_EQ(one->slots, 10u);
        EXPECT_EQ(one->load_ns, load);
        ASSERT_EQ(one->sequences.size(), 10u);
        size_t tasks = 0;
        for (const Sequence &sequence : one->sequences) {
            EXPECT_EQ(sequence.size(), 20u);
            for (const Application &application : sequence) {
                EXPECT_GE(application.tasks.size(), 1u);
                EXPECT_LE(application.tasks.size(), 9u);
                tasks += application.tasks.size();
            }
        }
        EXPECT_EQ(tasks, 1640u);
    }
    EXPECT_EQ(generate_trace("hours", 1).error(), -EINVAL);
}

// What is replayed is what stands for Nimblock's logs: first come, first served as slow as
// there, and the shipped policy further ahead of it than theirs.
TEST(Traces, StandForTheLogsAndTheShippedPolicyIsAhead)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        const auto trace = generate_trace("seconds", seed);
        ASSERT_TRUE(trace);
        const auto fcfs = replay(*trace, {"fcfs", false, false});
        const auto adaptive = replay(*trace, {"adaptive", true, false});
        ASSERT_TRUE(fcfs && adaptive);
        const double mean = fcfs->mean_ns(), p95 = double(fcfs->percentile_ns(95));
        EXPECT_NEAR(mean / 1e9, 39.1, 3.91) << seed;
        EXPECT_NEAR(p95 / 1e9, 130.7, 13.07) << seed;
        EXPECT_EQ(fcfs->loads, 1640u);
        EXPECT_LT(adaptive->mean_ns() / mean, 25.5 / 39.1) << seed;
        EXPECT_LT(double(adaptive->percentile_ns(95)) / p95, 84.8 / 130.7) << seed;
        const Bound bound = lower_bound(*trace);
        for (const std::string_view name : policy_names())
            for (const bool pipelined : {false, true}) {
                const auto any = replay(*trace, {name, pipelined, false});
                ASSERT_TRUE(any) << name;
                EXPECT_GE(any->mean_ns(), bound.mean_ns) << name;
                EXPECT_GE(any->percentile_ns(95), bound.p95_ns) << name;
            }
    }
}

TEST(Traces, ShortTasksNeedFewerLoads)
{
    const auto trace = generate_trace("millis", 1);
    ASSERT_TRUE(trace);
    const auto fcfs = replay(*trace, {"fcfs", false, false});
    const auto lru = replay(*trace, {"lru", false, false});
    const auto adaptive = replay(*trace, {"adaptive", true, false});
    ASSERT_TRUE(fcfs && lru && adaptive);
    EXPECT_LT(adaptive->loads, lru->loads);
    EXPECT_LT(adaptive->loads, fcfs->loads / 2 + fcfs->loads / 10);
    EXPECT_LT(adaptive->percentile_ns(95), lru->percentile_ns(95));
    EXPECT_LT(adaptive->mean_ns(), lru->mean_ns());
}

TEST(Traces, SurviveTheirTextForm)
{
    const auto trace = generate_trace("millis", 2);
    ASSERT_TRUE(trace);
    std::string why;
    const auto again = parse_trace("# a comment\n\n" + write_trace(*trace), why);
    ASSERT_TRUE(again) << why;
    EXPECT_EQ(write_trace(*again), write_trace(*trace));
}

TEST(Traces, RefusalsNameTheLine)
{
    const std::string head = "acc-trace 1\nslots 2\nload_ns 5\n";
    const std::pair<std::string, std::string> refused[] = {
        {"", "line 0: expected \"acc-trace 1\"; found 'the end'"},
        {"acc-trace 2\n", "line 1: expected \"acc-trace 1\"; found 'acc-trace 2'"},
        {"acc-trace 1\nslots 0\n", "line 2: expected 1 to 1024 slots; found '0'"},
        {"acc-trace 1\nslots 2 3\n", "line 2: expected the end of the line; found '3'"},
        {head, "line 3: expected a sequence; found 'the end'"},
        {head + "sequence\napplication x 1\n", "line 5: expected an arrival in ns; found 'x'"},
        {head + "sequence\napplication 1 0\n",
         "line 5: expected a batch of 1 to 1000000 items; found '0'"},
        {head + "sequence\napplication 1 1\n",
         "line 5: expected tasks of each application; found 'none'"},
        {head + "sequence\napplication 1 1\ntask 4294967295 1\n",
         "line 6: expected a role below 2^32 - 1; found '4294967295'"},
        {head + "sequence\napplication 1 1\ntask 1 0\n",
         "line 6: expected a run time of at least 1 ns; found '0'"},
        {head + "sequence\napplication 1 1\ntask 1 1 0\n",
         "line 6: expected a first task that waits for none; found '0'"},
        {head + "sequence\napplication 1 1\ntask 1 1\ntask 1 1 1\n",
         "line 7: expected an earlier task of the application; found '1'"},
        {head + "sequence\napplication 1 1000000\ntask 1 1\ntask 2 1 0\n",
         "line 7: expected at most 1000000 items of all tasks; found '2000000'"},
    };
    for (const auto &[text, expected] : refused) {
        std::string why;
        EXPECT_EQ(parse_trace(text, why).error(), -EINVAL) << text;
        EXPECT_EQ(why, expected);
    }
    std::string why;
    EXPECT_EQ(parse_trace(head + "job 1\n", why).error(), -EINVAL);
    EXPECT_NE(why.find("found 'job 1'"), std::string::npos) << why;
}

} // namespace

} // namespace acc::policy
