// SPDX-License-Identifier: MIT
//
// The files of cells: what is never believed, and what a death at any point leaves.
#include "tests/unit/emulator/persist.h"

#include <csignal>
#include <sys/stat.h>
#include <sys/wait.h>

namespace acc::emu
{

namespace
{

class PersistFile : public Persist
{
};

// ------------------------------------------------------------------ what is not believed

TEST_F(PersistFile, EveryFlippedByteIsFound)
{
    keep_one();
    const std::string good = contents("slot-0");
    ASSERT_GT(good.size(), 200u);
    std::string why;
    auto engine = create_crossbar_engine({}, why);
    ASSERT_TRUE(engine) << why;
    const auto state_of_slot = [&] {
        auto store = CellStore::open(state_, (*engine)->info(), log(), why);
        if (!store) give_up(why);
        ModelClock clock(uint32_t((*engine)->slots().size()));
        ResidencyOptions options;
        options.evict_foreign = false;
        return Residency(**engine, options, clock, std::move(*store)).slot_state(0, 0).state;
    };
    ASSERT_EQ(state_of_slot(), uint32_t(DRM_ACC_SLOT_READY));
    for (size_t i = 0; i < good.size(); i++) {
        std::string bad = good;
        bad[i] = char(bad[i] ^ (1 << i % 8));
        put("slot-0", bad);
        log_.clear();
        EXPECT_EQ(state_of_slot(), uint32_t(DRM_ACC_SLOT_EMPTY)) << i;
        EXPECT_EQ(contents("slot-0.damaged"), bad) << i;
        EXPECT_FALSE(fs::exists(state_ / "slot-0")) << i;
        EXPECT_NE(log_.find("slot-0:"), std::string::npos) << i;
        fs::remove(state_ / "slot-0.damaged");
    }
    put("slot-0", good);
    EXPECT_EQ(state_of_slot(), uint32_t(DRM_ACC_SLOT_READY)) << "and the good one is good";
}

TEST_F(PersistFile, EveryTruncationIsFound)
{
    keep_one();
    const std::string good = contents("slot-0");
    std::string why;
    auto engine = create_crossbar_engine({}, why);
    for (size_t size = 0; size <= good.size() + 1; size++) {
        if (size == good.size()) continue;
        put("slot-0", size < good.size() ? good.substr(0, size) : good + "x");
        auto store = CellStore::open(state_, (*engine)->info(), log(), why);
        ASSERT_TRUE(store) << why;
        EXPECT_TRUE((*store)->read_all(1).empty()) << size;
        EXPECT_TRUE(fs::exists(state_ / "slot-0.damaged")) << size;
        fs::remove(state_ / "slot-0.damaged");
    }
}

TEST_F(PersistFile, OtherGeometryIsSetAside)
{
    const std::string other[] = {"slots=2,rows=64", "slots=2,cols=64", "slots=2,cell_bits=1"};
    for (const std::string &one : other) {
        keep_one();
        expect_set_aside(spec(one), "expected arrays of");
        fs::remove(state_ / "slot-0.damaged");
    }
    keep_one();
    expect_set_aside(spec("slots=2,arrays=1"), "capacity");
}

TEST_F(PersistFile, OtherSlotsFilesAreSetAside)
{
    keep_one();
    put("slot-1", contents("slot-0"));
    expect_set_aside(spec(), "slot 1", 1);
    put("slot-9", contents("slot-0"));
    expect_set_aside(spec(), "below 2", 9);
}

TEST_F(PersistFile, ForeignVersionIsSetAside)
{
    keep_one();
    std::string newer = contents("slot-0");
    newer[8] = 2;
    put("slot-0", newer);
    expect_set_aside(spec(), "version 1; found 2");
}

TEST_F(PersistFile, WhatIsNoFileIsSetAside)
{
    keep_one();
    fs::rename(state_ / "slot-0", state_ / "elsewhere");
    fs::create_symlink("elsewhere", state_ / "slot-0");
    {
        Card card(spec(), log());
        EXPECT_EQ(card.open()->query(DRM_ACC_QUERY_SLOT, 0).slot.state,
                  uint32_t(DRM_ACC_SLOT_EMPTY));
    }
    fs::create_directory(state_ / "slot-0");
    ASSERT_EQ(mkfifo((state_ / "slot-1").c_str(), 0600), 0);
    Card card(spec(), log());
    auto accel = card.open();
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_EQ(accel->query(DRM_ACC_QUERY_SLOT, i).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
    Multiplier works(*accel, 3);
    EXPECT_EQ(works.run(), uint32_t(ACC_STATUS_OK));
}

// However often it happens, nothing that was set aside is lost.
TEST_F(PersistFile, WhatIsSetAsideIsNumbered)
{
    for (int i = 0; i < 3; i++) {
        keep_one();
        put("slot-0", "bad " + std::to_string(i));
        Card card(spec());
    }
    EXPECT_EQ(contents("slot-0.damaged"), "bad 0");
    EXPECT_EQ(contents("slot-0.damaged.2"), "bad 1");
    EXPECT_EQ(contents("slot-0.damaged.3"), "bad 2");
}

// ------------------------------------------------------------------------------- deaths

// Killed before the rename: what was there is there, and the rest is swept away.
TEST_F(PersistFile, HalfAWriteLeavesTheOld)
{
    keep_one(7);
    put("slot-0.new", contents("slot-0").substr(0, 100));
    put("slot-1.new", "");
    Card card(spec(), log());
    auto accel = card.open();
    Multiplier old(*accel, 7);
    EXPECT_EQ(old.query().slot, 0u);
    EXPECT_EQ(old.run(), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(accel->counters().loads, 0u);
    EXPECT_EQ(accel->query(DRM_ACC_QUERY_SLOT, 1).slot.state, uint32_t(DRM_ACC_SLOT_EMPTY));
    EXPECT_FALSE(fs::exists(state_ / "slot-0.new"));
    EXPECT_FALSE(fs::exists(state_ / "slot-1.new"));
    EXPECT_EQ(log_, "");
}

// A process that programs slots all the time is killed at any point. What is found then is
// whole: each slot holds one of the units, and it multiplies as it should without a load.
TEST_F(PersistFile, KillAtAnyPointLosesNothingThatWasLoaded)
{
    constexpr unsigned variants = 12, slots = 3, rounds = 20;
    const std::string device = spec("slots=" + std::to_string(slots));
    for (unsigned round = 0; round < rounds; round++) {
        int ends[2];
        ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
        UniqueFd reader(ends[0]), writer(ends[1]);
        const pid_t child = fork();
        if (!child) {
            try {
                Card card(device);
                auto accel = card.open();
                std::vector<std::unique_ptr<Multiplier>> programs;
                for (unsigned i = 0; i < variants; i++)
                    programs.push_back(std::make_unique<Multiplier>(*accel, i));
                for (unsigned i = round;; i++) {
                    const auto variant = char(i % variants);
                    if (programs[i % variants]->prefetch() || write(writer.get(), &variant, 1) != 1)
                        _exit(1);
                }
            } catch (const std::exception &) {
                _exit(2);
            }
        }
        ASSERT_GT(child, 0);
        writer.reset();
        // A few loads for certain, and then somewhere in the next ones.
        char loaded = -1;
        for (unsigned i = 0; i < 4 + round % 5; i++)
            ASSERT_EQ(read(reader.get(), &loaded, 1), 1);
        usleep(round * 97);
        ASSERT_EQ(kill(child, SIGKILL), 0);
        int status;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status));
        while (read(reader.get(), &loaded, 1) == 1) {
        }

        log_.clear();
        Card card(device, log());
        auto accel = card.open();
        EXPECT_EQ(log_, "") << "nothing was damaged";
        unsigned ready = 0, found = 0;
        for (uint32_t i = 0; i < slots; i++)
            ready += accel->query(DRM_ACC_QUERY_SLOT, i).slot.state == DRM_ACC_SLOT_READY;
        EXPECT_EQ(ready, slots);
        for (unsigned i = 0; i < variants; i++) {
            Multiplier one(*accel, i);
            if (one.query().slot == ~0u) {
                EXPECT_NE(int(i), int(loaded)) << "its load had returned last of all";
                continue;
            }
            found++;
            EXPECT_EQ(one.run(), uint32_t(ACC_STATUS_OK));
            EXPECT_EQ(one.query().loads, 0u);
        }
        EXPECT_EQ(found, ready) << "each slot holds one of them";
        EXPECT_EQ(accel->counters().loads, 0u);
    }
}

} // namespace

} // namespace acc::emu
