// SPDX-License-Identifier: MIT
//
// A unit that is busy may have a second copy where there is room. On a crossbar, where nobody's
// units are evicted for another, such a copy is nobody's right.
#include "tests/unit/emulator/card.h"

#include "acc/kernels.h"

#include <gtest/gtest.h>

namespace acc::emu
{

using namespace conformance;

namespace
{

TEST(Twin, ASecondCopyGivesWayToAnotherClient)
{
    constexpr uint32_t vectors = 20'000, width = 4; // of the image's matrix
    Card card("crossbar:slots=2,workers=2");
    auto greedy = card.open(), late = card.open();
    Signals signals(*greedy), others(*late);
    Work work(*greedy);
    constexpr uint64_t output_bytes = vectors * width * sizeof(int32_t);
    Buffer memory(*greedy, page_bytes + vectors * width + 2 * output_bytes);
    for (uint64_t i = 0; i < 2; i++) { // each queue writes results of its own
        acc_mvm_args args = {};
        args.input = memory.address() + page_bytes;
        args.output = args.input + vectors * width + i * output_bytes;
        args.vectors = vectors;
        args.input_stride = args.output_stride = width;
        *memory.at<acc_mvm_args>(i * sizeof args) = args;
    }
    Queue one(*greedy), two(*greedy);
    // Until both execute at once, each in a slot of its own.
    while (greedy->counters().loads < 2) {
        acc_signal_memory *done = signals.make(2);
        acc_packet packet = work.packet(done);
        packet.dispatch.kernarg_address = memory.address();
        one.submit(packet);
        packet.dispatch.kernarg_address += sizeof(acc_mvm_args);
        two.submit(packet);
        ASSERT_EQ(wait_for(*greedy, done), 0);
        ASSERT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    }
    ASSERT_TRUE(one.drained() && two.drained());
    Work other(*late, 1);
    Queue queue(*late);
    acc_signal_memory *done = others.make();
    queue.submit(other.packet(done));
    ASSERT_EQ(wait_for(*late, done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    EXPECT_TRUE(other.done_right());
    EXPECT_EQ(greedy->counters().evictions, 1u);
    // The last one of a client is never evicted for another.
    Work third(*late, 2);
    done = others.make();
    queue.submit(third.packet(done));
    ASSERT_EQ(wait_for(*late, done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK)) << "in the place of its own other one";
    EXPECT_LT(work.program().query().slot, 2u) << "the first client's is still there";
}

} // namespace

} // namespace acc::emu
