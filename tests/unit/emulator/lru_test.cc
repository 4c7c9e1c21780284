// SPDX-License-Identifier: MIT
//
// What `policy=lru` loads and evicts is exact. Of the other policies the conformance suite asks
// only that each unit runs.
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

namespace acc::emu
{

using namespace conformance;

namespace
{

class LeastRecentlyUsed : public testing::Test
{
protected:
    LeastRecentlyUsed() : card_("fpga:slots=2,policy=lru"), accel_(card_.open()), signals_(*accel_)
    {
        for (unsigned i = 0; i < 3; i++)
            works_.push_back(std::make_unique<Work>(*accel_, i));
        queue_ = std::make_unique<Queue>(*accel_);
        done_ = signals_.make(0);
    }
    void run(size_t index)
    {
        works_[index]->clear();
        shared(done_->value).store(1);
        queue_->submit(works_[index]->packet(done_));
        ASSERT_EQ(wait_for(*accel_, done_), 0);
        EXPECT_TRUE(works_[index]->done_right());
        ASSERT_TRUE(queue_->drained()); // its slot is free
    }
    uint64_t loads(size_t index) { return works_[index]->program().query().loads; }

    Card card_;
    std::unique_ptr<Accel> accel_;
    Signals signals_;
    std::vector<std::unique_ptr<Work>> works_;
    std::unique_ptr<Queue> queue_;
    acc_signal_memory *done_ = nullptr;
};

TEST_F(LeastRecentlyUsed, ARoundRobinOfOneTooManyLoadsEachTime)
{
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < 3; i++)
            run(i);
    for (size_t i = 0; i < 3; i++)
        EXPECT_EQ(loads(i), 3u) << i;
    EXPECT_EQ(accel_->counters().evictions, 7u); // all loads but those of empty slots
}

TEST_F(LeastRecentlyUsed, AUseIsATouch)
{
    run(0);
    run(1);
    run(0);
    run(2); // in the place of 1
    run(0);
    EXPECT_EQ(loads(0), 1u);
    run(1);
    EXPECT_EQ(loads(1), 2u);
    EXPECT_EQ(loads(2), 1u);
}

TEST_F(LeastRecentlyUsed, APinHoldsAndItsEndLetsGo)
{
    ASSERT_EQ(works_[0]->program().pin(0), 0);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < 3; i++)
            run(i);
    EXPECT_EQ(loads(0), 1u);
    EXPECT_EQ(loads(1), 3u);
    EXPECT_EQ(loads(2), 3u);
    EXPECT_EQ(works_[0]->program().pin(0, false), 0);
    run(1); // in the place of 0: used before 2 was
    run(2);
    run(0);
    EXPECT_EQ(loads(0), 2u);
}

} // namespace
} // namespace acc::emu
