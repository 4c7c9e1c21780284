// SPDX-License-Identifier: MIT
//
// accctl validate: a self-test of one device through libacc alone.
#include "validate.h"

#include <cstdio>

namespace acc::ctl
{

Outcome refused(const char *what)
{
    return wrong(std::string(what) + ": " + one_line(acc_error_text()));
}

Queue Subject::queue() const
{
    acc_queue_options options = ACC_INIT(acc_queue_options);
    options.packets = 64;
    acc_queue *made = nullptr;
    return Queue(acc_queue_create(device.get(), &options, &made) < 0 ? nullptr : made);
}

Buffer Subject::buffer(size_t bytes) const
{
    acc_buffer *made = nullptr;
    return Buffer(acc_buffer_create(device.get(), bytes, nullptr, &made) < 0 ? nullptr : made);
}

Signal Subject::signal(int64_t initial) const
{
    acc_device *const handle = device.get();
    acc_signal *made = nullptr;
    return Signal(acc_signal_create(&handle, 1, initial, &made) < 0 ? nullptr : made);
}

bool wait_equal(const Signal &signal, int64_t value)
{
    return acc_signal_wait(signal.get(), ACC_COND_EQ, value, acc_deadline(patience_ns), nullptr) ==
           0;
}

bool submit_and_wait(const Subject &subject, const Queue &queue, union acc_packet packet,
                     acc_signal_result &result)
{
    const Signal signal = subject.signal(1);
    if (!signal) return false;
    packet.raw.completion_signal = acc_signal_address(signal.get());
    result = ACC_INIT(acc_signal_result);
    return acc_queue_submit(queue.get(), &packet, 1, acc_deadline(patience_ns), nullptr) == 0 &&
           wait_equal(signal, 0) && acc_signal_get_result(signal.get(), &result) == 0;
}

namespace
{

constexpr const char *kind_names[] = {"PASS", "FAIL", "SKIP"};

int validate(const Context &context, bool fpga)
{
    if (context.devices.size() > 1) {
        fail("validate: expected one --device; found " + std::to_string(context.devices.size()));
        return exit_usage;
    }
    Subject subject;
    subject.device = open_device(context.devices.empty() ? "" : context.devices[0]);
    if (!subject.device) return exit_failure;
    const std::string uri = acc_device_uri(subject.device.get());
    subject.info = ACC_INIT(acc_device_info);
    if (acc_device_get_info(subject.device.get(), &subject.info) < 0) return fail_acc(uri);

    Json checks = Json::array();
    size_t counts[3] = {};
    if (!context.json)
        printf("%s: %s, engine %s\n", uri.c_str(), subject.info.name,
               std::string(engine_name(subject.info.engine)).c_str());
    const auto note = [&](const char *name, const Outcome &outcome) {
        const auto kind = static_cast<size_t>(outcome.kind);
        ++counts[kind];
        const std::string detail = one_line(outcome.detail);
        checks.push_back({{"name", name}, {"result", kind_names[kind]}, {"detail", detail}});
        if (context.json) return;
        printf("%s %-16s %s\n", kind_names[kind], name, detail.c_str());
        fflush(stdout); // a device that hangs should show where
    };
    std::vector<const std::vector<Check> *> lists = {&packet_checks(), &kernel_checks()};
    if (fpga) lists.push_back(&fpga_checks());
    for (const auto *list : lists)
        for (const Check &check : *list)
            note(check.name, check.run(subject));
    // Every handle of every check is ended by now.
    note("close", acc_device_close(subject.device.get()) < 0
                      ? refused("acc_device_close")
                      : (static_cast<void>(subject.device.release()), pass("nothing left open")));

    const bool good = counts[static_cast<size_t>(Outcome::Kind::Fail)] == 0;
    if (context.json) {
        const int code = print_json({{"uri", uri},
                                     {"passed", counts[0]},
                                     {"failed", counts[1]},
                                     {"skipped", counts[2]},
                                     {"checks", checks}});
        return good ? code : exit_failure;
    }
    printf("%zu passed, %zu failed, %zu skipped\n", counts[0], counts[1], counts[2]);
    const int code = finish_output();
    return good ? code : exit_failure;
}

} // namespace

void add_validate_command(CLI::App &app, Context &context)
{
    CLI::App *command = app.add_subcommand("validate", "Self-test of a device; 1 if a check fails");
    auto fpga = std::make_shared<bool>(false);
    command->add_flag("--fpga", *fpga,
                      "Measures an FPGA, too: bandwidth of copies, launches, load time");
    command->callback([&context, fpga] {
        context.command = [&context, fpga] { return validate(context, *fpga); };
    });
}

} // namespace acc::ctl
