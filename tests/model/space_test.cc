// SPDX-License-Identifier: MIT
//
// Space: a producer who finds the ring full sleeps until the device has made room. Together with
// sleep and kick, since each side may sleep on the other.
//
//   producer, index reserved                       device, after a packet was taken
//     if (index - read_index.load(acquire) < size)   header.store(INVALID),
//     read_index.store(release)
//       publish                                      freed++
//     space_wanted.store(1, relaxed)                 if (freed >= threshold): look for who wants
//     space fence(seq_cst)                                 nothing at the head, before it waits for
//     anything: re-check read_index                              sleeping.store(1, relaxed) read
//     event descriptor (blocks)                   fence(seq_cst) from the top re-check the header,
//     look for who wants space
//                                                      read kick (blocks)
//   look: if (space_wanted.load(relaxed) && space_wanted.exchange(0)) fire every sleeper
#include "protocol.h"

namespace acc::model::space_model
{
namespace
{

enum class Fire { all, first, shared }; // each sleeper | one of them | one descriptor all read
enum class Clear { exchange, store, after_fire, never };

struct Space {
    int producers = 2, packets = 1, size = 2, threshold = 2;
    int published = 2; // packets in the ring before anything starts
    bool producer_fence = true, recheck = true, set_before_recheck = true;
    bool set_again = true;        // after a wake that was not enough
    bool producer_clears = false; // when it has found room
    bool look_at_threshold = true;
    bool threshold_fence = true;
    bool look_before_sleep = true;
    bool idle_fence = true;     // else the look happens before the flag and its fence
    bool idle_resets = false;   // going idle forgets what was freed, without a look
    bool only_if_freed = false; // looks before sleep only if it freed something since its last look
    Clear clear = Clear::exchange;
    Fire fire = Fire::all;
    bool reader = false; // descriptor -> libacc's reader -> generation count -> producers
    bool generation_before_recheck = true;
};

Model space_model(const Space &p)
{
    Model m;
    const Var write_index = m.var("write_index", p.published), read_index = m.var("read_index"),
              header = m.array("header", p.size);
    const Var sleeping = m.var("sleeping"), kick = m.var("kick");
    const Var wanted = m.var("space_wanted"), generation = m.var("generation");
    const bool one_descriptor = p.fire == Fire::shared || p.reader;
    const Var event = m.array("event", one_descriptor ? 1 : p.producers);
    const int before = p.published, total = before + p.producers * p.packets;
    for (int i = 0; i < before; i++)
        m.set(header, i, i + 1);

    for (int who = 0; who < p.producers; who++) {
        Thread &t = m.thread("producer " + std::to_string(who));
        const Reg i = t.reg(), r = t.reg(), s = t.reg(), k = t.reg(), g = t.reg(), now = t.reg();
        const Expr slot = [=](const Ctx &c) { return c[i] % p.size; };
        const auto room = [=](const Ctx &c) { return c[i] - c[r] < p.size; };
        t.label("next");
        if (p.packets > 1)
            t.rmw(i, write_index, add(1), relaxed);
        else // by symmetry each producer may as well have its index from the start
            t.let([=](const Ctx &c) { c[i] = static_cast<Val>(before + who); });
        t.load(r, read_index, acquire);
        t.jump_if(room, "go");
        t.label("full");
        const auto remember = [&] {
            if (p.reader) t.load(g, generation, acquire);
        };
        if (p.generation_before_recheck) remember();
        if (p.set_before_recheck) t.store(wanted, 1, relaxed);
        if (p.producer_fence) t.fence();
        if (!p.set_again) t.label("again");
        if (p.recheck) {
            t.load(r, read_index, acquire);
            t.jump_if(room, "found");
        }
        if (!p.set_before_recheck) t.store(wanted, 1, relaxed);
        if (!p.generation_before_recheck) remember();
        t.let([=](const Ctx &c) { c[r] = 0; });
        if (p.reader)
            t.await(
                now, generation, [=](const Ctx &c) { return c[now] != c[g]; }, acquire);
        else
            t.sleep(event[one_descriptor ? 0 : who]);
        if (!p.recheck) {
            t.load(r, read_index, acquire);
            t.jump_if(room, "found");
        }
        t.jump(p.set_again ? "full" : "again");
        t.label("found");
        if (p.producer_clears) t.store(wanted, 0, relaxed);
        t.label("go");
        t.let([=](const Ctx &c) { c[r] = c[g] = c[now] = 0; });
        t.store(
            header[slot], [=](const Ctx &c) { return c[i] + 1; }, release);
        t.fence();
        t.load(s, sleeping, relaxed);
        t.jump_if([=](const Ctx &c) { return !c[s]; }, "awake");
        t.wake(kick);
        t.label("awake");
        t.let([=](const Ctx &c) { c[k]++, c[s] = 0; });
        t.jump_if([=](const Ctx &c) { return c[k] < p.packets; }, "next");
    }
    if (p.reader) {
        Thread &t = m.thread("reader", true);
        t.label("next");
        t.sleep(event[0]);
        t.rmw(generation, add(1), acq_rel);
        t.jump("next");
    }

    Thread &d = m.thread("device");
    const Reg i = d.reg(), h = d.reg(), w = d.reg(), freed = d.reg();
    const Expr slot = [=](const Ctx &c) { return c[i] % p.size; };
    const auto have = [=](const Ctx &c) { return c[h] != 0; };
    const auto look = [&](const std::string &label) {
        d.let([=](const Ctx &c) { c[freed] = 0; });
        d.load(w, wanted, relaxed);
        d.jump_if([=](const Ctx &c) { return c[w] == 0; }, label);
        if (p.clear == Clear::exchange) d.rmw(wanted, exchange(0), acq_rel);
        if (p.clear == Clear::store) d.store(wanted, 0, relaxed);
        for (int e = 0; e < (p.fire == Fire::first ? 1 : event.count); e++)
            d.wake(event[e]);
        if (p.clear == Clear::after_fire) d.rmw(wanted, exchange(0), acq_rel);
        d.label(label);
        d.let([=](const Ctx &c) { c[w] = 0; });
    };
    d.label("next");
    d.load(h, header[slot], acquire);
    d.jump_if(have, "take");
    const auto idle_look = [&] {
        if (p.idle_resets) d.let([=](const Ctx &c) { c[freed] = 0; });
        if (!p.look_before_sleep) return;
        if (p.only_if_freed)
            d.jump_if([=](const Ctx &c) { return c[freed] == 0; }, "nothing freed");
        look("looked");
        d.label("nothing freed");
    };
    if (!p.idle_fence) idle_look();
    d.store(sleeping, 1, relaxed);
    d.fence();
    d.load(h, header[slot], acquire);
    d.jump_if(have, "up");
    if (p.idle_fence) idle_look();
    d.sleep(kick);
    d.label("up");
    d.store(sleeping, 0, relaxed);
    d.let([=](const Ctx &c) { c[h] = 0; });
    d.jump("next");
    d.label("take");
    d.check([=](const Ctx &c) { return c[h] == c[i] + 1; }, "slot overwritten before it was taken");
    d.store(header[slot], 0, relaxed);
    d.store(
        read_index, [=](const Ctx &c) { return c[i] + 1; }, release);
    d.let([=](const Ctx &c) { c[h] = 0, c[i]++, c[freed]++; });
    d.jump_if([=](const Ctx &c) { return c[i] == total; },
              "end"); // all published: nobody wants space
    if (p.look_at_threshold) {
        d.jump_if([=](const Ctx &c) { return c[freed] < p.threshold; }, "next");
        if (p.threshold_fence) d.fence();
        look("enough");
    }
    d.jump("next");
    d.label("end");
    return m;
}

// The head of the ring may wait for the very producer that sleeps for space: a barrier on a signal
// that it stores once its next packet is in. The device must not hold back what it has freed.
Model blocked_head(bool look_before_block, bool fence)
{
    constexpr int size = 2, threshold = 2;
    Model m;
    const Var read_index = m.var("read_index"), header = m.array("header", size, 1),
              signal = m.var("signal", 1);
    const Var wanted = m.var("space_wanted"), event = m.var("event");
    Thread &t = m.thread("producer"); // slots 0 and 1 are published, 1 is the barrier; index is 2
    const Reg r = t.reg();
    const auto room = [=](const Ctx &c) { return 2 - c[r] < size; };
    t.label("full");
    t.load(r, read_index, acquire);
    t.jump_if(room, "go");
    t.store(wanted, 1, relaxed);
    t.fence();
    t.load(r, read_index, acquire);
    t.jump_if(room, "go");
    t.let([=](const Ctx &c) { c[r] = 0; });
    t.sleep(event);
    t.jump("full");
    t.label("go");
    t.store(header[0], 1, release);
    t.store(signal, 0, release);

    Thread &d = m.thread("device");
    const Reg h = d.reg(), w = d.reg(), v = d.reg();
    d.load(h, header[0], acquire);
    d.store(header[0], 0, relaxed);
    d.store(read_index, 1, release); // freed 1 < threshold
    static_assert(threshold > 1);
    if (look_before_block) {
        if (fence) d.fence();
        d.load(w, wanted, relaxed);
        d.jump_if([=](const Ctx &c) { return c[w] == 0; }, "none");
        d.rmw(wanted, exchange(0), acq_rel);
        d.wake(event);
        d.label("none");
    }
    d.await(
        v, signal, [=](const Ctx &c) { return c[v] == 0; }, acquire);
    return m;
}

class SpaceProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(SpaceProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Space p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return space_model(p); }, tso, c11, why};
}

