// SPDX-License-Identifier: MIT
//
// The HSA runtime over libacc: what exists between the first hsa_init() and the last
// hsa_shut_down(). Objects of the API are found through the registries here, so that a
// handle that names nothing is refused and never followed.
//
// Thread safety: all calls from any thread. Init and shut-down exclude each other.
#pragma once

#include "acc/acc.hpp"

#include <hsa/hsa.h>
#include <hsa/hsa_ext_amd.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

namespace acc::hsa
{

class Agents;
class Copies;
class Executables;
class Ipc;
class Isas;
class Memory;
class Queues;
class Signals;
class Workers;

// A device of ours and how a program named it.
struct Node {
    Device device;
    std::string uri;
    bool as_gpu = false; // "?as=gpu" behind its URI
    acc_device_info info = {};
};

class Runtime
{
public:
    // Null before init, after the last shut-down, and in a child after fork.
    static Runtime *current() { return current_.load(std::memory_order_acquire); }

    static hsa_status_t init();
    static hsa_status_t shut_down();

    // Never empty, never changed.
    const std::vector<std::unique_ptr<Node>> &nodes() const { return nodes_; }
    // Handles of all devices, in the order of nodes().
    const std::vector<acc_device *> &devices() const { return devices_; }

    Isas &isas() { return *isas_; }
    Agents &agents() { return *agents_; }
    Memory &memory() { return *memory_; }
    Signals &signals() { return *signals_; }
    Queues &queues() { return *queues_; }
    Executables &executables() { return *executables_; }
    Workers &workers() { return *workers_; }
    Copies &copies() { return *copies_; }
    Ipc &ipc() { return *ipc_; }

    ~Runtime();
    Runtime(const Runtime &) = delete;
    Runtime &operator=(const Runtime &) = delete;

private:
    Runtime();
    static std::unique_ptr<Runtime> create(hsa_status_t &status);
    hsa_status_t open_devices();
    hsa_status_t open_device(const std::string &entry);
    static void watch_forks();

    static std::atomic<Runtime *> current_;

    std::vector<std::unique_ptr<Node>> nodes_; // ended last
    std::vector<acc_device *> devices_;
    std::unique_ptr<Isas> isas_;
    std::unique_ptr<Agents> agents_;
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<Signals> signals_;
    std::unique_ptr<Executables> executables_;
    std::unique_ptr<Queues> queues_;
    std::unique_ptr<Workers> workers_;
    std::unique_ptr<Copies> copies_;
    std::unique_ptr<Ipc> ipc_;
};

// A log line of the facade's category; `what` says what was expected and what was found.
void log_line(acc_log_level level, const std::string &what);

// What -errno of libacc is in HSA's words. The text of the error is logged as debug.
hsa_status_t status_of(int error);

// Runs f(Runtime &) unless there is no runtime; no exception of a library leaves.
template <typename F>
hsa_status_t with_runtime(F f) noexcept
{
    Runtime *const runtime = Runtime::current();
    if (!runtime) return HSA_STATUS_ERROR_NOT_INITIALIZED;
    try {
        return f(*runtime);
    } catch (const std::bad_alloc &) {
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    } catch (const std::exception &error) {
        log_line(ACC_LOG_ERROR, error.what());
        return HSA_STATUS_ERROR;
    }
}

template <typename T>
void put(void *value, T what)
{
    *static_cast<T *>(value) = what;
}

} // namespace acc::hsa

// Returns a status other than SUCCESS onwards.
#define HSA_TRY(expression)                                                                        \
    do {                                                                                           \
        const hsa_status_t hsa_try_status = (expression);                                          \
        if (hsa_try_status != HSA_STATUS_SUCCESS) return hsa_try_status;                           \
    } while (0)
