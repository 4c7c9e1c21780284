// SPDX-License-Identifier: MIT
//
// Notify: waiting for a signal's value to reach zero, and waking who waits.
//
//   waiter                                         writer
//     if (value.load(acquire) == 0) done             value.fetch_sub(1, release)
//     notify.fetch_or(own bit, acq_rel)              fence(seq_cst)
//     fence(seq_cst)                                 [if (notify.load(relaxed) == 0) done] optional
//     if (value.load(acquire) == 0) done             bits = notify.exchange(0, acq_rel)
//     sleep; from the top                            bit 0: fire host events; bit 1: ring devices
//
// A host sets bit 0, a device bit 1. Each sleeper here has a descriptor of its own; a bit wakes all
// sleepers of its kind.
#include "protocol.h"

namespace acc::model::notify_model
{
namespace
{

struct Notify {
    int hosts = 1, devices = 1, writers = 1;
    bool waiter_fence = true, writer_fence = true;
    Order arm = acq_rel, disarm = acq_rel; // fetch_or, exchange
    bool look_first = false;               // writer exchanges only if a load found notify non-zero
    bool plain_store = false;              // value.store(0, release): a host's acc_signal_store
    bool recheck = true, arm_before_recheck = true;
    bool arm_again = true; // after a wake that was not enough
    bool change_before_exchange = true;
    bool waiter_clears_bit = false; // fetch_and(~bit) when it leaves
    bool clear_by_store = false;    // writer: load, then store 0, in place of the exchange
    bool wake_all_bits = true;      // else the writer looks at bit 0 only
};

Model notify_model(const Notify &p)
{
    Model m;
    const Var value = m.var("value", p.plain_store ? 1 : p.writers), notify = m.var("notify");
    const Var fd = m.array("descriptor", p.hosts + p.devices);

    const auto waiter = [&](const std::string &name, int bit, int id) {
        Thread &t = m.thread(name);
        const Reg v = t.reg();
        const auto satisfied = [=](const Ctx &c) { return c[v] == 0; };
        const auto arm = [&] {
            t.rmw(notify, set_bits(bit), p.arm);
            if (p.waiter_fence) t.fence();
        };
        t.load(v, value, acquire);
        t.jump_if(satisfied, "end");
        t.label("arm");
        if (p.arm_before_recheck) arm();
        if (!p.arm_again) t.label("again");
        if (p.recheck) {
            t.load(v, value, acquire);
            t.jump_if(satisfied, "done");
        }
        if (!p.arm_before_recheck) arm();
        t.sleep(fd[id]);
        if (!p.recheck) {
            t.load(v, value, acquire);
            t.jump_if(satisfied, "done");
        }
        t.let([=](const Ctx &c) { c[v] = 0; });
        t.jump(p.arm_again ? "arm" : "again");
        t.label("done");
        if (p.waiter_clears_bit) t.rmw(notify, clear_bits(bit), acq_rel);
        t.label("end");
    };
    for (int i = 0; i < p.hosts; i++)
        waiter("host " + std::to_string(i), 1, i);
    for (int i = 0; i < p.devices; i++)
        waiter("device " + std::to_string(i), 2, p.hosts + i);

    for (int i = 0; i < p.writers; i++) {
        Thread &t = m.thread("writer " + std::to_string(i));
        const Reg bits = t.reg();
        const auto change = [&] {
            if (p.plain_store)
                t.store(value, 0, release);
            else
                t.rmw(value, add(-1), release);
        };
        if (p.change_before_exchange) {
            change();
            if (p.writer_fence) t.fence();
        }
        if (p.look_first || p.clear_by_store) {
            t.load(bits, notify, relaxed);
            t.jump_if([=](const Ctx &c) { return c[bits] == 0; }, "end");
        }
        if (p.clear_by_store)
            t.store(notify, 0, relaxed);
        else
            t.rmw(bits, notify, exchange(0), p.disarm);
        if (!p.change_before_exchange) {
            change();
            if (p.writer_fence) t.fence();
        }
        const auto wake = [&](int bit, int first, int count, const std::string &skip) {
            t.jump_if([=](const Ctx &c) { return !(c[bits] & bit); }, skip);
            for (int id = first; id < first + count; id++)
                t.wake(fd[id]);
            t.label(skip);
        };
        wake(1, 0, p.hosts, "no host");
        if (p.wake_all_bits) wake(2, p.hosts, p.devices, "no device");
        t.label("end");
    }
    return m;
}

// WAIT in the kernel: the waiter enters the wait table, then sets its bit, then re-checks; the
// waker looks in the table under the same lock. Bit first and table second is not enough: a first
// writer takes the bit away and finds nobody, and a second writer finds no bit.
struct KernelWait {
    int writers = 1;
    bool register_before_recheck = true;
    bool bit_before_register = false;
    bool bit = true, fence = true;
    bool locked = true; // both sides
};

Model kernel_wait_model(const KernelWait &p)
{
    Model m;
    const Var value = m.var("value", p.writers), notify = m.var("notify");
    const Var lock = m.var("table lock"), table = m.var("table entry"),
              entry = m.var("entry's wake");

    Thread &t = m.thread("WAIT");
    const Reg v = t.reg();
    const auto satisfied = [=](const Ctx &c) { return c[v] == 0; };
    const auto put = [&](int present) {
        if (p.locked) t.lock(lock);
        t.store(table, present, relaxed);
        if (p.locked) t.unlock(lock);
    };
    const auto arm = [&] {
        if (p.bit) t.rmw(notify, set_bits(1), acq_rel);
    };
    const auto recheck = [&] {
        if (p.fence) t.fence();
        t.load(v, value, acquire);
        t.jump_if(satisfied, "done");
        t.let([=](const Ctx &c) { c[v] = 0; });
    };
    t.label("again");
    if (p.bit_before_register) arm();
    if (p.register_before_recheck) put(1);
    if (!p.bit_before_register) arm();
    recheck();
    if (!p.register_before_recheck) put(1);
    t.sleep(entry);
    t.jump("again");
    t.label("done");
    put(0);

    for (int i = 0; i < p.writers; i++) {
        Thread &w = m.thread("waker " + std::to_string(i));
        const Reg bits = w.reg(), found = w.reg();
        w.rmw(value, add(-1), release);
        w.fence();
        w.rmw(bits, notify, exchange(0), acq_rel);
        w.jump_if([=](const Ctx &c) { return c[bits] == 0; }, "end");
        if (p.locked) w.lock(lock);
        w.load(found, table, relaxed);
        w.jump_if([=](const Ctx &c) { return c[found] == 0; }, "none");
        w.wake(entry);
        w.label("none");
        if (p.locked) w.unlock(lock);
        w.label("end");
    }
    return m;
}

// A waiter may see the value before the writer has come to `notify`. What it may do with the
// signal's memory then: make a new signal of it, but nothing else.
Model recycle_model(bool as_signal, bool look_first)
{
    Model m;
    const Var value = m.var("value", 1), notify = m.var("notify (or data)"),
              fd = m.var("descriptor");
    const Var second = m.var("second packet");
    const auto writer = [&](const char *name, bool waits) {
        Thread &t = m.thread(name);
        const Reg bits = t.reg(), go = t.reg();
        if (waits)
            t.await(
                go, second, [=](const Ctx &c) { return c[go] == 1; }, acquire);
        t.rmw(value, add(-1), release);
        t.fence();
        if (look_first) {
            t.load(bits, notify, relaxed);
            t.jump_if([=](const Ctx &c) { return c[bits] == 0; }, "end");
        }
        t.rmw(bits, notify, exchange(0), acq_rel);
        t.jump_if([=](const Ctx &c) { return c[bits] == 0; }, "end");
        t.wake(fd);
        t.label("end");
    };
    writer("first device", false);
    if (as_signal) writer("second device", true);

    Thread &t = m.thread("host");
    const Reg v = t.reg();
    const auto satisfied = [=](const Ctx &c) { return c[v] == 0; };
    t.await(v, value, satisfied, acquire); // spins: the first signal completes within the budget
    if (as_signal) {
        t.store(value, 1, relaxed);
        t.store(notify, 0, relaxed);
        t.store(second, 1, release); // publishes the packet that names the signal
        t.label("arm");
        t.rmw(notify, set_bits(1), acq_rel);
        t.fence();
        t.load(v, value, acquire);
        t.jump_if(satisfied, "end");
        t.let([=](const Ctx &c) { c[v] = 0; });
        t.sleep(fd);
        t.jump("arm");
        t.label("end");
    } else {
        t.store(notify, 5, relaxed);
        m.finally([=](const Ctx &, const std::vector<int> &memory) { return memory[1] == 5; },
                  "data overwritten by a late exchange");
    }
    return m;
}

class NotifyProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(NotifyProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Notify p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return notify_model(p); }, tso, c11, why};
}
Variant kernel(const char *name, KernelWait p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return kernel_wait_model(p); }, tso, c11, why};
}

