// SPDX-License-Identifier: MIT
//
// Replays traces of applications against a policy, on a virtual clock: a number of equal
// slots, one configuration port, and the arbiter that a device has. An application is a
// client; each of its tasks is a queue, which asks for a slot when an item of its batch can
// be executed, keeps it from item to item as a lease, and gives it up when it has to wait.
//
// Thread safety: no state outside of the arguments.
#pragma once

#include "common/result.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace acc::policy
{

struct Task {
    uint32_t role = 0;           // what has to be resident; equal roles are equal units
    uint64_t run_ns = 0;         // of one item of the batch
    std::vector<uint32_t> after; // tasks of the application, all of lower index
};

struct Application {
    uint64_t arrival_ns = 0;
    uint32_t batch = 1; // items that go through all tasks
    std::vector<Task> tasks;
};

// A device that is empty at first, and what comes to it.
using Sequence = std::vector<Application>;

struct Trace {
    uint32_t slots = 10;
    uint64_t load_ns = 89'000'000;
    std::vector<Sequence> sequences;
};

// Seeded traces: 10 sequences of 20 applications each, on 10 slots of 89 ms loads. "seconds":
// graphs of 1 to 9 tasks that run for about 1.9 s, "millis": the same graphs with tasks of
// microseconds to milliseconds. The same arguments give the same trace everywhere.
// -EINVAL for another name.
Result<Trace> generate_trace(std::string_view set, uint64_t seed);

// The text form (docs/fpga.md, "Traces"). Parsing refuses with -EINVAL, and `why` names the
// line, what was expected and what was found.
std::string write_trace(const Trace &trace);
Result<Trace> parse_trace(std::string_view text, std::string &why);

// How a trace is run.
struct Manner {
    std::string_view policy;
    // An item may enter a task as soon as it has left those before it. Else a task begins
    // when those before it are through with the whole batch.
    bool pipelined = false;
    // A task keeps its slot until its batch is through, even while it waits for items.
    bool keeps_slot = false;
};

// One decision, for who wants to read them.
struct Decision {
    uint64_t time_ns = 0;
    uint32_t sequence = 0, application = 0, task = 0;
    std::string_view kind; // load, prefetch, grant, wait, yield
    uint32_t reason = 0;   // enum Reason
    uint32_t slot = 0;     // ~0: none
    uint32_t victim = 0;   // role + 1; 0: none
};
using DecisionSink = std::function<void(const Decision &)>;

struct Outcome {
    std::vector<uint64_t> response_ns; // of every application: from arrival to its last item
    uint64_t loads = 0;
    uint64_t makespan_ns = 0; // the longest of the sequences
    double mean_ns() const;
    uint64_t percentile_ns(double percent) const; // nearest rank
};

// -EINVAL for an unknown policy, -EDEADLK where tasks wait for each other's slots for ever.
Result<Outcome> replay(const Trace &trace, const Manner &manner, const DecisionSink &sink = {});

// What no policy can be below, whatever it loads: of the mean, the larger of two bounds (the
// applications alone on a device with a slot for each task; all of them on one processor as
// fast as all slots, shortest remaining work first); of the percentile, the first.
struct Bound {
    double mean_ns = 0;
    uint64_t p95_ns = 0;
};
Bound lower_bound(const Trace &trace);

} // namespace acc::policy
