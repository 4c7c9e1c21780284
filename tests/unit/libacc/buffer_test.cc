// SPDX-License-Identifier: MIT
#include "fixture.h"

#include <algorithm>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::test
{
namespace
{

using BufferTest = NullTest;

TEST_F(BufferTest, IsZeroedRoundedAndReachable)
{
    Buffer buffer = take(Buffer::create(device_, 5000));
    EXPECT_EQ(buffer.bytes(), 8192u);
    const auto info = take(device_.info());
    EXPECT_GE(buffer.address(), info.va_start);
    EXPECT_LE(buffer.address() + buffer.bytes(), info.va_end);
    const auto bytes = buffer.span<uint8_t>();
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; }));
    EXPECT_GE(info.client_bytes, buffer.bytes());
}

TEST_F(BufferTest, RefusesSizesAndFlags)
{
    acc_buffer *buffer = nullptr;
    EXPECT_REFUSED(acc_buffer_create(device_.get(), 0, nullptr, &buffer), -EINVAL, "at least 1");
    const auto info = take(device_.info());
    EXPECT_REFUSED(acc_buffer_create(device_.get(), info.max_buffer_bytes + 1, nullptr, &buffer),
                   -E2BIG, "expected a buffer of at most");
    auto options = acc_init<acc_buffer_options>();
    options.flags = 0x80;
    EXPECT_REFUSED(acc_buffer_create(device_.get(), 1, &options, &buffer), -EINVAL, "flags");
    EXPECT_EQ(buffer, nullptr);
}

TEST_F(BufferTest, PointersMeanTheSameToTheDevice)
{
    Buffer buffer = take(Buffer::create(device_, 1 << 20));
    auto words = buffer.span<uint32_t>();
    std::mt19937 random(1);
    for (size_t i = 0; i < words.size() / 2; i++)
        words[i] = uint32_t(random());
    check(queue_.copy(&words[words.size() / 2], words.data(), buffer.bytes() / 2, &signal_));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_EQ(take(signal_.result()).status, uint32_t(ACC_STATUS_OK));
    EXPECT_TRUE(std::equal(words.begin(), words.begin() + ptrdiff_t(words.size() / 2),
                           words.begin() + ptrdiff_t(words.size() / 2)));
}

TEST_F(BufferTest, ReadOnlyIsForDevices)
{
    Buffer buffer = take(Buffer::create(device_, 4096, ACC_BUFFER_READ_ONLY));
    buffer.span<uint32_t>()[0] = 7; // the host may
    check(queue_.fill(buffer.data(), 1, 4, &signal_));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_EQ(take(signal_.result()).status, uint32_t(ACC_STATUS_INVALID_ADDRESS));
    EXPECT_EQ(buffer.span<uint32_t>()[0], 7u);
}

TEST_F(BufferTest, WithoutCpuAccessIsAnAddressOnly)
{
    Buffer hidden = take(Buffer::create(device_, 4096, ACC_BUFFER_NO_CPU));
    Buffer plain = take(Buffer::create(device_, 4096));
    plain.span<uint32_t>()[0] = 0xabcd;
    // mincore tells a mapping without access from none; a write through a pipe tells access.
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    EXPECT_EQ(write(pipes[1], hidden.data(), 1), -1);
    EXPECT_EQ(errno, EFAULT);
    close(pipes[0]);
    close(pipes[1]);
    check(queue_.copy(hidden.data(), plain.data(), 4));
    auto *second = static_cast<std::byte *>(plain.data()) + 8;
    acc_packet packet = {};
    packet.copy.header = ACC_HEADER(ACC_PACKET_VENDOR, ACC_HEADER_BARRIER);
    packet.copy.format = ACC_VENDOR_COPY;
    packet.copy.destination = reinterpret_cast<uint64_t>(second);
    packet.copy.source = hidden.address();
    packet.copy.size = 4;
    packet.copy.completion_signal = signal_.address();
    (void)take(queue_.submit(std::span(&packet, 1)));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
    EXPECT_EQ(plain.span<uint32_t>()[2], 0xabcdu);
}

