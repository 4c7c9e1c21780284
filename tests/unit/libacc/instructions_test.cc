// SPDX-License-Identifier: MIT
//
// Programs of a crossbar's instructions by the public API: what is wrong with one is named, and
// is that queue's alone.
#include "fixture.h"

#include "program/isa/assembler.h"

#include <array>

namespace acc::test
{
namespace
{

constexpr const char *text = R"(.program mixed
.kernel twice
.input x, 0, 0, 2
.output y, 0, 16, 2
.core 0, 0
    load g0, [0], 2
    add g0, g0, g0, 2
    store [16], g0, 2
    hlt
.kernel divide
.input x, 0, 0, 2
.output y, 0, 16, 2
.core 0, 0
    load g0, [0], 2
    div g0, g0, g8, 2
    store [16], g0, 2
    hlt
.kernel forever
.input x, 0, 0, 2
.output y, 0, 16, 2
.core 0, 0
again: jmp again
.kernel stuck
.input x, 0, 0, 2
.output y, 0, 16, 2
.core 0, 0
    load g0, [32], 1
    hlt
)";

struct Arguments {
    acc_xisa_args head;
    acc_xisa_arg x, y;
};

class Instructions : public LeakTest
{
};

TEST_F(Instructions, AFaultIsNamedAndThatQueuesAlone)
{
    Device device = take(Device::open("inproc:crossbar:arch=tiny,instruction_budget=10000"));
    std::string why;
    const auto arch = arch::load("tiny", why);
    ASSERT_TRUE(arch) << why;
    const auto assembled = isa::assemble(text, "t.s", *arch, why);
    ASSERT_TRUE(assembled) << why;
    const auto image = isa::write_file({&*assembled, 1}, &why);
    ASSERT_TRUE(image) << why;
    Program program = take(Program::load(device, *image));
    Buffer x = take(Buffer::create(device, 4096)), y = take(Buffer::create(device, 4096));
    x.span<int16_t>()[0] = 100;
    x.span<int16_t>()[1] = -200;
    const Arguments arguments = {{1, 0}, {x.address(), 2}, {y.address(), 2}};
    Queue good = take(Queue::create(device));
    Signal signal = take(Signal::create(device));
    const auto run = [&](Queue &queue, const char *name) {
        signal.reset(1);
        check(queue.dispatch(take(program.find(name)), arguments, &signal));
        EXPECT_EQ(take(signal.wait(soon())), 0);
        return take(signal.result()).status;
    };
    const std::pair<const char *, const char *> faults[] = {
        {"divide", "division by zero: tile 0 core 0 instruction 1, div"},
        {"forever", "more than 10000 instructions in a pass: tile 0 core 0"},
        {"stuck", "deadlock: tile 0 core 0 at 0 waits for word 32 to be written"},
    };
    for (const auto &[name, expected] : faults) {
        Queue bad = take(Queue::create(device));
        EXPECT_EQ(run(bad, name), uint32_t(ACC_STATUS_ENGINE_ERROR));
        const auto fault = take(device.fault());
        EXPECT_EQ(fault.queue, bad.id());
        EXPECT_STREQ(fault.kernel, name);
        EXPECT_NE(std::string(fault.text).find(expected), std::string::npos) << fault.text;
        EXPECT_EQ(take(bad.info()).state, 1u); // Error
        // The same program goes on for others.
        y.span<int16_t>()[0] = 0;
        EXPECT_EQ(run(good, "twice"), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(y.span<int16_t>()[0], 200);
        EXPECT_EQ(y.span<int16_t>()[1], -400);
        EXPECT_EQ(take(good.info()).state, 0u);
    }
}

} // namespace
} // namespace acc::test
