// SPDX-License-Identifier: MIT
#include "tests/conformance/api.h"

#include <cstring>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace acc::conformance
{

namespace
{

class ApiDevice : public ApiTest
{
};
class ApiBuffer : public ApiTest
{
};
class ApiProgram : public ApiTest
{
};

TEST_F(ApiDevice, IsWhatTheKernelInterfaceSays)
{
    const auto accel = open_accel();
    acc_device_info info = ACC_INIT(acc_device_info);
    ASSERT_OK(acc_device_get_info(device_, &info));
    EXPECT_EQ(info.engine, accel->identity().engine);
    EXPECT_EQ(info.features, accel->identity().features);
    EXPECT_STREQ(info.name, accel->identity().name);
    EXPECT_STREQ(info.config, accel->identity().config);
    EXPECT_EQ(std::memcmp(info.uuid, accel->identity().uuid, sizeof info.uuid), 0);
    EXPECT_EQ(info.slots, accel->slots());
    EXPECT_EQ(info.max_queues, accel->limits().max_queues);
    EXPECT_EQ(info.va_start, accel->memory().va_start);
    EXPECT_EQ(info.va_end, accel->memory().va_end);
    EXPECT_EQ(info.page_size, accel->memory().page_size);
    EXPECT_STREQ(acc_device_uri(device_), target().uri.c_str());
}

TEST_F(ApiDevice, SlotsEndAndFaultsAreNone)
{
    acc_device_info info = ACC_INIT(acc_device_info);
    ASSERT_OK(acc_device_get_info(device_, &info));
    acc_slot_info slot = ACC_INIT(acc_slot_info);
    for (uint32_t i = 0; i < info.slots; i++) {
        EXPECT_OK(acc_device_get_slot(device_, i, &slot));
        EXPECT_NE(slot.capacity, 0u);
    }
    EXPECT_REFUSED(acc_device_get_slot(device_, info.slots, &slot), ENOENT);
    acc_fault_info fault = ACC_INIT(acc_fault_info);
    EXPECT_REFUSED(acc_device_get_fault(device_, 0, &fault), ENOENT);
}

// This open is among those that it sees; others come and go.
TEST_F(ApiDevice, ClientsHaveThisOneAmongThem)
{
    bool found = false;
    acc_client_info client = ACC_INIT(acc_client_info);
    int error;
    for (uint32_t i = 0; !(error = acc_device_get_client(device_, i, &client)); i++)
        found |= client.pid == uint32_t(getpid()) && client.name[0] && client.weight;
    EXPECT_EQ(error, -ENOENT);
    EXPECT_TRUE(found);
}

TEST_F(ApiDevice, CountersCountWhatIsDone)
{
    acc_device_counters before = ACC_INIT(acc_device_counters), after = before;
    ASSERT_OK(acc_device_get_counters(device_, &before));
    const acc_dispatch dispatch = work(signal_);
    ASSERT_OK(acc_queue_dispatch(queue_, &dispatch));
    ASSERT_EQ(wait(signal_), 0);
    EXPECT_TRUE(eventually([&] {
        EXPECT_OK(acc_device_get_counters(device_, &after));
        return after.dispatches == before.dispatches + 1 && after.packets > before.packets;
    }));
    EXPECT_EQ(after.loads, before.loads + 1);
    EXPECT_EQ(after.faults, before.faults);
    if (after.modelled_ns > before.modelled_ns) {
        EXPECT_GT(result(signal_).modelled_ns, 0u);
    }
}

TEST_F(ApiDevice, StaysOpenWhileAnythingOfItLives)
{
    acc_device *device;
    ASSERT_OK(acc_device_open(target().uri.c_str(), nullptr, &device));
    acc_buffer *buffer;
    ASSERT_OK(acc_buffer_create(device, 1, nullptr, &buffer));
    EXPECT_REFUSED(acc_device_close(device), EBUSY);
    EXPECT_OK(acc_buffer_destroy(buffer));
    acc_queue *queue;
    ASSERT_OK(acc_queue_create(device, nullptr, &queue));
    EXPECT_REFUSED(acc_device_close(device), EBUSY);
    EXPECT_OK(acc_queue_destroy(queue));
    acc_signal *signal;
    ASSERT_OK(acc_signal_create(&device, 1, 0, &signal));
    EXPECT_REFUSED(acc_device_close(device), EBUSY);
    EXPECT_OK(acc_signal_destroy(signal));
    EXPECT_OK(acc_device_close(device));
}

TEST_F(ApiDevice, ResetEndsEverythingWithEio)
{
    acc_device *other;
    ASSERT_OK(acc_device_open(target().uri.c_str(), nullptr, &other));
    acc_signal *never;
    acc_queue *queue;
    ASSERT_OK(acc_signal_create(&other, 1, 1, &never));
    ASSERT_OK(acc_queue_create(other, nullptr, &queue));
    int waited = 0;
    std::thread waiter([&] { waited = wait(never); });
    std::this_thread::yield();
    ASSERT_OK(acc_device_reset(other));
    waiter.join();
    EXPECT_EQ(waited, -EIO);
    EXPECT_EQ(wait(never), -EIO);
    acc_buffer *buffer;
    EXPECT_REFUSED(acc_buffer_create(other, 1, nullptr, &buffer), EIO);
    EXPECT_REFUSED(acc_queue_barrier(queue, nullptr, 0, nullptr), EIO);
    // What is lost can still be let go of, in order.
    (void)acc_queue_destroy(queue);
    (void)acc_signal_destroy(never);
    EXPECT_OK(acc_device_close(other));
}

TEST_F(ApiDevice, ChildOfForkIsTurnedAway)
{
    const pid_t child = fork();
    if (!child) {
        acc_device_info info = ACC_INIT(acc_device_info);
        int wrong = acc_device_get_info(device_, &info) != -ENODEV;
        wrong += acc_queue_barrier(queue_, nullptr, 0, nullptr) != -ENODEV;
        wrong += acc_signal_wait(signal_, ACC_COND_EQ, 0, ACC_NOW, nullptr) != -ENODEV;
        _exit(wrong);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    const acc_dispatch dispatch = work(signal_);
    ASSERT_OK(acc_queue_dispatch(queue_, &dispatch));
    EXPECT_EQ(wait(signal_), 0);
    EXPECT_TRUE(Work::is_right(engine_, 0, page()));
}

// -------------------------------------------------------------------- buffers

TEST_F(ApiBuffer, RefusesSizes)
{
    acc_buffer *buffer;
    EXPECT_REFUSED(acc_buffer_create(device_, 0, nullptr, &buffer), EINVAL);
    acc_device_info info = ACC_INIT(acc_device_info);
    ASSERT_OK(acc_device_get_info(device_, &info));
    if (info.max_buffer_bytes) {
        EXPECT_REFUSED(acc_buffer_create(device_, info.max_buffer_bytes + 1, nullptr, &buffer),
                       E2BIG);
    }
}

TEST_F(ApiBuffer, OneAddressOnEveryDevice)
{
    acc_device *other;
    ASSERT_OK(acc_device_open(target().uri.c_str(), nullptr, &other));
    acc_buffer *shared_page;
    acc_queue *queue;
    acc_signal *both;
    acc_device *const devices[] = {device_, other};
    ASSERT_OK(acc_buffer_create(device_, page_bytes, nullptr, &shared_page));
    ASSERT_OK(acc_buffer_attach(shared_page, other));
    EXPECT_OK(acc_buffer_attach(shared_page, other)); // it is already
    ASSERT_OK(acc_queue_create(other, nullptr, &queue));
    ASSERT_OK(acc_signal_create(devices, 2, 2, &both));
    auto *words = static_cast<uint32_t *>(acc_buffer_data(shared_page));
    ASSERT_OK(acc_queue_fill(queue_, words, 0x11111111, 64, both));
    ASSERT_OK(acc_queue_fill(queue, words + 32, 0x22222222, 64, both));
    ASSERT_EQ(wait(both), 0);
    EXPECT_EQ(result(both).status, uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(words[15], 0x11111111u);
    EXPECT_EQ(words[47], 0x22222222u);
    EXPECT_OK(acc_buffer_detach(shared_page, other));
    EXPECT_REFUSED(acc_buffer_detach(shared_page, other), ENOENT);
    EXPECT_OK(acc_queue_destroy(queue));
    EXPECT_OK(acc_signal_destroy(both));
    EXPECT_OK(acc_buffer_destroy(shared_page));
    EXPECT_OK(acc_device_close(other));
}

TEST_F(ApiBuffer, GoesByDescriptor)
{
    int fd = -1;
    ASSERT_OK(acc_buffer_export(page_, &fd));
    const UniqueFd owner(fd);
    acc_device *other;
    ASSERT_OK(acc_device_open(target().uri.c_str(), nullptr, &other));
    acc_buffer *again;
    ASSERT_OK(acc_buffer_import(other, fd, &again));
    EXPECT_EQ(acc_buffer_bytes(again), acc_buffer_bytes(page_));
    page()[100] = std::byte(0x77);
    EXPECT_EQ(static_cast<std::byte *>(acc_buffer_data(again))[100], std::byte(0x77));
    EXPECT_OK(acc_buffer_destroy(again));
    EXPECT_OK(acc_device_close(other));
}

// ------------------------------------------------------------------- programs

TEST_F(ApiProgram, FindsKernelsByName)
{
    acc_kernel_info info = ACC_INIT(acc_kernel_info);
    ASSERT_OK(acc_program_find(program_, kernel_.name, &info));
    EXPECT_EQ(info.kernel_object, kernel_.kernel_object);
    EXPECT_EQ(acc_program_kernels(program_), 1u);
    EXPECT_REFUSED(acc_program_kernel(program_, 1, &info), EINVAL);
    EXPECT_REFUSED(acc_program_find(program_, "nonsense", &info), ENOENT);
    EXPECT_NE(std::strstr(acc_error_text(), kernel_.name), nullptr) << "it names those there are";
}

TEST_F(ApiProgram, SaysWhyAnImageIsRefused)
{
    auto image = Work::image(engine_, 0);
    acc_program *program;
    EXPECT_REFUSED(acc_program_load(device_, image.data(), image.size() / 2, &program), EINVAL);
    std::memset(image.data(), 0, 64);
    EXPECT_REFUSED(acc_program_load(device_, image.data(), image.size(), &program), EINVAL);
    const uint32_t other = engine_ == ACC_ENGINE_NULL ? ACC_ENGINE_FPGA : ACC_ENGINE_NULL;
    image = Work::image(other, 0);
    EXPECT_REFUSED(acc_program_load(device_, image.data(), image.size(), &program), EINVAL);
}

TEST_F(ApiProgram, PrefetchAndPin)
{
    acc_device_info device = ACC_INIT(acc_device_info);
    ASSERT_OK(acc_device_get_info(device_, &device));
    ASSERT_OK(acc_program_prefetch(program_, ACC_ALL_KERNELS));
    ASSERT_OK(acc_program_kernel(program_, 0, &kernel_));
    EXPECT_EQ(kernel_.loads, 1u);
    EXPECT_LT(kernel_.slot, device.slots);
    EXPECT_REFUSED(acc_program_unpin(program_, 0), EINVAL);
    if (device.slots < 2) {
        EXPECT_REFUSED(acc_program_pin(program_, 0), ENOSPC);
        return;
    }
    ASSERT_OK(acc_program_pin(program_, 0));
    ASSERT_OK(acc_program_kernel(program_, 0, &kernel_));
    EXPECT_EQ(kernel_.pinned, 1u);
    EXPECT_OK(acc_program_unpin(program_, 0));
}

} // namespace

} // namespace acc::conformance
