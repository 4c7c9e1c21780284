// SPDX-License-Identifier: MIT
//
// Relay: waiters on device A, writers on device B of another emulator, and one signal that both can
// name; only the client's process knows both. Whoever takes the waiters' bits of a signal raises an
// event on its own file; the reader of that file tells every device that shares the signal. The
// mark ACC_NOTIFY_RELAY in `notify` says that they have been told since it was last taken away: the
// events that telling causes end there.
//
// Modelled as libacc/{signal_pool,event_reader,signal}.cc and the emulator's driver.cc, file.cc,
// queue.cc and queue_packets.cc do it. The pseudo-code is in docs/protocols.md.
#include "protocol.h"

namespace acc::model::relay_model
{
namespace
{

constexpr int kHost = 1, kDevice = 2, kRelay = 4; // ACC_NOTIFY_*
constexpr int kA = 0, kB = 1, kHostWriter = 2;    // who writes

struct Relay {
    // Who takes part.
    std::vector<int> writers = {kB};
    bool barrier = true; // a queue of A waits at a barrier
    bool wait = false;   // a host thread is in WAIT on file A
    bool entry = false;  // a callback or descriptor waits behind reader A (WaitEntry)
    int unrelated = 1;   // events of A that have nothing to do with the signal
    bool told = false;   // the mark is there at first
    bool rounds = false; // two: after the first, the host re-arms the signal (acc_signal_reset)
    bool reset_clears = true;   // and takes all of `notify` away, late bits and the mark
    bool two_processes = false; // another process has files on both emulators, readers and chunk

    // The writer.
    int wanted = kHost | kDevice; // does nothing unless one of these is set
    bool takes = true;            // else it leaves `notify` as it is
    bool leaves_mark = false;     // takes the waiters' bits only
    bool host_pokes = true;       // a writing host rouses the readers

    // The reader.
    bool mark = true;
    bool mark_first = true;  // before the devices are told
    bool looks_first = true; // load, and the locked instruction only where the mark is missing
    bool fence = true;       // behind the mark
    Order mark_order = acq_rel;
    bool tells_itself = true;  // SIGNAL_WAKE on its own file too
    bool pokes = true;         // rouses the readers of the other files
    bool entries_last = true;  // its own waiters after the relay
    bool consume_first = true; // the descriptor
    bool fires_caller = false; // SIGNAL_WAKE fires the descriptor of the file it is called on
    bool runs = true;

    // Relays that the marks allow: one for each that was taken away. 0: no count, only that the
    // waiters end, for cuts that relay too often as well, but not for ever.
    bool counted = true;
    int slack = 0; // relays beyond that which are no matter
};

class RelayModel
{
public:
    explicit RelayModel(const Relay &p) : p_(p), relays_(m_.ghost()), most_(m_.ghost(1, 0)) {}

    Model build()
    {
        const int writers = static_cast<int>(p_.writers.size());
        value_ = m_.var("value", p_.rounds ? 1 : writers);
        notify_ = m_.var("notify", p_.told ? kRelay : 0);
        event_ = m_.array("event", p_.two_processes ? 4 : 2);
        if (p_.barrier) kick_ = m_.var("kick A");
        if (p_.wait) woken_ = m_.var("WAIT's wake");
        if (p_.entry) {
            lock_ = m_.var("reader A's lock"), registered_ = m_.var("entry");
            fired_ = m_.var("entry fired");
        }
        if (p_.rounds) passed_ = m_.var("passed"), go_ = m_.var("second packet");
        started_without_mark_ = !p_.told;

        if (p_.barrier) barrier();
        if (p_.wait) wait();
        if (p_.entry) entry();
        if (p_.rounds) reset();
        for (int i = 0; i < writers; i++)
            writer(i);
        if (p_.unrelated) {
            Thread &t = m_.thread("something else on A");
            for (int i = 0; i < p_.unrelated; i++)
                t.wake(event_[kA]);
        }
        for (int file = 0; p_.runs && file < (p_.two_processes ? 4 : 2); file++)
            reader(file);
        return std::move(m_);
    }

private:
    static int device_of(int file) { return file % 2; }
    static const char *name_of(int file)
    {
        static constexpr const char *names[] = {"A", "B", "A of the other process",
                                                "B of the other process"};
        return names[file];
    }

