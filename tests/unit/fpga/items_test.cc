// SPDX-License-Identifier: MIT
//
// Work-items of compiled code on soft cores: barriers, what an item keeps, and what ends a group.
#include "roles.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace acc::test
{
namespace
{

using testing::HasSubstr;

class Items : public testing::Test
{
protected:
    void SetUp() override
    {
        NEEDS_REGION_PROCESS();
        client.load(native_image(read_file(ITEMS_LIBRARY),
                                 {"scan", "keeps", "skips", "differs", "overflows", "refusals"}));
        src = client.buffer(kGroups * 64 * 4);
        dst = client.buffer(kGroups * 64 * 4);
    }
    // An error, whose region works again afterwards.
    Completion fails(const char *kernel)
    {
        const Completion done = client.run(kernel, {src, dst, 1});
        EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR) << done.text;
        EXPECT_EQ(client.run("keeps", {src, dst, 1}).status, ACC_STATUS_OK);
        return done;
    }

    static constexpr uint32_t kGroups = 50;
    RoleClient client{"inproc:fpga:preset=fast,regions=1"};
    uint64_t src = 0, dst = 0;
};

TEST_F(Items, MeetAtBarriers)
{
    for (uint32_t i = 0; i < kGroups * 64; i++)
        RoleClient::at<uint32_t>(src)[i] = i * 2654435761u;
    const Completion done = client.run("scan", {src, dst, kGroups});
    ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
    for (uint32_t group = 0, sum = 0; group < kGroups; group++, sum = 0)
        for (uint32_t i = group * 64; i < group * 64 + 64; i++) {
            sum += i * 2654435761u;
            ASSERT_EQ(RoleClient::at<uint32_t>(dst)[i], sum) << i;
        }
}

TEST_F(Items, KeepTheirRegistersAndModes)
{
    ASSERT_EQ(client.run("keeps", {src, dst, 1}).status, ACC_STATUS_OK);
    for (int i = 0; i < 64; i++)
        EXPECT_EQ(RoleClient::at<uint32_t>(dst)[i], 1u) << i;
}

TEST_F(Items, ADivergentBarrierFaults)
{
    EXPECT_THAT(fails("skips").text, HasSubstr("divergent barrier"));
    EXPECT_THAT(fails("differs").text, HasSubstr("divergent barrier"));
}

TEST_F(Items, AStackThatOverflowsFaults)
{
    EXPECT_THAT(fails("overflows").text, HasSubstr("a work-item's stack overflowed at 0x"));
}

TEST_F(Items, WhatIsNoGroupIsRefused)
{
    const Completion done = client.run("refusals", {src, dst, 1});
    ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
    for (int i = 0; i < 7; i++)
        EXPECT_EQ(RoleClient::at<int32_t>(dst)[i], -EINVAL) << i;
}

} // namespace
} // namespace acc::test
