// SPDX-License-Identifier: MIT
//
// Cells that keep what they hold: what survives a device, and what ends it.
#include "tests/unit/emulator/persist.h"

#include <cerrno>
#include <sys/stat.h>
#include <sys/wait.h>

namespace acc::emu
{

namespace
{

// ------------------------------------------------------------------- what is refused

TEST_F(Persist, OptionIsForSlotsThatKeep)
{
    std::string why;
    for (const char *engine : {"fpga", "null"}) {
        auto made = Emulator::create(std::string(engine) + ":state=" + state_.string(), why);
        EXPECT_EQ(made.error(), -EINVAL);
        EXPECT_NE(why.find("state"), std::string::npos) << why;
        EXPECT_NE(why.find(engine), std::string::npos) << why;
        EXPECT_FALSE(fs::exists(state_)) << "nothing is made";
    }
    EXPECT_EQ(Emulator::create("crossbar:state=", why).error(), -EINVAL);
    EXPECT_NE(why.find("state"), std::string::npos) << why;
    const std::string nowhere = (root_ / "no" / "such").string();
    EXPECT_EQ(Emulator::create("crossbar:state=" + nowhere, why).error(), -ENOENT);
    EXPECT_NE(why.find(nowhere), std::string::npos) << why;
    std::ofstream(root_ / "file") << "x";
    EXPECT_EQ(Emulator::create("crossbar:state=" + (root_ / "file").string(), why).error(),
              -ENOTDIR);
}

TEST_F(Persist, FlagIsForDevicesThatKeep)
{
    const auto image = Work::image(DRM_ACC_ENGINE_CROSSBAR, 0);
    const auto load = [&](Accel &accel, uint32_t flags) {
        Buffer memory(accel, image.size());
        std::memcpy(memory.at(), image.data(), image.size());
        drm_acc_program_load args = {};
        args.handle = memory.handle();
        args.size = image.size();
        args.flags = flags;
        return accel.call(DRM_IOCTL_ACC_PROGRAM_LOAD, args);
    };
    Card plain("crossbar"), keeping(spec());
    auto one = plain.open(), two = keeping.open();
    EXPECT_FALSE(one->identity().features & DRM_ACC_FEATURE_PERSISTENT);
    EXPECT_TRUE(two->identity().features & DRM_ACC_FEATURE_PERSISTENT);
    EXPECT_EQ(load(*one, DRM_ACC_PROGRAM_PERSISTENT), -EINVAL);
    EXPECT_EQ(load(*one, 0), 0);
    EXPECT_EQ(load(*two, DRM_ACC_PROGRAM_PERSISTENT), 0);
    EXPECT_EQ(load(*two, DRM_ACC_PROGRAM_PERSISTENT << 1), -EINVAL);
}

TEST_F(Persist, DirectoryIsOneDevices)
{
    std::string why;
    {
        Card card(spec());
        EXPECT_EQ(Emulator::create(spec(), why).error(), -EBUSY);
        EXPECT_NE(why.find(state_.string()), std::string::npos) << why;
        EXPECT_NE(why.find("another device"), std::string::npos) << why;
    }
    Card again(spec()); // free with the device
}

// A child of fork has a copy of the lock's descriptor. It must not hold the directory.
TEST_F(Persist, LockOutlivesNoDevice)
{
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    UniqueFd reader(ends[0]), writer(ends[1]);
    auto card = std::make_unique<Card>(spec());
    const pid_t child = fork();
    if (!child) {
        writer.reset();
        char byte;
        (void)!read(reader.get(), &byte, 1); // lives as long as the test wants
        _exit(0);
    }
    ASSERT_GT(child, 0);
    card.reset();
    std::string why;
    EXPECT_TRUE(Emulator::create(spec(), why)) << why;
    writer.reset();
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
}

// --------------------------------------------------------------------- what survives

TEST_F(Persist, SurvivesTheDevice)
{
    {
        Card card(spec());
        auto accel = card.open();
        Multiplier three(*accel, 3), four(*accel, 4);
        Queue queue(*accel);
        ASSERT_EQ(three.run(queue), uint32_t(ACC_STATUS_OK));
        ASSERT_EQ(four.run(queue), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(accel->counters().loads, 2u);
    }
    for (int round = 0; round < 3; round++) {
        Card card(spec(), log());
        auto accel = card.open();
        for (uint32_t i = 0; i < 2; i++) {
            const drm_acc_slot slot = accel->query(DRM_ACC_QUERY_SLOT, i).slot;
            EXPECT_EQ(slot.state, uint32_t(DRM_ACC_SLOT_READY));
            EXPECT_EQ(slot.loads, 0u);
            EXPECT_NE(slot.used, 0u);
            EXPECT_STREQ(slot.resident, "") << "nobody's yet";
        }
        Multiplier four(*accel, 4), three(*accel, 3);
        EXPECT_NE(three.query().slot, four.query().slot);
        EXPECT_NE(three.query().slot, ~0u);
        Queue queue(*accel);
        EXPECT_EQ(three.run(queue), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(four.run(queue), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(three.query().loads + four.query().loads, 0u);
        EXPECT_EQ(accel->counters().loads, 0u) << "nothing was programmed";
        EXPECT_EQ(accel->counters().load_ns, 0u);
        EXPECT_EQ(accel->counters().evictions, 0u);
        EXPECT_STRNE(accel->query(DRM_ACC_QUERY_SLOT, three.query().slot).slot.resident, "")
            << "and now it is somebody's";
    }
    EXPECT_EQ(log_, "");
}

TEST_F(Persist, FilesAreTheOwnersAlone)
{
    keep_one();
    for (const char *name : {"slot-0", "lock"}) {
        struct stat status;
        ASSERT_EQ(stat((state_ / name).c_str(), &status), 0) << name;
        EXPECT_EQ(status.st_mode & 07777, 0600u) << name;
    }
    struct stat status;
    ASSERT_EQ(stat(state_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700u);
    EXPECT_FALSE(fs::exists(state_ / "slot-0.new"));
}

// Pins and prefetches find it, too, and a program that is not persistent itself.
TEST_F(Persist, IsFoundByWhoeverWantsTheSame)
{
    for (int how = 0; how < 3; how++) {
        keep_one();
        Card card(spec());
        auto accel = card.open();
        Multiplier same(*accel, 7, how == 2);
        if (how == 0) {
            EXPECT_EQ(same.pin(), 0);
            EXPECT_EQ(accel->query(DRM_ACC_QUERY_SLOT, same.query().slot).slot.pins, 1u);
        } else if (how == 1) {
            EXPECT_EQ(same.prefetch(), 0);
        }
        EXPECT_EQ(same.run(), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(same.query().loads, 0u);
        EXPECT_EQ(accel->counters().loads, 0u);
        EXPECT_TRUE(fs::exists(state_ / "slot-0")) << "the cells are as they were";
    }
}

TEST_F(Persist, OnlyWhatIsMarkedSurvives)
{
    {
        Card card(spec());
        auto accel = card.open();
        Multiplier kept(*accel, 1), lost(*accel, 2, false);
        EXPECT_EQ(kept.run(), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(lost.run(), uint32_t(ACC_STATUS_OK));
    }
    Card card(spec());
    auto accel = card.open();
    Multiplier kept(*accel, 1), lost(*accel, 2, false);
    EXPECT_NE(kept.query().slot, ~0u);
    EXPECT_EQ(lost.query().slot, ~0u);
    EXPECT_EQ(lost.run(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(lost.query().loads, 1u);
}

// Somebody who wants it kept finds it loaded by somebody who did not: it is kept from then on,
// and not programmed again.
TEST_F(Persist, IsKeptFromWhenSomebodyWantsIt)
{
    {
        Card card(spec());
        auto one = card.open(), two = card.open();
        Multiplier plain(*one, 5, false, true), kept(*two, 5, true, true);
        ASSERT_EQ(plain.run(), uint32_t(ACC_STATUS_OK));
        EXPECT_FALSE(fs::exists(state_ / "slot-0"));
        ASSERT_EQ(kept.run(), uint32_t(ACC_STATUS_OK));
        EXPECT_TRUE(fs::exists(state_ / "slot-0"));
        EXPECT_EQ(kept.query().loads, 0u);
        EXPECT_EQ(two->counters().loads, 1u);
    }
    Card card(spec());
    auto accel = card.open();
    Multiplier plain(*accel, 5, false, true);
    EXPECT_EQ(plain.query().slot, 0u);
    EXPECT_EQ(plain.run(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(accel->counters().loads, 0u);
}

// What belongs to somebody alive and is not shared is loaded beside it.
TEST_F(Persist, UnsharedUnitsOfTheLivingStayTheirs)
{
    Card card(spec());
    auto accel = card.open();
    Multiplier plain(*accel, 5, false), kept(*accel, 5);
    ASSERT_EQ(plain.run(), uint32_t(ACC_STATUS_OK));
    ASSERT_EQ(kept.run(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(kept.query().loads, 1u);
    EXPECT_FALSE(fs::exists(state_ / "slot-0"));
    EXPECT_TRUE(fs::exists(state_ / "slot-1"));
}

// The program, its client, a reset of the device and its removal end; the cells do not.
TEST_F(Persist, OutlivesProgramClientResetAndRemoval)
{
    Card card(spec());
    const auto expect_there = [&](const char *after) {
        auto accel = card.open();
        Multiplier same(*accel, 7);
        EXPECT_EQ(same.query().slot, 0u) << after;
        EXPECT_EQ(same.run(), uint32_t(ACC_STATUS_OK)) << after;
        EXPECT_EQ(same.query().loads, 0u) << after;
        EXPECT_EQ(accel->counters().loads, 1u) << after;
        EXPECT_TRUE(fs::exists(state_ / "slot-0")) << after;
    };
    auto accel = card.open();
    {
        Multiplier first(*accel, 7);
        ASSERT_EQ(first.run(), uint32_t(ACC_STATUS_OK));
        ASSERT_EQ(first.unload(), 0);
    }
    EXPECT_EQ(accel->query(DRM_ACC_QUERY_SLOT, 0).slot.state, uint32_t(DRM_ACC_SLOT_READY));
    EXPECT_STREQ(accel->query(DRM_ACC_QUERY_SLOT, 0).slot.resident, "");
    expect_there("unload");
    expect_there("close");
    {
        Multiplier pinned(*accel, 7);
        ASSERT_EQ(pinned.pin(), 0);
        ASSERT_EQ(accel->reset(DRM_ACC_RESET_DEVICE, 0), 0);
    }
    expect_there("device reset");
    {
        auto dying = card.open();
        Multiplier busy(*dying, 7);
        ASSERT_EQ(busy.run(), uint32_t(ACC_STATUS_OK));
        card.emulator().unplug();
    }
    EXPECT_TRUE(fs::exists(state_ / "slot-0"));
}

// ------------------------------------------------------------------------- what ends it

TEST_F(Persist, IsEvictedBeforeAllOthers)
{
    keep_one(7);
    Card card(spec());
    auto one = card.open(), two = card.open();
    Multiplier a(*one, 1, false), b(*two, 2, false);
    EXPECT_EQ(a.run(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(a.query().slot, 1u) << "an empty slot comes first";
    EXPECT_TRUE(fs::exists(state_ / "slot-0"));
    EXPECT_EQ(b.run(), uint32_t(ACC_STATUS_OK)) << "on a crossbar another's is never evicted";
    EXPECT_EQ(b.query().slot, 0u);
    EXPECT_FALSE(fs::exists(state_ / "slot-0")) << "its cells hold something else now";
    Multiplier c(*one, 7, false);
    EXPECT_EQ(c.query().slot, ~0u);
}

// Overwritten by another persistent program: the file is the new one's.
TEST_F(Persist, IsReplaced)
{
    keep_one(7);
    {
        Card card(spec("slots=1"));
        auto accel = card.open();
        Multiplier other(*accel, 8);
        EXPECT_EQ(other.run(), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(other.query().loads, 1u);
    }
    Card card(spec());
    auto accel = card.open();
    Multiplier old(*accel, 7), now(*accel, 8);
    EXPECT_EQ(old.query().slot, ~0u);
    EXPECT_EQ(now.query().slot, 0u);
}

TEST_F(Persist, EndsWithAResetOfTheSlot)
{
    keep_one();
    Card card(spec());
    auto accel = card.open({.privileged = false});
    EXPECT_EQ(accel->reset(DRM_ACC_RESET_SLOT, 0), 0) << "nobody's cells are anybody's";
    EXPECT_FALSE(fs::exists(state_ / "slot-0"));
    EXPECT_EQ(accel->query(DRM_ACC_QUERY_SLOT, 0).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
    Multiplier again(*accel, 7);
    ASSERT_EQ(again.run(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(again.query().loads, 1u);
    ASSERT_TRUE(fs::exists(state_ / "slot-0"));
    auto other = card.open();
    EXPECT_EQ(other->reset(DRM_ACC_RESET_SLOT, 0), -EACCES) << "now it is somebody's";
    EXPECT_TRUE(fs::exists(state_ / "slot-0"));
}

TEST_F(Persist, EndsWithAFaultOfTheSlot)
{
    keep_one();
    {
        Card card(spec());
        ASSERT_EQ(card.emulator().inject(ACC_INJECT_SLOT_FAULT, 1, 0), 0);
        EXPECT_FALSE(fs::exists(state_ / "slot-0"));
    }
    Card card(spec());
    EXPECT_EQ(card.open()->query(DRM_ACC_QUERY_SLOT, 0).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
}

TEST_F(Persist, FailedLoadKeepsNothing)
{
    keep_one(7);
    {
        Card card(spec("slots=1"));
        auto accel = card.open();
        ASSERT_EQ(card.emulator().inject(ACC_INJECT_LOAD_ERROR, 1, 0), 0);
        Multiplier other(*accel, 8);
        EXPECT_EQ(other.run(), uint32_t(ACC_STATUS_ENGINE_ERROR));
        EXPECT_FALSE(fs::exists(state_ / "slot-0")) << "what was evicted is gone";
    }
    Card card(spec());
    EXPECT_EQ(card.open()->query(DRM_ACC_QUERY_SLOT, 0).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
}

// What cannot be kept is not said to be.
TEST_F(Persist, LoadThatCannotBeKeptFails)
{
    Card card(spec(), log());
    auto accel = card.open();
    Multiplier kept(*accel, 7), plain(*accel, 8, false);
    fs::remove_all(state_); // nothing can be written there any more
    EXPECT_EQ(kept.run(), uint32_t(ACC_STATUS_ENGINE_ERROR));
    EXPECT_EQ(kept.query().slot, ~0u);
    EXPECT_NE(log_.find("slot-0"), std::string::npos) << log_;
    EXPECT_EQ(plain.run(), uint32_t(ACC_STATUS_OK)) << "who wants less gets it";
}

} // namespace

} // namespace acc::emu
