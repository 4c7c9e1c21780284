// SPDX-License-Identifier: MIT
//
// The checker checked: classic litmus tests whose outcomes under x86-TSO and C++20 are known.
// A variant "breaks" when the outcome it forbids can be reached.
#include "protocol.h"

namespace acc::model::litmus_model
{
namespace
{

class Litmus : public testing::TestWithParam<Variant>
{
};

TEST_P(Litmus, Outcome)
{
    run_variant(GetParam());
}

// Dekker's core: can both miss the other's store?
Model store_buffering(bool fence_a, bool fence_b)
{
    Model m;
    const Var x = m.var("x"), y = m.var("y");
    const Ghost seen = m.ghost(2);
    const auto side = [&](const char *name, Var mine, Var other, int id, bool fence) {
        Thread &t = m.thread(name);
        const Reg r = t.reg();
        t.store(mine, 1, relaxed);
        if (fence) t.fence();
        t.load(r, other, relaxed);
        t.let([=](const Ctx &c) { c[seen[id]] = c[r]; });
    };
    side("a", x, y, 0, fence_a);
    side("b", y, x, 1, fence_b);
    m.finally([=](const Ctx &c, auto &) { return c[seen[0]] || c[seen[1]]; },
              "both missed the store");
    return m;
}

// The same with locked instructions in place of the stores.
Model rmw_buffering(bool same_location)
{
    Model m;
    const Var x = m.var("x"), y = m.var("y"), z = m.var("z");
    const Ghost seen = m.ghost(2);
    const auto side = [&](const char *name, Var mine, Var other, int id) {
        Thread &t = m.thread(name);
        const Reg r = t.reg();
        t.store(mine, 1, relaxed);
        t.rmw(same_location ? z : mine, add(1), acq_rel);
        t.load(r, other, relaxed);
        t.let([=](const Ctx &c) { c[seen[id]] = c[r]; });
    };
    side("a", x, y, 0);
    side("b", y, x, 1);
    m.finally([=](const Ctx &c, auto &) { return c[seen[0]] || c[seen[1]]; },
              "both missed the store");
    return m;
}

Model message_passing(Order store, Order load)
{
    Model m;
    const Var data = m.var("data"), flag = m.var("flag");
    Thread &w = m.thread("writer");
    w.store(data, 1, relaxed);
    w.store(flag, 1, store);
    Thread &r = m.thread("reader");
    const Reg f = r.reg(), d = r.reg();
    r.await(
        f, flag, [=](const Ctx &c) { return c[f] == 1; }, load);
    r.load(d, data, relaxed);
    r.check([=](const Ctx &c) { return c[d] == 1; }, "flag without data");
    return m;
}

// A relaxed rmw by a third thread between release and acquire keeps the release sequence.
Model release_sequence(bool rmw)
{
    Model m;
    const Var data = m.var("data"), flag = m.var("flag");
    Thread &w = m.thread("writer");
    w.store(data, 1, relaxed);
    w.store(flag, 1, release);
    Thread &mid = m.thread("middle");
    const Reg f = mid.reg();
    mid.await(
        f, flag, [=](const Ctx &c) { return c[f] == 1; }, relaxed);
    if (rmw)
        mid.rmw(flag, add(1), relaxed);
    else
        mid.store(flag, 2, relaxed);
    Thread &r = m.thread("reader");
    const Reg g = r.reg(), d = r.reg();
    r.await(
        g, flag, [=](const Ctx &c) { return c[g] == 2; }, acquire);
    r.load(d, data, relaxed);
    r.check([=](const Ctx &c) { return c[d] == 1; }, "flag without data");
    return m;
}

Model two_plus_two_writes(bool fences)
{
    Model m;
    const Var x = m.var("x"), y = m.var("y");
    Thread &a = m.thread("a");
    a.store(x, 1, relaxed);
    if (fences) a.fence();
    a.store(y, 2, relaxed);
    Thread &b = m.thread("b");
    b.store(y, 1, relaxed);
    if (fences) b.fence();
    b.store(x, 2, relaxed);
    m.finally([](const Ctx &, const std::vector<int> &v) { return v[0] != 1 || v[1] != 1; },
              "x = y = 1");
    return m;
}

Model independent_reads(bool fences)
{
    Model m;
    const Var x = m.var("x"), y = m.var("y");
    const Ghost seen = m.ghost(4);
    m.thread("write x").store(x, 1, release);
    m.thread("write y").store(y, 1, release);
    const auto reader = [&](const char *name, Var first, Var second, int id) {
        Thread &t = m.thread(name);
        const Reg r = t.reg(), q = t.reg();
        t.load(r, first, acquire);
        if (fences) t.fence();
        t.load(q, second, acquire);
        t.let([=](const Ctx &c) { c[seen[id]] = c[r], c[seen[id + 1]] = c[q]; });
    };
    reader("reader a", x, y, 0);
    reader("reader b", y, x, 2);
    m.finally([=](const Ctx &c,
                  auto &) { return !(c[seen[0]] && !c[seen[1]] && c[seen[2]] && !c[seen[3]]); },
              "readers disagree on the order of the writes");
    return m;
}

Model coherent_reads()
{
    Model m;
    const Var x = m.var("x");
    Thread &w = m.thread("writer");
    w.store(x, 1, relaxed);
    w.store(x, 2, relaxed);
    Thread &r = m.thread("reader");
    const Reg a = r.reg(), b = r.reg();
    r.load(a, x, relaxed);
    r.load(b, x, relaxed);
    r.check([=](const Ctx &c) { return c[a] <= c[b]; }, "went back in time");
    return m;
}

Model counting(bool atomic)
{
    Model m;
    const Var x = m.var("x");
    for (const char *name : {"a", "b", "c"}) {
        Thread &t = m.thread(name);
        const Reg r = t.reg();
        if (atomic) {
            t.rmw(x, add(1), relaxed);
        } else {
            t.load(r, x, relaxed);
            t.store(
                x, [=](const Ctx &c) { return c[r] + 1; }, relaxed);
        }
    }
    m.finally([](const Ctx &, const std::vector<int> &v) { return v[0] == 3; },
              "lost an increment");
    return m;
}

Model locks(bool opposite)
{
    Model m;
    const Var a = m.var("lock a"), b = m.var("lock b"), x = m.var("x");
    const auto user = [&](const char *name, Var first, Var second) {
        Thread &t = m.thread(name);
        const Reg r = t.reg();
        t.lock(first), t.lock(second);
        t.load(r, x, relaxed);
        t.store(
            x, [=](const Ctx &c) { return c[r] + 1; }, relaxed);
        t.unlock(second), t.unlock(first);
    };
    user("one", a, b);
    opposite ? user("two", b, a) : user("two", a, b);
    m.finally([](const Ctx &, const std::vector<int> &v) { return v[2] == 2; },
              "lost an increment");
    return m;
}

// Two threads hand a token back and forth for ever: every state has a next one, none has an end.
Model ping_pong_for_ever()
{
    Model m;
    const Var x = m.var("x");
    for (const int side : {0, 1}) {
        Thread &t = m.thread(side ? "pong" : "ping");
        const Reg r = t.reg();
        t.label("again");
        t.await(
            r, x, [=](const Ctx &c) { return c[r] == side; }, acquire);
        t.store(x, 1 - side, release);
        t.jump("again");
    }
    return m;
}

INSTANTIATE_TEST_SUITE_P(
    Checker, Litmus,
    testing::Values(
        Variant{"StoreBuffering", [] { return store_buffering(false, false); }, breaks, breaks,
                "SB"},
        Variant{"StoreBufferingOneFence", [] { return store_buffering(true, false); }, breaks,
                breaks, "SB needs both"},
        Variant{"StoreBufferingFenced", [] { return store_buffering(true, true); }, holds, holds,
                "SB + fences"},
        Variant{"LockedInstructions", [] { return rmw_buffering(false); }, holds, breaks,
                "a full barrier on x86 only"},
        Variant{"LockedSameLocation", [] { return rmw_buffering(true); }, holds, holds,
                "rmws on one location are ordered"},
        Variant{"MessagePassing", [] { return message_passing(release, acquire); }, holds, holds,
                "MP"},
        Variant{"MessagePassingRelaxedStore", [] { return message_passing(relaxed, acquire); },
                holds, breaks, "PSO"},
        Variant{"MessagePassingRelaxedLoad", [] { return message_passing(release, relaxed); },
                holds, breaks, "RMO"},
        Variant{"ReleaseSequence", [] { return release_sequence(true); }, holds, holds,
                "rmws carry it on"},
        Variant{"ReleaseSequenceCut", [] { return release_sequence(false); }, holds, breaks,
                "a store does not"},
        Variant{"TwoPlusTwoWrites", [] { return two_plus_two_writes(false); }, holds, breaks,
                "2+2W"},
        Variant{"TwoPlusTwoWritesFenced", [] { return two_plus_two_writes(true); }, holds, holds,
                "2+2W + fences"},
        Variant{"IndependentReads", [] { return independent_reads(false); }, holds, breaks, "IRIW"},
        Variant{"IndependentReadsFenced", [] { return independent_reads(true); }, holds, holds,
                "IRIW + fences"},
        Variant{"CoherentReads", [] { return coherent_reads(); }, holds, holds, "CoRR"},
        Variant{"CountingAtomic", [] { return counting(true); }, holds, holds, "fetch_add"},
        Variant{"CountingPlain", [] { return counting(false); }, breaks, breaks,
                "load, add, store"},
        Variant{"LocksInOrder", [] { return locks(false); }, holds, holds, "mutual exclusion"},
        Variant{"LocksCrossed", [] { return locks(true); }, breaks, breaks, "deadlock"},
        Variant{"PingPongForEver", [] { return ping_pong_for_ever(); }, breaks, breaks,
                "livelock"}),
    variant_name);

} // namespace
} // namespace acc::model::litmus_model
