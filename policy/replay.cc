// SPDX-License-Identifier: MIT
#include "policy/replay.h"

#include "policy/arbiter.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>
#include <numeric>
#include <queue>

namespace acc::policy
{

namespace
{

constexpr uint64_t kept_credit_ns = 5'000'000; // as a device's

// One sequence on one device.
class Simulation final : public Facts
{
public:
    Simulation(const Trace &trace, uint32_t index, const Manner &manner, const DecisionSink &sink)
        : trace_(trace), index_(index), manner_(manner), sink_(sink),
          arbiter_(*this, make_policy(manner.policy), trace.slots)
    {
    }

    int run(Outcome &outcome);

    bool holds(const Request &request, uint32_t slot) const override
    {
        return arbiter_.slots[slot].unit == request.unit;
    }
    bool fits(const Request &, uint32_t) const override { return true; }
    bool may_evict(const Request &, uint32_t) const override { return true; }

private:
    struct Queue : Request {
        uint32_t application = 0, task = 0;
        const Task *what = nullptr;
        uint32_t batch = 0, done = 0;
        std::vector<Queue *> before, behind;
        uint32_t slot = no_slot; // its lease
        bool executing = false;
        uint64_t dispatches = 0, unpaid_ns = 0;
        bool over() const { return done == batch; }
    };
    struct Event {
        uint64_t at = 0, order = 0;
        enum Kind { Arrival, Loaded, Executed, Prefetched } kind = Arrival;
        uint32_t subject = 0; // application, queue or slot
        bool operator>(const Event &other) const
        {
            return at != other.at ? at > other.at : order > other.order;
        }
    };

    void post(uint64_t at, Event::Kind kind, uint32_t subject)
    {
        events_.push({at, ++order_, kind, subject});
    }
    uint32_t number(const Queue &queue) const { return uint32_t(&queue - queues_.data()); }
    void arrive(uint32_t application);
    bool startable(const Queue &queue) const;
    void acquire(Queue &queue);
    void execute(Queue &queue);
    void executed(Queue &queue);
    void release(Queue &queue);
    void wake();
    void look_ahead();
    void expect(Queue &queue);
    uint64_t start_load(uint32_t slot, const Request &request);
    void tell(const Queue &queue, std::string_view kind, Reason reason, uint32_t slot,
              uint64_t victim = 0);

