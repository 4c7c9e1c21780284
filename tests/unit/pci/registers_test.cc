// SPDX-License-Identifier: MIT
//
// The register face as a driver meets it: set-up, commands, doorbells, events, interrupts,
// reset, and what a driver gets for doing it wrong.
#include "tests/unit/pci/machine.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace acc::test
{

namespace
{

class Registers : public testing::Test
{
protected:
    void SetUp() override { driver_.enable(); }
    void run(uint32_t log2 = 4, uint32_t mask = 0)
    {
        driver_.start(log2, mask);
        ASSERT_EQ(driver_.state(), uint32_t(ACC_DEVICE_RUNNING));
    }
    void expect_failed(acc_device_error error, uint64_t info)
    {
        EXPECT_EQ(driver_.state(), uint32_t(ACC_DEVICE_FAILED));
        EXPECT_EQ(driver_.reg(ACC_REG_ERROR), uint32_t(error));
        EXPECT_EQ(driver_.reg64(ACC_REG_ERROR_INFO), info);
        EXPECT_TRUE(driver_.reg(ACC_REG_IRQ_CAUSE) & ACC_IRQ_FATAL);
        ASSERT_TRUE(driver_.reset());
        EXPECT_EQ(driver_.reg(ACC_REG_ERROR), uint32_t(ACC_ERROR_NONE));
        run();
        drm_acc_clock clock;
        EXPECT_EQ(driver_.identify(ACC_IDENTIFY_CLOCK, &clock, sizeof clock), 0);
    }

    Driver driver_;
};

// ------------------------------------------------------------------- registers

TEST_F(Registers, SayWhatTheDeviceIs)
{
    EXPECT_EQ(driver_.reg(ACC_REG_MAGIC), ACC_MAGIC);
    EXPECT_EQ(driver_.reg(ACC_REG_ABI), uint32_t(ACC_ABI_MAJOR) << 16 | ACC_ABI_MINOR);
    EXPECT_EQ(driver_.reg(ACC_REG_ASIDS), 1024u);
    EXPECT_EQ(driver_.reg(ACC_REG_RESETS), 0u);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_MASK), ACC_IRQ_ALL);
    EXPECT_EQ(driver_.state(), uint32_t(ACC_DEVICE_READY));
    run();
    drm_acc_identity identity;
    ASSERT_EQ(driver_.identify(ACC_IDENTIFY_IDENTITY, &identity, sizeof identity), 0);
    EXPECT_EQ(identity.engine, uint32_t(DRM_ACC_ENGINE_NULL));
    EXPECT_EQ(driver_.reg64(ACC_REG_CAPS), identity.features);
    drm_acc_memory memory;
    ASSERT_EQ(driver_.identify(ACC_IDENTIFY_MEMORY, &memory, sizeof memory), 0);
    EXPECT_EQ(memory.va_start, arena);
    EXPECT_GT(memory.va_end, memory.va_start);
    EXPECT_EQ(memory.page_size, ACC_PAGE_BYTES);
    EXPECT_GE(memory.va_bits, 47u);
}

