// SPDX-License-Identifier: MIT
//
// Sleep and kick: a software device in another process sleeps on a descriptor; producers wake it.
//
//   device                                        producer
//     until nothing at the head of the ring:        header.store(packet, release)
//     sleeping.store(1, relaxed)                    doorbell.store(index, relaxed)
//     fence(seq_cst)                                fence(seq_cst)
//     re-check the header and each signal waited on if (sleeping.load(relaxed)) write kick
//     read kick (blocks)
//     sleeping.store(0, relaxed); from the top
//
// Each packet has a slot of its own: reuse is the publish protocol's matter.
#include "protocol.h"

namespace acc::model::kick_model
{
namespace
{

struct Kick {
    int producers = 1, packets = 2;
    bool device_fence = true, producer_fence = true;
    bool recheck = true;
    bool set_before_recheck = true;
    bool drain_before_sleep = false; // the device empties the descriptor after its re-check
    bool clear_on_wake = true;
    bool look_before_header = false; // the producer looks at `sleeping` before it publishes
    bool fence_before_header = false;
    bool doorbell = true;
    bool trust_doorbell = false; // re-check the doorbell's value in place of the header
};

Model kick_model(const Kick &p)
{
    Model m;
    const int total = p.producers * p.packets;
    const Var write_index = m.var("write_index"), header = m.array("header", total),
              doorbell = m.var("doorbell", -1);
    const Var sleeping = m.var("sleeping"), kick = m.var("kick");

    for (int who = 0; who < p.producers; who++) {
        Thread &t = m.thread("producer " + std::to_string(who));
        const Reg i = t.reg(), s = t.reg(), k = t.reg();
        t.label("next");
        t.rmw(i, write_index, add(1), relaxed);
        const auto look = [&] {
            if (p.producer_fence && !p.fence_before_header) t.fence();
            t.load(s, sleeping, relaxed);
        };
        if (p.fence_before_header) t.fence();
        if (p.look_before_header) look();
        t.store(header[i], 1, release);
        if (p.doorbell) t.store(doorbell, i, relaxed);
        if (!p.look_before_header) look();
        t.jump_if([=](const Ctx &c) { return !c[s]; }, "awake");
        t.wake(kick);
        t.label("awake");
        t.let([=](const Ctx &c) { c[k]++, c[s] = 0; });
        t.jump_if([=](const Ctx &c) { return c[k] < p.packets; }, "next");
    }

    Thread &d = m.thread("device");
    const Reg i = d.reg(), h = d.reg(), x = d.reg();
    const auto have = [=](const Ctx &c) { return c[h] != 0; };
    d.label("next");
    d.load(h, header[i], acquire);
    d.jump_if(have, "take");
    if (p.set_before_recheck) {
        d.store(sleeping, 1, relaxed);
        if (p.device_fence) d.fence();
    }
    if (p.recheck) {
        if (p.trust_doorbell) {
            d.load(x, doorbell, acquire);
            d.let([=](const Ctx &c) { c[h] = c[x] >= c[i], c[x] = 0; });
        } else {
            d.load(h, header[i], acquire);
        }
        d.jump_if(have, "up");
    }
    if (!p.set_before_recheck) {
        d.store(sleeping, 1, relaxed);
        if (p.device_fence) d.fence();
    }
    if (p.drain_before_sleep) d.rmw(kick, exchange(0), acq_rel);
    d.sleep(kick);
    d.label("up");
    if (p.clear_on_wake) d.store(sleeping, 0, relaxed);
    d.let([=](const Ctx &c) { c[h] = 0; });
    d.jump("next");
    d.label("take");
    d.let([=](const Ctx &c) { c[h] = 0, c[i]++; });
    d.jump_if([=](const Ctx &c) { return c[i] < total; }, "next");
    return m;
}

// A device that waits both for packets on one queue and, with a barrier at the head of another, for
// a signal. It arms `sleeping` and the signal's notify bit, and one fence serves both.
struct KickSignal {
    bool recheck_header = true, recheck_signal = true, arm_bit = true, fence = true;
    int writers = 1;
    bool kick_if_sleeping = false; // who wakes looks at `sleeping` before it writes the descriptor
    bool bit_before_flag = false;
};

Model kick_signal_model(const KickSignal &p)
{
    Model m;
    const Var header = m.var("header"), sleeping = m.var("sleeping"), kick = m.var("kick");
    const Var value = m.var("signal value", p.writers), notify = m.var("signal notify");

    Thread &t = m.thread("producer");
    const Reg s = t.reg();
    t.store(header, 1, release);
    t.fence();
    t.load(s, sleeping, relaxed);
    t.jump_if([=](const Ctx &c) { return !c[s]; }, "end");
    t.wake(kick);
    t.label("end");

    for (int i = 0; i < p.writers; i++) {
        Thread &w = m.thread("signal writer " + std::to_string(i));
        const Reg n = w.reg();
        w.rmw(value, add(-1), release);
        w.fence();
        w.rmw(n, notify, exchange(0), acq_rel);
        w.jump_if([=](const Ctx &c) { return !(c[n] & 2); }, "end");
        if (p.kick_if_sleeping) {
            w.load(n, sleeping, relaxed);
            w.jump_if([=](const Ctx &c) { return !c[n]; }, "end");
        }
        w.wake(kick); // "ring every queue bound to it"
        w.label("end");
    }

    Thread &d = m.thread("device");
    const Reg h = d.reg(), v = d.reg();
    d.let([=](const Ctx &c) { c[v] = static_cast<Val>(p.writers); });
    const auto look = [&](bool at_header, bool at_signal) {
        if (at_header) d.load(h, header, acquire);
        if (at_signal) d.load(v, value, acquire);
        d.jump_if([=](const Ctx &c) { return c[h] == 1 && c[v] == 0; }, "end");
    };
    d.label("next");
    look(true, true);
    if (p.bit_before_flag) d.rmw(notify, set_bits(2), acq_rel);
    d.store(sleeping, 1, relaxed);
    if (p.arm_bit && !p.bit_before_flag) d.rmw(notify, set_bits(2), acq_rel);
    if (p.fence) d.fence();
    // A real device sleeps only when there is no news; news of one kind may have been seen before.
    const Reg h0 = d.reg(), v0 = d.reg();
    d.let([=](const Ctx &c) { c[h0] = c[h], c[v0] = c[v]; });
    look(p.recheck_header, p.recheck_signal);
    d.jump_if([=](const Ctx &c) { return c[h] != c[h0] || c[v] != c[v0]; }, "up");
    d.sleep(kick);
    d.label("up");
    d.store(sleeping, 0, relaxed);
    d.jump("next");
    d.label("end");
    return m;
}

class KickProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(KickProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Kick p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return kick_model(p); }, tso, c11, why};
}
Variant with_signal(const char *name, KickSignal p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return kick_signal_model(p); }, tso, c11, why};
}