    const Trace &trace_;
    const uint32_t index_;
    const Manner &manner_;
    const DecisionSink &sink_;
    Arbiter arbiter_;
    std::vector<Share> shares_;
    std::vector<Queue> queues_;
    std::vector<uint32_t> left_; // tasks of an application that are not through
    std::vector<uint64_t> first_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    uint64_t now_ = 0, order_ = 0, port_free_ = 0, loads_ = 0;
    std::vector<uint64_t> end_; // of each application
};

void Simulation::tell(const Queue &queue, std::string_view kind, Reason reason, uint32_t slot,
                      uint64_t victim)
{
    if (!sink_) return;
    sink_({.time_ns = now_,
           .sequence = index_,
           .application = queue.application,
           .task = queue.task,
           .kind = kind,
           .reason = uint32_t(reason),
           .slot = slot,
           .victim = uint32_t(victim)});
}

bool Simulation::startable(const Queue &queue) const
{
    if (queue.over() || queue.executing) return false;
    return std::all_of(queue.before.begin(), queue.before.end(), [&](const Queue *other) {
        return manner_.pipelined ? other->done > queue.done : other->over();
    });
}

// What its ring shows: the task, until its batch is through.
void Simulation::expect(Queue &queue)
{
    std::array<uint64_t, 4> units = {};
    if (!queue.over() && queue.slot == no_slot) units[0] = queue.unit;
    arbiter_.expect(queue, units);
}

uint64_t Simulation::start_load(uint32_t slot, const Request &request)
{
    arbiter_.slots[slot].state = SlotState::Moving;
    arbiter_.load(slot, request);
    loads_++;
    port_free_ = std::max(port_free_, now_) + trace_.load_ns;
    return port_free_;
}

void Simulation::acquire(Queue &queue)
{
    if (!queue.waits()) arbiter_.enter(queue, kept_credit_ns);
    const Arbiter::Choice choice = arbiter_.choose(queue);
    if (choice.slot == no_slot || arbiter_.ahead_of(queue)) {
        if (!queue.waits())
            tell(queue, "wait", choice.slot == no_slot ? choice.reason : Reason::Behind, no_slot);
        arbiter_.wait(queue, now_);
        return;
    }
    Slot &slot = arbiter_.slots[choice.slot];
    const uint64_t victim = slot.unit;
    const bool waited = queue.waits();
    if (choice.resident && waited) tell(queue, "grant", arbiter_.grant_reason(queue), choice.slot);
    arbiter_.take_turn(queue);
    if (waited) arbiter_.stop_waiting(queue);
    queue.slot = choice.slot;
    queue.dispatches = 0;
    expect(queue);
    if (choice.resident) {
        slot.state = SlotState::Busy;
        arbiter_.use(choice.slot);
        execute(queue);
        return;
    }
    tell(queue, "load", choice.reason, choice.slot, victim);
    const uint64_t end = start_load(choice.slot, queue);
    arbiter_.charge(queue, end - now_);
    arbiter_.use(choice.slot);
    post(end, Event::Loaded, number(queue));
}

void Simulation::execute(Queue &queue)
{
    queue.executing = true;
    arbiter_.slots[queue.slot].state = SlotState::Busy;
    post(now_ + queue.what->run_ns, Event::Executed, number(queue));
}

void Simulation::release(Queue &queue)
{
    if (queue.unpaid_ns) arbiter_.charge(queue, queue.unpaid_ns);
    queue.unpaid_ns = 0;
    Slot &slot = arbiter_.slots[queue.slot];
    slot.state = SlotState::Ready;
    queue.slot = no_slot;
    expect(queue);
}

void Simulation::executed(Queue &queue)
{
    queue.executing = false;
    queue.done++;
    queue.dispatches++;
    queue.unpaid_ns = queue.what->run_ns;
    arbiter_.ran(queue, queue.what->run_ns, queue.what->run_ns);
    arbiter_.plan(queue, queue.batch - queue.done);
    if (queue.over()) {
        release(queue);
        if (!--left_[queue.application]) end_[queue.application] = now_;
    } else if (startable(queue)) {
        const Request *whom = nullptr;
        bool yields = false;
        if (!arbiter_.waiters().empty()) {
            arbiter_.charge(queue, std::exchange(queue.unpaid_ns, 0));
            yields = arbiter_.must_yield(queue, queue.slot, queue.dispatches, whom);
        }
        if (yields) {
            tell(queue, "yield", arbiter_.grant_reason(*whom), queue.slot);
            release(queue);
            arbiter_.enter(queue, kept_credit_ns);
            arbiter_.wait(queue, now_);
        } else {
            if (!arbiter_.waiters().empty()) arbiter_.take_turn(queue);
            execute(queue);
        }
    } else if (!manner_.keeps_slot) {
        release(queue);
    }
    for (Queue *next : queue.behind) {
        if (!startable(*next)) continue;
        if (next->slot == no_slot) {
            if (!next->waits()) acquire(*next);
        } else if (arbiter_.slots[next->slot].state == SlotState::Busy) {
            execute(*next); // it had kept the slot
        }
    }
}

// A device tells one, whose own request tells the next.
void Simulation::wake()
{
    while (auto *request = static_cast<Queue *>(arbiter_.next())) {
        acquire(*request);
        if (request->waits()) return;
    }
}

void Simulation::look_ahead()
{
    if (!arbiter_.policy().looks_ahead()) return;
    // The port takes one at a time; what comes later is decided later.
    while (port_free_ <= now_) {
        const Queue *best = nullptr;
        Arbiter::Choice where;
        for (const Request *request : arbiter_.interested()) {
            const auto &queue = static_cast<const Queue &>(*request);
            if (queue.waits()) continue;
            if (best && !arbiter_.before(queue, *best)) continue;
            const Arbiter::Choice choice = arbiter_.choose_ahead(queue);
            if (choice.slot == no_slot) continue;
            best = &queue;
            where = choice;
        }
        if (!best) return;
        tell(*best, "prefetch", where.reason, where.slot, arbiter_.slots[where.slot].unit);
        post(start_load(where.slot, *best), Event::Prefetched, where.slot);
    }
}

void Simulation::arrive(uint32_t application)
{
    const uint32_t first = uint32_t(first_[application]);
    const size_t count = trace_.sequences[index_][application].tasks.size();
    for (uint32_t i = first; i < first + count; i++) {
        arbiter_.plan(queues_[i], queues_[i].batch);
        expect(queues_[i]);
    }
    for (uint32_t i = first; i < first + count; i++)
        if (startable(queues_[i])) acquire(queues_[i]);
}

int Simulation::run(Outcome &outcome)
{
    const Sequence &sequence = trace_.sequences[index_];
    shares_.resize(sequence.size());
    end_.resize(sequence.size());
    for (uint32_t a = 0; a < sequence.size(); a++) {
        const Application &application = sequence[a];
        shares_[a].client = a + 1;
        first_.push_back(queues_.size());
        left_.push_back(uint32_t(application.tasks.size()));
        for (uint32_t t = 0; t < application.tasks.size(); t++) {
            Queue &queue = queues_.emplace_back();
            queue.application = a;
            queue.task = t;
            queue.what = &application.tasks[t];
            queue.batch = application.batch;
            queue.unit = queue.what->role + uint64_t(1);
            queue.reload_ns = trace_.load_ns;
        }
        post(application.arrival_ns, Event::Arrival, a);
    }
    for (Queue &queue : queues_) { // their addresses are settled
        queue.share = &shares_[queue.application];
        for (const uint32_t before : queue.what->after) {
            Queue &other = queues_[first_[queue.application] + before];
            queue.before.push_back(&other);
            other.behind.push_back(&queue);
        }
    }
    while (!events_.empty()) {
        const Event event = events_.top();
        events_.pop();
        now_ = event.at;
        switch (event.kind) {
        case Event::Arrival:
            arrive(event.subject);
            break;
        case Event::Loaded:
            execute(queues_[event.subject]);
            break;
        case Event::Executed:
            executed(queues_[event.subject]);
            break;
        case Event::Prefetched:
            arbiter_.slots[event.subject].state = SlotState::Ready;
            break;
        }
        wake();
        look_ahead();
    }
    for (uint32_t a = 0; a < sequence.size(); a++) {
        if (left_[a]) return -EDEADLK;
        outcome.response_ns.push_back(end_[a] - sequence[a].arrival_ns);
    }
    outcome.loads += loads_;
    outcome.makespan_ns = std::max(outcome.makespan_ns, now_);
    return 0;
}

// Alone on a device with a slot for each task and no loads.
uint64_t alone_ns(const Application &application)
{
    std::vector<uint64_t> end(application.tasks.size());
    for (uint32_t item = 0; item < application.batch; item++)
        for (size_t t = 0; t < end.size(); t++) {
            uint64_t start = end[t];
            for (const uint32_t before : application.tasks[t].after)
                start = std::max(start, end[before]);
            end[t] = start + application.tasks[t].run_ns;
        }
    return end.empty() ? 0 : *std::max_element(end.begin(), end.end());
}

// Total response on one processor of the speed of `slots`, shortest remaining work first.
double shortest_first_ns(const Sequence &sequence, uint32_t slots)
{
    struct Job {
        double arrival, work;
    };
    std::vector<Job> jobs;
    for (const Application &application : sequence) {
        double work = 0;
        for (const Task &task : application.tasks)
            work += double(task.run_ns);
        jobs.push_back({double(application.arrival_ns), work * application.batch / slots});
    }
    std::sort(jobs.begin(), jobs.end(), [](auto &a, auto &b) { return a.arrival < b.arrival; });
    std::vector<Job> active;
    double now = 0, total = 0;
    for (size_t next = 0; next < jobs.size() || !active.empty();) {
        if (active.empty()) now = std::max(now, jobs[next].arrival);
        while (next < jobs.size() && jobs[next].arrival <= now)
            active.push_back(jobs[next++]);
        const auto shortest = std::min_element(active.begin(), active.end(),
                                               [](auto &a, auto &b) { return a.work < b.work; });
        const double until = next < jobs.size() ? jobs[next].arrival : INFINITY;
        if (now + shortest->work <= until) {
            now += shortest->work;
            total += now - shortest->arrival;
            active.erase(shortest);
        } else {
            shortest->work -= until - now;
            now = until;
        }
    }
    return total;
}

uint64_t nearest_rank(std::vector<uint64_t> values, double percent)
{
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const auto rank = size_t(std::ceil(percent / 100 * double(values.size())));
    return values[std::clamp<size_t>(rank, 1, values.size()) - 1];
}

} // namespace

double Outcome::mean_ns() const
{
    double sum = 0;
    for (const uint64_t ns : response_ns)
        sum += double(ns);
    return response_ns.empty() ? 0 : sum / double(response_ns.size());
}

uint64_t Outcome::percentile_ns(double percent) const
{
    return nearest_rank(response_ns, percent);
}

Result<Outcome> replay(const Trace &trace, const Manner &manner, const DecisionSink &sink)
{
    if (!make_policy(manner.policy)) return Error{-EINVAL};
    Outcome outcome;
    for (uint32_t i = 0; i < trace.sequences.size(); i++) {
        Simulation simulation(trace, i, manner, sink);
        if (const int error = simulation.run(outcome)) return Error{error};
    }
    return outcome;
}

Bound lower_bound(const Trace &trace)
{
    std::vector<uint64_t> alone;
    double shortest = 0;
    for (const Sequence &sequence : trace.sequences) {
        for (const Application &application : sequence)
            alone.push_back(alone_ns(application));
        shortest += shortest_first_ns(sequence, trace.slots);
    }
    Bound bound;
    if (alone.empty()) return bound;
    const double sum = std::accumulate(alone.begin(), alone.end(), 0.0);
    bound.mean_ns = std::max(sum, shortest) / double(alone.size());
    bound.p95_ns = nearest_rank(alone, 95);
    return bound;
}

} // namespace acc::policy
