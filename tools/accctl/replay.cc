// SPDX-License-Identifier: MIT
//
// accctl replay: a trace of applications against the policies of slots, side by side.
#include "accctl.h"

#include "policy/policy.h"
#include "policy/replay.h"

#include <cinttypes>
#include <cstdio>

namespace acc::ctl
{
namespace
{

struct ReplayOptions {
    std::string file, set = "seconds", decisions;
    uint64_t seed = 1;
    bool write = false;
};

struct PolicyRow {
    const char *name;
    policy::Manner manner;
};

// What is compared. `keeps_slot` is how managers without reuse pipeline a batch: who let a
// slot go would have to load again.
const std::vector<PolicyRow> &policy_rows()
{
    static const std::vector<PolicyRow> all = {
        {"fcfs", {"fcfs", false, false}},        {"rr", {"rr", false, false}},
        {"lru", {"lru", false, false}},          {"fcfs-reuse", {"fcfs-reuse", false, false}},
        {"fewest", {"fewest", false, false}},    {"fcfs-pipelined", {"fcfs", true, true}},
        {"lru-pipelined", {"lru", true, false}}, {"adaptive-batch", {"adaptive", false, false}},
        {"adaptive", {"adaptive", true, false}},
    };
    return all;
}

bool read_trace(const ReplayOptions &options, policy::Trace &trace)
{
    if (options.file.empty()) {
        auto made = policy::generate_trace(options.set, options.seed);
        if (!made) {
            fail("replay: expected the set seconds or millis; found " + options.set);
            return false;
        }
        trace = std::move(*made);
        return true;
    }
    std::vector<std::byte> bytes;
    if (!read_file(options.file, bytes)) return false;
    std::string why;
    auto parsed =
        policy::parse_trace({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, why);
    if (!parsed) {
        fail(options.file + ": " + why);
        return false;
    }
    trace = std::move(*parsed);
    return true;
}

int print_decisions(const policy::Trace &trace, const ReplayOptions &options)
{
    for (const PolicyRow &row : policy_rows()) {
        if (row.name != options.decisions) continue;
        printf("%12s %4s %4s %4s %-9s %-14s %4s  %s\n", "time", "seq", "app", "task", "what", "why",
               "slot", "evicts role");
        const auto print = [](const policy::Decision &d) {
            char slot[16] = "-", victim[16] = "";
            if (d.slot != policy::no_slot) snprintf(slot, sizeof slot, "%" PRIu32, d.slot);
            if (d.victim) snprintf(victim, sizeof victim, "%" PRIu32, d.victim - 1);
            printf("%9.3f ms %4" PRIu32 " %4" PRIu32 " %4" PRIu32 " %-9.*s %-14s %4s  %s\n",
                   double(d.time_ns) / 1e6, d.sequence, d.application, d.task, int(d.kind.size()),
                   d.kind.data(), acc_trace_reason_name(d.reason), slot, victim);
        };
        auto outcome = policy::replay(trace, row.manner, print);
        return outcome ? finish_output() : fail("replay: tasks wait for each other for ever");
    }
    std::string names;
    for (const PolicyRow &row : policy_rows())
        names += (names.empty() ? "" : ", ") + std::string(row.name);
    fail("replay --decisions: expected one of " + names + "; found " + options.decisions);
    return exit_usage;
}

int compare(const policy::Trace &trace, const Context &context)
{
    Json lines = Json::array();
    double first_mean = 0, first_p95 = 0;
    const auto add = [&](const char *name, double mean_ns, double p95_ns, Json loads,
                         Json makespan) {
        if (!first_mean) first_mean = mean_ns;
        if (!first_p95) first_p95 = p95_ns;
        lines.push_back({{"name", name},
                         {"mean_s", mean_ns / 1e9},
                         {"p95_s", p95_ns / 1e9},
                         {"mean_ratio", first_mean ? mean_ns / first_mean : 0},
                         {"p95_ratio", first_p95 ? p95_ns / first_p95 : 0},
                         {"loads", std::move(loads)},
                         {"makespan_s", std::move(makespan)}});
    };
    for (const PolicyRow &row : policy_rows()) {
        const auto outcome = policy::replay(trace, row.manner);
        if (!outcome)
            return fail("replay: " + std::string(row.name) +
                        ": tasks wait for each other for ever");
        add(row.name, outcome->mean_ns(), double(outcome->percentile_ns(95)), outcome->loads,
            double(outcome->makespan_ns) / 1e9);
    }
    const policy::Bound bound = policy::lower_bound(trace);
    add("lower-bound", bound.mean_ns, double(bound.p95_ns), nullptr, nullptr);

    size_t applications = 0, tasks = 0;
    for (const auto &sequence : trace.sequences) {
        applications += sequence.size();
        for (const auto &application : sequence)
            tasks += application.tasks.size();
    }
    if (context.json)
        return print_json({{"slots", trace.slots},
                           {"load_ns", trace.load_ns},
                           {"sequences", trace.sequences.size()},
                           {"applications", applications},
                           {"tasks", tasks},
                           {"policies", lines}});
    printf("%zu sequences, %zu applications, %zu tasks; %" PRIu32 " slots, %s a load\n\n",
           trace.sequences.size(), applications, tasks, trace.slots,
           time_text(trace.load_ns).c_str());
    printf("%-16s %12s %12s %6s %6s %7s %12s\n", "policy", "mean", "p95", "mean/", "p95/", "loads",
           "longest");
    for (const Json &line : lines) {
        const auto number = [&](const char *key) { return line[key].get<double>(); };
        printf("%-16s %10.3f s %10.3f s %6.3f %6.3f", line["name"].get<std::string>().c_str(),
               number("mean_s"), number("p95_s"), number("mean_ratio"), number("p95_ratio"));
        if (!line["loads"].is_null())
            printf(" %7" PRIu64 " %10.3f s", line["loads"].get<uint64_t>(), number("makespan_s"));
        printf("\n");
    }
    printf("\nmean/ and p95/ are of the first line's. What is pipelined lets an item of a batch\n"
           "into a task as soon as it has left those before; the others run batch by batch.\n");
    return finish_output();
}

int replay_trace(const Context &context, const ReplayOptions &options)
{
    policy::Trace trace;
    if (!read_trace(options, trace)) return exit_failure;
    if (options.write) {
        fputs(policy::write_trace(trace).c_str(), stdout);
        return finish_output();
    }
    return options.decisions.empty() ? compare(trace, context) : print_decisions(trace, options);
}

} // namespace

void add_replay_command(CLI::App &app, Context &context)
{
    CLI::App *command = app.add_subcommand(
        "replay", "Replays a trace of applications against the policies of slots");
    auto options = std::make_shared<ReplayOptions>();
    CLI::Option *file =
        command->add_option("TRACE", options->file, "A trace; default: one is generated")
            ->type_name("");
    command->add_option("--generate", options->set, "seconds or millis (default: seconds)")
        ->type_name("SET")
        ->excludes(file);
    command->add_option("--seed", options->seed, "Of what is generated (default: 1)")
        ->excludes(file);
    command->add_flag("--write", options->write, "Prints the trace instead of replaying it");
    command
        ->add_option("--decisions", options->decisions,
                     "Prints every decision of one line instead: what, why, where")
        ->type_name("NAME");
    command->callback([&context, options] {
        context.command = [&context, options] { return replay_trace(context, *options); };
    });
}

} // namespace acc::ctl
