// SPDX-License-Identifier: MIT
//
// accctl validate --fpga: what an FPGA's regions can do, measured: copies, launches, loads.
#include "selftest.h"
#include "validate.h"

#include "acc/kernels.h"

#include <algorithm>
#include <cstring>

namespace acc::ctl
{
namespace
{

std::string rate_text(double per_second, const char *unit)
{
    char text[64];
    snprintf(text, sizeof text, "%.0f %s", per_second, unit);
    return text;
}

bool is_fpga(const Subject &subject)
{
    return subject.info.engine == ACC_ENGINE_FPGA;
}

Outcome other_engine(const Subject &subject)
{
    return wrong("expected an FPGA; found engine " + std::string(engine_name(subject.info.engine)));
}

// Copies by the device, from one buffer to another.
Outcome dma(const Subject &subject)
{
    if (!is_fpga(subject)) return other_engine(subject);
    constexpr size_t bytes = 16u << 20;
    constexpr int64_t copies = 16;
    const Buffer from = subject.buffer(bytes), to = subject.buffer(bytes);
    const Queue queue = subject.queue();
    const Signal done = subject.signal(copies);
    if (!from || !to || !queue || !done) return refused("acc_buffer_create");
    auto *source = static_cast<uint8_t *>(acc_buffer_data(from.get()));
    for (size_t i = 0; i < bytes; i++)
        source[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
    union acc_packet packet = {};
    packet.copy.header = ACC_HEADER(ACC_PACKET_VENDOR, 0);
    packet.copy.format = ACC_VENDOR_COPY;
    packet.copy.source = address_of(source);
    packet.copy.destination = address_of(acc_buffer_data(to.get()));
    packet.copy.size = bytes;
    packet.raw.completion_signal = acc_signal_address(done.get());
    const std::vector<union acc_packet> packets(copies, packet);
    const uint64_t begin = acc_deadline(0);
    if (acc_queue_submit(queue.get(), packets.data(), copies, acc_deadline(patience_ns), nullptr) <
            0 ||
        !wait_equal(done, 0))
        return refused("copy");
    const uint64_t ns = acc_deadline(0) - begin;
    if (std::memcmp(source, acc_buffer_data(to.get()), bytes) != 0)
        return wrong("expected the copy to be the source; found a difference");
    return pass(rate_text(double(bytes) * copies / double(ns) * 1e3, "MB/s") +
                ", 16 copies of 16 MiB");
}

struct Role {
    Program program;
    acc_kernel_info kernel;
};

bool load_role(const Subject &subject, Role &role)
{
    acc_program *made = nullptr;
    if (acc_program_load(subject.device.get(), acc_selftest_image, acc_selftest_image_bytes,
                         &made) < 0)
        return false;
    role.program = Program(made);
    role.kernel = ACC_INIT(acc_kernel_info);
    return acc_program_find(made, selftest::fpga_kernel, &role.kernel) == 0;
}

// Launches of a role that is resident and has one element to do.
Outcome launches(const Subject &subject)
{
    if (!is_fpga(subject)) return other_engine(subject);
    constexpr uint32_t count = 100'000, burst = 32;
    struct Memory {
        acc_requantize_args args;
        int32_t src, bias, multiplier, shift;
        int8_t dst;
    };
    Role role;
    const Buffer buffer = subject.buffer(sizeof(Memory));
    const Queue queue = subject.queue();
    const Signal done = subject.signal(1);
    if (!buffer || !queue || !done || !load_role(subject, role)) return refused("the role");
    auto *m = static_cast<Memory *>(acc_buffer_data(buffer.get()));
    *m = {{}, 100, 10, 3, 4, 0};
    m->args.src = address_of(&m->src);
    m->args.dst = address_of(&m->dst);
    m->args.bias = address_of(&m->bias);
    m->args.multiplier = address_of(&m->multiplier);
    m->args.shift = address_of(&m->shift);
    m->args.rows = m->args.channels = 1;
    m->args.min = -128;
    m->args.max = 127;
    union acc_packet packet = {};
    packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = role.kernel.kernel_object;
    packet.dispatch.kernarg_address = address_of(&m->args);
    std::vector<union acc_packet> packets(burst, packet);
    const uint64_t begin = acc_deadline(0);
    for (uint32_t sent = 0; sent < count; sent += burst) {
        if (sent + burst >= count)
            packets.back().dispatch.completion_signal = acc_signal_address(done.get());
        if (acc_queue_submit(queue.get(), packets.data(), burst, acc_deadline(patience_ns),
                             nullptr) < 0)
            return refused("acc_queue_submit");
    }
    if (!wait_equal(done, 0)) return refused("acc_signal_wait");
    const uint64_t ns = acc_deadline(0) - begin;
    if (m->dst != (110 * 3 + 8) >> 4)
        return wrong("expected " + std::to_string((110 * 3 + 8) >> 4) + "; found " +
                     std::to_string(m->dst));
    return pass(rate_text(double(count) * 1e9 / double(ns), "launches/s") +
                " of a resident role, one element each");
}

// What a load takes: as it is modelled, and of this machine's time.
Outcome load_time(const Subject &subject)
{
    if (!is_fpga(subject)) return other_engine(subject);
    constexpr uint32_t rounds = 20;
    Role role;
    if (!load_role(subject, role)) return refused("the role");
    const auto modelled = [&](uint64_t &ns, uint64_t &loads) {
        acc_device_counters counters = ACC_INIT(acc_device_counters);
        const bool good = acc_device_get_counters(subject.device.get(), &counters) == 0;
        ns = counters.load_ns;
        loads = counters.loads;
        return good;
    };
    uint64_t before_ns = 0, before = 0, after_ns = 0, after = 0;
    if (!modelled(before_ns, before)) return refused("acc_device_get_counters");
    std::vector<uint64_t> wall;
    for (uint32_t i = 0; i < rounds; i++) {
        const uint64_t begin = acc_deadline(0);
        if (acc_program_prefetch(role.program.get(), role.kernel.index) < 0)
            return refused("acc_program_prefetch");
        const uint64_t end = acc_deadline(0);
        acc_kernel_info info = ACC_INIT(acc_kernel_info);
        if (acc_program_kernel(role.program.get(), role.kernel.index, &info) < 0)
            return refused("acc_program_kernel");
        // A hint: where others keep the regions busy nothing is loaded.
        if (info.slot == UINT32_MAX) return skip("the regions are taken by other clients");
        wall.push_back(end - begin);
        if (acc_device_reset_slot(subject.device.get(), info.slot) < 0)
            return skip("the region is another client's, too");
    }
    if (!modelled(after_ns, after) || after <= before) return refused("acc_device_get_counters");
    std::sort(wall.begin(), wall.end());
    return pass(time_text((after_ns - before_ns) / (after - before)) + " modelled, " +
                time_text(wall[wall.size() / 2]) + " of real time");
}

} // namespace

const std::vector<Check> &fpga_checks()
{
    static const std::vector<Check> checks = {
        {"fpga-dma", dma}, {"fpga-launches", launches}, {"fpga-load", load_time}};
    return checks;
}

} // namespace acc::ctl