    void arm(Thread &t, Reg v, int bit)
    {
        t.rmw(notify_, set_bits(bit), acq_rel);
        t.fence();
        t.load(v, value_, acquire);
    }

    // do_barrier: looks, arms, looks again, and the queue sleeps until WAKE.
    void wait_at_barrier(Thread &t, Reg v, const std::string &again, const std::string &passed)
    {
        const auto holds = [=](const Ctx &c) { return c[v] == 0; };
        t.label(again);
        t.load(v, value_, acquire);
        t.jump_if(holds, passed);
        arm(t, v, kDevice);
        t.jump_if(holds, passed);
        t.let([=](const Ctx &c) { c[v] = 0; });
        t.sleep(kick_);
        t.jump(again);
        t.label(passed);
    }

    void barrier()
    {
        Thread &t = m_.thread("barrier on A");
        const Reg v = t.reg();
        wait_at_barrier(t, v, "again", "passed");
        if (!p_.rounds) return;
        t.let([=](const Ctx &c) { c[v] = 0; });
        t.store(passed_, 1, release);
        t.await(
            v, go_, [=](const Ctx &c) { return c[v] == 1; }, acquire);
        wait_at_barrier(t, v, "again 2", "passed 2");
    }

    // acc_signal_reset, when nobody waits; then the host publishes the second round's packets.
    void reset()
    {
        Thread &t = m_.thread("host re-arms");
        const Reg v = t.reg();
        t.await(
            v, passed_, [=](const Ctx &c) { return c[v] == 1; }, acquire);
        if (p_.reset_clears) {
            t.store(notify_, 0, relaxed);
            t.let([most = most_](const Ctx &c) { c[most]++; });
        }
        t.store(value_, 1, release);
        t.store(go_, 1, release);
    }

    // WAIT: in the table from the first to the last, under the lock that a waker takes too.
    void wait()
    {
        Thread &t = m_.thread("WAIT on A");
        const Reg v = t.reg();
        t.label("again");
        arm(t, v, kHost);
        t.jump_if([=](const Ctx &c) { return c[v] == 0; }, "end");
        t.let([=](const Ctx &c) { c[v] = 0; });
        t.sleep(woken_);
        t.jump("again");
        t.label("end");
    }

    // WaitEntry::arm_and_check, with the entry's reader locked.
    void check_entry(Thread &t, Reg v, const std::string &holds)
    {
        const auto satisfied = [=](const Ctx &c) { return c[v] == 0; };
        t.load(v, value_, acquire);
        t.jump_if(satisfied, holds);
        arm(t, v, kHost);
        t.jump_if(satisfied, holds);
        t.let([=](const Ctx &c) { c[v] = 0; });
    }

    void entry()
    {
        Thread &t = m_.thread("entry on A");
        const Reg v = t.reg();
        t.lock(lock_);
        check_entry(t, v, "holds");
        t.store(registered_, 1, relaxed);
        t.unlock(lock_);
        t.sleep(fired_);
        t.jump("end");
        t.label("holds");
        t.unlock(lock_);
        t.label("end");
    }

    // Driver::wake on an emulator, called by a file (or -1, by the device): its WAITs, its files'
    // descriptors but the caller's, its queues.
    void driver_wake(Thread &t, int device, int caller)
    {
        if (device == kA && p_.wait) t.wake(woken_);
        for (int file = device; file < (p_.two_processes ? 4 : 2); file += 2)
            if (file != caller || p_.fires_caller) t.wake(event_[file]);
        if (device == kA && p_.barrier) t.wake(kick_);
    }

