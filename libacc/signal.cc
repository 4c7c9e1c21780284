// SPDX-License-Identifier: MIT
#include "libacc/signal.h"

#include "libacc/device.h"
#include "libacc/error.h"

#include <algorithm>
#include <vector>

namespace acc
{
namespace
{

// Looks between two reads of the clock.
constexpr int looks_per_clock_read = 64;

} // namespace

// None twice, and one order for one set, so that its signals share memory.
static std::vector<Device *> set_of(std::span<Device *const> devices)
{
    std::vector<Device *> set;
    for (Device *device : devices)
        if (std::find(set.begin(), set.end(), device) == set.end()) set.push_back(device);
    std::sort(set.begin() + 1, set.end());
    return set;
}

Result<std::unique_ptr<Signal>> Signal::import(std::span<Device *const> devices, int fd,
                                               uint64_t offset)
{
    const std::vector<Device *> set = set_of(devices);
    ACC_TRY(const SignalPools::Cell cell, set.front()->signal_pools().import(set, fd, offset));
    return std::unique_ptr<Signal>(new Signal(cell));
}

Result<std::unique_ptr<Signal>> Signal::create(std::span<Device *const> devices, int64_t initial)
{
    const std::vector<Device *> set = set_of(devices);
    ACC_TRY(const SignalPools::Cell cell, set.front()->signal_pools().allocate(set, initial));
    return std::unique_ptr<Signal>(new Signal(cell));
}

int Signal::destroy(std::unique_ptr<Signal> &signal)
{
    const uint32_t waits = signal->waits_.load(std::memory_order_acquire);
    if (waits)
        return fail(-EBUSY, "expected a signal that nobody waits on; found {} waits or callbacks",
                    waits)
            .code;
    // A callback that was told of the condition may not have returned yet.
    while (const uint32_t running = signal->running_.load(std::memory_order_acquire)) {
        if (Callbacks::inside())
            return fail(-EBUSY, "expected a signal that no callback runs for; found this one").code;
        signal->running_.wait(running, std::memory_order_acquire);
    }
    if (signal->fds_.load(std::memory_order_acquire))
        signal->device().reader().cancel(signal->memory(), WaitEntry::Kind::Descriptor);
    signal.reset();
    return 0;
}

Signal::~Signal()
{
    device().signal_pools().free(cell_);
}

void Signal::tell_error() const
{
    for (Device *device : devices())
        device->error_seen();
}

// Changed first, then the fence, then who waits is looked for (docs/protocols.md, "notify").
int Signal::wake()
{
    full_fence();
    std::atomic_ref notify(memory()->notify);
    constexpr uint32_t waiting = ACC_NOTIFY_HOST | ACC_NOTIFY_DEVICE;
    if (!(notify.load(std::memory_order_relaxed) & waiting)) return 0;
    if (!(notify.exchange(0, std::memory_order_acq_rel) & waiting)) return 0;
    int result = 0;
    for (Device *device : devices()) {
        drm_acc_signal_wake request = {};
        request.address = address();
        const int error = device->ioctl(DRM_IOCTL_ACC_SIGNAL_WAKE, &request);
        device->reader().poke(); // the caller's own descriptor is not fired
        if (!error || result) continue;
        result = device->refused(error, fmt::format("SIGNAL_WAKE {:#x}", address())).code;
    }
    return result;
}

int Signal::store(int64_t value)
{
    std::atomic_ref(memory()->value).store(value, std::memory_order_release);
    return wake();
}

int Signal::add(int64_t value)
{
    std::atomic_ref(memory()->value).fetch_add(value, std::memory_order_acq_rel);
    return wake();
}

void Signal::cancel()
{
    if (waits_.load(std::memory_order_acquire))
        device().reader().cancel(memory(), WaitEntry::Kind::Callback);
}

void Signal::reset(int64_t value)
{
    acc_signal_memory &cell = *memory();
    std::atomic_ref(cell.status).store(ACC_STATUS_OK, std::memory_order_relaxed);
    std::atomic_ref(cell.notify).store(0, std::memory_order_relaxed);
    std::atomic_ref(cell.value).store(value, std::memory_order_release);
}

int Signal::check_condition(uint32_t condition)
{
    if (condition <= ACC_COND_GE) return 0;
    return fail(-EINVAL, "expected a condition of 0 to {}; found {}", int(ACC_COND_GE), condition)
        .code;
}

// Spins for the device's budget, then sleeps.
int Signal::wait_long(uint32_t condition, int64_t value, uint64_t deadline_ns, int64_t *observed)
{
    Device &device = this->device();
    uint64_t now = now_ns();
    const uint64_t spin_end = std::min(deadline_ns, saturating_add(now, device.spin_ns()));
    if (now < spin_end && device.begin_spin()) {
        int64_t seen = 0;
        bool done = false;
        while (!done && now < spin_end && !chunk().lost()) {
            for (int i = 0; i < looks_per_clock_read && !done; i++) {
                cpu_relax();
                seen = std::atomic_ref(memory()->value).load(std::memory_order_acquire);
                done = acc_condition_holds(seen, condition, value);
            }
            now = now_ns();
        }
        device.end_spin();
        if (done) {
            note_status();
            if (observed) *observed = seen;
            return 0;
        }
    }
    begin_wait();
    int error;
    // WAIT on one device doesn't end when another is lost: the reader looks after them all.
    if (chunk().shared()) {
        Signal *const self = this;
        error = sleep_any({&self, 1}, &condition, &value, deadline_ns, nullptr, observed);
    } else {
        error = sleep(condition, value, deadline_ns, observed);
    }
    end_wait();
    return error;
}

int Signal::sleep(uint32_t condition, int64_t value, uint64_t deadline_ns, int64_t *observed)
{
    Device &device = this->device();
    for (;;) {
        const int64_t seen = std::atomic_ref(memory()->value).load(std::memory_order_acquire);
        if (acc_condition_holds(seen, condition, value)) {
            note_status();
            if (observed) *observed = seen;
            return 0;
        }
        if (const int lost = device.lost()) return device.fail_lost(lost).code;
        drm_acc_wait request = {};
        request.address = address();
        request.value = value;
        request.condition = condition;
        request.timeout_ns = deadline_ns;
        const int error =
            deadline_ns > now_ns() ? device.ioctl(DRM_IOCTL_ACC_WAIT, &request) : -ETIME;
        if (error == -EINTR || error == -EAGAIN) continue;
        if (error == -ETIME)
            return fail(error, "the signal at {:#x} did not change in time; its value is {}",
                        address(), seen)
                .code;
        if (error) return device.refused(error, fmt::format("WAIT {:#x}", address())).code;
        note_status();
        if (observed) *observed = request.observed;
        return 0;
    }
}

acc_signal_result Signal::result() const
{
    const acc_signal_memory &cell = *memory();
    const auto read = [](auto &word) {
        return std::atomic_ref(const_cast<std::remove_cvref_t<decltype(word)> &>(word))
            .load(std::memory_order_relaxed);
    };
    (void)load(); // acquire: what was written before the value is visible
    acc_signal_result out = {};
    out.status = read(cell.status);
    out.start_ns = read(cell.start_ns);
    out.end_ns = read(cell.end_ns);
    out.energy_pj = read(cell.energy_pj);
    out.modelled_ns = read(cell.modelled_ns);
    return out;
}

} // namespace acc
