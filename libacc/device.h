// SPDX-License-Identifier: MIT
//
// One open of a device: its transport, what it told of itself, and what hangs off it.
//
// Thread safety: all calls from any thread, but close() alone.
#pragma once

#include "acc/acc.h"
#include "libacc/arena.h"
#include "libacc/callbacks.h"
#include "libacc/event_reader.h"
#include "libacc/handle.h"
#include "libacc/signal_pool.h"
#include "libacc/transport.h"

#include <drm/acc_drm.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace acc
{

// URIs of what can be opened here, the preferred one first: those of ACC_DEVICE (between
// them ';'), then what list_uris() finds.
std::vector<std::string> device_uris();

class Device : public Handle
{
public:
    // `uri` as acc_device_open() has it: an engine's name and null are looked for.
    static Result<std::unique_ptr<Device>> open(const char *uri, const acc_device_options *options);
    // -EBUSY, and nothing has changed, while children are alive.
    static int close(std::unique_ptr<Device> &device);
    ~Device();

    const std::string &uri() const { return uri_; }
    const drm_acc_identity &identity() const { return identity_; }
    const drm_acc_limits &limits() const { return limits_; }
    const drm_acc_memory &memory() const { return memory_; }
    uint64_t spin_ns() const { return spin_ns_; }

    Transport &transport() { return *transport_; }
    // 0 or -errno, without a text.
    int ioctl(unsigned long request, void *arg)
    {
        const int error = transport_->ioctl(request, arg);
        if (error == -ENODEV) [[unlikely]]
            note_gone();
        return error;
    }
    // DEV_QUERY of a type; -ENOENT past the last of those that have an index.
    Result<drm_acc_dev_query> query(uint32_t type, uint32_t index = 0);

    // 0, or -EIO after a reset, -ENODEV when it is gone: nobody will write signals again.
    int lost() const
    {
        if (const uint32_t error = std::atomic_ref(status_->lost).load(std::memory_order_acquire))
            return -int(error);
        return gone_.load(std::memory_order_acquire) ? -ENODEV : 0;
    }
    // There is nobody behind the transport any more who could write the status page.
    void note_gone() { gone_.store(true, std::memory_order_release); }
    // Sets the text that belongs to lost().
    Error fail_lost(int error) const;
    // The error of a call that has no better text: "URI: what: No space left on device", or
    // that the device is lost.
    Error refused(int error, std::string_view what) const;

    // What acc_device_close() waits for to be gone.
    void add_child() { children_.fetch_add(1, std::memory_order_relaxed); }
    void remove_child() { children_.fetch_sub(1, std::memory_order_release); }

    // The doorbell of a queue. Its page stays mapped until the device is closed.
    Result<std::atomic<uint64_t> *> doorbell(uint64_t mmap_offset, uint32_t slot);

    // Handles are counted: an import of what this open has already gives the same handle.
    Result<uint32_t> create_bo(drm_acc_bo_create &create);
    Result<uint32_t> import_bo(int fd);
    void release_bo(uint32_t handle);

    // Counts completions with an error that this process has seen: a queue asks whether it
    // is in Error when this has moved.
    uint32_t errors_seen() const { return errors_seen_.load(std::memory_order_relaxed); }
    void error_seen() { errors_seen_.fetch_add(1, std::memory_order_relaxed); }

    // True for as many threads at once as can spin without taking the device's processor.
    bool begin_spin()
    {
        if (spinners_.fetch_add(1, std::memory_order_relaxed) < max_spinners_) return true;
        end_spin();
        return false;
    }
    void end_spin() { spinners_.fetch_sub(1, std::memory_order_relaxed); }

    Arena &arena() { return arena_; }
    EventReader &reader() { return reader_; }
    Callbacks &callbacks() { return callbacks_; }
    SignalPools &signal_pools() { return signal_pools_; }

private:
    Device() : Handle(HandleKind::Device), reader_(*this), signal_pools_(*this) {}
    static Result<std::unique_ptr<Device>> open_uri(const std::string &uri,
                                                    const acc_device_options *options);
    int handshake();
    int map_status();

    std::unique_ptr<Transport> transport_; // ended last
    std::string uri_;
    drm_acc_identity identity_ = {};
    drm_acc_limits limits_ = {};
    drm_acc_memory memory_ = {};
    uint64_t spin_ns_ = 0;
    acc_status_page *status_ = nullptr;
    Arena arena_;

    std::atomic<bool> gone_{false};
    std::atomic<uint32_t> children_{0};
    std::atomic<uint32_t> errors_seen_{0};
    std::atomic<uint32_t> spinners_{0};
    uint32_t max_spinners_ = 1;

    std::mutex mutex_;                          // of what follows
    std::map<uint64_t, void *> doorbell_pages_; // by mmap offset
    std::map<uint32_t, uint32_t> handles_;      // -> uses

    EventReader reader_;
    Callbacks callbacks_;
    SignalPools signal_pools_;
};

} // namespace acc
