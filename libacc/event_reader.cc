// SPDX-License-Identifier: MIT
#include "libacc/event_reader.h"

#include "acc/check.h"
#include "libacc/clock.h"
#include "libacc/device.h"
#include "libacc/error.h"
#include "libacc/signal_pool.h"
#include "libacc/threads.h"

#include <algorithm>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace acc
{

// ------------------------------------------------------------------- entries

bool WaitEntry::holds(int64_t &observed) const
{
    observed = std::atomic_ref(memory_->value).load(std::memory_order_acquire);
    return acc_condition_holds(observed, condition_, value_);
}

// Registered first, then armed, then looked at again (docs/protocols.md, "notify").
bool WaitEntry::arm_and_check(int64_t &observed) const
{
    if (holds(observed)) return true;
    std::atomic_ref(memory_->notify).fetch_or(ACC_NOTIFY_HOST, std::memory_order_acq_rel);
    full_fence();
    return holds(observed);
}

// Whoever of the devices that can name the signal is lost may be the one that was to change it.
int WaitEntry::lost() const
{
    return chunk_.lost();
}

// ------------------------------------------------------------- the thread's life

int EventReader::start()
{
    if (running_.load(std::memory_order_acquire)) return 0;
    std::lock_guard lock(start_mutex_);
    if (running_.load(std::memory_order_relaxed)) return 0;
    UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return fail(-errno, "cannot make an event descriptor: {}", errno_text(errno)).code;
    drm_acc_event_set set = {};
    set.fd = event.get();
    // Where the transport has a descriptor of its own, `event_` is only for our own wakes.
    if (device_.transport().event_fd() < 0)
        if (const int error = device_.ioctl(DRM_IOCTL_ACC_EVENT_SET, &set))
            return device_.refused(error, "EVENT_SET").code;
    event_ = std::move(event);
    const int error = start_thread(thread_, "acc-events", [this] { run(); });
    if (error)
        return fail(error, "{}: cannot start the thread that reads events", device_.uri()).code;
    running_.store(true, std::memory_order_release);
    return 0;
}

void EventReader::stop()
{
    if (!running_.load(std::memory_order_acquire)) return;
    stop_.store(true, std::memory_order_release);
    wake();
    thread_.join();
    running_.store(false, std::memory_order_release);
    drm_acc_event_set clear = {};
    clear.fd = -1;
    if (device_.transport().event_fd() < 0)
        (void)device_.ioctl(DRM_IOCTL_ACC_EVENT_SET, &clear); // the file is closed next
    event_.reset();
}

void EventReader::wake()
{
    // A full counter is a pending wake.
    (void)!eventfd_write(event_.get(), 1);
}

void EventReader::run()
{
    // poll() passes over the second where there is none, and once it has hung up.
    pollfd ready[] = {{event_.get(), POLLIN, 0}, {device_.transport().event_fd(), POLLIN, 0}};
    while (!stop_.load(std::memory_order_acquire)) {
        if (poll(ready, 2, -1) < 0) continue; // EINTR
        eventfd_t count;
        if (ready[0].revents) (void)eventfd_read(event_.get(), &count);
        if (ready[1].revents && drain(ready[1].fd) == 0) {
            ready[1].fd = -1;
            device_.note_gone();
        }
        look();
    }
}

// Empties it before the look: what comes later tells again. 0: it has hung up.
int EventReader::drain(int socket)
{
    char bytes[16];
    for (;;) {
        const ssize_t got = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0 || (got < 0 && errno == EINTR)) continue;
        return got == 0 || errno != EAGAIN ? 0 : 1;
    }
}

// ------------------------------------------------------------------ an event

void EventReader::look()
{
    std::lock_guard lock(mutex_);
    events_.fetch_add(1, std::memory_order_acq_rel);
    event_seen_.notify_all();
    // Before our own waiters: what a relay takes note of, they see afterwards.
    for (SignalChunk *chunk : relays_)
        chunk->relay(device_);
    if (device_.lost() && !told_lost_) {
        told_lost_ = true;
        for (const SignalChunk *chunk : relays_)
            for (Device *device : chunk->devices())
                if (device != &device_) device->reader().poke();
    }
    for (size_t i = entries_.size(); i-- > 0;) {
        WaitEntry &entry = *entries_[i];
        int64_t observed = 0;
        const bool holds = entry.arm_and_check(observed);
        const int lost = holds ? 0 : entry.lost();
        if (!holds && !lost) continue;
        unlink(entry);
        entry.fire(observed, lost);
    }
    if (!watches_.empty()) look_for_faults();
}

// One query of the newest entry of the log, whatever the number of queues.
void EventReader::look_for_faults()
{
    const int lost = device_.lost();
    if (!lost) {
        drm_acc_dev_query newest = {};
        newest.type = DRM_ACC_QUERY_FAULT;
        if (device_.ioctl(DRM_IOCTL_ACC_DEV_QUERY, &newest)) return; // there is none
        if (newest.fault.sequence == faults_seen_) return;
        faults_seen_ = newest.fault.sequence;
    }
    for (FaultWatch *watch : watches_)
        watch->look(lost);
}

int EventReader::add_watch(FaultWatch &watch)
{
    ACC_TRY_INT(start());
    std::lock_guard lock(mutex_);
    watches_.push_back(&watch);
    watch.look(device_.lost());
    return 0;
}

void EventReader::remove_watch(FaultWatch &watch)
{
    std::lock_guard lock(mutex_);
    std::erase(watches_, &watch);
}

void EventReader::unlink(WaitEntry &entry)
{
    const size_t at = entry.index_;
    entries_[at] = entries_.back();
    entries_[at]->index_ = at;
    entries_.pop_back();
    entry.index_ = SIZE_MAX;
}

int EventReader::add(WaitEntry &entry)
{
    ACC_TRY_INT(start());
    std::lock_guard lock(mutex_);
    entries_.push_back(&entry);
    entry.index_ = entries_.size() - 1;
    int64_t observed = 0;
    const bool holds = entry.arm_and_check(observed);
    const int lost = holds ? 0 : entry.lost();
    if (holds || lost) {
        unlink(entry);
        entry.fire(observed, lost);
    }
    return 0;
}

bool EventReader::remove(WaitEntry &entry)
{
    std::lock_guard lock(mutex_);
    if (entry.index_ == SIZE_MAX) return false;
    unlink(entry);
    return true;
}

void EventReader::cancel(const acc_signal_memory *memory, WaitEntry::Kind kind)
{
    std::lock_guard lock(mutex_);
    for (size_t i = entries_.size(); i-- > 0;) {
        WaitEntry &entry = *entries_[i];
        if (entry.memory_ != memory || entry.kind() != kind) continue;
        unlink(entry);
        entry.fire(0, -ECANCELED);
    }
}

int EventReader::wait_event(uint32_t seen, uint64_t deadline_ns)
{
    std::unique_lock lock(mutex_);
    const bool came = wait_until(event_seen_, lock, deadline_ns,
                                 [&] { return events_.load(std::memory_order_relaxed) != seen; });
    return came ? 0 : -ETIME;
}

void EventReader::add_relay(SignalChunk &chunk)
{
    std::lock_guard lock(mutex_);
    relays_.push_back(&chunk);
}

void EventReader::remove_relay(SignalChunk &chunk)
{
    std::lock_guard lock(mutex_);
    std::erase(relays_, &chunk);
}

} // namespace acc
