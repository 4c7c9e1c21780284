// SPDX-License-Identifier: MIT
//
// Who reads the one event descriptor of a device file: a thread that is started when the
// first waiter needs it and sleeps while nothing happens. On an event it
//  - wakes the producers that sleep for space,
//  - relays: signals that other devices of this process can name too may have changed, and
//    the others' drivers did not see it (docs/protocols.md, "relay"),
//  - looks at the signals that this process waits for (WaitEntry).
//
// Thread safety: all calls from any thread, but stop() last.
#pragma once

#include "acc/abi.h"
#include "common/unique_fd.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace acc
{

class Device;
class SignalChunk;

// One signal that somebody waits for. Whoever registers it keeps it alive until fire() or
// until remove() has returned true.
class WaitEntry
{
public:
    WaitEntry(acc_signal_memory *memory, const SignalChunk &chunk, uint32_t condition,
              int64_t value)
        : memory_(memory), chunk_(chunk), condition_(condition), value_(value)
    {
    }
    virtual ~WaitEntry() = default;

    // Once, when the condition holds (error 0) or never will (-EIO, -ENODEV, or -ECANCELED by
    // EventReader::cancel()). The reader's lock is held and the entry is registered no more;
    // it may delete itself.
    virtual void fire(int64_t observed, int error) = 0;
    // What cancel() may choose; a thread that waits is never cancelled.
    enum class Kind { Thread, Callback, Descriptor };
    virtual Kind kind() const { return Kind::Thread; }

private:
    friend class EventReader;
    bool holds(int64_t &observed) const;
    bool arm_and_check(int64_t &observed) const;
    int lost() const;

    acc_signal_memory *const memory_;
    const SignalChunk &chunk_; // where it lives
    const uint32_t condition_;
    const int64_t value_;
    size_t index_ = SIZE_MAX; // in the reader's list
};

// Who wants to know of the device's faults. Whoever registers it keeps it alive until
// remove_watch() has returned.
class FaultWatch
{
public:
    virtual ~FaultWatch() = default;

    // The device's fault log has grown, or the device is lost. The reader's lock is held.
    virtual void look(int lost) = 0;
};

class EventReader
{
public:
    explicit EventReader(Device &device) : device_(device) {}
    ~EventReader() { stop(); }

    // Starts the thread if it doesn't run. 0 or -errno with a text.
    int start();
    // Ends it. Nobody waits any more.
    void stop();

    // Registers, then arms the signal and looks: may fire at once. 0 or -errno of start().
    int add(WaitEntry &entry);
    // False when it has fired, or is not registered.
    bool remove(WaitEntry &entry);
    // Fires the entries of one kind of a signal, with -ECANCELED.
    void cancel(const acc_signal_memory *memory, WaitEntry::Kind kind);

    // 0 or -errno of start(). Looks at once.
    int add_watch(FaultWatch &watch);
    void remove_watch(FaultWatch &watch);

    // Counts the events seen. wait_event() returns 0 when it differs from `seen`, or -ETIME.
    uint32_t events() const { return events_.load(std::memory_order_acquire); }
    int wait_event(uint32_t seen, uint64_t deadline_ns);

    // Looks as if an event had come: for a change that this file's driver told others of, not
    // this file. Nothing to do where the thread doesn't run.
    void poke()
    {
        if (running_.load(std::memory_order_acquire)) wake();
    }

    // Signals that more than one device can name. The reader must have been started.
    void add_relay(SignalChunk &chunk);
    void remove_relay(SignalChunk &chunk);

private:
    void run();
    static int drain(int socket);
    void look();
    void look_for_faults();
    void unlink(WaitEntry &entry);
    void wake();

    Device &device_;
    std::mutex start_mutex_;
    UniqueFd event_;
    std::thread thread_;
    std::atomic<bool> running_{false};
    std::atomic<bool> stop_{false};

    std::mutex mutex_; // of what follows
    std::condition_variable event_seen_;
    std::atomic<uint32_t> events_{0};
    std::vector<WaitEntry *> entries_;
    std::vector<SignalChunk *> relays_;
    std::vector<FaultWatch *> watches_;
    uint64_t faults_seen_ = 0;
    bool told_lost_ = false; // the readers of the devices that share signals
};

} // namespace acc
