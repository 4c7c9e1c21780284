// SPDX-License-Identifier: MIT
//
// PROGRAM_LOAD, UNLOAD, QUERY, PREFETCH, PIN.
#include "tests/conformance/suite.h"

#include <cstring>
#include <set>

namespace acc::conformance
{

namespace
{

class UapiProgram : public DeviceTest
{
protected:
    std::vector<std::byte> image(unsigned variant = 0)
    {
        return Work::image(accel().identity().engine, variant);
    }
};

TEST_F(UapiProgram, LoadRejectsOneFieldAtATime)
{
    const std::vector<std::byte> bytes = image();
    Buffer memory(accel(), bytes.size() + page_bytes);
    std::memcpy(memory.at(), bytes.data(), bytes.size());
    drm_acc_program_load good = {};
    good.handle = memory.handle();
    good.size = bytes.size();
    using R = Refusal<drm_acc_program_load>;
    expect_refusals<drm_acc_program_load>(
        accel(), DRM_IOCTL_ACC_PROGRAM_LOAD, good,
        {R{"an unknown handle", ENOENT, [](auto &p) { p.handle = 0x7777; }},
         R{"an unknown flag", EINVAL, [](auto &p) { p.flags = DRM_ACC_PROGRAM_FLAGS + 1; }},
         R{"size 0", EINVAL, [](auto &p) { p.size = 0; }},
         R{"past the buffer's end", EINVAL, [&](auto &p) { p.size = memory.bytes() + 1; }},
         R{"offset past the end", EINVAL, [&](auto &p) { p.offset = memory.bytes(); }},
         R{"offset that wraps", EINVAL, [](auto &p) { p.offset = ~0ull; }},
         R{"size that wraps", EINVAL, [](auto &p) { p.size = ~0ull; }},
         R{"a truncated image", EINVAL, [](auto &p) { p.size -= 1; }},
         R{"the middle of an image", EINVAL, [](auto &p) {
               p.offset = 64;
               p.size -= 64;
           }}});
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_LOAD, good), 0);
    EXPECT_EQ(good.kernels, 1u);
    EXPECT_NE(good.kernel_object_base, 0u);
    drm_acc_program_unload unload = {};
    unload.program = good.program;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), 0);
}

// A promise that a device makes by its feature bit, or not at all.
TEST_F(UapiProgram, PersistentNeedsTheFeature)
{
    const std::vector<std::byte> bytes = image();
    Buffer memory(accel(), bytes.size());
    std::memcpy(memory.at(), bytes.data(), bytes.size());
    drm_acc_program_load args = {};
    args.handle = memory.handle();
    args.size = bytes.size();
    args.flags = DRM_ACC_PROGRAM_PERSISTENT;
    const bool kept = accel().identity().features & DRM_ACC_FEATURE_PERSISTENT;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_LOAD, args), kept ? 0 : -EINVAL);
    if (!kept) return;
    drm_acc_program_unload unload = {};
    unload.program = args.program;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), 0);
}

TEST_F(UapiProgram, RefusalSaysWhy)
{
    std::vector<std::byte> garbage(5000, std::byte(0x5a));
    drm_acc_program_load args;
    EXPECT_EQ(load_program(accel(), garbage, args), -EINVAL);
    EXPECT_NE(args.why[0], 0);
    EXPECT_NE(std::memchr(args.why, 0, sizeof args.why), nullptr);
    EXPECT_EQ(args.program, 0u);
    // A program for another engine.
    const uint32_t other = accel().identity().engine == DRM_ACC_ENGINE_NULL
                               ? uint32_t(DRM_ACC_ENGINE_CROSSBAR)
                               : uint32_t(DRM_ACC_ENGINE_NULL);
    EXPECT_EQ(load_program(accel(), Work::image(other, 0), args), -EINVAL);
    EXPECT_NE(args.why[0], 0);
}

TEST_F(UapiProgram, EveryTruncationIsRefused)
{
    const std::vector<std::byte> bytes = image();
    Buffer memory(accel(), bytes.size());
    std::memcpy(memory.at(), bytes.data(), bytes.size());
    for (uint64_t size = 1; size < bytes.size(); size += 1 + size / 40) {
        drm_acc_program_load args = {};
        args.handle = memory.handle();
        args.size = size;
        EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_LOAD, args), -EINVAL) << size;
    }
}