    void writer(int index)
    {
        const int who = p_.writers[index];
        static constexpr const char *names[] = {"A writes", "B writes", "host writes"};
        Thread &t = m_.thread(names[who] + std::string(index ? " too" : ""));
        const Reg bits = t.reg();
        if (p_.rounds && index > 0) {
            t.await(
                bits, go_, [=](const Ctx &c) { return c[bits] == 1; }, acquire);
        }
        if (who == kHostWriter && p_.writers.size() == 1)
            t.store(value_, 0, release);
        else
            t.rmw(value_, add(-1), release);
        t.fence();
        const int wanted = p_.wanted;
        const auto none = [=](const Ctx &c) { return !(c[bits] & wanted); };
        t.load(bits, notify_, relaxed);
        t.jump_if(none, "end");
        if (p_.takes) {
            t.rmw(bits, notify_, p_.leaves_mark ? clear_bits(kHost | kDevice) : exchange(0),
                  acq_rel);
            t.let([=, most = most_](const Ctx &c) { c[most] += (c[bits] & kRelay) != 0; });
            t.jump_if(none, "end");
        }
        if (who != kHostWriter) {
            driver_wake(t, who, -1);
        } else {
            for (int device : {kA, kB}) {
                driver_wake(t, device, device);
                if (p_.host_pokes) t.wake(event_[device]);
            }
        }
        t.label("end");
    }

    // SignalChunk::relay.
    void relay(Thread &t, int self, Reg bits)
    {
        const auto marked = [=](const Ctx &c) { return (c[bits] & kRelay) != 0; };
        const auto set_mark = [&] { t.rmw(bits, notify_, set_bits(kRelay), p_.mark_order); };
        if (p_.mark && p_.looks_first) {
            t.load(bits, notify_, relaxed);
            t.jump_if(marked, "told");
        }
        if (p_.mark && p_.mark_first) {
            set_mark();
            t.jump_if(marked, "told");
        }
        if (p_.counted) {
            t.let([relays = relays_](const Ctx &c) { c[relays]++; });
            const int first = started_without_mark_ + p_.slack;
            t.check([first, relays = relays_,
                     most = most_](const Ctx &c) { return c[relays] <= c[most] + first; },
                    "more relays than marks were taken away");
        }
        t.let([=](const Ctx &c) { c[bits] = 0; });
        if (p_.fence) t.fence();
        const int process = self & 2;
        for (int file : {process + kA, process + kB}) {
            if (file != self || p_.tells_itself) driver_wake(t, device_of(file), file);
            if (file != self && p_.pokes) t.wake(event_[file]);
        }
        if (p_.mark && !p_.mark_first) set_mark();
        t.label("told");
        t.let([=](const Ctx &c) { c[bits] = 0; });
    }

    void check_entries(Thread &t, Reg v)
    {
        t.load(v, registered_, relaxed);
        t.jump_if([=](const Ctx &c) { return c[v] == 0; }, "no entry");
        check_entry(t, v, "holds");
        t.jump("no entry");
        t.label("holds");
        t.store(registered_, 0, relaxed);
        t.wake(fired_);
        t.label("no entry");
        t.let([=](const Ctx &c) { c[v] = 0; });
    }

    // EventReader::run and look.
    void reader(int self)
    {
        Thread &t = m_.thread(std::string("reader ") + name_of(self), true);
        const Reg bits = t.reg();
        const bool entries = p_.entry && self == kA;
        t.label("next");
        if (p_.consume_first)
            t.sleep(event_[self]);
        else
            t.poll(event_[self]);
        if (entries) t.lock(lock_);
        if (entries && !p_.entries_last) check_entries(t, bits);
        relay(t, self, bits);
        if (entries && p_.entries_last) check_entries(t, bits);
        if (entries) t.unlock(lock_);
        if (!p_.consume_first) t.sleep(event_[self]);
        t.jump("next");
    }

