// SPDX-License-Identifier: MIT
//
// A child that uses what it inherited gets -ENODEV, and the parent doesn't notice.
#include "fixture.h"

#include <atomic>
#include <sys/wait.h>
#include <unistd.h>

namespace acc::test
{
namespace
{

using ForkTest = NullTest;

// Runs in a child; the exit status is the number of the check that failed, or 0.
int child_checks(acc_device *device, acc_buffer *buffer, acc_queue *queue, acc_signal *signal,
                 acc_program *program)
{
    int at = 0;
    const auto gone = [&](int code) {
        at++;
        if (code == -ENODEV && std::string(acc_error_text()).find("fork") != std::string::npos)
            return;
        fprintf(stderr, "check %d: expected -ENODEV; found %d: %s\n", at, code, acc_error_text());
        _exit(at);
    };
    void *memory = nullptr;
    acc_buffer *new_buffer = nullptr;
    acc_queue *new_queue = nullptr;
    acc_signal *new_signal = nullptr;
    acc_program *new_program = nullptr;
    acc_model *new_model = nullptr;
    int fd = -1;
    size_t index = 0;
    const uint32_t condition = ACC_COND_EQ;
    const int64_t value = 0;
    const acc_packet packet = barrier_packet({});
    auto device_info = acc_init<acc_device_info>();
    auto slot = acc_init<acc_slot_info>();
    auto counters = acc_init<acc_device_counters>();
    auto client = acc_init<acc_client_info>();
    auto fault = acc_init<acc_fault_info>();
    auto result = acc_init<acc_signal_result>();
    auto queue_info = acc_init<acc_queue_info>();
    auto kernel_info = acc_init<acc_kernel_info>();
    auto dispatch = acc_init<acc_dispatch>();

    gone(acc_device_get_info(device, &device_info));
    gone(acc_device_get_slot(device, 0, &slot));
    gone(acc_device_get_counters(device, &counters));
    gone(acc_device_get_client(device, 0, &client));
    gone(acc_device_get_fault(device, 0, &fault));
    gone(acc_device_reset(device));
    gone(acc_buffer_create(device, 1, nullptr, &new_buffer));
    gone(acc_buffer_attach(buffer, device));
    gone(acc_buffer_detach(buffer, device));
    gone(acc_buffer_export(buffer, &fd));
    gone(acc_buffer_import(device, 0, &new_buffer));
    gone(acc_signal_create(&device, 1, 0, &new_signal));
    gone(acc_signal_store(signal, 0));
    gone(acc_signal_add(signal, 0));
    gone(acc_signal_wait(signal, condition, value, ACC_FOREVER, nullptr));
    gone(acc_signal_wait_any(&signal, &condition, &value, 1, ACC_FOREVER, &index));
    gone(acc_signal_on(
        signal, condition, value, [](void *, acc_signal *, int64_t, int) {}, nullptr));
    gone(acc_signal_fd(signal, condition, value, &fd));
    gone(acc_signal_get_result(signal, &result));
    gone(acc_queue_create(device, nullptr, &new_queue));
    gone(acc_queue_submit(queue, &packet, 1, ACC_FOREVER, nullptr));
    gone(acc_queue_dispatch(queue, &dispatch));
    gone(acc_queue_barrier(queue, nullptr, 0, nullptr));
    gone(acc_queue_copy(queue, nullptr, nullptr, 0, nullptr));
    gone(acc_queue_fill(queue, nullptr, 0, 0, nullptr));
    gone(acc_queue_get_info(queue, &queue_info));
    gone(acc_queue_reset(queue));
    gone(acc_program_load(device, "x", 1, &new_program));
    gone(acc_program_load_file(device, "/dev/null", &new_program));
    gone(acc_program_kernel(program, 0, &kernel_info));
    gone(acc_program_find(program, "noop", &kernel_info));
    gone(acc_program_prefetch(program, 0));
    gone(acc_program_pin(program, 0));
    gone(acc_program_unpin(program, 0));
    gone(acc_model_load(&device, 1, "x", 1, nullptr, &new_model));
    // What can't fail doesn't touch what isn't there.
    memory = acc_buffer_data(buffer);
    at++;
    if (memory || acc_buffer_bytes(buffer) || acc_signal_load(signal) ||
        acc_signal_address(signal) || acc_program_kernels(program) || acc_queue_id(queue) ||
        *acc_device_uri(device))
        return at;
    acc_signal_reset(signal, 0);
    // The ends.
    gone(acc_queue_destroy(queue));
    gone(acc_signal_destroy(signal));
    gone(acc_program_unload(program));
    gone(acc_buffer_destroy(buffer));
    gone(acc_device_close(device));

    // A device of its own is as good as any.
    if (!children_may_start_threads) return 0;
    at++;
    Expected<Device> mine = Device::open(null_uri());
    if (!mine) return at;
    Expected<Queue> my_queue = Queue::create(*mine);
    Expected<Signal> my_signal = Signal::create(*mine);
    at++;
    if (!my_queue || !my_signal || !my_queue->barrier({}, &*my_signal)) return at;
    return my_signal->wait(soon()) ? 0 : at;
}

int status_of(pid_t child)
{
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST_F(ForkTest, AChildIsTurnedAwayAndTheParentGoesOn)
{
    Buffer buffer = take(Buffer::create(device_, 4096));
    buffer.span<int>()[0] = 42;
    // The threads of the library run: they are missing in the child.
    std::atomic<int> told{0};
    check(signal_.on(ACC_COND_EQ, -1, [&](int64_t, int) {
        told = 1;
        told.notify_all();
    }));
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0)
        _exit(
            child_checks(device_.get(), buffer.get(), queue_.get(), signal_.get(), program_.get()));
    // Meanwhile.
    Signal done = take(Signal::create(device_));
    for (int i = 0; i < 500; i++) {
        done.reset(1);
        check(queue_.dispatch(kernel(ACC_NULL_NOOP), &done));
        ASSERT_EQ(take(done.wait(soon())), 0);
    }
    EXPECT_EQ(status_of(child), 0);
    EXPECT_EQ(buffer.span<int>()[0], 42);
    check(signal_.store(-1));
    told.wait(0);
    done.reset(1);
    check(queue_.dispatch(kernel(ACC_NULL_NOOP), &done));
    ASSERT_EQ(take(done.wait(soon())), 0);
}

TEST_F(ForkTest, TheOwnersOfTheCppApiMayGoInAChild)
{
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        Queue queue = std::move(queue_);
        Signal signal = std::move(signal_);
        Program program = std::move(program_);
        Device device = std::move(device_);
        _exit(queue.close() || signal.close() || program.close() || device.close() ? 1 : 0);
    }
    EXPECT_EQ(status_of(child), 0);
    check(queue_.dispatch(kernel(ACC_NULL_NOOP), &signal_));
    ASSERT_EQ(take(signal_.wait(soon())), 0);
}

} // namespace
} // namespace acc::test