TEST_F(BufferTest, ExportsAndImports)
{
    Buffer buffer = take(Buffer::create(device_, 4096));
    buffer.span<uint32_t>()[5] = 55;
    const int fd = take(buffer.export_fd());
    ASSERT_GE(fd, 0);
    {
        Buffer same = take(Buffer::import(device_, fd)); // the same handle underneath
        Device other = take(Device::open(null_uri(1)));
        Buffer there = take(Buffer::import(other, fd));
        EXPECT_EQ(there.bytes(), 4096u);
        EXPECT_EQ(there.span<uint32_t>()[5], 55u);
        EXPECT_EQ(same.span<uint32_t>()[5], 55u);
        EXPECT_NE(there.data(), buffer.data());
        there.span<uint32_t>()[5] = 66;
    }
    EXPECT_EQ(buffer.span<uint32_t>()[5], 66u);
    // The import's end has not ended the exporter's handle.
    const int again = take(buffer.export_fd());
    EXPECT_GE(again, 0);
    close(fd);
    close(again);
}

TEST_F(BufferTest, RefusesForeignDescriptors)
{
    acc_buffer *buffer = nullptr;
    EXPECT_EQ(acc_buffer_import(device_.get(), -1, &buffer), -EBADF);
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    EXPECT_REFUSED(acc_buffer_import(device_.get(), pipes[0], &buffer), -EINVAL, "sealed memfd");
    close(pipes[0]);
    close(pipes[1]);
    const int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ASSERT_EQ(ftruncate(unsealed, 4096), 0);
    EXPECT_REFUSED(acc_buffer_import(device_.get(), unsealed, &buffer), -EINVAL, "sealed memfd");
    close(unsealed);
}

TEST_F(BufferTest, AttachesToOtherDevicesAtTheSameAddress)
{
    Device other = take(Device::open(null_uri(2)));
    Buffer buffer = take(Buffer::create(device_, 4096));
    check(buffer.attach(other));
    check(buffer.attach(other)); // already
    EXPECT_REFUSED(acc_device_close(other.get()), -EBUSY, "found 1");
    {
        Queue queue = take(Queue::create(other));
        Signal done = take(Signal::create(other));
        check(queue.fill(buffer.data(), 0x12345678, 4096, &done));
        ASSERT_EQ(take(done.wait(soon())), 0);
        EXPECT_EQ(buffer.span<uint32_t>()[0], 0x12345678u);
    }
    EXPECT_REFUSED(acc_buffer_detach(buffer.get(), device_.get()), -EINVAL, "made on");
    check(buffer.detach(other));
    EXPECT_REFUSED(acc_buffer_detach(buffer.get(), other.get()), -ENOENT, "attached to");
    {
        Queue queue = take(Queue::create(other));
        Signal done = take(Signal::create(other));
        check(queue.fill(buffer.data(), 0, 4096, &done));
        ASSERT_EQ(take(done.wait(soon())), 0);
        EXPECT_EQ(take(done.result()).status, uint32_t(ACC_STATUS_INVALID_ADDRESS));
    }
    check(other.close());
}

TEST_F(BufferTest, ManyDoNotOverlapAndAllGo)
{
    std::vector<Buffer> buffers;
    buffers.reserve(300);
    for (int i = 0; i < 300; i++)
        buffers.push_back(take(Buffer::create(device_, size_t(i % 7 + 1) * 4096)));
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    ranges.reserve(buffers.size());
    for (const Buffer &buffer : buffers)
        ranges.emplace_back(buffer.address(), buffer.address() + buffer.bytes());
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); i++)
        EXPECT_GE(ranges[i].first, ranges[i - 1].second);
    while (!buffers.empty()) { // every other first
        buffers.erase(buffers.begin() + ptrdiff_t(buffers.size() / 2));
    }
}

} // namespace
} // namespace acc::test
