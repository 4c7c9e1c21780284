// SPDX-License-Identifier: MIT
#include "bench.h"

#include <cstring>
#include <sched.h>

extern const unsigned char acc_bench_image[];
extern const size_t acc_bench_image_bytes;

namespace acc::bench
{
bool short_run = false;

bool Subject::open(const char *uri, const char *kernel_name, uint64_t spin_ns)
{
    acc_device_options options = ACC_INIT(acc_device_options);
    options.spin_ns = spin_ns;
    acc_device *opened = nullptr;
    if (acc_device_open(uri, &options, &opened) < 0) return false;
    device = Device(opened);
    acc_program *loaded = nullptr;
    if (acc_program_load(opened, acc_bench_image, acc_bench_image_bytes, &loaded) < 0) return false;
    program = Program(loaded);
    kernel = ACC_INIT(acc_kernel_info);
    return acc_program_find(loaded, kernel_name, &kernel) == 0;
}

Queue Subject::queue(uint32_t packets, uint32_t flags) const
{
    acc_queue_options options = ACC_INIT(acc_queue_options);
    options.packets = packets;
    options.flags = flags;
    acc_queue *made = nullptr;
    return Queue(acc_queue_create(device.get(), &options, &made) < 0 ? nullptr : made);
}

Signal Subject::signal(int64_t initial) const
{
    acc_device *const handle = device.get();
    acc_signal *made = nullptr;
    return Signal(acc_signal_create(&handle, 1, initial, &made) < 0 ? nullptr : made);
}

Buffer Subject::buffer(size_t bytes) const
{
    acc_buffer *made = nullptr;
    return Buffer(acc_buffer_create(device.get(), bytes, nullptr, &made) < 0 ? nullptr : made);
}

acc_packet Subject::packet(const Signal &completion, uint64_t kernargs) const
{
    acc_packet packet = {};
    packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = kernel.kernel_object;
    packet.dispatch.kernarg_address = kernargs;
    packet.dispatch.completion_signal = completion ? acc_signal_address(completion.get()) : 0;
    return packet;
}

bool wait_zero(const Signal &signal)
{
    return acc_signal_wait(signal.get(), ACC_COND_LT, 1, ACC_FOREVER, nullptr) == 0;
}

bool completed_well(const Subject &subject, const Signal &signal, std::string &why)
{
    acc_signal_result result = ACC_INIT(acc_signal_result);
    if (acc_signal_get_result(signal.get(), &result) < 0) {
        why = acc_error_text();
        return false;
    }
    if (result.status == ACC_STATUS_OK) return true;
    acc_fault_info fault = ACC_INIT(acc_fault_info);
    const bool known = acc_device_get_fault(subject.device.get(), 0, &fault) == 0;
    why = std::string(acc_status_name(result.status)) + (known ? ": " : "") + fault.text;
    return false;
}

Pinned::Pinned(unsigned index) : before_(sizeof(cpu_set_t))
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    (void)sched_getaffinity(0, sizeof(allowed), &allowed);
    memcpy(before_.data(), &allowed, sizeof(allowed));
    const auto count = static_cast<unsigned>(CPU_COUNT(&allowed));
    if (count == 0) return;
    unsigned left = index % count;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed) || left-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)sched_setaffinity(0, sizeof(one), &one);
        return;
    }
}

Pinned::~Pinned()
{
    cpu_set_t before;
    memcpy(&before, before_.data(), sizeof(before));
    (void)sched_setaffinity(0, sizeof(before), &before);
}

} // namespace acc::bench