    const Relay p_;
    Model m_;
    const Ghost relays_, most_;
    Var value_{}, notify_{}, event_{}, kick_{}, woken_{}, lock_{}, registered_{}, fired_{},
        passed_{}, go_{};
    int started_without_mark_ = 0;
};

class RelayProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(RelayProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Relay p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return RelayModel(p).build(); }, tso, c11, why};
}

INSTANTIATE_TEST_SUITE_P(
    AsWritten, RelayProtocol,
    testing::Values(
        variant("Barrier", {.unrelated = 2}, holds, holds, "a queue waits, the mark is missing"),
        variant("BarrierTold", {.unrelated = 2, .told = true}, holds, holds, "the mark is there"),
        variant("Wait", {.barrier = false, .wait = true, .unrelated = 2}, holds, holds,
                "a host thread waits"),
        variant("WaitTold", {.barrier = false, .wait = true, .unrelated = 2, .told = true}, holds,
                holds, "the same with the mark"),
        variant("Entry", {.barrier = false, .entry = true, .unrelated = 2}, holds, holds,
                "a callback waits: reader A itself looks for it"),
        variant("EntryTold", {.barrier = false, .entry = true, .unrelated = 2, .told = true}, holds,
                holds, "the same with the mark"),
        variant("BarrierAndWait", {.wait = true}, holds, skip, "both bits"),
        variant("BarrierAndWaitTold", {.wait = true, .told = true}, holds, holds, "both bits"),
        variant("All", {.wait = true, .entry = true}, holds, skip, "all who may wait"),
        variant("BarrierTwoWrites", {.writers = {kB, kB}}, holds, holds,
                "the first wake is not enough"),
        variant("BarrierTwoWritesTold", {.writers = {kB, kB}, .told = true}, holds, holds,
                "the same with the mark"),
        variant("BarrierBothWrite", {.writers = {kA, kB}}, holds, skip, "each its own event"),
        variant("BarrierBothWriteTold", {.writers = {kA, kB}, .told = true}, holds, holds,
                "the same with the mark"),
        variant("WaitTwoWrites", {.writers = {kB, kB}, .barrier = false, .wait = true}, holds, skip,
                "the first wake is not enough"),
        variant("WaitTwoWritesTold",
                {.writers = {kB, kB}, .barrier = false, .wait = true, .told = true}, holds, holds,
                "the same with the mark"),
        variant("EntryTwoWrites", {.writers = {kB, kB}, .barrier = false, .entry = true}, holds,
                holds, "the reader arms it again"),
        variant("HostWrites", {.writers = {kHostWriter}}, holds, holds,
                "acc_signal_store: a plain store, and it wakes by itself"),
        variant("HostWritesTold", {.writers = {kHostWriter}, .told = true}, holds, holds,
                "it takes the mark as a device does"),
        variant("HostWritesEntry", {.writers = {kHostWriter}, .barrier = false, .entry = true},
                holds, holds, "it rouses the readers"),
        variant("HostAndDeviceWrite", {.writers = {kB, kHostWriter}, .told = true}, holds, skip,
                "acc_signal_add beside a completion"),
        variant("HostAndDeviceWriteUndisturbed",
                {.writers = {kB, kHostWriter}, .unrelated = 0, .told = true}, holds, holds,
                "nothing else rouses A"),
        variant("Rounds", {.writers = {kB, kB}, .rounds = true}, holds, skip,
                "acc_signal_reset while the first round's writer and readers are late"),
        variant("RoundsTold", {.writers = {kB, kA}, .told = true, .rounds = true}, holds, skip,
                "the same with the mark, A writes in the second"),
        variant("RoundsUndisturbed", {.writers = {kB, kB}, .unrelated = 0, .rounds = true}, holds,
                holds, "nothing else rouses A"),
        variant("RoundsMarkKept", {.writers = {kB, kB}, .rounds = true, .reset_clears = false},
                holds, skip, "a reset that stores the value alone"),
        variant("RoundsMarkKeptUndisturbed",
                {.writers = {kB, kB}, .unrelated = 0, .rounds = true, .reset_clears = false}, holds,
                holds, "nothing else rouses A"),
        variant("TwoProcesses", {.two_processes = true}, holds, skip,
                "the mark is in the memory they share: four readers come to an end too"),
        variant("TwoProcessesTold", {.told = true, .two_processes = true}, holds, skip,
                "the same with the mark")),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Cut, RelayProtocol,
    testing::Values(
        variant("ExcludesItself", {.tells_itself = false}, breaks, breaks,
                "A, roused by something else, takes note of B's change; B's reader tells nobody"),
        variant("ExcludesItselfWait", {.barrier = false, .wait = true, .tells_itself = false},
                breaks, breaks, "the same for a host"),
        variant("EntriesBeforeRelay", {.barrier = false, .entry = true, .entries_last = false},
                breaks, breaks, "A takes note of a change that its own waiters were not shown"),
        variant("MarkAfterWake", {.mark_first = false, .counted = false}, breaks, breaks,
                "it covers a change that came after the wake"),
        variant("NoMark", {.mark = false, .slack = 6}, breaks, breaks,
                "the two readers rouse each other for ever"),
        variant("MarkLeft", {.told = true, .leaves_mark = true}, breaks, breaks,
                "the readers think that it has been told"),
        variant("NothingTaken", {.told = true, .takes = false}, breaks, breaks, "the same"),
        variant("HostBitOnly", {.wanted = kHost}, breaks, breaks, "a device elsewhere waits"),
        variant("DeviceBitOnly", {.barrier = false, .wait = true, .wanted = kDevice}, breaks,
                breaks, "a host waits"),
        variant("ConsumeAfterRelay", {.consume_first = false}, breaks, breaks,
                "swallows an event that came in between"),
        variant("NoPoke", {.barrier = false, .entry = true, .pokes = false}, breaks, breaks,
                "SIGNAL_WAKE does not fire the descriptor of the file it is called on"),
        variant("HostDoesNotPoke",
                {.writers = {kHostWriter}, .barrier = false, .entry = true, .host_pokes = false},
                breaks, breaks, "the same"),
        variant("NoReader", {.runs = false}, breaks, breaks, "lazy must not mean never")),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Harmless, RelayProtocol,
    testing::Values(
        variant("ExcludesItselfUndisturbed", {.unrelated = 0, .tells_itself = false}, holds, holds,
                "only while nothing else ever rouses A: do not rely on it"),
        variant("NoPokeNoEntry", {.wait = true, .told = true, .pokes = false}, holds, holds,
                "barriers and WAITs are woken in the emulator"),
        variant("CallerFired", {.barrier = false, .entry = true, .fires_caller = true}, holds,
                holds, "the mark ends that too; it costs a look"),
        variant("CallerFiredNoPoke",
                {.barrier = false, .entry = true, .pokes = false, .fires_caller = true}, holds,
                holds, "and stands in for the poke"),
        variant("AnyBit", {.wanted = kHost | kDevice | kRelay}, holds, holds,
                "but each change is an event then, though nobody waits"),
        variant("NoLook", {.looks_first = false}, holds, holds, "a look saves a locked write"),
        variant("NoFence", {.writers = {kB, kB}, .told = true, .fence = false}, holds, holds,
                "the relay reads no value; fetch_or hands on what the exchange released"),
        variant("NoFenceRelaxedMark",
                {.writers = {kB, kB}, .told = true, .fence = false, .mark_order = relaxed}, holds,
                holds, "rmws carry the writer's release on to the waiter's fetch_or")),
    variant_name);

} // namespace
} // namespace acc::model::relay_model
