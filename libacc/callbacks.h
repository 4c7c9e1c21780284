// SPDX-License-Identifier: MIT
//
// Runs the callbacks of one device on a thread of their own, started with the first: a
// callback may block, submit and wait, so it must not hold the thread that reads events.
//
// Thread safety: all calls from any thread, but stop() last.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace acc
{

class Callbacks
{
public:
    ~Callbacks() { stop(); }

    // 0 or -errno with a text.
    int start();
    // Runs what is queued, then ends the thread.
    void stop();

    class Job
    {
    public:
        virtual ~Job() = default;
        virtual void run() = 0; // may delete itself
        Job *next = nullptr;
    };
    // Never allocates. The thread runs.
    void post(Job &job);

    // True on a thread that runs callbacks of any device.
    static bool inside();

private:
    void run();

    std::mutex mutex_;
    std::condition_variable posted_;
    std::thread thread_;
    Job *first_ = nullptr;
    Job **last_ = &first_;
    bool stop_ = false;
};

} // namespace acc