TEST_F(UapiProgram, ImageMayBeginAnywhereAndIsCopied)
{
    const std::vector<std::byte> bytes = image();
    Buffer memory(accel(), bytes.size() + 2 * page_bytes);
    const uint64_t offset = page_bytes + 40;
    std::memcpy(memory.at(offset), bytes.data(), bytes.size());
    drm_acc_program_load args = {};
    args.handle = memory.handle();
    args.offset = offset;
    args.size = bytes.size();
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_LOAD, args), 0) << args.why;
    std::memset(memory.at(), 0, memory.bytes()); // the device has its own
    drm_acc_program_query query = {};
    query.program = args.program;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_QUERY, query), 0);
    EXPECT_NE(query.name[0], 0);
    drm_acc_program_unload unload = {};
    unload.program = args.program;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), 0);
}

TEST_F(UapiProgram, TooBigAnImageIsRefusedBeforeItIsRead)
{
    const uint64_t most = accel().limits().max_program_bytes;
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(most + page_bytes, bo), 0);
    drm_acc_program_load args = {};
    args.handle = bo.handle;
    args.size = most + 1;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_LOAD, args), -E2BIG);
    EXPECT_EQ(accel().close(bo.handle), 0);
}

TEST_F(UapiProgram, KernelObjectsAreNeverReused)
{
    std::set<uint64_t> seen;
    for (int i = 0; i < 50; i++) {
        Program program(accel(), image());
        for (uint32_t k = 0; k < program.kernels(); k++) {
            EXPECT_TRUE(seen.insert(program.kernel(k)).second) << program.kernel(k);
            EXPECT_EQ(program.query(k).kernel_object, program.kernel(k));
        }
        EXPECT_EQ(program.unload(), 0);
    }
}

TEST_F(UapiProgram, LimitIsOfPrograms)
{
    const uint32_t most = accel().limits().max_programs;
    ASSERT_NE(most, 0u);
    const std::vector<std::byte> bytes = image();
    Buffer memory(accel(), bytes.size());
    std::memcpy(memory.at(), bytes.data(), bytes.size());
    for (uint32_t i = 0; i <= most; i++) {
        drm_acc_program_load args = {};
        args.handle = memory.handle();
        args.size = bytes.size();
        const int error = accel().call(DRM_IOCTL_ACC_PROGRAM_LOAD, args);
        if (i < most)
            ASSERT_EQ(error, 0) << i << " " << args.why;
        else
            EXPECT_EQ(error, -E2BIG);
    }
}

TEST_F(UapiProgram, UnloadAndQueryRejectOneFieldAtATime)
{
    ASSERT_NO_FATAL_FAILURE(start_afresh());
    if (IsSkipped()) return;
    Program program(accel(), image());
    drm_acc_program_unload unload = {};
    unload.program = program.id();
    using U = Refusal<drm_acc_program_unload>;
    expect_refusals<drm_acc_program_unload>(
        accel(), DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload,
        {U{"pad", EINVAL, [](auto &p) { p.pad = 1; }},
         U{"an unknown id", ENOENT, [](auto &p) { p.program = 0x7777; }},
         U{"id 0", ENOENT, [](auto &p) { p.program = 0; }}});
    drm_acc_program_query query = {};
    query.program = program.id();
    using Q = Refusal<drm_acc_program_query>;
    expect_refusals<drm_acc_program_query>(
        accel(), DRM_IOCTL_ACC_PROGRAM_QUERY, query,
        {Q{"a kernel past the last", EINVAL, [](auto &p) { p.kernel = 1; }},
         Q{"all kernels", EINVAL, [](auto &p) { p.kernel = DRM_ACC_ALL_KERNELS; }},
         Q{"an unknown id", ENOENT, [](auto &p) { p.program = 0x7777; }}});
    EXPECT_EQ(second().call(DRM_IOCTL_ACC_PROGRAM_QUERY, query), -ENOENT) << "another file's";
    EXPECT_EQ(second().call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), -ENOENT);
    const drm_acc_program_query fresh = program.query();
    EXPECT_EQ(fresh.slot, ~0u) << "nothing is loaded before it is asked for";
    EXPECT_EQ(fresh.loads, 0u);
    EXPECT_EQ(fresh.pinned, 0u);
    EXPECT_EQ(fresh.kernels, 1u);
    EXPECT_EQ(program.unload(), 0);
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload), -ENOENT) << "twice";
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_PROGRAM_QUERY, query), -ENOENT);
}