TEST_F(Registers, TakeAccessesOfFourAndEightBytes)
{
    driver_.reg64(ACC_REG_ADMIN_SQ, 0x1122'3344'5566'7000);
    EXPECT_EQ(driver_.reg(ACC_REG_ADMIN_SQ), 0x5566'7000u);
    EXPECT_EQ(driver_.reg(ACC_REG_ADMIN_SQ + 4), 0x1122'3344u);
    driver_.reg(ACC_REG_ADMIN_SQ, 0x8000'1000);
    EXPECT_EQ(driver_.reg64(ACC_REG_ADMIN_SQ), 0x1122'3344'8000'1000u);
    emu::PciFunction &card = driver_.card();
    // Other sizes, misaligned ones, and what is no register: all ones, nothing written.
    EXPECT_EQ(card.memory_read(registers_at + ACC_REG_MAGIC, 2), 0xffffu);
    EXPECT_EQ(card.memory_read(registers_at + ACC_REG_MAGIC, 1), 0xffu);
    EXPECT_EQ(card.memory_read(registers_at + 2, 4), 0xffff'ffffu);
    EXPECT_EQ(card.memory_read(registers_at + 4, 8), ~0ull);
    EXPECT_EQ(driver_.reg(0x800), ~0u);
    card.memory_write(registers_at + ACC_REG_ADMIN_SQ, 0, 2);
    card.memory_write(registers_at + ACC_REG_ADMIN_SQ + 2, 0, 4);
    driver_.reg(ACC_REG_MAGIC, 0);
    driver_.reg(0xffc, 1);
    EXPECT_EQ(driver_.reg64(ACC_REG_ADMIN_SQ), 0x1122'3344'8000'1000u);
    EXPECT_EQ(driver_.reg(ACC_REG_MAGIC), ACC_MAGIC);
}

TEST_F(Registers, ClockGoesOn)
{
    const uint64_t first = driver_.reg64(ACC_REG_CLOCK);
    EXPECT_TRUE(eventually([&] { return driver_.reg64(ACC_REG_CLOCK) > first; }));
    // The high word is of the moment when the low one was read.
    const uint64_t low = driver_.reg(ACC_REG_CLOCK), high = driver_.reg(ACC_REG_CLOCK + 4);
    EXPECT_GE(high << 32 | low, first);
}

TEST_F(Registers, HeartBeatsWhileItRuns)
{
    run();
    const uint32_t first = driver_.reg(ACC_REG_HEARTBEAT);
    EXPECT_TRUE(eventually([&] { return driver_.reg(ACC_REG_HEARTBEAT) != first; }));
}

// --------------------------------------------------------------------- set-up

TEST_F(Registers, RunRefusesRingsItCannotUse)
{
    const struct {
        uint32_t reg;
        uint64_t value;
        acc_device_error error;
    } wrong[] = {
        {ACC_REG_ADMIN_SIZE, 3, ACC_ERROR_RING_SIZE},
        {ACC_REG_ADMIN_SIZE, 13, ACC_ERROR_RING_SIZE},
        {ACC_REG_ADMIN_SIZE, 0xffff'ffff, ACC_ERROR_RING_SIZE},
        {ACC_REG_EVENT_SIZE, 3, ACC_ERROR_RING_SIZE},
        {ACC_REG_EVENT_SIZE, 17, ACC_ERROR_RING_SIZE},
        {ACC_REG_ADMIN_SQ, 0, ACC_ERROR_RING_ADDRESS},
        {ACC_REG_ADMIN_SQ, ram_start + 64, ACC_ERROR_RING_ADDRESS},
        {ACC_REG_ADMIN_CQ, ram_start + 8, ACC_ERROR_RING_ADDRESS},
        {ACC_REG_EVENT_RING, ~0xfffull, ACC_ERROR_DMA},
        {ACC_REG_ADMIN_SQ, 0x1000, ACC_ERROR_DMA},
        {ACC_REG_ADMIN_CQ, ram_start + ram_bytes, ACC_ERROR_DMA},
        {ACC_REG_EVENT_RING, 1ull << 40, ACC_ERROR_DMA},
    };
    for (const auto &one : wrong) {
        SCOPED_TRACE(testing::Message() << std::hex << one.reg << " = " << one.value);
        driver_.reg64(ACC_REG_ADMIN_SQ, ram_start);
        driver_.reg64(ACC_REG_ADMIN_CQ, ram_start + 0x1000);
        driver_.reg(ACC_REG_ADMIN_SIZE, 4);
        driver_.reg64(ACC_REG_EVENT_RING, ram_start + 0x2000);
        driver_.reg(ACC_REG_EVENT_SIZE, 4);
        if (one.error == ACC_ERROR_RING_SIZE)
            driver_.reg(one.reg, uint32_t(one.value));
        else
            driver_.reg64(one.reg, one.value);
        driver_.reg(ACC_REG_CONTROL, ACC_CONTROL_RUN);
        EXPECT_EQ(driver_.state(), uint32_t(ACC_DEVICE_FAILED));
        EXPECT_EQ(driver_.reg(ACC_REG_ERROR), uint32_t(one.error));
        EXPECT_EQ(driver_.reg64(ACC_REG_ERROR_INFO), one.value);
        ASSERT_TRUE(driver_.reset());
    }
    run();
}

TEST_F(Registers, NothingHappensBeforeRun)
{
    driver_.reg(ACC_REG_ADMIN_TAIL, 5);
    driver_.reg(ACC_REG_ADMIN_HEAD, 5);
    driver_.reg(ACC_REG_EVENT_HEAD, 5);
    EXPECT_EQ(driver_.state(), uint32_t(ACC_DEVICE_READY));
    run();
    // Ring registers are not looked at a second time, nor is RUN.
    driver_.reg64(ACC_REG_ADMIN_SQ, 0);
    driver_.reg(ACC_REG_ADMIN_SIZE, 0);
    driver_.reg(ACC_REG_CONTROL, ACC_CONTROL_RUN);
    EXPECT_EQ(driver_.create_space(1), 0);
}

TEST_F(Registers, HeadsAndTailsOutOfRangeFail)
{
    run();
    driver_.reg(ACC_REG_ADMIN_TAIL, 17);
    expect_failed(ACC_ERROR_TAIL, 17);
    driver_.reg(ACC_REG_ADMIN_TAIL, ~0u);
    expect_failed(ACC_ERROR_TAIL, ~0u);
    driver_.reg(ACC_REG_ADMIN_HEAD, 7);
    expect_failed(ACC_ERROR_HEAD, 7);
    driver_.reg(ACC_REG_EVENT_HEAD, 1);
    expect_failed(ACC_ERROR_HEAD, 1);
}

// ------------------------------------------------------------------- commands

TEST_F(Registers, CommandsGoRoundTheRing)
{
    run();
    for (uint32_t lap = 0; lap < 6; lap++) {
        std::vector<uint16_t> ids;
        for (uint32_t i = 0; i < 15; i++)
            ids.push_back(driver_.submit(Driver::command(ACC_ADMIN_AS_CREATE, 1 + lap * 15 + i)));
        for (const uint16_t id : ids)
            EXPECT_EQ(driver_.wait(id).status, 0);
    }
    EXPECT_EQ(driver_.create_space(1), -EEXIST);
    EXPECT_EQ(driver_.state(), uint32_t(ACC_DEVICE_RUNNING));
}

TEST_F(Registers, CommandsAreRefusedByTheirStatus)
{
    run();
    EXPECT_EQ(driver_.call(Driver::command(0)).status, -ENOENT); // of an unknown ASID
    ASSERT_EQ(driver_.create_space(1), 0);
    EXPECT_EQ(driver_.call(Driver::command(0, 1)).status, -EINVAL);
    EXPECT_EQ(driver_.call(Driver::command(0xffff, 1)).status, -EINVAL);
    EXPECT_EQ(driver_.create_space(0), -EINVAL);
    EXPECT_EQ(driver_.create_space(1023), 0);
    EXPECT_EQ(driver_.create_space(1024), -EINVAL);
    EXPECT_EQ(driver_.create_space(~0u), -EINVAL);
    EXPECT_EQ(driver_.call(Driver::command(ACC_ADMIN_MAP, 2)).status, -ENOENT);
    EXPECT_EQ(driver_.map(1, arena, 0x1000), -EFAULT);
    EXPECT_EQ(driver_.map(1, arena + 1, ram_start), -EINVAL);
    EXPECT_EQ(driver_.map(1, 0x1000, ram_start), -EEXIST);
    EXPECT_EQ(driver_.map(1, arena, ram_start), 0);
    EXPECT_EQ(driver_.map(1, arena, ram_start), -EEXIST);

    acc_admin_cmd identify = Driver::command(ACC_ADMIN_IDENTIFY);
    identify.identify.data = 0x1000; // no memory
    EXPECT_EQ(driver_.call(identify).status, -EFAULT);
    identify.identify.data = ram_start + ACC_PAGE_BYTES - 128; // over a page's edge
    EXPECT_EQ(driver_.call(identify).status, -EFAULT);
    identify.identify.what = 99;
    EXPECT_EQ(driver_.call(identify).status, -EINVAL);
}

TEST_F(Registers, ADoorbellOutsideThePageIsRefused)
{
    run();
    EXPECT_EQ(TestClient(driver_, 1, 511).error, 0);
    EXPECT_EQ(TestClient(driver_, 2, 512).error, -EINVAL);
    EXPECT_EQ(TestClient(driver_, 3, ~0u).error, -EINVAL);
}

TEST_F(Registers, ADriverThatTakesNoCompletionsHoldsUpItself)
{
    run();
    driver_.free_completions = false;
    std::vector<uint16_t> ids;
    for (uint32_t i = 0; i < 16; i++)
        ids.push_back(driver_.submit(Driver::command(ACC_ADMIN_AS_CREATE, 1 + i)));
    for (const uint16_t id : ids)
        EXPECT_EQ(driver_.wait(id).status, 0);
    // The ring is full of what was not freed: the next waits for room.
    const uint16_t id = driver_.submit(Driver::command(ACC_ADMIN_AS_CREATE, 17));
    const uint32_t beat = driver_.reg(ACC_REG_HEARTBEAT);
    EXPECT_TRUE(eventually([&] { return driver_.reg(ACC_REG_HEARTBEAT) != beat; }));
    EXPECT_FALSE(driver_.completed(id));
    driver_.free_completions = true;
    driver_.reg(ACC_REG_ADMIN_HEAD, 16);
    EXPECT_EQ(driver_.wait(id).status, 0);
}

TEST_F(Registers, ACommandThatWaitsHoldsUpNoOther)
{
    run();
    TestClient client(driver_, 1);
    ASSERT_EQ(client.error, 0);
    client.launch(client.hang(0));
    ASSERT_TRUE(eventually([&] { return client.query().executing == 1; }));
    acc_admin_cmd unmap = Driver::command(ACC_ADMIN_UNMAP, 1);
    unmap.map.address = arena + 16 * ACC_PAGE_BYTES;
    unmap.map.pages = 1;
    unmap.map.timeout_ns = 60 * second_ns;
    const uint16_t waiting = driver_.submit(unmap);
    EXPECT_EQ(driver_.create_space(2), 0);
    EXPECT_EQ(driver_.map(2, arena, ram_start), 0);
    EXPECT_EQ(driver_.call(Driver::command(ACC_ADMIN_WAKE, 1)).status, 0);
    EXPECT_FALSE(driver_.completed(waiting));
    EXPECT_EQ(driver_.call(Driver::command(ACC_ADMIN_QUEUE_RESET, 1, client.queue)).status, 0);
    EXPECT_EQ(driver_.wait(waiting).status, 0);
    EXPECT_EQ(client.query().executing, 0u);
    EXPECT_EQ(client.query().fault_code, uint32_t(ACC_STATUS_RESET));
}

// ----------------------------------------------------------- doorbells, events

TEST_F(Registers, ADoorbellStartsWork)
{
    run();
    TestClient client(driver_, 1, 3);
    ASSERT_EQ(client.error, 0);
    for (unsigned i = 0; i < 60; i++) {
        client.launch(i % 2 ? client.noop(i) : client.nothing(i));
        ASSERT_TRUE(client.wait(i)) << i;
        EXPECT_EQ(client.signal(i)->status, uint32_t(ACC_STATUS_OK));
    }
    EXPECT_EQ(client.query().read_index, 60u);
}

TEST_F(Registers, ADoorbellRingsItsOwnQueueAlone)
{
    run();
    TestClient client(driver_, 1, 3), other(driver_, 2, 3);
    ASSERT_EQ(client.error, 0);
    ASSERT_EQ(other.error, 0);
    client.put(client.nothing(0));
    other.put(other.nothing(0));
    // Doorbells of nobody, and of nothing: no queue looks.
    for (const uint64_t offset : {0ull, 8ull, 3 * 8ull, 4096ull, 4096ull + 2 * 8, 4096ull + 4 * 8,
                                  3 * 4096ull + 3 * 8, 1023 * 4096ull, 1024 * 4096ull - 8})
        driver_.card().memory_write(doorbells_at + offset, 0, 8);
    EXPECT_EQ(driver_.card().memory_read(doorbells_at + 4096 + 24, 8), ~0ull);
    EXPECT_EQ(client.query().read_index, 0u);
    EXPECT_EQ(other.query().read_index, 0u);
    client.ring();
    EXPECT_TRUE(client.wait(0));
    EXPECT_EQ(other.value(0), 1);
    // A 32-bit store, of either half, rings too.
    driver_.card().memory_write(doorbells_at + 2 * 4096 + 3 * 8 + 4, 0, 4);
    EXPECT_TRUE(other.wait(0));
}

TEST_F(Registers, ASignalWithAWaiterRaisesAnEvent)
{
    run();
    TestClient client(driver_, 5);
    ASSERT_EQ(client.error, 0);
    client.launch(client.nothing(0));
    ASSERT_TRUE(client.wait(0));
    acc_event event;
    EXPECT_FALSE(driver_.next_event(event, 1)); // nobody waited
    for (unsigned i = 1; i < 50; i++) {         // three laps of the ring
        client.notify(i);
        client.launch(client.noop(i));
        ASSERT_TRUE(driver_.next_event(event)) << i;
        EXPECT_EQ(event.type, uint32_t(ACC_EVENT_SIGNAL));
        EXPECT_EQ(event.asid, 5u);
        EXPECT_EQ(event.code, ACC_NOTIFY_HOST);
        EXPECT_EQ(event.address, client.signal_address(i));
        EXPECT_EQ(client.value(i), 0);
    }
}

TEST_F(Registers, AFaultRaisesAnEvent)
{
    run();
    TestClient client(driver_, 5);
    ASSERT_EQ(client.error, 0);
    acc_packet bad = client.noop(0);
    bad.dispatch.kernel_object = 12345;
    client.launch(client.nothing(1));
    client.launch(bad);
    acc_event event;
    ASSERT_TRUE(driver_.next_event(event));
    EXPECT_EQ(event.type, uint32_t(ACC_EVENT_FAULT));
    EXPECT_EQ(event.asid, 5u);
    EXPECT_EQ(event.queue, client.queue);
    EXPECT_EQ(event.code, uint32_t(ACC_STATUS_INVALID_KERNEL));
    EXPECT_EQ(event.packet_index, 1u);
}

TEST_F(Registers, AFullEventRingSaysThatRecordsAreLost)
{
    run();
    TestClient client(driver_, 1);
    ASSERT_EQ(client.error, 0);
    for (unsigned i = 0; i < 20; i++) {
        client.notify(i);
        client.put(client.nothing(i));
    }
    client.ring();
    ASSERT_TRUE(client.wait(19));
    // Signals may be seen before their events are raised; when the queue is gone, all are.
    ASSERT_EQ(driver_.call(Driver::command(ACC_ADMIN_QUEUE_DESTROY, 1, client.queue)).status, 0);
    acc_event event;
    for (unsigned i = 0; i < 16; i++) {
        ASSERT_TRUE(driver_.next_event(event));
        EXPECT_EQ(event.type, uint32_t(ACC_EVENT_SIGNAL));
        EXPECT_EQ(event.address, client.signal_address(i));
    }
    ASSERT_TRUE(driver_.next_event(event));
    EXPECT_EQ(event.type, uint32_t(ACC_EVENT_LOST));
    EXPECT_EQ(event.asid, 0u);
    // Where the hole is over, events come as ever.
    TestClient other(driver_, 2);
    ASSERT_EQ(other.error, 0);
    other.notify(20);
    other.launch(other.nothing(20));
    ASSERT_TRUE(driver_.next_event(event));
    EXPECT_EQ(event.asid, 2u);
    EXPECT_EQ(event.address, other.signal_address(20));
}

// ------------------------------------------------------------------ interrupts

TEST_F(Registers, AMessageForEachCauseThatWasCleared)
{
    run();
    Machine &machine = driver_.machine();
    driver_.free_completions = false;
    ASSERT_EQ(driver_.create_space(1), 0);
    EXPECT_TRUE(machine.wait_messages(ACC_VECTOR_ADMIN, 1));
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), ACC_IRQ_ADMIN);
    driver_.reg(ACC_REG_IRQ_CAUSE, ACC_IRQ_EVENT); // clears another
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), ACC_IRQ_ADMIN);
    driver_.reg(ACC_REG_IRQ_CAUSE, ACC_IRQ_ALL);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), 0u);
    ASSERT_EQ(driver_.create_space(2), 0);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), ACC_IRQ_ADMIN);
    EXPECT_EQ(machine.messages(ACC_VECTOR_EVENT), 0u);
    // Taking all that was written is an answer, too; taking less is none.
    driver_.reg(ACC_REG_ADMIN_HEAD, 1);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), ACC_IRQ_ADMIN);
    driver_.reg(ACC_REG_ADMIN_HEAD, 2);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), 0u);

    const unsigned before = machine.messages(ACC_VECTOR_ADMIN);
    driver_.reg(ACC_REG_ADMIN_HEAD, 99); // FATAL comes by the same vector
    EXPECT_TRUE(machine.wait_messages(ACC_VECTOR_ADMIN, before + 1));
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), ACC_IRQ_FATAL);
}