INSTANTIATE_TEST_SUITE_P(
    AsWritten, NotifyProtocol,
    testing::Values(
        variant("HostAndDevice", {}, holds, holds, "one writer"),
        variant("TwoWriters", {.writers = 2}, holds, holds, "the first wake is not enough"),
        variant("TwoHosts", {.hosts = 2, .devices = 0, .writers = 2}, holds, holds,
                "one bit for both"),
        variant("LookFirst", {.look_first = true}, holds, holds,
                "no locked instruction when nobody waits"),
        variant("LookFirstTwoWriters", {.writers = 2, .look_first = true}, holds, holds,
                "the same, two writers"),
        variant("PlainStore", {.plain_store = true}, holds, holds, "a host's store of the value"),
        variant("PlainStoreLookFirst", {.look_first = true, .plain_store = true}, holds, holds,
                "the same, look first"),
        kernel("KernelWait", {}, holds, holds, "register, bit, fence, re-check, sleep"),
        kernel("KernelWaitTwoWakers", {.writers = 2}, holds, holds,
               "the bit is set again after each wake"),
        kernel("KernelWaitThreeWakers", {.writers = 3}, holds, holds, "the same"),
        Variant{"RecycleAsSignal", [] { return recycle_model(true, false); }, holds, holds,
                "a late exchange wakes what it clears"},
        Variant{"RecycleAsSignalLookFirst", [] { return recycle_model(true, true); }, holds, holds,
                "the same, look first"}),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Cut, NotifyProtocol,
    testing::Values(
        variant("NoRecheck", {.recheck = false}, breaks, breaks, "changed between look and bit"),
        variant("BitAfterRecheck", {.arm_before_recheck = false}, breaks, breaks,
                "the same window"),
        variant("BitNotSetAgain", {.writers = 2, .arm_again = false}, breaks, breaks,
                "the first writer cleared it"),
        variant("ExchangeBeforeChange", {.change_before_exchange = false}, breaks, breaks,
                "nobody waited yet"),
        variant("WaiterClearsBit", {.hosts = 2, .devices = 0, .waiter_clears_bit = true}, breaks,
                breaks, "the bit is another host's too"),
        variant("ClearByStore", {.writers = 2, .clear_by_store = true}, breaks, breaks,
                "a bit set between load and store is lost"),
        variant("HostBitOnly", {.wake_all_bits = false}, breaks, breaks,
                "the device's bit was cleared, not served"),
        variant("LookFirstNoWriterFence", {.writer_fence = false, .look_first = true}, holds,
                breaks, "x86: the locked decrement is the fence"),
        variant("LookFirstNoWaiterFence", {.waiter_fence = false, .look_first = true}, holds,
                breaks, "x86: the locked fetch_or is the fence"),
        variant("StoreLookFirstNoWriterFence",
                {.writer_fence = false, .look_first = true, .plain_store = true}, breaks, breaks,
                "a plain store is none, on x86 neither"),
        variant("NoFencesRelaxed",
                {.waiter_fence = false, .writer_fence = false, .arm = relaxed, .disarm = relaxed},
                holds, breaks, "x86: both are locked instructions"),
        kernel("KernelWaitRegisterLate", {.register_before_recheck = false}, breaks, breaks,
               "the waker found nobody"),
        kernel("KernelWaitNoBit", {.bit = false}, breaks, breaks, "the waker did not look"),
        kernel("KernelWaitBitBeforeRegister", {.writers = 2, .bit_before_register = true}, breaks,
               breaks, "the first waker took the bit and found nobody; the second finds no bit"),
        Variant{"RecycleAsData", [] { return recycle_model(false, false); }, breaks, breaks,
                "the late exchange writes 0"},
        Variant{"RecycleAsDataLookFirst", [] { return recycle_model(false, true); }, breaks, breaks,
                "so it does with a look first"}),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Harmless, NotifyProtocol,
    testing::Values(
        variant("NoFencesExchangeAlways", {.waiter_fence = false, .writer_fence = false}, holds,
                holds,
                "rmws on one location are ordered: whoever comes second sees the first, if both "
                "are acq_rel"),
        variant("NoFencesPlainStore",
                {.waiter_fence = false, .writer_fence = false, .plain_store = true}, holds, holds,
                "the same, whatever changes the value"),
        kernel("KernelWaitNoFence", {.writers = 2, .fence = false}, holds, holds,
               "the same: the waker's exchange always happens"),
        kernel("KernelWaitNoLock", {.writers = 2, .locked = false}, holds, holds,
               "bit and exchange order entry and look; the lock is there to keep the table whole"),
        kernel("KernelWaitBitBeforeRegisterOneChange", {.bit_before_register = true}, holds, holds,
               "only while the value changes once in the waiter's life: do not rely on it")),
    variant_name);

} // namespace
} // namespace acc::model::notify_model
