// SPDX-License-Identifier: MIT
//
// The emulator's front door: a device (Emulator) and its opens (Client). A Client
// answers what a file descriptor of /dev/accel/accelN answers: ioctl and mmap.
//
// Threading: every call may be made from any thread at any time, but close a Client
// only when no other call of it is running.
#pragma once

#include "common/result.h"
#include "common/unique_fd.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>

struct drm_acc_wait;

namespace acc::emu
{

struct Account;

// What the opener may do; a daemon derives it from the peer's credentials.
struct ClientOptions {
    bool privileged = true;    // CAP_SYS_ADMIN: device reset
    bool high_priority = true; // DRM_ACC_PRIORITY_HIGH
    bool load_programs = true;
    // Of the device's time when others want it too, 1 to 10000.
    uint32_t weight = 100;

    // Who it is, for DRM_ACC_QUERY_CLIENT; a file sees those of its own uid, a privileged one
    // all. By default this process, its real uid and its name. pid -1: not known, told as 0.
    pid_t pid = 0;
    uid_t uid = uid_t(-1);
    std::string name = {};

    // A service's: what the user holds on all its devices; and a socket whose other end the
    // client has, which is sent a byte instead of an eventfd being written (EVENT_SET is then
    // EOPNOTSUPP). Borrowed for the life of the Client.
    std::shared_ptr<Account> account = {};
    int event_socket = -1;
};

// (level as spdlog's, text). Called from any thread.
using LogFunction = std::function<void(int level, std::string_view text)>;

class Client
{
public:
    virtual ~Client() = default;

    // 0 or -errno, as drm_ioctl. `arg` is the struct of the request.
    virtual int ioctl(unsigned long request, void *arg) = 0;

    // What mmap on the node does: a file that backs [offset, offset + size), where in it,
    // and how it may be mapped. EINVAL: no such offset or size; EACCES: not yours or not
    // with that protection. The descriptor is a duplicate that the caller owns.
    struct MapSource {
        UniqueFd fd;
        uint64_t offset = 0;
    };
    virtual Result<MapSource> map(uint64_t offset, size_t size, int prot) = 0;

    // WAIT without a thread that sleeps. `done(error, observed)` is called once, on any thread,
    // inside this call too, under a lock: it may take note and no more. The request's time-out
    // is the caller's to watch. The id, or 0 when `done` has been called already.
    using WaitDone = std::function<void(int error, int64_t observed)>;
    virtual uint64_t start_wait(const drm_acc_wait &request, WaitDone done) = 0;
    // True if it was pending: `done` will not be called. `observed`: the value now.
    virtual bool cancel_wait(uint64_t id, int64_t &observed) = 0;

    // The client is gone: whatever runs for it is stopped, calls in flight end soon.
    virtual void abandon() = 0;
};

class Emulator
{
public:
    virtual ~Emulator() = default; // after its clients

    // `spec`: "crossbar", "fpga" or "null", then ":key=value,key=value…". Keys of every
    // engine: scatter=0|1, staged=0|1, pace=fast|real, workers=N, slots=N, memory=BYTES, and
    // state=DIR where slots are non-volatile (a crossbar's); the rest are the engine's. `why` names
    // what was expected and found when it fails.
    static Result<std::shared_ptr<Emulator>> create(std::string_view spec, std::string &why,
                                                    LogFunction log = {});

    // Whether `spec` is of an engine whose slots are non-volatile: it takes state=DIR.
    static bool keeps_cells(std::string_view spec);

    // Empty, or why a service must have no such device: it would run code of clients itself.
    static std::string why_not_served(std::string_view spec);

    virtual Result<std::unique_ptr<Client>> open(const ClientOptions &options) = 0;

    // Fault injection, the debugfs of an emulated device. `what`: enum acc_inject_what.
    virtual int inject(uint32_t what, uint32_t count, uint64_t argument) = 0;

    // No queue has a published packet that is not finished.
    virtual bool idle() = 0;

    // Surprise removal: every later call and every waiter gets ENODEV.
    virtual void unplug() = 0;
};

} // namespace acc::emu
