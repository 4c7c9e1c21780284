// SPDX-License-Identifier: MIT
//
// Checks with a program: known answers of the device's engine, refusals, faults, recovery.
#include "selftest.h"
#include "validate.h"

#include "acc/kernels.h"

#include <cerrno>
#include <cstring>

namespace acc::ctl
{
namespace
{

// Loads the embedded image and finds one kernel of it.
struct Loaded {
    Program program;
    acc_kernel_info kernel;
};

bool load_kernel(const Subject &subject, const char *name, Loaded &loaded)
{
    acc_program *made = nullptr;
    if (acc_program_load(subject.device.get(), acc_selftest_image, acc_selftest_image_bytes,
                         &made) < 0)
        return false;
    loaded.program = Program(made);
    loaded.kernel = ACC_INIT(acc_kernel_info);
    return acc_program_find(made, name, &loaded.kernel) == 0;
}

// Dispatches with kernargs and waits. Failures are described in `outcome`.
template <typename Args>
bool dispatch(const Subject &subject, const Queue &queue, uint64_t kernel, const Args &args,
              acc_signal_result &result, Outcome &outcome)
{
    const Signal done = subject.signal(1);
    acc_dispatch options = ACC_INIT(acc_dispatch);
    options.kernel_object = kernel;
    options.kernargs = &args;
    options.kernarg_bytes = sizeof(args);
    options.completion = done.get();
    result = ACC_INIT(acc_signal_result);
    if (!done || acc_queue_dispatch(queue.get(), &options) < 0 || !wait_equal(done, 0) ||
        acc_signal_get_result(done.get(), &result) < 0) {
        outcome = refused("dispatch");
        return false;
    }
    if (result.status != ACC_STATUS_OK) {
        acc_fault_info fault = ACC_INIT(acc_fault_info);
        const bool found = acc_device_get_fault(subject.device.get(), 0, &fault) == 0;
        outcome = wrong(std::string("expected completion OK; found ") +
                        acc_status_name(result.status) + (found ? ": " : "") + fault.text);
        return false;
    }
    return true;
}

std::string modelled_text(const acc_signal_result &result)
{
    return "; " + energy_text(result.energy_pj) + " modelled";
}

Outcome known_mvm(const Subject &subject, const Queue &queue, uint64_t kernel)
{
    using namespace selftest;
    const Buffer in = subject.buffer(size_t{vectors} * rows);
    const Buffer out = subject.buffer(size_t{vectors} * cols * sizeof(int32_t));
    if (!in || !out) return refused("acc_buffer_create");
    auto *x = static_cast<int8_t *>(acc_buffer_data(in.get()));
    const auto *y = static_cast<int32_t *>(acc_buffer_data(out.get()));
    for (uint32_t v = 0; v < vectors; ++v)
        for (uint32_t k = 0; k < rows; ++k)
            x[v * rows + k] = static_cast<int8_t>(input(v, k));
    const acc_mvm_args args = {address_of(x), address_of(y),    vectors, rows,
                               cols,          ACC_MVM_MULTIPLY, {}};
    acc_signal_result result;
    Outcome outcome = pass();
    if (!dispatch(subject, queue, kernel, args, result, outcome)) return outcome;
    for (uint32_t v = 0; v < vectors; ++v) {
        for (uint32_t n = 0; n < cols; ++n) {
            int32_t sum = 0;
            for (uint32_t k = 0; k < rows; ++k)
                sum += input(v, k) * weight(k, n);
            if (y[v * cols + n] != sum)
                return wrong("expected " + std::to_string(sum) + " in column " + std::to_string(n) +
                             " of vector " + std::to_string(v) + "; found " +
                             std::to_string(y[v * cols + n]));
        }
    }
    return pass("160 × 20 matrix, 3 vectors, bit-exact" + modelled_text(result));
}

Outcome known_requantize(const Subject &subject, const Queue &queue, uint64_t kernel)
{
    constexpr uint32_t channels = 3;
    constexpr uint32_t count = 4;
    struct Memory {
        int32_t src[count][channels];
        int32_t bias[channels];
        int32_t multiplier[channels];
        int32_t shift[channels];
        int8_t dst[count][channels];
    };
    const Buffer buffer = subject.buffer(sizeof(Memory));
    if (!buffer) return refused("acc_buffer_create");
    auto *m = static_cast<Memory *>(acc_buffer_data(buffer.get()));
    // Rounding both ways, a halfway case, both clamps: requant as acc/kernels.h defines it.
    *m = {{{100, -100, 5}, {7, -7, 1'000'000}, {0, 1, -1'000'000}, {300, -300, 6}},
          {10, -10, 1},
          {3, 5, 1 << 20},
          {3, 4, 22},
          {}};
    acc_requantize_args args = {};
    args.src = address_of(m->src);
    args.dst = address_of(m->dst);
    args.bias = address_of(m->bias);
    args.multiplier = address_of(m->multiplier);
    args.shift = address_of(m->shift);
    args.rows = count;
    args.channels = channels;
    args.zero_point = -3;
    args.min = -100;
    args.max = 120;
    acc_signal_result result;
    Outcome outcome = pass();
    if (!dispatch(subject, queue, kernel, args, result, outcome)) return outcome;
    for (uint32_t r = 0; r < count; ++r) {
        for (uint32_t c = 0; c < channels; ++c) {
            const int64_t scaled = (int64_t{m->src[r][c]} + m->bias[c]) * m->multiplier[c];
            int64_t value = ((scaled + (int64_t{1} << (m->shift[c] - 1))) >> m->shift[c]) - 3;
            value = value < -100 ? -100 : value > 120 ? 120 : value;
            if (m->dst[r][c] != value)
                return wrong("expected " + std::to_string(value) + " at [" + std::to_string(r) +
                             "," + std::to_string(c) + "]; found " + std::to_string(m->dst[r][c]));
        }
    }
    return pass("requantize_i32_i8, rounding and both clamps" + modelled_text(result));
}

Outcome known_copy(const Subject &subject, const Queue &queue, uint64_t kernel)
{
    const Buffer buffer = subject.buffer(8192);
    if (!buffer) return refused("acc_buffer_create");
    auto *data = static_cast<char *>(acc_buffer_data(buffer.get()));
    memcpy(data, "null engine", 12);
    const acc_null_args args = {address_of(data), address_of(data + 4096), 12, 0};
    acc_signal_result result;
    Outcome outcome = pass();
    if (!dispatch(subject, queue, kernel, args, result, outcome)) return outcome;
    if (memcmp(data, data + 4096, 12) != 0) return wrong("expected a copy; found other bytes");
    return pass("copy kernel");
}

Outcome check_known_answer(const Subject &subject)
{
    using Known = Outcome (*)(const Subject &, const Queue &, uint64_t);
    struct Case {
        const char *kernel;
        Known run;
    };
    static constexpr Case cases[] = {{selftest::null_kernel, known_copy},
                                     {selftest::crossbar_kernel, known_mvm},
                                     {selftest::fpga_kernel, known_requantize}};
    if (subject.info.engine > ACC_ENGINE_FPGA) return skip("no known answer for this engine");
    const Case &known = cases[subject.info.engine];
    Loaded loaded;
    if (!load_kernel(subject, known.kernel, loaded)) return refused(known.kernel);
    const Queue queue = subject.queue();
    if (!queue) return refused("acc_queue_create");
    return known.run(subject, queue, loaded.kernel.kernel_object);
}

Outcome check_bad_program(const Subject &subject)
{
    std::vector<unsigned char> image(acc_selftest_image,
                                     acc_selftest_image + acc_selftest_image_bytes);
    acc_program *program = nullptr;
    int code = acc_program_load(subject.device.get(), image.data(), image.size() / 2, &program);
    if (code != -EINVAL)
        return wrong("expected -EINVAL of half an image; found " + std::to_string(code));
    memset(image.data(), 0x5a, 64);
    code = acc_program_load(subject.device.get(), image.data(), image.size(), &program);
    if (code != -EINVAL)
        return wrong("expected -EINVAL of an image without its header; found " +
                     std::to_string(code));
    return pass("half an image and a broken one are refused");
}

// A packet that must fault with `expected`; the one behind it must be cancelled.
Outcome expect_fault(const Subject &subject, acc_packet packet, uint32_t expected)
{
    const Queue queue = subject.queue();
    const Signal first = subject.signal(1);
    const Signal second = subject.signal(1);
    if (!queue || !first || !second) return refused("queue or signal");
    packet.raw.completion_signal = acc_signal_address(first.get());
    acc_packet behind = {};
    behind.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, ACC_HEADER_BARRIER);
    behind.barrier.completion_signal = acc_signal_address(second.get());
    const acc_packet both[] = {packet, behind};
    if (acc_queue_submit(queue.get(), both, 2, acc_deadline(patience_ns), nullptr) < 0)
        return refused("acc_queue_submit");
    if (!wait_equal(first, 0) || !wait_equal(second, 0)) return refused("wait for a fault");