INSTANTIATE_TEST_SUITE_P(
    AsWritten, KickProtocol,
    testing::Values(
        variant("OneProducer", {.packets = 3}, holds, holds, "three packets"),
        variant("TwoProducers", {.producers = 2, .packets = 1}, holds, holds, "in either order"),
        variant("TwoProducersTwice", {.producers = 2, .packets = 2}, holds, skip,
                "two packets each"),
        with_signal("PacketsAndBarrier", {}, holds, holds, "one fence serves flag and bit"),
        with_signal("BarrierTwoWriters", {.writers = 2}, holds, holds,
                    "the first wake is not enough"),
        with_signal("BarrierKickIfSleeping", {.writers = 2, .kick_if_sleeping = true}, holds, holds,
                    "flag first, then bit: who takes the bit sees the flag")),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Cut, KickProtocol,
    testing::Values(
        variant("NoDeviceFence", {.device_fence = false}, breaks, breaks,
                "re-check passes the store of sleeping"),
        variant("NoProducerFence", {.producer_fence = false}, breaks, breaks,
                "look at sleeping passes the header"),
        variant("NoRecheck", {.recheck = false}, breaks, breaks,
                "packet published between look and flag"),
        variant("FlagAfterRecheck", {.set_before_recheck = false}, breaks, breaks,
                "the same window"),
        variant("RecheckOfDoorbell", {.producers = 2, .packets = 1, .trust_doorbell = true}, breaks,
                breaks, "the doorbell may go backwards"),
        variant("DrainAfterRecheck", {.drain_before_sleep = true}, breaks, breaks,
                "swallows the kick it needs"),
        variant("LookBeforeHeader", {.look_before_header = true}, breaks, breaks,
                "producer looks too early"),
        variant("FenceBeforeHeader", {.fence_before_header = true}, breaks, breaks,
                "the fence belongs between header and look"),
        with_signal("NoSignalRecheck", {.recheck_signal = false}, breaks, breaks,
                    "the signal came before the bit"),
        with_signal("NoHeaderRecheck", {.recheck_header = false}, breaks, breaks,
                    "the packet came before the flag"),
        with_signal(
            "KickIfSleepingBitFirst",
            {.writers = 2, .kick_if_sleeping = true, .bit_before_flag = true}, breaks, breaks,
            "the first writer takes the bit and finds nobody asleep; the second finds no bit"),
        with_signal("NoNotifyBit", {.arm_bit = false}, breaks, breaks,
                    "the writer knows of nobody"),
        with_signal("NoSharedFence", {.fence = false}, holds, breaks,
                    "on x86 the locked fetch_or of the bit is the fence; a device without a "
                    "barrier has none")),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Harmless, KickProtocol,
    testing::Values(variant("NoDoorbell", {.producers = 2, .packets = 1, .doorbell = false}, holds,
                            holds, "a hint: headers and kicks carry the protocol"),
                    variant("FlagStaysSet", {.packets = 3, .clear_on_wake = false}, holds, holds,
                            "only spurious kicks: a system call per packet, never a lost one")),
    variant_name);

} // namespace
} // namespace acc::model::kick_model
