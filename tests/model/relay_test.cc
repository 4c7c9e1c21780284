// SPDX-License-Identifier: MIT
//
// Relay: a device of one emulator (B) waits for a signal that a device of another (A) writes; only
// the client's process knows both. Emulator A fires the event descriptor of file A; libacc's reader
// of file A re-checks its own waiters and relays by SIGNAL_WAKE on file B, which rings B's queues.
//
//   reader of a file                               SIGNAL_WAKE on file X, in X's emulator
//     read the event descriptor (blocks)             ring every queue bound to the object
//     wake own host waiters                          fire the descriptors of other files that bind
//     SIGNAL_WAKE on each other file that binds it   it, but not the caller's own
//     from the top
#include "protocol.h"

namespace acc::model
{
namespace
{

struct Relay {
    int writers = 2;
    bool host = false;            // a host waiter of the process, behind reader A
    bool device_bit_fires = true; // a device's bit too fires the event descriptors
    bool only_if_own_waiter =
        false; // the reader relays only when a waiter of its own file was woken
    bool consume_before_relay = true;
    bool reader_runs = true;   // the lazy reader has been started
    bool fires_caller = false; // SIGNAL_WAKE fires the caller's own descriptor as well
};

Model relay_model(const Relay &p)
{
    Model m;
    const Var value = m.var("value", p.writers), notify = m.var("notify");
    const Var event_a = m.var("event A"), event_b = m.var("event B"), kick_b = m.var("kick B"),
              host = m.var("host's wake");
    const Ghost wakes = m.ghost(), relays = m.ghost();

    const auto waiter = [&](const char *name, int bit, Var fd) {
        Thread &t = m.thread(name);
        const Reg v = t.reg();
        t.label("arm");
        t.rmw(notify, set_bits(bit), acq_rel);
        t.fence();
        t.load(v, value, acquire);
        t.jump_if([=](const Ctx &c) { return c[v] == 0; }, "end");
        t.let([=](const Ctx &c) { c[v] = 0; });
        t.sleep(fd);
        t.jump("arm");
        t.label("end");
    };
    waiter("device B", 2, kick_b);
    if (p.host) waiter("host", 1, host);

    for (int i = 0; i < p.writers; i++) {
        Thread &t = m.thread("device A" + std::to_string(i));
        const Reg bits = t.reg();
        t.rmw(value, add(-1), release);
        t.fence();
        t.rmw(bits, notify, exchange(0), acq_rel);
        t.jump_if([=](const Ctx &c) { return !(c[bits] & (p.device_bit_fires ? 3 : 1)); }, "end");
        t.let([=](const Ctx &c) { c[wakes]++; });
        t.wake(event_a);
        t.label("end");
    }

    const auto reader = [&](const char *name, Var own, Var other_kick, Var other_event,
                            bool has_waiters) {
        Thread &t = m.thread(name, true);
        const Reg v = t.reg();
        t.label("next");
        if (p.consume_before_relay)
            t.sleep(own);
        else
            t.poll(own);
        if (has_waiters) {
            if (p.host) t.wake(host);
            if (p.only_if_own_waiter && !p.host) t.jump("next");
            if (p.only_if_own_waiter) {
                t.load(v, value, acquire); // wakes a waiter of its own only when satisfied
                t.jump_if([=](const Ctx &c) { return c[v] != 0; }, "next");
            }
        }
        t.let([=](const Ctx &c) { c[relays]++; });
        t.check([=](const Ctx &c) { return c[relays] <= c[wakes]; },
                "more relays than wakes: they wake each other for ever");
        t.wake(other_kick);
        if (p.fires_caller) t.wake(other_event);
        if (!p.consume_before_relay) t.sleep(own);
        t.jump("next");
    };
    const Var kick_a = m.var("kick A");
    if (p.reader_runs) reader("reader A", event_a, kick_b, event_b, true);
    if (p.reader_runs && p.fires_caller) reader("reader B", event_b, kick_a, event_a, false);
    return m;
}

class RelayProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(RelayProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Relay p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return relay_model(p); }, tso, c11, why};
}

INSTANTIATE_TEST_SUITE_P(
    AsWritten, RelayProtocol,
    testing::Values(variant("Device", {}, holds, holds, "two writers, a device elsewhere"),
                    variant("DeviceAndHost", {.host = true}, holds, holds, "a host waits too")),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Cut, RelayProtocol,
    testing::Values(variant("HostBitOnly", {.device_bit_fires = false}, breaks, breaks,
                            "the writer took the foreign device's bit"),
                    variant("OnlyIfOwnWaiter", {.only_if_own_waiter = true}, breaks, breaks,
                            "nobody of this file waits; the device of the other does"),
                    variant("ConsumeAfterRelay", {.consume_before_relay = false}, breaks, breaks,
                            "swallows an event that came in between"),
                    variant("NoReader", {.reader_runs = false}, breaks, breaks,
                            "lazy must not mean never"),
                    variant("SignalWakeFiresCaller", {.writers = 1, .fires_caller = true}, breaks,
                            breaks, "the two readers wake each other for ever")),
    variant_name);

} // namespace
} // namespace acc::model