TEST_F(Registers, AMessageThatNobodyAnswersIsRepeated)
{
    run();
    driver_.free_completions = false;
    ASSERT_EQ(driver_.create_space(1), 0);
    EXPECT_TRUE(driver_.machine().wait_messages(ACC_VECTOR_ADMIN, 4));
}

TEST_F(Registers, EventsHaveAVectorOfTheirOwn)
{
    run();
    TestClient client(driver_, 1);
    ASSERT_EQ(client.error, 0);
    client.notify(0);
    client.launch(client.nothing(0));
    EXPECT_TRUE(driver_.machine().wait_messages(ACC_VECTOR_EVENT, 1));
    EXPECT_TRUE(driver_.reg(ACC_REG_IRQ_CAUSE) & ACC_IRQ_EVENT);
}

TEST_F(Registers, AMaskedCauseIsSentWhenItIsUnmasked)
{
    run(4, ACC_IRQ_ALL);
    Machine &machine = driver_.machine();
    driver_.free_completions = false;
    ASSERT_EQ(driver_.create_space(1), 0);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), ACC_IRQ_ADMIN);
    EXPECT_EQ(machine.messages(ACC_VECTOR_ADMIN), 0u);
    driver_.reg(ACC_REG_IRQ_MASK, ACC_IRQ_ADMIN);
    EXPECT_EQ(machine.messages(ACC_VECTOR_ADMIN), 0u);
    driver_.reg(ACC_REG_IRQ_MASK, 0);
    EXPECT_GE(machine.messages(ACC_VECTOR_ADMIN), 1u);
}

