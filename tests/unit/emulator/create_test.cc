// SPDX-License-Identifier: MIT
//
// What Emulator::create() takes and refuses, and what a client may do by its options.
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace acc::emu
{

using namespace conformance;

namespace
{

std::string refusal(std::string_view spec, int error = -EINVAL)
{
    std::string why;
    auto made = Emulator::create(spec, why);
    EXPECT_FALSE(made) << spec;
    EXPECT_EQ(made.error(), error) << spec;
    return why;
}

TEST(Create, NamesWhatItExpectedAndWhatItFound)
{
    EXPECT_NE(refusal("gpu", -ENODEV).find("'gpu'"), std::string::npos);
    EXPECT_NE(refusal("", -ENODEV).find("null"), std::string::npos);
    EXPECT_NE(refusal("null:slots").find("key=value"), std::string::npos);
    EXPECT_NE(refusal("null:=1").find("key=value"), std::string::npos);
    EXPECT_NE(refusal("null:slots=0").find("'0'"), std::string::npos);
    EXPECT_NE(refusal("null:slots=four").find("'four'"), std::string::npos);
    EXPECT_NE(refusal("null:slots=4x").find("'4x'"), std::string::npos);
    EXPECT_NE(refusal("null:slots=-1").find("'-1'"), std::string::npos);
    EXPECT_NE(refusal("null:slots=99999999999999999999").find("slots"), std::string::npos);
    EXPECT_NE(refusal("null:slots=2,slots=3").find("twice"), std::string::npos);
    EXPECT_NE(refusal("null:colour=red").find("colour"), std::string::npos);
    EXPECT_NE(refusal("null:scatter=2").find("scatter"), std::string::npos);
    EXPECT_NE(refusal("null:pace=slow").find("'slow'"), std::string::npos);
    EXPECT_NE(refusal("null:workers=0").find("workers"), std::string::npos);
    EXPECT_NE(refusal("null:memory=1").find("memory"), std::string::npos);
}

TEST(Create, OptionsShowInTheDevice)
{
    Card card("null:slots=7,scatter=1,pace=real,workers=3,memory=16777216");
    auto accel = card.open();
    EXPECT_EQ(accel->slots(), 7u);
    EXPECT_EQ(accel->identity().features & (DRM_ACC_FEATURE_SCATTER | DRM_ACC_FEATURE_PACE_REAL |
                                            DRM_ACC_FEATURE_EMULATED | DRM_ACC_FEATURE_ATOMICS),
              DRM_ACC_FEATURE_SCATTER | DRM_ACC_FEATURE_PACE_REAL | DRM_ACC_FEATURE_EMULATED |
                  DRM_ACC_FEATURE_ATOMICS);
    EXPECT_EQ(accel->limits().max_active_queues, 3u);
    EXPECT_EQ(accel->limits().max_client_bytes, 16777216u);
    EXPECT_STREQ(accel->identity().config, "slots=7");
}

TEST(Create, QuotaIsOfEachClient)
{
    Card card("null:memory=1048576");
    auto one = card.open(), two = card.open();
    drm_acc_bo_create args;
    EXPECT_EQ(one->create(1048576 + 1, args), -E2BIG);
    ASSERT_EQ(one->create(1048576, args), 0);
    const uint32_t whole = args.handle;
    EXPECT_EQ(one->create(1, args), -E2BIG);
    ASSERT_EQ(two->create(1048576, args), 0) << "another client's is its own";
    EXPECT_EQ(two->query(DRM_ACC_QUERY_MEMORY).memory.client_bytes, 1048576u);
    EXPECT_GE(two->query(DRM_ACC_QUERY_MEMORY).memory.device_bytes, 2 * 1048576u);
    EXPECT_EQ(one->close(whole), 0);
    ASSERT_EQ(one->create(1048576, args), 0);
}

// What a client has exported counts until the last holder lets go.
TEST(Create, QuotaFollowsTheMemoryNotTheHandle)
{
    Card card("null:memory=1048576");
    auto one = card.open(), two = card.open();
    drm_acc_bo_create args;
    ASSERT_EQ(one->create(1048576, args), 0);
    drm_prime_handle prime = {};
    prime.handle = args.handle;
    prime.flags = uint32_t(O_CLOEXEC | O_RDWR);
    ASSERT_EQ(one->call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
    const UniqueFd fd(prime.fd);
    ASSERT_EQ(two->call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime), 0);
    ASSERT_EQ(one->close(args.handle), 0);
    drm_acc_bo_create more;
    EXPECT_EQ(one->create(4096, more), -E2BIG) << "the other one still has it";
    ASSERT_EQ(two->close(prime.handle), 0);
    EXPECT_EQ(one->create(4096, more), 0);
}

TEST(Permission, HighPriorityNeedsIt)
{
    Card card;
    auto accel = card.open({.high_priority = false});
    Buffer memory(*accel, ring_offset + 64 * ACC_PACKET_BYTES);
    drm_acc_queue_create args = queue_request(memory);
    args.priority = DRM_ACC_PRIORITY_HIGH;
    EXPECT_EQ(accel->call(DRM_IOCTL_ACC_QUEUE_CREATE, args), -EACCES);
    args.priority = DRM_ACC_PRIORITY_HIGH + 1;
    EXPECT_EQ(accel->call(DRM_IOCTL_ACC_QUEUE_CREATE, args), -EINVAL);
    Queue normal(*accel);
    Queue low(*accel, {.priority = DRM_ACC_PRIORITY_LOW});
    auto allowed = card.open();
    Queue high(*allowed, {.priority = DRM_ACC_PRIORITY_HIGH});
    EXPECT_EQ(high.query().priority, uint32_t(DRM_ACC_PRIORITY_HIGH));
}

TEST(Permission, LoadingNeedsIt)
{
    Card card;
    auto accel = card.open({.load_programs = false});
    drm_acc_program_load args;
    EXPECT_EQ(load_program(*accel, null_image({ACC_NULL_NOOP}), args), -EACCES);
    EXPECT_EQ(load_program(*card.open(), null_image({ACC_NULL_NOOP}), args), 0);
}

TEST(Permission, DeviceResetNeedsIt)
{
    Card card;
    auto accel = card.open({.privileged = false});
    EXPECT_EQ(accel->reset(DRM_ACC_RESET_DEVICE, 0), -EACCES);
    drm_acc_bo_create args;
    EXPECT_EQ(accel->create(4096, args), 0) << "nothing happened";
    Queue own(*accel);
    EXPECT_EQ(accel->reset(DRM_ACC_RESET_QUEUE, own.id()), 0) << "its own it may";
}

TEST(Permission, DevicesAreIndependent)
{
    Card one, two("null:slots=1");
    auto first = one.open(), second = two.open();
    ASSERT_EQ(first->reset(DRM_ACC_RESET_DEVICE, 0), 0);
    drm_acc_bo_create args;
    EXPECT_EQ(first->create(4096, args), -EIO);
    EXPECT_EQ(second->create(4096, args), 0);
}

} // namespace

} // namespace acc::emu
