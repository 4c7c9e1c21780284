// SPDX-License-Identifier: MIT
//
// The card on the bus: config space, BARs, MSI-X, power, and QEMU's protocol before it.
#include "emulator/pci/mpqemu.h"
#include "tests/unit/pci/machine.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <sys/mman.h>
#include <sys/socket.h>
#include <thread>

namespace acc::test
{

namespace
{

class Function : public testing::Test
{
protected:
    uint32_t config(unsigned offset, unsigned bytes)
    {
        return driver_.card().config_read(offset, bytes);
    }
    void config(unsigned offset, uint32_t value, unsigned bytes)
    {
        driver_.card().config_write(offset, value, bytes);
    }
    uint64_t msix(uint64_t offset, unsigned bytes = 4)
    {
        return driver_.card().memory_read(msix_at + offset, bytes);
    }
    void mask_vector(unsigned vector, bool masked)
    {
        driver_.card().memory_write(msix_at + 16 * vector + 12, masked, 4);
    }
    void run()
    {
        driver_.enable();
        driver_.start();
        ASSERT_EQ(driver_.state(), uint32_t(ACC_DEVICE_RUNNING));
    }

    Driver driver_;
};

TEST_F(Function, ConfigSpaceSaysWhatItIs)
{
    EXPECT_EQ(config(0, 2), uint32_t(ACC_PCI_VENDOR));
    EXPECT_EQ(config(2, 2), uint32_t(ACC_PCI_DEVICE));
    EXPECT_EQ(config(0x0a, 2), uint32_t(ACC_PCI_CLASS));
    EXPECT_EQ(config(0x2c, 2), uint32_t(ACC_PCI_VENDOR));
    EXPECT_EQ(config(0x2e, 2), uint32_t(DRM_ACC_ENGINE_NULL));
    EXPECT_EQ(Driver("crossbar").card().config_read(0x2e, 2), uint32_t(DRM_ACC_ENGINE_CROSSBAR));
    // The list of capabilities: MSI-X, then power management.
    EXPECT_TRUE(config(6, 2) & 0x10);
    const uint32_t first = config(0x34, 1);
    EXPECT_EQ(config(first, 1), 0x11u);
    EXPECT_EQ((config(first + 2, 2) & 0x7ff) + 1, uint32_t(ACC_VECTORS));
    EXPECT_EQ(config(first + 4, 4) & 7, uint32_t(ACC_BAR_MSIX));
    const uint32_t second = config(first + 1, 1);
    EXPECT_EQ(config(second, 1), 0x01u);
    EXPECT_EQ(config(second + 1, 1), 0u);
}

TEST_F(Function, ConfigSpaceIsWrittenWhereItMayBe)
{
    config(0, 0, 4);
    EXPECT_EQ(config(0, 4), uint32_t(ACC_PCI_DEVICE) << 16 | ACC_PCI_VENDOR);
    config(4, 0xffff, 2);
    EXPECT_EQ(config(4, 2), 0x0406u);
    const uint32_t sizes[] = {4096, 4096, 4u << 20};
    for (unsigned bar = 0; bar < 3; bar++) {
        config(0x10 + 4 * bar, ~0u, 4);
        EXPECT_EQ(~config(0x10 + 4 * bar, 4) + 1, sizes[bar]);
    }
    config(0x1c, ~0u, 4);
    EXPECT_EQ(config(0x1c, 4), 0u); // no such BAR
    // Outside, or of no size that there is.
    EXPECT_EQ(config(256, 4), ~0u);
    EXPECT_EQ(config(254, 4), ~0u);
    config(255, 1, 2);
    config(~0u, 1, 4);
    config(4, 0, 0);
    config(4, 0, 8);
    EXPECT_EQ(config(4, 2), 0x0406u);
}

TEST_F(Function, DecodesNothingUntilItIsEnabled)
{
    EXPECT_EQ(driver_.reg(ACC_REG_MAGIC), ~0u);
    driver_.enable();
    EXPECT_EQ(driver_.reg(ACC_REG_MAGIC), ACC_MAGIC);
    EXPECT_EQ(driver_.card().memory_read(0xd000'0000, 4), 0xffff'ffffu);
    EXPECT_EQ(driver_.card().memory_read(registers_at + 4092, 8), ~0ull); // over a BAR's end
    config(4, 0x0004, 2);
    EXPECT_EQ(driver_.reg(ACC_REG_MAGIC), ~0u);
}

TEST_F(Function, MaskedVectorsPend)
{
    run();
    Machine &machine = driver_.machine();
    EXPECT_EQ(msix(0, 8), message_address);
    EXPECT_EQ(msix(16 + 8), 1u);
    mask_vector(ACC_VECTOR_ADMIN, true);
    ASSERT_EQ(driver_.create_space(1), 0);
    EXPECT_EQ(msix(2048), 1u);
    EXPECT_EQ(machine.messages(ACC_VECTOR_ADMIN), 0u);
    mask_vector(ACC_VECTOR_ADMIN, false);
    EXPECT_EQ(msix(2048), 0u);
    EXPECT_EQ(machine.messages(ACC_VECTOR_ADMIN), 1u);

    config(0x42, 0xc000, 2); // the function's mask
    driver_.reg(ACC_REG_IRQ_CAUSE, ACC_IRQ_ALL);
    ASSERT_EQ(driver_.create_space(2), 0);
    EXPECT_EQ(msix(2048), 1u);
    config(0x42, 0x8000, 2);
    EXPECT_EQ(msix(2048), 0u);
    EXPECT_EQ(machine.messages(ACC_VECTOR_ADMIN), 2u);

    config(0x42, 0, 2); // off
    driver_.reg(ACC_REG_IRQ_CAUSE, ACC_IRQ_ALL);
    ASSERT_EQ(driver_.create_space(3), 0);
    EXPECT_EQ(msix(2048), 0u);
    EXPECT_EQ(machine.messages(ACC_VECTOR_ADMIN), 2u);
}

TEST_F(Function, WithoutTheBusNothingGoesOn)
{
    run();
    TestClient client(driver_, 1);
    ASSERT_EQ(client.error, 0);
    client.launch(client.hang(0));
    ASSERT_TRUE(eventually([&] { return client.query().executing == 1; }));
    const unsigned messages = driver_.machine().messages(ACC_VECTOR_ADMIN);
    config(4, 0x0002, 2); // no bus master
    ASSERT_TRUE(eventually([&] { return driver_.state() == ACC_DEVICE_READY; }));
    EXPECT_EQ(driver_.reg(ACC_REG_RESETS), 1u);
    EXPECT_EQ(driver_.machine().messages(ACC_VECTOR_ADMIN), messages);
    driver_.start();
    EXPECT_EQ(driver_.reg(ACC_REG_ERROR), uint32_t(ACC_ERROR_DMA));
}

TEST_F(Function, SleepsAndComesBackReset)
{
    run();
    ASSERT_EQ(driver_.create_space(1), 0);
    config(0x54, 3, 2); // D3hot
    EXPECT_EQ(driver_.reg(ACC_REG_MAGIC), ~0u);
    config(0x54, 0, 2);
    ASSERT_TRUE(eventually([&] { return driver_.state() == ACC_DEVICE_READY; }));
    driver_.start();
    EXPECT_EQ(driver_.create_space(1), 0);
}

TEST_F(Function, ABusResetForgetsTheAddresses)
{
    run();
    driver_.card().bus_reset();
    EXPECT_EQ(config(4, 2), 0u);
    EXPECT_EQ(config(0x10, 4), 0u);
    driver_.enable();
    ASSERT_TRUE(eventually([&] { return driver_.state() == ACC_DEVICE_READY; }));
    driver_.start();
    EXPECT_EQ(driver_.create_space(1), 0);
}

// --------------------------------------------------------------- QEMU's protocol

// What QEMU does at the other ends of a card's sockets.
class Qemu
{
public:
    Qemu()
    {
        std::string why;
        auto made = emu::MpqemuCard::create("null", messages_, why, {});
        if (!made) throw std::runtime_error(why);
        card_ = std::move(*made);
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
            throw std::runtime_error("socketpair");
        proxy_.reset(pair[0]);
        served_ = std::thread([this, end = pair[1]] {
            card_->serve(end);
            ::close(end);
        });
    }
    ~Qemu()
    {
        proxy_.reset();
        served_.join();
        messages_.disconnect();
    }

    bool send(int32_t command, const void *data, uint64_t bytes, std::vector<int> fds = {})
    {
        std::vector<std::byte> out(16 + bytes);
        std::memcpy(out.data(), &command, 4);
        std::memcpy(out.data() + 8, &bytes, 8);
        if (bytes) std::memcpy(out.data() + 16, data, bytes);
        iovec part = {out.data(), out.size()};
        msghdr message = {};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
        if (!fds.empty()) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            cmsghdr *head = CMSG_FIRSTHDR(&message);
            head->cmsg_level = SOL_SOCKET;
            head->cmsg_type = SCM_RIGHTS;
            head->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            std::memcpy(CMSG_DATA(head), fds.data(), fds.size() * sizeof(int));
        }
        return sendmsg(proxy_.get(), &message, MSG_NOSIGNAL) == ssize_t(out.size());
    }
    // False: the card has closed the connection.
    bool receive(uint64_t &value)
    {
        uint64_t words[3];
        if (recv(proxy_.get(), words, sizeof words, MSG_WAITALL) != sizeof words) return false;
        EXPECT_EQ(uint32_t(words[0]), 1u);
        EXPECT_EQ(words[1], 8u);
        value = words[2];
        return true;
    }
    uint64_t config(int32_t command, uint32_t address, uint32_t value, int32_t bytes)
    {
        const struct {
            uint32_t address, value;
            int32_t bytes;
        } access = {address, value, bytes};
        uint64_t answer = ~0ull;
        EXPECT_TRUE(send(command, &access, 12));
        EXPECT_TRUE(receive(answer));
        return answer;
    }
    uint64_t bar(int32_t command, uint64_t address, uint64_t value, uint32_t bytes)
    {
        const struct {
            uint64_t address, value;
            uint32_t bytes;
            uint8_t memory;
        } access = {address, value, bytes, 1};
        uint64_t answer = ~0ull;
        EXPECT_TRUE(send(command, &access, 24));
        EXPECT_TRUE(receive(answer));
        return answer;
    }
    // Memory of `bytes` at ram_start, said to be `said` bytes.
    void give_memory(uint64_t said = ram_bytes)
    {
        UniqueFd file(memfd_create("guest", MFD_CLOEXEC));
        ASSERT_EQ(ftruncate(file.get(), ram_bytes), 0);
        void *at = mmap(nullptr, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        ASSERT_NE(at, MAP_FAILED);
        memory_ = static_cast<std::byte *>(at);
        uint64_t map[24] = {};
        map[0] = ram_start;
        map[8] = said;
        EXPECT_TRUE(send(0, map, sizeof map, {file.get()}));
    }
    template <typename T>
    T *at(uint64_t bus_address)
    {
        return reinterpret_cast<T *>(memory_ + (bus_address - ram_start));
    }
    void unmap() { munmap(std::exchange(memory_, nullptr), ram_bytes); }
    emu::MessageInjector &messages() { return messages_; }

private:
    emu::MessageInjector messages_;
    std::unique_ptr<emu::MpqemuCard> card_;
    UniqueFd proxy_;
    std::thread served_;
    std::byte *memory_ = nullptr;
};

enum { config_write = 2, config_read = 3, bar_write = 4, bar_read = 5 };

TEST(Mpqemu, ServesADriver)
{
    Qemu qemu;
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    qemu.messages().connect(UniqueFd(pair[1]));
    const UniqueFd qtest(pair[0]);

    qemu.give_memory();
    EXPECT_EQ(qemu.config(config_read, 0, 0, 4), uint64_t(ACC_PCI_DEVICE) << 16 | ACC_PCI_VENDOR);
    const std::pair<uint32_t, uint32_t> writes[] = {
        {0x10, registers_at}, {0x14, msix_at}, {0x18, doorbells_at}, {0x42, 0x8000}, {0x04, 6}};
    for (const auto &[address, value] : writes)
        qemu.config(config_write, address, value, address < 0x10 || address > 0x20 ? 2 : 4);
    qemu.bar(bar_write, msix_at, message_address, 8);
    qemu.bar(bar_write, msix_at + 8, 0x4321, 4);
    qemu.bar(bar_write, msix_at + 12, 0, 4);
    EXPECT_EQ(qemu.bar(bar_read, registers_at, 0, 4), ACC_MAGIC);

    // One command, by DMA; its completion, and the message.
    qemu.bar(bar_write, registers_at + ACC_REG_ADMIN_SQ, ram_start, 8);
    qemu.bar(bar_write, registers_at + ACC_REG_ADMIN_CQ, ram_start + 0x1000, 8);
    qemu.bar(bar_write, registers_at + ACC_REG_ADMIN_SIZE, 4, 4);
    qemu.bar(bar_write, registers_at + ACC_REG_EVENT_RING, ram_start + 0x2000, 8);
    qemu.bar(bar_write, registers_at + ACC_REG_EVENT_SIZE, 4, 4);
    qemu.bar(bar_write, registers_at + ACC_REG_IRQ_MASK, 0, 4);
    qemu.bar(bar_write, registers_at + ACC_REG_CONTROL, ACC_CONTROL_RUN, 4);
    EXPECT_EQ(qemu.bar(bar_read, registers_at + ACC_REG_STATE, 0, 4), uint64_t(ACC_DEVICE_RUNNING));
    auto *command = qemu.at<acc_admin_cmd>(ram_start);
    command->op = ACC_ADMIN_IDENTIFY;
    command->id = 7;
    command->identify.data = ram_start + 0x3000;
    qemu.bar(bar_write, registers_at + ACC_REG_ADMIN_TAIL, 1, 4);

    char line[64] = {};
    ASSERT_GT(recv(qtest.get(), line, sizeof line - 1, 0), 0);
    EXPECT_STREQ(line, "writel 0xfee00000 0x4321\n");
    EXPECT_EQ(send(qtest.get(), "OK\n", 3, MSG_NOSIGNAL), 3);
    EXPECT_EQ(qemu.at<acc_admin_cpl>(ram_start + 0x1000)->id, 7u);
    EXPECT_EQ(qemu.at<acc_admin_cpl>(ram_start + 0x1000)->phase, 1u);
    EXPECT_EQ(qemu.at<drm_acc_identity>(ram_start + 0x3000)->engine, uint32_t(DRM_ACC_ENGINE_NULL));

    // The map again, as at boot: nothing is lost.
    uint64_t answer = 0;
    EXPECT_TRUE(qemu.send(7, nullptr, 0)); // reset
    EXPECT_TRUE(qemu.receive(answer));
    EXPECT_EQ(qemu.bar(bar_read, registers_at, 0, 4), 0xffff'ffffu);
    qemu.unmap();
}

TEST(Mpqemu, HangsUpOnWhatIsNoMessage)
{
    const std::byte junk[600] = {};
    const struct {
        int32_t command;
        uint64_t bytes;
    } messages[] = {{99, 0},        {-1, 8}, {config_read, 8}, {bar_read, 12},
                    {bar_write, 0}, {0, 12}, {2, 600},         {1, 8}};
    for (const auto &message : messages) {
        Qemu qemu;
        uint64_t answer;
        EXPECT_TRUE(qemu.send(message.command, junk, message.bytes));
        EXPECT_FALSE(qemu.receive(answer)) << message.command << ", " << message.bytes;
    }
}

TEST(Mpqemu, HangsUpOnMemoryThatIsNotThere)
{
    Qemu qemu;
    qemu.give_memory(ram_bytes + 4096); // beyond the file's end
    uint64_t answer;
    EXPECT_FALSE(qemu.receive(answer));
    qemu.unmap();
}

TEST(Mpqemu, WithoutAMachineMessagesAreDropped)
{
    emu::MessageInjector messages;
    messages.post(message_address, 1);
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    messages.connect(UniqueFd(pair[1]));
    UniqueFd machine(pair[0]);
    messages.post(message_address, 2);
    char line[64] = {};
    ASSERT_GT(recv(machine.get(), line, sizeof line - 1, 0), 0);
    EXPECT_STREQ(line, "writel 0xfee00000 0x2\n");
    // The machine goes, without an answer.
    machine.reset();
    messages.post(message_address, 3);
    messages.disconnect();
}

} // namespace

} // namespace acc::test
