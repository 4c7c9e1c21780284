// SPDX-License-Identifier: MIT
//
// Copies that go on while the program does something else. A device copies where it reaches
// both ends, else a thread of ours does. Dependencies are waited for one after the other,
// by callbacks: a copy that waits holds no queue and no thread.
//
// Thread safety: all calls from any thread.
#pragma once

#include "agents.h"
#include "signals.h"

#include <functional>
#include <map>

namespace acc::hsa
{

struct CopyJob {
    std::vector<SignalRef> dependencies; // that have not been seen to be 0
    SignalRef completion;
    // A device's way; null: the host's alone.
    const Agent *agent = nullptr;
    void *destination = nullptr;
    const void *source = nullptr;
    size_t bytes = 0;
    std::function<void()> on_host; // does all of it
};

class Copies
{
public:
    explicit Copies(Runtime &runtime) : runtime_(runtime) {}
    ~Copies();

    hsa_status_t start(std::unique_ptr<CopyJob> job);

private:
    struct Waiting; // a job and the callback it waits for

    hsa_status_t go_on(std::unique_ptr<CopyJob> job, bool on_worker);
    bool submit(const CopyJob &job);
    void copy_here(CopyJob &job);
    void fail(const CopyJob &job);
    static void satisfied(void *user, acc_signal *signal, int64_t observed, int error);

    Runtime &runtime_;
    std::mutex mutex_; // of what follows
    std::map<const Agent *, acc_queue *> queues_;
};

} // namespace acc::hsa
