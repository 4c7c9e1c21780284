// SPDX-License-Identifier: MIT
//
// Follow: a region's process takes packets from the ring until it is told to leave. The device says
// so and then tells the client that something is gone (a program, a buffer); a packet that the
// client publishes after that must not be begun by the process.
#include "protocol.h"

namespace acc::model::follow_model
{
namespace
{

struct Follow {
    Order tell = release;    // device's answer to the client
    Order hear = acquire;    // client's
    Order publish = release; // client's store of the header
    Order take = acquire;    // process's load of it
    bool header_before_leave = true;
};

Model follow(const Follow &p)
{
    Model m;
    const Var header = m.var("header"), leave = m.var("leave"), gone = m.var("gone");

    Thread &device = m.thread("device");
    device.store(leave, 1, relaxed);
    device.store(gone, 1, p.tell);

    Thread &client = m.thread("client");
    const Reg g = client.reg();
    client.await(
        g, gone, [=](const Ctx &c) { return c[g] == 1; }, p.hear);
    client.store(header, 1, p.publish);

    Thread &process = m.thread("process");
    const Reg h = process.reg(), l = process.reg();
    process.label("next");
    if (!p.header_before_leave) process.load(l, leave, relaxed);
    process.load(h, header, p.take);
    if (p.header_before_leave) process.load(l, leave, relaxed);
    process.check([=](const Ctx &c) { return c[h] == 0 || c[l] == 1; },
                  "a packet is begun after the client was told");
    process.jump_if([=](const Ctx &c) { return c[l] == 0; }, "next");
    return m;
}

class FollowProtocol : public testing::TestWithParam<Variant>
{
};
TEST_P(FollowProtocol, Variant)
{
    run_variant(GetParam());
}

Variant variant(const char *name, Follow p, Expect tso, Expect c11, const char *why)
{
    return {name, [p] { return follow(p); }, tso, c11, why};
}

INSTANTIATE_TEST_SUITE_P(AsWritten, FollowProtocol,
                         testing::Values(variant("Leave", {}, holds, holds, "by causality")),
                         variant_name);

INSTANTIATE_TEST_SUITE_P(Cut, FollowProtocol,
                         testing::Values(variant("LeaveBeforeHeader",
                                                 {.header_before_leave = false}, breaks, breaks,
                                                 "it was looked at before the client was told"),
                                         variant("TellRelaxed", {.tell = relaxed}, holds, breaks,
                                                 "x86 keeps stores in order, C++ does not"),
                                         variant("PublishRelaxed", {.publish = relaxed}, holds,
                                                 breaks, "the header carries nothing along"),
                                         variant("TakeRelaxed", {.take = relaxed}, holds, breaks,
                                                 "x86 keeps loads in order, C++ does not")),
                         variant_name);

} // namespace
} // namespace acc::model::follow_model
