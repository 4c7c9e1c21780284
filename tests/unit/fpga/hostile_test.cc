// SPDX-License-Identifier: MIT
//
// Roles that try what their region does not let them do: the region faults with the reason, and
// a neighbour on the same device notices nothing.
#include "roles.h"

#include "program/samples.h"

#include <gmock/gmock.h>

namespace acc::test
{
namespace
{

using testing::HasSubstr;

const std::vector<std::string_view> kTries = {"nothing",    "fault",    "spin",          "try_fork",
                                              "try_socket", "try_open", "try_exec",      "try_kill",
                                              "try_trace",  "leave",    "try_unhandled", "divide",
                                              "peek",       "copy",     "never_ready"};

// A client with the hostile image, and a neighbour who works before and after.
class Hostile : public testing::Test
{
protected:
    void SetUp() override { NEEDS_REGION_PROCESS(); }
    explicit Hostile(const char *spec = "fpga:preset=fast") : service(spec)
    {
        const auto code = read_file(HOSTILE_LIBRARY);
        mine.load(native_image(code, kTries));
        other.load(native_image(code, {"nothing", "copy", "remember"}));
        in = other.buffer(4096);
        out = other.buffer(4096);
    }

    void neighbour_works()
    {
        *RoleClient::at<uint64_t>(in) = ++count;
        const Completion done = other.run("copy", {in, out});
        EXPECT_EQ(done.status, ACC_STATUS_OK) << done.text;
        EXPECT_EQ(*RoleClient::at<uint64_t>(out), count);
    }

    // The reason that a try's region gives; afterwards the region works again.
    Completion attempt(const char *kernel, std::vector<uint64_t> arguments = {})
    {
        neighbour_works();
        const Completion done = mine.run(kernel, std::move(arguments));
        EXPECT_NE(done.status, ACC_STATUS_OK) << kernel;
        neighbour_works();
        const Completion after = mine.run("nothing", {});
        EXPECT_EQ(after.status, ACC_STATUS_OK) << after.text;
        return done;
    }

