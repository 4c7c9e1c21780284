// SPDX-License-Identifier: MIT
//
// Signed roles in the device's own process: isolation=untrusted.
#include "roles.h"

#include <gmock/gmock.h>

#include <cerrno>

namespace acc::test
{
namespace
{

using testing::HasSubstr;

class Local : public testing::Test
{
protected:
    // The hostile image, signed; its honest roles are used, and one that only waits.
    std::vector<std::byte> image(uint32_t kind) const
    {
        NativeOptions options;
        options.kind = kind;
        auto made = native_image(read_file(HOSTILE_LIBRARY),
                                 {"nothing", "copy", "remember", "waits"}, options);
        return kind == ACC_FPGA_RTL ? key.sign(made) : made;
    }
    std::string uri() const
    {
        return "inproc:fpga:preset=fast,regions=1,isolation=untrusted,keys=" + key.folder();
    }
    TrustedKey key;
};

TEST_F(Local, ARoleRunsWithoutAProcess)
{
    RoleClient client(uri());
    client.load(image(ACC_FPGA_RTL));
    const uint64_t in = client.buffer(4096), out = client.buffer(4096);
    *RoleClient::at<uint64_t>(in) = 0x5ec7e7;
    const Completion done = client.run("copy", {in, out});
    EXPECT_EQ(done.status, ACC_STATUS_OK) << done.text;
    EXPECT_EQ(*RoleClient::at<uint64_t>(out), 0x5ec7e7u);
    EXPECT_EQ(region_processes(), 0u);
}

TEST_F(Local, AnAddressOfNobodyIsTold)
{
    RoleClient client(uri());
    client.load(image(ACC_FPGA_RTL));
    const Completion done = client.run("copy", {0x5660'0000'0000, client.buffer(4096)});
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS) << done.text;
    EXPECT_EQ(done.address, 0x5660'0000'0000u);
}

// Its region is loaded again, and begins at reset.
TEST_F(Local, ARoleThatHangsFaultsItsRegion)
{
    RoleClient client(uri(), 100'000'000);
    client.load(image(ACC_FPGA_RTL));
    const uint64_t out = client.buffer(4096);
    EXPECT_EQ(client.run("remember", {7, out}).status, ACC_STATUS_OK);
    EXPECT_EQ(client.run("remember", {8, out}).status, ACC_STATUS_OK);
    EXPECT_EQ(*RoleClient::at<uint64_t>(out), 7u);
    const Completion done = client.run("waits", {});
    EXPECT_EQ(done.status, ACC_STATUS_TIMEOUT);
    EXPECT_THAT(done.text, HasSubstr("stream s_axis was never ready"));
    EXPECT_EQ(client.run("remember", {9, out}).status, ACC_STATUS_OK);
    EXPECT_EQ(*RoleClient::at<uint64_t>(out), 0u);
}

TEST_F(Local, UnsignedCodeHasAProcessAllTheSame)
{
    NEEDS_REGION_PROCESS();
    RoleClient client(uri());
    client.load(image(ACC_FPGA_COMPILED));
    EXPECT_EQ(client.run("nothing", {}).status, ACC_STATUS_OK);
    EXPECT_GE(region_processes(), 1u);
}

TEST_F(Local, AServiceRunsNoCodeItself)
{
    emu::ServerOptions options;
    options.devices = {"fpga:isolation=untrusted"};
    options.path = key.folder() + "/acc.sock";
    std::string why;
    const auto server = emu::Server::create(std::move(options), why);
    EXPECT_EQ(server.error(), -EINVAL);
    EXPECT_THAT(why, HasSubstr("expected native or all in a service; found untrusted"));
}

} // namespace
} // namespace acc::test