// ----------------------------------------------------------------------- reset

TEST_F(Registers, ResetNeedsTheKey)
{
    run();
    driver_.reg(ACC_REG_RESET, 1);
    driver_.reg(ACC_REG_RESET, ~0u);
    EXPECT_EQ(driver_.state(), uint32_t(ACC_DEVICE_RUNNING));
    EXPECT_EQ(driver_.create_space(1), 0);
}

TEST_F(Registers, ResetStopsAndForgetsEverything)
{
    run();
    TestClient client(driver_, 1);
    ASSERT_EQ(client.error, 0);
    client.launch(client.hang(0));
    ASSERT_TRUE(eventually([&] { return client.query().executing == 1; }));
    // Commands that wait for it are in flight, and more of them than are executed at a time.
    acc_admin_cmd unmap = Driver::command(ACC_ADMIN_UNMAP, 1);
    unmap.map.address = arena + 16 * ACC_PAGE_BYTES;
    unmap.map.pages = 1;
    unmap.map.timeout_ns = 60 * second_ns;
    for (unsigned i = 0; i < 15; i++)
        driver_.submit(unmap);
    ASSERT_TRUE(driver_.reset());
    EXPECT_EQ(driver_.reg(ACC_REG_RESETS), 1u);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_MASK), ACC_IRQ_ALL);
    EXPECT_EQ(driver_.reg(ACC_REG_IRQ_CAUSE), 0u);
    EXPECT_EQ(driver_.reg64(ACC_REG_ADMIN_SQ), 0u);
    EXPECT_EQ(client.value(0), 1); // nobody writes signals any more
    run();
    EXPECT_EQ(driver_.call(Driver::command(ACC_ADMIN_WAKE, 1)).status, -ENOENT);
    TestClient again(driver_, 1);
    ASSERT_EQ(again.error, 0);
    again.launch(again.noop(0));
    EXPECT_TRUE(again.wait(0));
}

