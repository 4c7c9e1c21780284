// SPDX-License-Identifier: MIT
//
// Unmap against accesses in flight. Readers (engines, the packet processor) enter a section; unmap
// returns only when no access through the old translation is in flight.
//
//   reader                                        unmapper, one at a time (a mutex)
//     p = phase.load(relaxed)                       pte.store(0, relaxed)
//     active[p].fetch_add(1, relaxed)               fence(seq_cst)
//     fence(seq_cst)                                twice:
//     t = pte.load(acquire)                           p = phase; phase.store(1 - p, relaxed)
//     if (t) read and write the page                  until active[p].load(acquire) == 0
//     active[p].fetch_sub(1, release)               the page is free
//
// The page's new owner writes 2 to it: a reader that sees 2, or whose own write replaces 2, had
// access after unmap returned.
#include "protocol.h"

namespace acc::model::unmap_model
{
namespace
{

enum class Wait { flip_twice, flip_once, both_no_flip, none };

struct Unmap {
    int readers = 2, unmaps = 1,
        unmappers = 1; // each unmapper unmaps `unmaps` pages, ours the last
    bool lock = true;
    Wait wait = Wait::flip_twice;
    bool reader_fence = true, unmapper_fence = true;
    Order enter = relaxed, leave = release, wait_order = acquire, translate = acquire;
    bool clear_before_wait = true;
    bool enter_before_translate = true;
    bool leave_after_use = true;
};

Model unmap_model(const Unmap &p)
{
    Model m;
    const Var phase = m.var("phase"), active = m.array("active", 2), pte = m.var("pte", 1),
              page = m.var("page");
    const Var lock = m.var("unmap lock");
    const Ghost unmapped = m.ghost();

    for (int i = 0; i < p.readers; i++) {
        Thread &t = m.thread("reader " + std::to_string(i));
        const Reg ph = t.reg(), tr = t.reg(), x = t.reg();
        const auto translate = [&] { t.load(tr, pte, p.translate); };
        if (!p.enter_before_translate) translate();
        t.load(ph, phase, relaxed);
        t.rmw(active[ph], add(1), p.enter);
        if (p.reader_fence) t.fence();
        if (p.enter_before_translate) translate();
        const auto leave = [&] { t.rmw(active[ph], add(-1), p.leave); };
        if (!p.leave_after_use) leave();
        t.jump_if([=](const Ctx &c) { return c[tr] == 0; }, "out");
        t.load(x, page, relaxed);
        t.check([=](const Ctx &c) { return c[x] != 2 && !c[unmapped]; },
                "read after unmap returned");
        t.store(page, 1, relaxed);
        t.label("out");
        if (p.leave_after_use) leave();
    }

    for (int i = 0; i < p.unmappers; i++) {
        Thread &u = m.thread("unmapper " + std::to_string(i));
        const Reg ph = u.reg(), n = u.reg();
        const auto drained = [=](const Ctx &c) { return c[n] == 0; };
        const auto flip_and_wait = [&] {
            u.load(ph, phase, relaxed);
            u.store(
                phase, [=](const Ctx &c) { return 1 - c[ph]; }, relaxed);
            u.await(n, active[ph], drained, p.wait_order);
        };
        const bool ours = i == p.unmappers - 1;
        for (int round = 1; round <= p.unmaps; round++) {
            const bool last = ours && round == p.unmaps;
            if (p.lock && p.unmappers > 1) u.lock(lock);
            if (last && p.clear_before_wait) u.store(pte, 0, relaxed);
            if (p.unmapper_fence) u.fence();
            switch (p.wait) {
            case Wait::flip_twice:
                flip_and_wait();
                flip_and_wait();
                break;
            case Wait::flip_once:
                flip_and_wait();
                break;
            case Wait::both_no_flip:
                u.await(n, active[0], drained, p.wait_order);
                u.await(n, active[1], drained, p.wait_order);
                break;
            case Wait::none:
                break;
            }
            if (last && !p.clear_before_wait) u.store(pte, 0, relaxed);
            if (last) {
                u.let([=](const Ctx &c) { c[unmapped] = 1; });
                u.store(page, 2, relaxed);
            }
            if (p.lock && p.unmappers > 1) u.unlock(lock);
        }
    }
    m.finally([](const Ctx &, const std::vector<int> &memory) { return memory[4] == 2; },
              "a write landed after unmap returned");
    return m;
}

class UnmapProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(UnmapProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Unmap p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return unmap_model(p); }, tso, c11, why};
}

INSTANTIATE_TEST_SUITE_P(
    AsWritten, UnmapProtocol,
    testing::Values(variant("OneReader", {.readers = 1}, holds, holds, "one unmap"),
                    variant("TwoReaders", {}, holds, holds, "one unmap"),
                    variant("TwoUnmaps", {.readers = 2, .unmaps = 2}, holds, holds,
                            "another page's unmap before"),
                    variant("ThreeUnmaps", {.readers = 1, .unmaps = 3}, holds, holds, "two before"),
                    variant("TwoUnmappers", {.readers = 1, .unmappers = 2}, holds, holds,
                            "they take turns")),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Cut, UnmapProtocol,
    testing::Values(
        variant("NoWait", {.readers = 1, .wait = Wait::none}, breaks, breaks,
                "the reader is still at it"),
        variant(
            "FlipOnce", {.readers = 1, .unmaps = 2, .wait = Wait::flip_once}, breaks, breaks,
            "a reader that read the phase before the last unmap's flip counts where nobody waits"),
        variant("NoReaderFence", {.readers = 1, .reader_fence = false, .enter = acq_rel}, holds,
                breaks, "x86: the locked fetch_add is the fence; elsewhere acq_rel is none"),
        variant("NoUnmapperFence", {.readers = 1, .unmapper_fence = false}, breaks, breaks,
                "looks at the counters before the PTE is cleared for all"),
        variant("LeaveRelaxed", {.readers = 1, .leave = relaxed}, holds, breaks,
                "the reader's write lands after it left"),
        variant("WaitRelaxed", {.readers = 1, .wait_order = relaxed}, holds, breaks,
                "the same, from the unmapper's side"),
        variant("ClearAfterWait", {.readers = 1, .clear_before_wait = false}, breaks, breaks,
                "a new reader comes in"),
        variant("TranslateBeforeEnter", {.readers = 1, .enter_before_translate = false}, breaks,
                breaks, "holds a translation that nobody counts"),
        variant("UseAfterLeave", {.readers = 1, .leave_after_use = false}, breaks, breaks,
                "a span kept beyond its section"),
        variant("UnmappersUnlocked", {.readers = 1, .unmappers = 2, .lock = false}, breaks, breaks,
                "both flips together leave one counter unwaited for")),
    variant_name);

INSTANTIATE_TEST_SUITE_P(
    Harmless, UnmapProtocol,
    testing::Values(
        variant("BothCountersNoFlip", {.unmaps = 2, .wait = Wait::both_no_flip}, holds, holds,
                "safety comes from having seen each counter at 0 after the fence; flipping only "
                "bounds the wait"),
        variant("BothCountersNoLock",
                {.readers = 1, .unmappers = 2, .lock = false, .wait = Wait::both_no_flip}, holds,
                holds, "so that needs no lock either"),
        variant("FlipOnceEver", {.readers = 1, .wait = Wait::flip_once}, holds, holds,
                "once is enough for the first unmap of all only"),
        variant("TranslateRelaxed", {.translate = relaxed}, holds, holds,
                "the fence stands between the counter and the PTE; acquire is for what the mapper "
                "wrote")),
    variant_name);

} // namespace
} // namespace acc::model::unmap_model