    RoleService service;
    RoleClient mine{service.uri(), 500'000'000};
    RoleClient other{service.uri()};
    uint64_t in = 0, out = 0, count = 0;
};

TEST_F(Hostile, Segfaults)
{
    const Completion done = attempt("fault");
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_THAT(done.text, HasSubstr("segmentation fault at 0x1230"));
}

TEST_F(Hostile, SpinsForEver)
{
    const Completion done = attempt("spin");
    EXPECT_EQ(done.status, ACC_STATUS_TIMEOUT);
}

TEST_F(Hostile, NeverReadySaysWhatItWaitsFor)
{
    const Completion done = attempt("never_ready");
    EXPECT_EQ(done.status, ACC_STATUS_TIMEOUT);
    EXPECT_THAT(done.text, HasSubstr("stream s_axis was never ready"));
}

TEST_F(Hostile, Forks)
{
    const Completion done = attempt("try_fork");
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_THAT(done.text, HasSubstr("clone (fork)"));
}

TEST_F(Hostile, OpensASocket)
{
    EXPECT_THAT(attempt("try_socket").text, HasSubstr("call: socket"));
}

TEST_F(Hostile, OpensAFile)
{
    EXPECT_THAT(attempt("try_open").text, HasSubstr("call: openat"));
}

TEST_F(Hostile, ExecutesAProgram)
{
    EXPECT_THAT(attempt("try_exec").text, HasSubstr("call: execve"));
}

TEST_F(Hostile, KillsTheDevice)
{
    const Completion done = attempt("try_kill");
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR); // getppid() is refused already
    EXPECT_THAT(done.text, HasSubstr("call: "));
}

TEST_F(Hostile, ReadsAnotherProcess)
{
    EXPECT_THAT(attempt("try_trace").text, HasSubstr("call: process_vm_readv"));
}

TEST_F(Hostile, TakesTheHandlersAwayFirst)
{
    const Completion done = attempt("try_unhandled");
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_THAT(done.text, HasSubstr("signal 31"));
}

TEST_F(Hostile, Exits)
{
    EXPECT_THAT(attempt("leave").text, HasSubstr("exit status 3"));
}

TEST_F(Hostile, DividesByZero)
{
    EXPECT_THAT(attempt("divide").text, HasSubstr("arithmetic"));
}

// On memory that a process maps, and on memory that is copied for it.
class HostileMemory : public Hostile, public testing::WithParamInterface<const char *>
{
protected:
    HostileMemory() : Hostile(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(On, HostileMemory,
                         testing::Values("fpga:preset=fast", "fpga:preset=fast,staged=1"),
                         [](const auto &info) { return info.index ? "Staged" : "Mapped"; });

// Another client's buffer is memory of this very process; its address means nothing to the role.
TEST_P(HostileMemory, ReadsAnotherClientsWindow)
{
    const uint64_t target = mine.buffer(4096);
    *RoleClient::at<uint64_t>(in) = 0x5ec7e7;
    for (const char *how : {"peek", "copy"}) {
        const Completion done = attempt(how, {in, target});
        EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS) << done.text;
        EXPECT_EQ(done.address, in);
        EXPECT_EQ(*RoleClient::at<uint64_t>(target), 0u);
    }
}

TEST_P(HostileMemory, WritesAnotherClientsWindow)
{
    const uint64_t source = mine.buffer(4096);
    const Completion done = attempt("peek", {source, out});
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(done.address, out);
    EXPECT_THAT(done.text, HasSubstr("wrote out of its windows"));
}

// Its own memory works by pointers, until it is freed.
TEST_P(HostileMemory, LosesWhatIsFreed)
{
    const uint64_t source = mine.buffer(8192), target = mine.buffer(4096);
    *RoleClient::at<uint64_t>(source) = 77;
    EXPECT_EQ(mine.run("peek", {source, target}).status, ACC_STATUS_OK);
    EXPECT_EQ(*RoleClient::at<uint64_t>(target), 77u);
    mine.free_buffer(source);
    const Completion done = mine.run("peek", {source, target});
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS);
    EXPECT_EQ(done.address, source);
}

// The same image, the same region, another client: nothing of the first is left.
TEST(Residue, NoneSurvivesAChangeOfClient)
{
    NEEDS_REGION_PROCESS();
    const auto image = native_image(read_file(HOSTILE_LIBRARY), {"remember"});
    RoleService service("fpga:regions=1,preset=fast");
    RoleClient first(service.uri()), second(service.uri());
    first.load(image);
    second.load(image);
    const auto remembered = [](RoleClient &client, uint64_t value) {
        const uint64_t out = client.buffer(4096);
        *RoleClient::at<uint64_t>(out) = ~0ull;
        const Completion done = client.run("remember", {value, out});
        EXPECT_EQ(done.status, ACC_STATUS_OK) << done.text;
        return *RoleClient::at<uint64_t>(out);
    };
    EXPECT_EQ(remembered(first, 0x5ec7e7), 0u);
    EXPECT_EQ(remembered(first, 0x5ec7e8), 0x5ec7e7u); // a role has a state
    EXPECT_EQ(remembered(second, 1), 0u);
    EXPECT_EQ(remembered(first, 2), 0u);
}

TEST(Residue, ConstructorsRunInTheSandbox)
{
    NEEDS_REGION_PROCESS();
    RoleClient client("inproc:fpga:preset=fast");
    client.load(native_image(read_file(HOSTILE_CONSTRUCTOR_LIBRARY), {"nothing"}));
    const Completion done = client.run("nothing", {});
    EXPECT_EQ(done.status, ACC_STATUS_ENGINE_ERROR);
}

// The behavioural library in processes gives the same bits as in the device's, and the same time.
TEST(Process, BehaviouralRolesGiveTheSame)
{
    NEEDS_REGION_PROCESS();
    std::string why;
    const auto image =
        program::fpga_program(std::vector<std::string_view>{"clip_i8", "noop"}, &why);
    ASSERT_TRUE(image) << why;
    std::vector<int8_t> results[2];
    uint64_t ns[2] = {};
    for (int i = 0; i < 2; i++) {
        RoleClient client(i ? "inproc:fpga:isolation=all" : "inproc:fpga");
        client.load(*image);
        const uint64_t src = client.buffer(1u << 16), dst = client.buffer(1u << 16);
        for (int k = 0; k < 1 << 16; k++)
            RoleClient::at<int8_t>(src)[k] = static_cast<int8_t>(k * 7);
        const Completion done =
            client.run("clip_i8", {src, dst, 1u << 16, uint32_t(-20) | uint64_t{50} << 32});
        ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
        results[i].assign(RoleClient::at<int8_t>(dst), RoleClient::at<int8_t>(dst) + (1 << 16));
        ns[i] = done.ns;
        EXPECT_EQ(client.run("noop", {}).status, ACC_STATUS_OK);
        // A value that it refuses is refused alike.
        const Completion bad = client.run("clip_i8", {src, dst, 0, 0});
        EXPECT_EQ(bad.status, ACC_STATUS_INVALID_KERNARG);
        EXPECT_THAT(bad.text, HasSubstr("count of at least 1"));
        const Completion outside = client.run("clip_i8", {src, dst, 1u << 20, 0});
        EXPECT_EQ(outside.status, ACC_STATUS_INVALID_ADDRESS);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(ns[0], ns[1]);
}

} // namespace
} // namespace acc::test
