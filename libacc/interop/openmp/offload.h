// SPDX-License-Identifier: MIT
//
// What every adapter of an OpenMP runtime is thin over: a device, memory for mapped variables,
// and launches of outlined functions in a region of it.
//
// Errors: a text that names the target region; empty is success. Asynchronous ones come with the
// completion. After an error other regions can be launched.
//
// Thread safety: all functions are any thread's at any time. Launches of one device start in
// their order and run one after the other.
#pragma once

#include "acc/acc.h"
#include "memory.h"
#include "objects.h"
#include "region_abi.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

namespace acc::openmp
{

struct OffloadOptions {
    const char *uri = "fpga"; // as of acc_device_open()
    uint64_t timeout_ns = 0;  // of one launch; 0: the device's maximum
};

class Offload
{
public:
    // Null: no such device, or it can't be used; `why` says.
    static std::unique_ptr<Offload> open(const OffloadOptions &options, std::string &why);
    // Waits for nothing: no launch may be under way.
    ~Offload();
    Offload(const Offload &) = delete;
    Offload &operator=(const Offload &) = delete;

    DeviceMemory &memory() { return memory_; }
    const char *uri() const { return acc_device_uri(device_); }

    // function(argument) in a region, where `function` is code of this process's program or
    // libraries, and `argument` points to device memory or is null. Returns when it has run.
    // `thread_limit`: of its parallel regions; 0: none.
    std::string run(const void *function, void *argument, uint32_t thread_limit = 0);

    // An image that a runtime hands over (objects.h), and what it defines.
    Objects &objects() { return objects_; }
    // f(list[0], ..., list[count - 1]) of an image's function, at most ACC_OMP_MAX_ARGUMENTS.
    std::string run_list(const Objects::Function &function, const uint64_t *list, uint32_t count,
                         uint32_t thread_limit = 0);

    // The same as run(), without waiting. `done` is called once, on a thread of libacc's, if the
    // result is empty; else never.
    using Done = void (*)(void *user, const std::string &error);
    std::string start(const void *function, void *argument, uint32_t thread_limit, Done done,
                      void *user);

private:
    // One launch.
    struct Flight {
        Offload *offload = nullptr;
        acc_signal *signal = nullptr;
        acc_omp_output *output = nullptr;
        uint64_t *list = nullptr; // [ACC_OMP_MAX_ARGUMENTS]
        const Objects::Function *function = nullptr;
        uint32_t thread_limit = 0;
        uint32_t queue = 0; // its id
        Done done = nullptr;
        void *user = nullptr;
    };

    explicit Offload(acc_device *device)
        : closes_(device), device_(device), memory_(device), objects_(device)
    {
    }
    int prepare(std::string &why);
    // `count`: of arguments in the flight's list; without, `argument` is the one.
    std::string launch(Flight &flight, void *argument, std::optional<uint32_t> count = {});
    std::string wait(Flight &flight);
    std::string finish(Flight &flight);
    std::string failure(const Flight &flight, uint32_t status);
    std::string renew_queue(uint32_t failed);
    Flight *take_flight(std::string &why);
    void give_back(Flight *flight);

    struct Close {
        void operator()(acc_device *device) const { (void)acc_device_close(device); }
    };
    const std::unique_ptr<acc_device, Close> closes_; // first: all else ends before the device
    acc_device *const device_;
    DeviceMemory memory_;
    Objects objects_;
    acc_program *program_ = nullptr;
    uint64_t kernel_ = 0;
    uint64_t timeout_ns_ = 0;

    std::shared_mutex queue_mutex_; // held to submit; exclusively to replace the queue
    acc_queue *queue_ = nullptr;

    std::mutex flight_mutex_; // of both
    std::vector<std::unique_ptr<Flight>> flights_;
    std::vector<Flight *> idle_;
};

} // namespace acc::openmp
