// SPDX-License-Identifier: MIT
#include "fixture.h"

#include "service.h"

#include "program/samples.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <thread>

namespace acc::test
{
namespace
{

size_t entries(const char *folder)
{
    size_t count = 0;
    DIR *open = opendir(folder);
    if (!open) return 0;
    while (const dirent *entry = readdir(open))
        count += entry->d_name[0] != '.';
    closedir(open);
    return count - 1; // opendir's own descriptor; for threads a constant
}

} // namespace

const char *null_uri(unsigned other)
{
    return service.running() && other % 2 == 0 ? service.uri(other % Service::devices)
                                               : "inproc:null";
}

Holdings Holdings::now()
{
    Holdings now;
    now.descriptors = entries("/proc/self/fd");
    now.threads = entries("/proc/self/task");
    if (FILE *maps = std::fopen("/proc/self/maps", "re")) {
        char line[512];
        while (std::fgets(line, sizeof line, maps)) {
            unsigned long from = 0, to = 0;
            if (std::sscanf(line, "%lx-%lx", &from, &to) != 2) continue;
            const bool reachable = from >= 0x5660'0000'0000 && from < 0x5680'0000'0000;
            if (reachable || std::strstr(line, "memfd:acc")) now.arena.insert(line);
        }
        std::fclose(maps);
    }
    return now;
}

std::vector<std::byte> null_image(std::vector<std::string_view> ops)
{
    std::string why;
    auto image = program::null_program(ops, &why);
    EXPECT_TRUE(image) << why;
    return image ? std::move(*image) : std::vector<std::byte>();
}

acc_packet noop_packet(uint64_t kernel_object, uint64_t completion, uint16_t flags)
{
    acc_packet packet = {};
    packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, flags);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = kernel_object;
    packet.dispatch.completion_signal = completion;
    return packet;
}

acc_packet barrier_packet(std::initializer_list<uint64_t> signals, uint64_t completion)
{
    acc_packet packet = {};
    packet.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
    size_t at = 0;
    for (const uint64_t signal : signals)
        packet.barrier.dep_signal[at++] = signal;
    packet.barrier.completion_signal = completion;
    return packet;
}

void LeakTest::SetUp()
{
    // A sanitizer has threads of its own from the first thread on.
    static const bool first = [] {
        std::thread([] {}).join();
        return true;
    }();
    (void)first;
    before_ = Holdings::now();
    // TSan's background thread comes when it likes.
    if (has_thread_sanitizer)
        before_.threads = std::max(before_.threads, decltype(before_.threads)(1));
}

void LeakTest::TearDown()
{
    Holdings after = Holdings::now();
    // A joined thread may stay in /proc for a moment.
    for (int i = 0; i < 10'000 && after.threads > before_.threads; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        after = Holdings::now();
    }
    EXPECT_EQ(after.descriptors, before_.descriptors);
    EXPECT_LE(after.threads, before_.threads);
    EXPECT_EQ(after.arena, before_.arena);
}

void NullTest::SetUp()
{
    LeakTest::SetUp();
    device_ = take(Device::open(null_uri()));
    ASSERT_TRUE(device_);
    program_ = take(Program::load(device_, null_image()));
    queue_ = take(Queue::create(device_));
    signal_ = take(Signal::create(device_));
    ASSERT_TRUE(program_ && queue_ && signal_);
}

void NullTest::TearDown()
{
    check(queue_.close());
    check(signal_.close());
    check(program_.close());
    check(device_.close());
    LeakTest::TearDown();
}

} // namespace acc::test
