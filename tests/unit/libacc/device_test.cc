// SPDX-License-Identifier: MIT
#include "fixture.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

namespace acc::test
{
namespace
{

using DeviceTest = LeakTest;

TEST_F(DeviceTest, OpensAndTellsWhatItIs)
{
    acc_device *device = nullptr;
    ASSERT_ACC(acc_device_open("inproc:null", nullptr, &device));
    EXPECT_STREQ(acc_device_uri(device), "inproc:null");
    auto info = acc_init<acc_device_info>();
    ASSERT_ACC(acc_device_get_info(device, &info));
    EXPECT_EQ(info.engine, uint32_t(ACC_ENGINE_NULL));
    EXPECT_EQ(info.abi_major, ACC_ABI_MAJOR);
    EXPECT_GE(info.slots, 1u);
    EXPECT_GE(info.max_ring_packets, 1u << ACC_RING_MIN_LOG2);
    EXPECT_LT(info.va_start, info.va_end);
    EXPECT_EQ(info.client_bytes, 0u);
    auto slot = acc_init<acc_slot_info>();
    EXPECT_ACC(acc_device_get_slot(device, info.slots - 1, &slot));
    EXPECT_REFUSED(acc_device_get_slot(device, info.slots, &slot), -ENOENT, "expected an index");
    auto counters = acc_init<acc_device_counters>();
    EXPECT_ACC(acc_device_get_counters(device, &counters));
    EXPECT_EQ(counters.packets, 0u);
    auto client = acc_init<acc_client_info>();
    EXPECT_ACC(acc_device_get_client(device, 0, &client));
    EXPECT_EQ(client.pid, uint32_t(getpid()));
    EXPECT_EQ(client.weight, 100u);
    EXPECT_NE(client.name[0], 0);
    EXPECT_REFUSED(acc_device_get_client(device, 1, &client), -ENOENT, "expected an index");
    auto fault = acc_init<acc_fault_info>();
    EXPECT_REFUSED(acc_device_get_fault(device, 0, &fault), -ENOENT, "expected an index");
    ASSERT_ACC(acc_device_close(device));
}

TEST_F(DeviceTest, RefusesMalformedUris)
{
    struct Case {
        const char *uri;
        int code;
        const char *text;
    };
    for (const Case &c : {
             Case{"nonsense", -EINVAL, "expected inproc:ENGINE"},
             Case{"inproc:", -ENODEV, "expected engine"},
             Case{"inproc:toaster", -ENODEV, "toaster"},
             Case{"inproc:null:frobnicate=1", -EINVAL, "frobnicate"},
             Case{"unix:/nowhere/acc.sock#0", -ENODEV,
                  "cannot reach the service at /nowhere/acc.sock"},
             Case{"unix:/run/acc/acc.sock", -EINVAL, "expected unix:PATH#INDEX"},
             Case{"unix:#0", -EINVAL, "expected unix:PATH#INDEX"},
             Case{"/dev/accel/accelX", -EINVAL, "expected /dev/accel/accelN"},
             Case{"/dev/accel/accel9999", -ENODEV, "accel9999"},
         }) {
        acc_device *device = reinterpret_cast<acc_device *>(1);
        EXPECT_REFUSED(acc_device_open(c.uri, nullptr, &device), c.code, c.text);
        EXPECT_EQ(device, nullptr) << c.uri;
    }
}

TEST_F(DeviceTest, TakesTheEnvironmentsDevice)
{
    ASSERT_EQ(setenv("ACC_DEVICE", "inproc:null:slots=3", 1), 0);
    auto device = Device::open();
    auto named = Device::open("inproc:null");
    unsetenv("ACC_DEVICE");
    EXPECT_EQ(take(std::move(device)).uri(), "inproc:null:slots=3");
    EXPECT_EQ(take(std::move(named)).uri(), "inproc:null");
}

TEST_F(DeviceTest, TakesTheFirstOfSeveralInTheEnvironment)
{
    ASSERT_EQ(setenv("ACC_DEVICE", ";inproc:null:slots=3;;inproc:fpga", 1), 0);
    auto device = Device::open();
    unsetenv("ACC_DEVICE");
    EXPECT_EQ(take(std::move(device)).uri(), "inproc:null:slots=3");
}

TEST_F(DeviceTest, FindsAnEngineByItsName)
{
    unsetenv("ACC_DEVICE");
    for (const char *engine : {"crossbar", "fpga", "null"})
        EXPECT_EQ(take(Device::open(engine)).uri(), std::string("inproc:") + engine);
    // Those of the environment come first; what it has not is still found.
    ASSERT_EQ(setenv("ACC_DEVICE", "inproc:null:slots=3;inproc:fpga:workers=1", 1), 0);
    auto fpga = Device::open("fpga");
    auto null = Device::open("null");
    auto crossbar = Device::open("crossbar");
    // One that was named and cannot be opened is not replaced by another.
    ASSERT_EQ(setenv("ACC_DEVICE", "inproc:null;/dev/accel/accel9999;inproc:fpga", 1), 0);
    auto before = Device::open("null");
    EXPECT_REFUSED(Device::open("fpga").error().code, -ENODEV, "accel9999");
    unsetenv("ACC_DEVICE");
    EXPECT_EQ(take(std::move(fpga)).uri(), "inproc:fpga:workers=1");
    EXPECT_EQ(take(std::move(null)).uri(), "inproc:null:slots=3");
    EXPECT_EQ(take(std::move(crossbar)).uri(), "inproc:crossbar");
    EXPECT_EQ(take(std::move(before)).uri(), "inproc:null");
}

std::vector<std::string> listed()
{
    std::vector<std::string> uris;
    const auto add = [](void *user, const char *uri) {
        static_cast<std::vector<std::string> *>(user)->push_back(uri);
        return 0;
    };
    EXPECT_ACC(acc_device_list(add, &uris));
    return uris;
}

TEST_F(DeviceTest, ListsTheEnvironmentsFirstAndEachOnce)
{
    const std::vector<std::string> there = listed();
    ASSERT_EQ(setenv("ACC_DEVICE", "inproc:null:slots=3;inproc:fpga", 1), 0);
    std::vector<std::string> uris = listed();
    unsetenv("ACC_DEVICE");
    ASSERT_EQ(uris.size(), there.size() + 1);
    EXPECT_EQ(uris[0], "inproc:null:slots=3");
    EXPECT_EQ(uris[1], "inproc:fpga");
    EXPECT_EQ(std::count(uris.begin(), uris.end(), "inproc:fpga"), 1);
}

TEST_F(DeviceTest, ListsWhatCanBeOpened)
{
    const std::vector<std::string> uris = listed();
    ASSERT_FALSE(uris.empty());
    for (const std::string &uri : uris)
        EXPECT_TRUE(take(Device::open(uri.c_str()))) << uri;
    EXPECT_EQ(acc_device_list([](void *, const char *) { return 42; }, nullptr), 42);
}

TEST_F(DeviceTest, StaysOpenWhileAnythingOfItIsAlive)
{
    Device device = take(Device::open("inproc:null"));
    const auto busy = [&] {
        EXPECT_REFUSED(acc_device_close(device.get()), -EBUSY, "to be alive; found 1");
    };
    Buffer buffer = take(Buffer::create(device, 1));
    busy();
    check(buffer.close());
    Queue queue = take(Queue::create(device));
    busy();
    check(queue.close());
    Signal signal = take(Signal::create(device));
    busy();
    check(signal.close());
    Program program = take(Program::load(device, null_image()));
    busy();
    check(program.close());
    check(device.close());
}

TEST_F(DeviceTest, RefusesWhatIsNoHandle)
{
    EXPECT_REFUSED(acc_device_close(nullptr), -EINVAL, "expected a device; found NULL");
    EXPECT_REFUSED(acc_buffer_destroy(nullptr), -EINVAL, "expected a buffer; found NULL");
    EXPECT_REFUSED(acc_queue_destroy(nullptr), -EINVAL, "expected a queue; found NULL");
    EXPECT_REFUSED(acc_signal_destroy(nullptr), -EINVAL, "expected a signal; found NULL");
    EXPECT_REFUSED(acc_program_unload(nullptr), -EINVAL, "expected a program; found NULL");
    EXPECT_REFUSED(acc_model_unload(nullptr), -EINVAL, "expected a model; found NULL");
    EXPECT_EQ(acc_buffer_data(nullptr), nullptr);
    EXPECT_EQ(acc_buffer_bytes(nullptr), 0u);
    EXPECT_EQ(acc_signal_address(nullptr), 0u);
    EXPECT_EQ(acc_program_kernels(nullptr), 0u);
    EXPECT_STREQ(acc_device_uri(nullptr), "");

    Device device = take(Device::open("inproc:null"));
    Signal signal = take(Signal::create(device));
    EXPECT_REFUSED(acc_device_close(reinterpret_cast<acc_device *>(signal.get())), -EINVAL,
                   "expected a device; found something else");
    EXPECT_REFUSED(acc_device_open("inproc:null", nullptr, nullptr), -EINVAL, "found NULL");
}

TEST_F(DeviceTest, ReadsStructsBySize)
{
    Device device = take(Device::open("inproc:null"));
    // An older caller's struct ends earlier: nothing behind it is written.
    auto info = acc_init<acc_device_info>();
    std::memset(info.name, 0x55, sizeof info.name);
    info.size = offsetof(acc_device_info, name);
    ASSERT_ACC(acc_device_get_info(device.get(), &info));
    EXPECT_EQ(info.size, offsetof(acc_device_info, name));
    EXPECT_EQ(info.name[0], 0x55);
    info.size = 0;
    EXPECT_REFUSED(acc_device_get_info(device.get(), &info), -EINVAL, "sizeof(struct)");

    // A newer caller's may be longer, if what this library doesn't know is zero.
    struct {
        acc_buffer_options options;
        uint64_t future;
    } longer = {acc_init<acc_buffer_options>(), 0};
    longer.options.size = sizeof longer;
    acc_buffer *buffer = nullptr;
    ASSERT_ACC(acc_buffer_create(device.get(), 1, &longer.options, &buffer));
    ASSERT_ACC(acc_buffer_destroy(buffer));
    longer.future = 1;
    EXPECT_REFUSED(acc_buffer_create(device.get(), 1, &longer.options, &buffer), -EINVAL,
                   "more that are set");
}

TEST_F(DeviceTest, FourAtOnceInOneProcess)
{
    std::vector<Device> devices;
    for (const char *uri : {"inproc:null", "inproc:null:slots=2", "inproc:crossbar", "inproc:fpga"})
        devices.push_back(take(Device::open(uri)));
    std::vector<Buffer> buffers;
    std::set<uint64_t> addresses;
    for (Device &device : devices) {
        buffers.push_back(take(Buffer::create(device, 4096)));
        addresses.insert(buffers.back().address());
        Queue queue = take(Queue::create(device));
        Signal signal = take(Signal::create(device));
        const uint32_t pattern = 0x11111111u * uint32_t(buffers.size());
        check(queue.fill(buffers.back().data(), pattern, 4096, &signal));
        EXPECT_EQ(take(signal.wait(soon())), 0);
    }
    EXPECT_EQ(addresses.size(), devices.size());
    for (size_t i = 0; i < buffers.size(); i++)
        EXPECT_EQ(buffers[i].span<uint32_t>()[1023], 0x11111111u * (i + 1));
}

TEST_F(DeviceTest, ThreadsHaveDevicesOfTheirOwn)
{
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; t++)
        threads.emplace_back([t] {
            Device device = take(Device::open("inproc:null"));
            Program program = take(Program::load(device, null_image()));
            const auto copy = take(program.find(ACC_NULL_COPY));
            Queue queue = take(Queue::create(device));
            Signal signal = take(Signal::create(device, 0));
            Buffer buffer = take(Buffer::create(device, 8192));
            auto words = buffer.span<uint64_t>();
            for (uint64_t i = 0; i < 500; i++) {
                words[0] = i * 2 + uint64_t(t);
                signal.reset(1);
                check(queue.dispatch(
                    copy, acc_null_args{buffer.address(), buffer.address() + 4096, 8, 0}, &signal));
                ASSERT_EQ(take(signal.wait(soon())), 0);
                ASSERT_EQ(words[512], i * 2 + uint64_t(t));
            }
        });
    for (std::thread &thread : threads)
        thread.join();
}

TEST_F(DeviceTest, ErrorTextsAreEachThreadsOwn)
{
    EXPECT_REFUSED(acc_device_close(nullptr), -EINVAL, "expected a device");
    std::thread([] { EXPECT_STREQ(acc_error_text(), "no error"); }).join();
    EXPECT_NE(std::string(acc_error_text()).find("expected a device"), std::string::npos);
}

TEST_F(DeviceTest, ResetEndsEverybodysWaits)
{
    Device device = take(Device::open("inproc:null"));
    {
        Queue queue = take(Queue::create(device));
        Signal signal = take(Signal::create(device));
        Signal other = take(Signal::create(device));
        std::vector<std::thread> waiters;
        waiters.emplace_back([&] {
            EXPECT_EQ(acc_signal_wait(signal.get(), ACC_COND_EQ, 0, ACC_FOREVER, nullptr), -EIO);
        });
        waiters.emplace_back([&] {
            acc_signal *const signals[] = {signal.get(), other.get()};
            const uint32_t conditions[] = {ACC_COND_EQ, ACC_COND_EQ};
            const int64_t values[] = {0, 0};
            size_t index = 0;
            EXPECT_EQ(acc_signal_wait_any(signals, conditions, values, 2, ACC_FOREVER, &index),
                      -EIO);
        });
        std::atomic<int> told{1};
        check(other.on(ACC_COND_EQ, 0, [&](int64_t, int error) {
            told.store(error);
            told.notify_all();
        }));
        check(device.reset());
        for (std::thread &waiter : waiters)
            waiter.join();
        told.wait(1);
        EXPECT_EQ(told.load(), -EIO);
        const acc_packet packet = barrier_packet({});
        EXPECT_REFUSED(acc_queue_submit(queue.get(), &packet, 1, soon(), nullptr), -EIO, "reset");
        EXPECT_REFUSED(acc_signal_wait(signal.get(), ACC_COND_EQ, 0, soon(), nullptr), -EIO,
                       "reset");
    }
    check(device.close()); // what was lost is let go of without complaint
}

TEST(Library, VersionStatusAndTime)
{
    EXPECT_STREQ(acc_version(), "0.1.0");
    EXPECT_STREQ(acc_status_name(ACC_STATUS_OK), "OK");
    EXPECT_STREQ(acc_status_name(ACC_STATUS_INVALID_ADDRESS), "INVALID_ADDRESS");
    EXPECT_STREQ(acc_status_name(ACC_STATUS_INVALID_SIGNAL), "INVALID_SIGNAL");
    EXPECT_STREQ(acc_status_name(12345), "UNKNOWN");
    EXPECT_EQ(acc_deadline(ACC_FOREVER), ACC_FOREVER);
    const uint64_t before = acc_deadline(0);
    EXPECT_LE(before, acc_deadline(0));
}

TEST(Library, TellsTheHost)
{
    auto info = acc_init<acc_topology_info>();
    ASSERT_ACC(acc_topology_get(&info));
    EXPECT_GE(info.processing_units, 1u);
    EXPECT_GE(info.cores, 1u);
    EXPECT_GT(info.memory_bytes, 0u);
    EXPECT_GE(info.cache_line, 16u);
}

TEST(Library, LogsToACallback)
{
    static std::mutex mutex;
    static std::vector<std::string> lines;
    acc_set_log(
        [](void *user, acc_log_level level, const char *text) {
            std::lock_guard lock(mutex);
            EXPECT_EQ(user, &lines);
            EXPECT_GE(level, ACC_LOG_WARN); // the default level
            lines.push_back(text);
        },
        &lines);
    Device device = take(Device::open("inproc:null"));
    check(device.reset()); // a warning of the device
    acc_set_log(nullptr, nullptr);
    std::lock_guard lock(mutex);
    ASSERT_FALSE(lines.empty());
    for (const std::string &line : lines) {
        EXPECT_EQ(line.find('\n'), std::string::npos);
        EXPECT_EQ(line.substr(0, 4), "acc ");
    }
    EXPECT_NE(lines[0].find("[emulator]"), std::string::npos) << lines[0];
}

} // namespace
} // namespace acc::test