    acc_signal_result result = ACC_INIT(acc_signal_result);
    acc_signal_result cancelled = ACC_INIT(acc_signal_result);
    acc_queue_info info = ACC_INIT(acc_queue_info);
    acc_fault_info fault = ACC_INIT(acc_fault_info);
    if (acc_signal_get_result(first.get(), &result) < 0 ||
        acc_signal_get_result(second.get(), &cancelled) < 0 ||
        acc_queue_get_info(queue.get(), &info) < 0)
        return refused("result");
    if (result.status != expected)
        return wrong(std::string("expected ") + acc_status_name(expected) + "; found " +
                     acc_status_name(result.status));
    if (cancelled.status != ACC_STATUS_CANCELLED)
        return wrong(std::string("expected the packet behind CANCELLED; found ") +
                     acc_status_name(cancelled.status));
    if (info.state != 1 || info.fault_code != expected)
        return wrong("expected the queue in Error with the same code");
    if (acc_device_get_fault(subject.device.get(), 0, &fault) < 0) return refused("fault record");
    if (fault.code != expected || fault.queue != acc_queue_id(queue.get()) ||
        fault.packet_index != 0)
        return wrong("expected a fault record of this queue and packet");
    const int code = acc_queue_barrier(queue.get(), nullptr, 0, nullptr);
    if (code != -EIO)
        return wrong("expected -EIO of a submission to the queue; found " + std::to_string(code));
    return pass(std::string(acc_status_name(expected)) + ": " + fault.text);
}

Outcome check_fault_kernel(const Subject &subject)
{
    acc_packet packet = {};
    packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, 0);
    packet.dispatch.setup = 1;
    packet.dispatch.workgroup_x = packet.dispatch.workgroup_y = packet.dispatch.workgroup_z = 1;
    packet.dispatch.grid_x = packet.dispatch.grid_y = packet.dispatch.grid_z = 1;
    packet.dispatch.kernel_object = 0xdeadbeef;
    return expect_fault(subject, packet, ACC_STATUS_INVALID_KERNEL);
}