TEST_F(Registers, ResetUnderLoad)
{
    for (unsigned round = 0; round < 10; round++) {
        run();
        TestClient a(driver_, 1), b(driver_, 2);
        ASSERT_EQ(a.error, 0);
        ASSERT_EQ(b.error, 0);
        for (unsigned i = 0; i < 50; i++) {
            a.notify(i);
            a.put(a.noop(i));
            b.put(b.nothing(i));
        }
        a.ring();
        b.ring();
        ASSERT_TRUE(driver_.reset()) << round;
    }
    EXPECT_EQ(driver_.reg(ACC_REG_RESETS), 10u);
}

// ------------------------------------------------------------------- injection

TEST_F(Registers, AStuckDeviceAnswersNothingUntilItIsReset)
{
    run();
    acc_admin_cmd inject = Driver::command(ACC_ADMIN_INJECT);
    inject.inject.what = ACC_INJECT_STUCK;
    inject.inject.count = 1;
    const uint16_t id = driver_.submit(inject);
    // A beat that was due may still come.
    const auto stands = [&] {
        const uint32_t beat = driver_.reg(ACC_REG_HEARTBEAT);
        const uint64_t from = driver_.reg64(ACC_REG_CLOCK);
        while (driver_.reg64(ACC_REG_CLOCK) - from < second_ns / 4)
            if (driver_.reg(ACC_REG_HEARTBEAT) != beat) return false;
        return true;
    };
    // Commands are fetched in order: what follows is never looked at, however slow all this is.
    const uint16_t next = driver_.submit(Driver::command(ACC_ADMIN_AS_CREATE, 1));
    EXPECT_TRUE(eventually(stands));
    EXPECT_FALSE(driver_.completed(id));
    EXPECT_FALSE(driver_.completed(next));
    EXPECT_EQ(driver_.state(), uint32_t(ACC_DEVICE_RUNNING));
    ASSERT_TRUE(driver_.reset());
    run();
    EXPECT_EQ(driver_.create_space(1), 0);
}

