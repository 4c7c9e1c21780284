// SPDX-License-Identifier: MIT
//
// Publish: producers reserve, wait for room, write the body, release the header; the device takes
// the header, copies the packet once, resets the header to INVALID, then advances read_index.
// Ring of two slots, so that every slot is used again. A packet's body is its identity: the device
// must find at index i the body that the producer who reserved i wrote, whole. That one check finds
// packets lost, doubled, overwritten too early and seen half-written.
#include "protocol.h"

namespace acc::model::publish_model
{
namespace
{

struct Publish {
    int producers = 1, packets = 4; // of each producer
    int words = 1;                  // of body
    bool fetch_add = true;          // else a plain load and store: single producer only
    bool check_room = true;
    Order room = acquire; // producer's load of read_index
    bool body_before_header = true;
    Order header = release; // producer's store of the header
    Order take = acquire;   // device's load of the header
    bool reset = true;      // to INVALID
    bool reset_before_advance = true;
    bool copy_before_advance = true;
    Order advance = release;     // device's store of read_index
    bool trust_doorbell = false; // the device goes by the doorbell and not by the header
};

Model publish(const Publish &p)
{
    constexpr int size = 2, invalid = 0, valid = 1;
    Model m;
    const Var write_index = m.var("write_index"), read_index = m.var("read_index");
    const Var header = m.array("header", size, invalid), body = m.array("body", size * p.words);
    const Var doorbell = m.var("doorbell", -1);
    const int total = p.producers * p.packets;
    const Ghost expected = m.ghost(total);

    for (int who = 0; who < p.producers; who++) {
        Thread &t = m.thread("producer " + std::to_string(who));
        const Reg i = t.reg(), r = t.reg(), k = t.reg();
        const Expr slot = [=](const Ctx &c) { return c[i] % size; };
        const auto word = [=](int w) {
            return [=](const Ctx &c) { return c[i] % size * p.words + w; };
        };
        const auto id = [=](const Ctx &c) { return 1 + who * p.packets + c[k]; };
        t.label("next");
        // write_index.fetch_add(1, relaxed)
        if (p.fetch_add) {
            t.rmw(i, write_index, add(1), relaxed);
        } else {
            t.load(i, write_index, relaxed);
            t.store(
                write_index, [=](const Ctx &c) { return c[i] + 1; }, relaxed);
        }
        t.let([=](const Ctx &c) { c[expected[c[i]]] = static_cast<Val>(id(c)); });
        // until index - read_index.load(acquire) < size
        if (p.check_room)
            t.await(
                r, read_index, [=](const Ctx &c) { return c[i] - c[r] < size; }, p.room);
        // bytes 4..63, relaxed; then the first 32 bits, release
        if (!p.body_before_header) t.store(header[slot], valid, p.header);
        for (int w = 0; w < p.words; w++)
            t.store(body[word(w)], id, relaxed);
        if (p.body_before_header) t.store(header[slot], valid, p.header);
        if (p.trust_doorbell) t.store(doorbell, i, relaxed);
        t.let([=](const Ctx &c) { c[k]++; });
        t.jump_if([=](const Ctx &c) { return c[k] < p.packets; }, "next");
    }

    Thread &d = m.thread("device");
    const Reg i = d.reg(), h = d.reg(), b = d.reg();
    const Expr slot = [=](const Ctx &c) { return c[i] % size; };
    const auto word = [=](int w) {
        return [=](const Ctx &c) { return c[i] % size * p.words + w; };
    };
    const auto copy = [&] {
        for (int w = 0; w < p.words; w++) {
            d.load(b, body[word(w)], relaxed);
            d.check([=](const Ctx &c) { return c[b] == c[expected[c[i]]]; },
                    "packet lost, doubled, overwritten or half-written");
        }
    };
    d.label("next");
    if (p.trust_doorbell)
        d.await(
            h, doorbell, [=](const Ctx &c) { return c[h] >= c[i]; }, acquire);
    else
        d.await(
            h, header[slot], [=](const Ctx &c) { return c[h] != invalid; }, p.take);
    if (p.copy_before_advance) copy();
    if (p.reset && p.reset_before_advance) d.store(header[slot], invalid, relaxed);
    d.store(
        read_index, [=](const Ctx &c) { return c[i] + 1; }, p.advance);
    if (p.reset && !p.reset_before_advance) d.store(header[slot], invalid, relaxed);
    if (!p.copy_before_advance) copy();
    d.let([=](const Ctx &c) { c[i]++, c[h] = 0, c[b] = 0; });
    d.jump_if([=](const Ctx &c) { return c[i] < total; }, "next");
    return m;
}

class PublishProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(PublishProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Publish p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return publish(p); }, tso, c11, why};
}

constexpr Publish two{.producers = 2, .packets = 2};

INSTANTIATE_TEST_SUITE_P(
    AsWritten, PublishProtocol,
    testing::Values(variant("OneProducer", {.packets = 4, .words = 2}, holds, holds, "fetch_add"),
                    variant("OneProducerPlainReserve", {.packets = 4, .fetch_add = false}, holds,
                            holds, "load and store are enough for a single producer"),
                    variant("TwoProducers", two, holds, holds, "four packets, two slots"),
                    variant("TwoProducersTwoWords", {.producers = 2, .packets = 1, .words = 2},
                            holds, holds, "a body of two words")),
    variant_name);

template <class F>
constexpr Publish cut(Publish p, F f)
{
    f(p);
    return p;
}

INSTANTIATE_TEST_SUITE_P(
    Cut, PublishProtocol,
    testing::Values(variant("PlainReserveOfTwo", cut(two, [](Publish &p) { p.fetch_add = false; }),
                            breaks, breaks, "two producers get one index"),
                    variant("HeaderBeforeBody", {.packets = 2, .body_before_header = false}, breaks,
                            breaks, "half-written"),
                    variant("HeaderRelaxed", {.packets = 2, .header = relaxed}, holds, breaks,
                            "x86 keeps stores in order, C++ does not"),
                    variant("TakeRelaxed", {.packets = 2, .take = relaxed}, holds, breaks,
                            "x86 keeps loads in order, C++ does not"),
                    variant("NoRoomCheck", {.packets = 3, .check_room = false}, breaks, breaks,
                            "overwrites packets not taken yet"),
                    variant("RoomRelaxed", {.packets = 3, .room = relaxed}, holds, breaks,
                            "the device's INVALID may land on the new header"),
                    variant("AdvanceRelaxed", {.packets = 3, .advance = relaxed}, holds, breaks,
                            "the same, from the device's side"),
                    variant("ResetAfterAdvance", {.packets = 3, .reset_before_advance = false},
                            breaks, breaks, "INVALID wipes out the next packet"),
                    variant("NoReset", {.packets = 3, .reset = false}, breaks, breaks,
                            "the last round's packet is taken again"),
                    variant("CopyAfterAdvance", {.packets = 3, .copy_before_advance = false},
                            breaks, breaks, "the producer overwrites what is being copied"),
                    variant("DoorbellTrusted",
                            {.producers = 2, .packets = 1, .trust_doorbell = true}, breaks, breaks,
                            "doorbells arrive out of order: the header decides")),
    variant_name);

} // namespace
} // namespace acc::model::publish_model