Outcome check_fault_address(const Subject &subject)
{
    const Buffer buffer = subject.buffer(64);
    if (!buffer) return refused("acc_buffer_create");
    acc_packet packet = {};
    packet.copy.header = ACC_HEADER(ACC_PACKET_VENDOR, 0);
    packet.copy.format = ACC_VENDOR_COPY;
    packet.copy.destination = address_of(acc_buffer_data(buffer.get()));
    packet.copy.source = subject.info.va_end - 2 * subject.info.page_size; // never bound
    packet.copy.size = 64;
    return expect_fault(subject, packet, ACC_STATUS_INVALID_ADDRESS);
}

Outcome check_fault_packet(const Subject &subject)
{
    acc_packet packet = {};
    packet.agent.header = ACC_HEADER(ACC_PACKET_AGENT_DISPATCH, 0);
    return expect_fault(subject, packet, ACC_STATUS_UNSUPPORTED_PACKET);
}

Outcome check_recovery(const Subject &subject)
{
    const Outcome again = check_known_answer(subject);
    if (again.kind != Outcome::Kind::Pass) return again;
    return pass("a new queue works after the faults");
}

Outcome check_counters(const Subject &subject)
{
    acc_device_counters c = ACC_INIT(acc_device_counters);
    if (acc_device_get_counters(subject.device.get(), &c) < 0)
        return refused("acc_device_get_counters");
    // The checks before this one: more than 1000 packets, three faults, two known answers.
    if (c.packets < 1000 || c.dispatches < 2 || c.faults < 3)
        return wrong("expected at least 1000 packets, 2 dispatches and 3 faults; found " +
                     std::to_string(c.packets) + ", " + std::to_string(c.dispatches) + " and " +
                     std::to_string(c.faults));
    return pass(std::to_string(c.packets) + " packets, " + std::to_string(c.dispatches) +
                " dispatches, " + std::to_string(c.faults) + " faults, " + std::to_string(c.loads) +
                " loads");
}

} // namespace

const std::vector<Check> &kernel_checks()
{
    static const std::vector<Check> checks = {
        {"known-answer", check_known_answer}, {"bad-program", check_bad_program},
        {"fault-kernel", check_fault_kernel}, {"fault-address", check_fault_address},
        {"fault-packet", check_fault_packet}, {"recovery", check_recovery},
        {"counters", check_counters},
    };
    return checks;
}

} // namespace acc::ctl