TEST_F(UapiProgram, PrefetchAndPinRejectOneFieldAtATime)
{
    Program program(accel(), image());
    drm_acc_program_prefetch prefetch = {};
    prefetch.program = program.id();
    using F = Refusal<drm_acc_program_prefetch>;
    expect_refusals<drm_acc_program_prefetch>(
        accel(), DRM_IOCTL_ACC_PROGRAM_PREFETCH, prefetch,
        {F{"flags", EINVAL, [](auto &p) { p.flags = 1; }},
         F{"pad", EINVAL, [](auto &p) { p.pad = 1; }},
         F{"a kernel past the last", EINVAL, [](auto &p) { p.kernel = 1; }},
         F{"an unknown id", ENOENT, [](auto &p) { p.program = 0x7777; }}});
    EXPECT_EQ(second().call(DRM_IOCTL_ACC_PROGRAM_PREFETCH, prefetch), -ENOENT);
    drm_acc_program_pin pin = {};
    pin.program = program.id();
    pin.pin = 1;
    using P = Refusal<drm_acc_program_pin>;
    expect_refusals<drm_acc_program_pin>(
        accel(), DRM_IOCTL_ACC_PROGRAM_PIN, pin,
        {P{"flags", EINVAL, [](auto &p) { p.flags = 1; }},
         P{"pin 2", EINVAL, [](auto &p) { p.pin = 2; }},
         P{"a kernel past the last", EINVAL, [](auto &p) { p.kernel = 1; }},
         P{"unpin without a pin", EINVAL, [](auto &p) { p.pin = 0; }},
         P{"an unknown id", ENOENT, [](auto &p) { p.program = 0x7777; }}});
    EXPECT_EQ(second().call(DRM_IOCTL_ACC_PROGRAM_PIN, pin), -ENOENT);
}

TEST_F(UapiProgram, PrefetchLoadsOnce)
{
    ASSERT_NO_FATAL_FAILURE(start_afresh());
    if (IsSkipped()) return;
    Program program(accel(), image());
    ASSERT_EQ(program.prefetch(DRM_ACC_ALL_KERNELS), 0);
    EXPECT_NE(program.query().slot, ~0u);
    EXPECT_EQ(program.query().loads, 1u);
    ASSERT_EQ(program.prefetch(0), 0);
    EXPECT_EQ(program.query().loads, 1u) << "it is there already";
    const uint32_t slot = program.query().slot;
    EXPECT_EQ(accel().query(DRM_ACC_QUERY_SLOT, slot).slot.state, uint32_t(DRM_ACC_SLOT_READY));
    EXPECT_NE(accel().query(DRM_ACC_QUERY_SLOT, slot).slot.resident[0], 0);
    EXPECT_EQ(program.unload(), 0);
    EXPECT_EQ(accel().query(DRM_ACC_QUERY_SLOT, slot).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
}

TEST_F(UapiProgram, PinsLeaveOneSlotUnpinned)
{
    ASSERT_NO_FATAL_FAILURE(start_afresh());
    if (IsSkipped()) return;
    const uint32_t slots = accel().slots();
    if (slots > Work::variants(accel().identity().engine)) GTEST_SKIP() << "too many slots";
    std::vector<std::unique_ptr<Program>> programs;
    for (uint32_t i = 0; i < slots; i++)
        programs.push_back(std::make_unique<Program>(accel(), image(i)));
    // Slots of one class, and units that fit all of it: all but one can be pinned.
    for (uint32_t i = 0; i + 1 < slots; i++) {
        ASSERT_EQ(programs[i]->pin(0), 0) << i;
        EXPECT_EQ(programs[i]->query().pinned, 1u);
        EXPECT_EQ(programs[i]->query().loads, 1u);
        EXPECT_EQ(accel().query(DRM_ACC_QUERY_SLOT, programs[i]->query().slot).slot.pins, 1u);
    }
    EXPECT_EQ(programs[slots - 1]->pin(0), -ENOSPC);
    EXPECT_EQ(programs[slots - 1]->query().pinned, 0u);
    if (slots > 1) {
        EXPECT_EQ(programs[0]->pin(0), 0) << "a pinned unit may be pinned again";
        EXPECT_EQ(programs[0]->pin(0, false), 0);
        EXPECT_EQ(programs[slots - 1]->pin(0), -ENOSPC) << "pins count";
        EXPECT_EQ(programs[0]->pin(0, false), 0);
        EXPECT_EQ(programs[slots - 1]->pin(0), 0);
        EXPECT_EQ(programs[0]->pin(0, false), -EINVAL);
        // Unloading ends the pin.
        EXPECT_EQ(programs[slots - 1]->unload(), 0);
        EXPECT_EQ(programs[0]->pin(0), 0);
    }
}

} // namespace

} // namespace acc::conformance
