// SPDX-License-Identifier: MIT
//
// Waiting for what is in a lane, and being told of it where nobody waits.
#include "libacc/interop/opencl/lane.h"

#include "libacc/interop/opencl/scheduler.h"

#include <algorithm>
#include <cerrno>
#include <thread>

namespace acc::ocl
{
namespace
{

constexpr uint64_t kSpinNs = 20'000;
constexpr uint64_t kMostSpinNs = 150'000; // as long as launches end meanwhile
constexpr uint64_t kFirstSleepNs = 1'000'000, kLongestSleepNs = 20'000'000; // to hear of faults
constexpr int kLooksPerClockRead = 16;
constexpr uint64_t kMostPauses = 32; // between two looks

// At most one spinner for two processors: the core that it waits for has to run, too.
class SpinTicket
{
public:
    SpinTicket() : mine_(spinners_.fetch_add(1, std::memory_order_relaxed) < processors() / 2) {}
    ~SpinTicket() { spinners_.fetch_sub(1, std::memory_order_relaxed); }
    SpinTicket(const SpinTicket &) = delete;
    SpinTicket &operator=(const SpinTicket &) = delete;
    bool mine() const { return mine_; }

private:
    static inline std::atomic<unsigned> spinners_{0};
    const bool mine_;
};

// Until the launch is over, or a packet that might have done it.
bool spin(const acc_cl_ring &ring, uint64_t launch, uint64_t tail, const Signal &packet)
{
    const SpinTicket ticket;
    if (!ticket.mine()) return false;
    uint64_t now = clock_ns(), end = now + kSpinNs, seen = 0;
    const uint64_t last = now + kMostSpinNs;
    do {
        for (int i = 0; i < kLooksPerClockRead; i++) {
            const uint64_t over = Ring::over(ring);
            if (over > launch && over <= tail) return true;
            // Each look takes the word's line from the core, which is not worth it while many
            // launches are ahead.
            for (uint64_t ahead = std::min(launch - over, kMostPauses); ahead; ahead--)
                __builtin_ia32_pause();
        }
        if (is_over(packet)) return true;
        now = clock_ns();
        if (const uint64_t over = Ring::over(ring); over != std::exchange(seen, over))
            end = std::min(now + kSpinNs, last);
    } while (now < end);
    return false;
}

// The same asleep. False: this memory can't be slept on.
bool sleep(const acc_cl_ring &ring, uint64_t launch, uint64_t tail, const Signal &packet)
{
    for (uint64_t length = kFirstSleepNs;; length = std::min(2 * length, kLongestSleepNs)) {
        Ring::ask_to_wake(ring, launch + 1);
        const uint64_t over = Ring::over(ring);
        const bool done = (over > launch && over <= tail) || is_over(packet);
        const int error = done ? 0 : Ring::sleep(ring, over, length);
        Ring::forget_wake(ring);
        if (done) return true;
        if (error && error != -ETIMEDOUT && error != -EAGAIN && error != -EINTR) return false;
    }
}

} // namespace

unsigned processors()
{
    static const unsigned found = std::max(std::thread::hardware_concurrency(), 1u);
    return found;
}

int Lane::wait(std::unique_lock<std::mutex> &lock, const Ref<_cl_event> &event)
{
    // What has no place yet waits for the oldest, or for the ring to be left.
    Ref<_cl_event> at;
    if (event->in_ring || event->signal)
        at = event;
    else if (!flying_.empty())
        at = flying_.front();
    Ref<Signal> signal;
    if (at && !at->in_ring) {
        signal = at->signal;
    } else {
        if (packets_.empty()) return 0;
        signal = packets_.back();
        const uint64_t launch = at ? at->ring_at : 0, tail = ring_.tail();
        if (at && ring_.memory()) {
            const acc_cl_ring &ring = *ring_.memory();
            lock.unlock();
            const bool done =
                spin(ring, launch, tail, *signal) || sleep(ring, launch, tail, *signal);
            lock.lock();
            // What has become of it, who waits takes out.
            if (done || !at->in_ring || at->ring_at != launch || packets_.empty()) return 0;
            signal = packets_.back();
        }
        ring_.ask_to_leave(at ? launch + 1 : ring_.tail());
    }
    lock.unlock();
    const int error = acc_signal_wait(signal->handle, ACC_COND_LT, 1, ACC_FOREVER, nullptr);
    lock.lock();
    return error;
}

void Lane::watch(_cl_event &event)
{
    if (event.in_ring) {
        ring_.ask_to_leave(event.ring_at + 1);
        return tell();
    }
    if (event.signal) Pump::arm(event);
}

// The core leaves by itself when no launch comes, or others want the region.
void Lane::watch_at_leisure(_cl_event &event)
{
    if (event.in_ring) return tell();
    watch(event);
}

void Lane::watch_all()
{
    for (const Ref<_cl_event> &event : flying_)
        watch(*event);
}

// What waits in the lane goes on as soon as it can.
void Lane::watch_for_waiting()
{
    if (!broken_ && has_no_room()) return watch(*flying_[flying_.size() / 2]);
    if (packets_.empty()) {
        if (!flying_.empty()) watch(*flying_.front());
        return;
    }
    ring_.ask_to_leave(ring_.tail());
    tell();
}

namespace
{

// The signal is used again only when its callback has been called.
struct Told {
    Ref<_cl_event> event; // any: its queue is the lane's
    Ref<Signal> signal;
};

} // namespace

void Lane::told(void *user, acc_signal *, int64_t, int error)
{
    const std::unique_ptr<Told> given(static_cast<Told *>(user));
    _cl_event *const event = given->event.get();
    Pump pump(*event->context, Pump::Where::Callback);
    Lane &lane = event->queue->lane;
    pump.drop(std::move(given->event)); // its last ref is not this thread's to give up
    const Ref<Signal> signal = std::move(given->signal); // goes before the context may
    if (error && error != -ECANCELED) {
        lane.fail_all(pump);
    } else {
        if (lane.packets_.empty() || lane.packets_.back().get() == signal.get()) lane.told_ = false;
        lane.retire(pump);
    }
    pump.work();
}

void Lane::tell()
{
    _cl_event *const event = middle();
    if (told_ || packets_.empty() || !event) return;
    const Ref<Signal> &signal = packets_.back();
    auto user = std::make_unique<Told>(Told{Ref(event), signal});
    if (acc_signal_on(signal->handle, ACC_COND_LT, 1, told, user.get())) return;
    told_ = true;
    (void)user.release(); // the callback's
}

} // namespace acc::ocl