constexpr Space one{.producers = 1, .packets = 4, .published = 0};
constexpr Space tiny{.size = 1, .threshold = 1, .published = 1};
constexpr Space two{};

template <class F>
constexpr Space cut(Space p, F f)
{
    f(p);
    return p;
}

INSTANTIATE_TEST_SUITE_P(
    AsWritten, SpaceProtocol,
    testing::Values(
        variant("OneProducer", one, holds, holds, "a threshold of the whole ring"),
        variant("OneProducerThreshold1", cut(one, [](Space &p) { p.threshold = 1; }), holds, holds,
                "a threshold of one"),
        variant("OneProducerRing4", {.producers = 1, .packets = 6, .size = 4, .published = 0},
                holds, holds, "half of the ring"),
        variant("TwoProducers", two, holds, holds, "a full ring, one packet each"),
        variant("TwoProducersHalfFull", cut(two, [](Space &p) { p.published = 1; }), holds, holds,
                "one slot free"),
        variant("TwoProducersOneSlot", tiny, holds, holds, "the second waits for the first"),
        variant("TwoProducersTwice", {.packets = 2, .published = 0}, holds, skip,
                "two packets each"),
        variant("ThreeProducersOneSlot", cut(tiny, [](Space &p) { p.producers = 3; }), holds, skip,
                "each waits for the one before"),
        variant("Reader", cut(tiny, [](Space &p) { p.reader = true; }), holds, holds,
                "one descriptor, libacc's reader wakes all"),
        Variant{"BlockedHead", [] { return blocked_head(true, true); }, holds, holds,
                "looks before it waits for a barrier"}),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Cut, SpaceProtocol,
    testing::Values(
        variant("NoProducerFence", cut(one, [](Space &p) { p.producer_fence = false; }), breaks,
                breaks, "re-check passes the store of space_wanted"),
        variant("NoRecheck", cut(one, [](Space &p) { p.recheck = false; }), breaks, breaks,
                "room was made between look and flag"),
        variant("FlagAfterRecheck", cut(one, [](Space &p) { p.set_before_recheck = false; }),
                breaks, breaks, "the same window"),
        variant("FlagNotSetAgain", cut(tiny, [](Space &p) { p.set_again = false; }), breaks, breaks,
                "the device cleared it"),
        variant("ProducerClearsFlag", cut(tiny, [](Space &p) { p.producer_clears = true; }), breaks,
                breaks, "it is the other producers' too"),
        variant("ThresholdOnlyUnfenced",
                cut(tiny, [](Space &p) { p.look_before_sleep = false, p.threshold_fence = false; }),
                breaks, breaks, "the only look passes the store of read_index"),
        variant("IdleOnlyUnfenced",
                cut(tiny, [](Space &p) { p.look_at_threshold = false, p.idle_fence = false; }),
                breaks, breaks, "the same"),
        variant("IdleIfFreedThresholdUnfenced",
                cut(one, [](Space &p) { p.only_if_freed = true, p.threshold_fence = false; }),
                breaks, breaks, "an unfenced look must not excuse the fenced one"),
        variant("ThresholdOnlyBeyondRing",
                cut(one, [](Space &p) { p.threshold = 3, p.look_before_sleep = false; }), breaks,
                breaks, "fewer slots than the threshold: never looks"),
        variant("ClearAfterFire", cut(tiny, [](Space &p) { p.clear = Clear::after_fire; }), breaks,
                breaks, "wipes out what the woken one set again"),
        variant("WakesOne", cut(two, [](Space &p) { p.fire = Fire::first; }), breaks, breaks,
                "one flag stands for many sleepers"),
        variant("SharedDescriptor", cut(tiny, [](Space &p) { p.fire = Fire::shared; }), breaks,
                breaks, "the first reader swallows the other's wake"),
        variant("GenerationAfterRecheck",
                cut(tiny, [](Space &p) { p.reader = true, p.generation_before_recheck = false; }),
                breaks, breaks, "sleeps on a generation that has passed"),
        variant("IdleForgetsCount",
                cut(two,
                    [](Space &p) {
                        p.published = 1, p.look_before_sleep = false, p.idle_resets = true;
                    }),
                breaks, breaks, "freed one by one, never enough since the last idle"),
        Variant{"BlockedHeadHeldBack", [] { return blocked_head(false, true); }, breaks, breaks,
                "the barrier waits for the producer it keeps asleep"},
        Variant{"BlockedHeadUnfenced", [] { return blocked_head(true, false); }, breaks, breaks,
                "the look passes the store of read_index"}),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Harmless, SpaceProtocol,
    testing::Values(
        variant("ThresholdOnly", cut(two, [](Space &p) { p.look_before_sleep = false; }), holds,
                holds,
                "fenced looks every `threshold` packets, threshold <= size: what was freed since "
                "is never the room that lacks"),
        variant("ThresholdOnlyOne", cut(one, [](Space &p) { p.look_before_sleep = false; }), holds,
                holds, "the same, one producer"),
        variant("IdleOnly", cut(two, [](Space &p) { p.look_at_threshold = false; }), holds, holds,
                "safe, but the producers sleep until the ring is empty"),
        variant("ThresholdUnfenced", cut(two, [](Space &p) { p.threshold_fence = false; }), holds,
                holds,
                "the look before sleep is fenced and unconditional: the hot path needs no fence"),
        variant("ThresholdUnfencedOneSlot", cut(tiny, [](Space &p) { p.threshold_fence = false; }),
                holds, holds, "the same, one slot"),
        variant("IdleUnfenced", cut(two, [](Space &p) { p.idle_fence = false; }), holds, holds,
                "the look at the threshold is fenced"),
        variant("IdleIfFreed", cut(two, [](Space &p) { p.only_if_freed = true; }), holds, holds,
                "the look at the threshold is fenced"),
        variant("ClearByStore", cut(tiny, [](Space &p) { p.clear = Clear::store; }), holds, holds,
                "the device alone clears, and everybody asleep gets the fire that follows"),
        variant("NeverCleared", cut(tiny, [](Space &p) { p.clear = Clear::never; }), holds, holds,
                "spurious fires only: a system call every threshold")),
    variant_name);

} // namespace
} // namespace acc::model::space_model