TEST_F(Registers, AnInjectedFatalErrorIsTold)
{
    run();
    acc_admin_cmd inject = Driver::command(ACC_ADMIN_INJECT);
    inject.inject.what = ACC_INJECT_FATAL;
    inject.inject.argument = 77;
    driver_.submit(inject);
    ASSERT_TRUE(eventually([&] { return driver_.state() == ACC_DEVICE_FAILED; }));
    expect_failed(ACC_ERROR_INTERNAL, 77);
}

TEST_F(Registers, OtherInjectionsGoToTheDevice)
{
    run();
    acc_admin_cmd inject = Driver::command(ACC_ADMIN_INJECT);
    inject.inject.what = ACC_INJECT_AGE + 1;
    EXPECT_EQ(driver_.call(inject).status, -EINVAL);
    inject.inject.what = ACC_INJECT_AGE; // which this device has no cells for
    EXPECT_EQ(driver_.call(inject).status, -EOPNOTSUPP);
    inject.inject.what = ACC_INJECT_ENGINE_ERROR;
    inject.inject.count = 1;
    EXPECT_EQ(driver_.call(inject).status, 0);
    TestClient client(driver_, 1);
    ASSERT_EQ(client.error, 0);
    client.launch(client.noop(0));
    ASSERT_TRUE(client.wait(0));
    EXPECT_EQ(client.signal(0)->status, uint32_t(ACC_STATUS_ENGINE_ERROR));
}

} // namespace

} // namespace acc::test
