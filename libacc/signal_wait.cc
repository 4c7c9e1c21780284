// SPDX-License-Identifier: MIT
//
// Waiting through the event reader: for any of several signals, by callback, by descriptor.
#include "libacc/device.h"
#include "libacc/error.h"
#include "libacc/signal.h"

#include "common/unique_fd.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <deque>

namespace acc
{

// ------------------------------------------------------------------------- any

namespace
{

// What the entries of one wait report to.
struct AnyWait {
    std::mutex mutex;
    std::condition_variable fired;
    bool done = false; // something happened: it held, or never will
    bool held = false;
    size_t index = 0;
    int64_t observed = 0;
};

class AnyEntry final : public WaitEntry
{
public:
    AnyEntry(Signal &signal, uint32_t condition, int64_t value, size_t index, AnyWait &wait)
        : WaitEntry(signal.memory(), signal.chunk(), condition, value), signal_(signal),
          index_(index), wait_(wait)
    {
        signal_.begin_wait();
    }
    ~AnyEntry() override { signal_.end_wait(); }
    AnyEntry(const AnyEntry &) = delete;
    AnyEntry &operator=(const AnyEntry &) = delete;

    void fire(int64_t observed, int error) override
    {
        std::lock_guard lock(wait_.mutex);
        if (!error && !wait_.held) {
            wait_.held = true;
            wait_.index = index_;
            wait_.observed = observed;
        }
        wait_.done = true;
        wait_.fired.notify_one();
    }

    Signal &signal() const { return signal_; }

private:
    Signal &signal_;
    const size_t index_;
    AnyWait &wait_;
};

// The lowest that holds now.
bool find_satisfied(std::span<Signal *const> signals, const uint32_t *conditions,
                    const int64_t *values, size_t &index, int64_t &observed)
{
    for (index = 0; index < signals.size(); index++) {
        observed = signals[index]->load();
        if (acc_condition_holds(observed, conditions[index], values[index])) return true;
    }
    return false;
}

} // namespace

int sleep_any(std::span<Signal *const> signals, const uint32_t *conditions, const int64_t *values,
              uint64_t deadline_ns, size_t *index, int64_t *observed)
{
    for (;;) {
        AnyWait wait;
        bool held = find_satisfied(signals, conditions, values, wait.index, wait.observed);
        if (!held) {
            for (const Signal *signal : signals)
                if (signal->chunk().lost()) return signal->chunk().fail_lost().code;
            if (now_ns() >= deadline_ns)
                return fail(-ETIME, "none of {} signals changed in time; the first is {}",
                            signals.size(), signals.front()->load())
                    .code;
            std::deque<AnyEntry> entries; // their addresses stay
            int error = 0;
            for (size_t i = 0; i < signals.size() && !error; i++)
                error = signals[i]->device().reader().add(
                    entries.emplace_back(*signals[i], conditions[i], values[i], i, wait));
            if (!error) {
                std::unique_lock lock(wait.mutex);
                (void)wait_until(wait.fired, lock, deadline_ns, [&] { return wait.done; });
            }
            for (AnyEntry &entry : entries)
                (void)entry.signal().device().reader().remove(entry);
            if (error) return error;
            held = wait.held; // whatever has become of it since
        }
        if (!held) continue;
        signals[wait.index]->load(); // takes note of an error
        if (index) *index = wait.index;
        if (observed) *observed = wait.observed;
        return 0;
    }
}

int wait_any(std::span<Signal *const> signals, const uint32_t *conditions, const int64_t *values,
             uint64_t deadline_ns, size_t *index)
{
    Device &first = signals.front()->device();
    uint64_t now = now_ns();
    const uint64_t spin_end = std::min(deadline_ns, saturating_add(now, first.spin_ns()));
    if (now < spin_end && first.begin_spin()) {
        size_t found = 0;
        int64_t observed = 0;
        bool done = false;
        while (!(done = find_satisfied(signals, conditions, values, found, observed)) &&
               (now = now_ns()) < spin_end)
            cpu_relax();
        first.end_spin();
        if (done && index) *index = found;
        if (done) return 0;
    }
    return sleep_any(signals, conditions, values, deadline_ns, index, nullptr);
}

// -------------------------------------------------------------------- callback

class CallbackEntry final : public WaitEntry, public Callbacks::Job
{
public:
    CallbackEntry(Signal &signal, uint32_t condition, int64_t value, acc_signal_fn fn, void *user)
        : WaitEntry(signal.memory(), signal.chunk(), condition, value), signal_(signal), fn_(fn),
          user_(user)
    {
        signal_.begin_wait();
    }
    ~CallbackEntry() override
    {
        if (waiting_) signal_.end_wait();
    }
    CallbackEntry(const CallbackEntry &) = delete;
    CallbackEntry &operator=(const CallbackEntry &) = delete;

    void fire(int64_t observed, int error) override
    {
        observed_ = observed;
        error_ = error;
        waiting_ = false;
        signal_.running_.fetch_add(1, std::memory_order_relaxed); // before it waits no more
        signal_.end_wait();
        signal_.device().callbacks().post(*this);
    }

    Kind kind() const override { return Kind::Callback; }

    void run() override
    {
        fn_(user_, reinterpret_cast<acc_signal *>(&signal_), observed_, error_);
        std::atomic<uint32_t> &running = signal_.running_;
        delete this;
        // The signal may be gone as soon as the count is 0; notify_all() needs its address only.
        running.fetch_sub(1, std::memory_order_release);
        running.notify_all();
    }

private:
    Signal &signal_;
    const acc_signal_fn fn_;
    void *const user_;
    int64_t observed_ = 0;
    int error_ = 0;
    bool waiting_ = true;
};

int Signal::on(uint32_t condition, int64_t value, acc_signal_fn fn, void *user)
{
    ACC_TRY_INT(device().callbacks().start());
    auto entry = std::make_unique<CallbackEntry>(*this, condition, value, fn, user);
    ACC_TRY_INT(device().reader().add(*entry));
    (void)entry.release(); // run() deletes it, or has
    return 0;
}

// ------------------------------------------------------------------ descriptor

class FdEntry final : public WaitEntry
{
public:
    FdEntry(Signal &signal, uint32_t condition, int64_t value, UniqueFd fd)
        : WaitEntry(signal.memory(), signal.chunk(), condition, value), signal_(signal),
          fd_(std::move(fd))
    {
        signal_.fds_.fetch_add(1, std::memory_order_relaxed);
    }
    ~FdEntry() override { signal_.fds_.fetch_sub(1, std::memory_order_release); }
    FdEntry(const FdEntry &) = delete;
    FdEntry &operator=(const FdEntry &) = delete;

    void fire(int64_t, int) override
    {
        (void)!eventfd_write(fd_.get(), 1);
        delete this;
    }
    Kind kind() const override { return Kind::Descriptor; }

private:
    Signal &signal_;
    UniqueFd fd_;
};

Result<int> Signal::wait_fd(uint32_t condition, int64_t value)
{
    UniqueFd theirs(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!theirs) return fail(-errno, "cannot make a descriptor: {}", errno_text(errno));
    UniqueFd ours(fcntl(theirs.get(), F_DUPFD_CLOEXEC, 0));
    if (!ours) return fail(-errno, "cannot make a descriptor: {}", errno_text(errno));
    auto entry = std::make_unique<FdEntry>(*this, condition, value, std::move(ours));
    if (const int error = device().reader().add(*entry)) return Error{error};
    (void)entry.release(); // fire() deletes it, or has
    return theirs.release();
}

} // namespace acc
