// SPDX-License-Identifier: MIT
#include "runtime.h"

#include "agents.h"
#include "copies.h"
#include "events.h"
#include "executables.h"
#include "ipc.h"
#include "isas.h"
#include "memory.h"
#include "queues.h"
#include "signals.h"
#include "workers.h"

#include <pthread.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string_view>

namespace acc::hsa
{
namespace
{

std::mutex init_mutex; // of what follows, and of Runtime::current_'s changes
uint32_t references = 0;
bool forks_watched = false;

// How long signals are waited for on behalf of programs: queues of packets, not spinning.
constexpr uint64_t spin_ns = 20'000;

// The scheme of a URI, so that a machine with accelerators shows no emulated ones.
std::string_view scheme(std::string_view uri)
{
    return uri.starts_with('/') ? "/" : uri.substr(0, uri.find(':'));
}

// What a program gets that names no device: all of the kind that libacc likes best. The
// null engine computes nothing, so that nobody gets it who did not ask for it.
std::vector<std::string> listed_devices()
{
    std::vector<std::string> uris;
    acc_device_list(
        [](void *user, const char *uri) {
            auto &found = *static_cast<std::vector<std::string> *>(user);
            if (std::string_view(uri) == "inproc:null") return 0;
            if (found.empty() || scheme(found.front()) == scheme(uri)) found.emplace_back(uri);
            return 0;
        },
        &uris);
    return uris;
}

std::vector<std::string> named_devices()
{
    const char *named = std::getenv("ACC_DEVICE");
    if (!named || !*named) return listed_devices();
    std::vector<std::string> uris;
    std::string_view rest = named;
    while (!rest.empty()) {
        const size_t end = rest.find(';');
        if (end) uris.emplace_back(rest.substr(0, end));
        rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    }
    return uris;
}

} // namespace

std::atomic<Runtime *> Runtime::current_{nullptr};

void log_line(acc_log_level level, const std::string &what)
{
    acc_log(level, "hsa", what.c_str());
}

hsa_status_t status_of(int error)
{
    if (error >= 0) return HSA_STATUS_SUCCESS;
    log_line(ACC_LOG_DEBUG, acc_error_text());
    switch (error) {
    case -EINVAL:
        return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    case -ENOMEM:
    case -ENOSPC:
    case -E2BIG:
    case -EMFILE:
    case -ENFILE:
    case -EAGAIN:
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    default:
        return HSA_STATUS_ERROR;
    }
}

Runtime::Runtime() = default;

Runtime::~Runtime()
{
    // What uses others goes before them; the devices go last.
    queues_.reset();
    if (signals_) signals_->drain(); // copies that wait are over, and handlers too
    workers_.reset();
    copies_.reset();
    ipc_.reset();
    signals_.reset();
    executables_.reset();
    memory_.reset();
    for (const auto &node : nodes_)
        if (const auto closed = node->device.close(); !closed)
            log_line(ACC_LOG_ERROR, closed.error().text);
}

hsa_status_t Runtime::open_device(const std::string &entry)
{
    const size_t mark = entry.find('?');
    auto node = std::make_unique<Node>();
    node->uri = entry.substr(0, mark);
    if (mark != entry.npos) {
        const std::string hint = entry.substr(mark + 1);
        if (hint != "as=gpu" && hint != "as=dsp") {
            log_line(ACC_LOG_ERROR,
                     "ACC_DEVICE: expected ?as=gpu or ?as=dsp behind a URI; found '" + entry + "'");
            return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
        }
        node->as_gpu = hint == "as=gpu";
    }
    auto options = acc_init<acc_device_options>();
    options.spin_ns = spin_ns;
    acc_device *handle = nullptr;
    int error = acc_device_open(node->uri.c_str(), &options, &handle);
    if (!error) {
        node->device = Device(handle);
        node->info = acc_init<acc_device_info>();
        error = acc_device_get_info(handle, &node->info);
    }
    if (error) {
        // The one place that tells why: HSA has no code for "permission denied".
        log_line(ACC_LOG_ERROR, acc_error_text());
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    devices_.push_back(handle);
    nodes_.push_back(std::move(node));
    return HSA_STATUS_SUCCESS;
}

hsa_status_t Runtime::open_devices()
{
    const std::vector<std::string> uris = named_devices();
    if (uris.empty()) {
        log_line(ACC_LOG_ERROR, "expected a device in ACC_DEVICE or on this machine; found none");
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    for (const std::string &uri : uris)
        HSA_TRY(open_device(uri));
    return HSA_STATUS_SUCCESS;
}

std::unique_ptr<Runtime> Runtime::create(hsa_status_t &status)
{
    std::unique_ptr<Runtime> runtime(new Runtime);
    status = runtime->open_devices();
    if (status != HSA_STATUS_SUCCESS) return nullptr;
    runtime->isas_ = std::make_unique<Isas>(runtime->nodes_);
    runtime->agents_ = std::make_unique<Agents>(*runtime);
    runtime->memory_ = std::make_unique<Memory>(*runtime);
    runtime->signals_ = std::make_unique<Signals>(*runtime);
    runtime->executables_ = std::make_unique<Executables>(*runtime);
    runtime->queues_ = std::make_unique<Queues>();
    runtime->workers_ = std::make_unique<Workers>();
    runtime->copies_ = std::make_unique<Copies>(*runtime);
    runtime->ipc_ = std::make_unique<Ipc>();
    return runtime;
}

// A child has none of the parent's threads and mappings: to it, nothing was initialised.
// It may begin anew; what it inherited stays where it is.
void Runtime::watch_forks()
{
    if (forks_watched) return;
    forks_watched = true;
    pthread_atfork([] { init_mutex.lock(); }, [] { init_mutex.unlock(); },
                   [] {
                       current_.store(nullptr, std::memory_order_release);
                       references = 0;
                       init_mutex.unlock();
                   });
}

hsa_status_t Runtime::init()
{
    std::lock_guard lock(init_mutex);
    if (references == INT32_MAX) return HSA_STATUS_ERROR_REFCOUNT_OVERFLOW;
    if (!references) {
        watch_forks();
        hsa_status_t status = HSA_STATUS_SUCCESS;
        std::unique_ptr<Runtime> runtime = create(status);
        if (!runtime) return status;
        current_.store(runtime.release(), std::memory_order_release);
    }
    references++;
    return HSA_STATUS_SUCCESS;
}

hsa_status_t Runtime::shut_down()
{
    std::lock_guard lock(init_mutex);
    if (!references) return HSA_STATUS_ERROR_NOT_INITIALIZED;
    if (references == 1 && current()->workers().is_this_thread()) {
        log_line(ACC_LOG_ERROR, "expected the last hsa_shut_down() outside of handlers; found it "
                                "in one");
        return HSA_STATUS_ERROR;
    }
    if (--references) return HSA_STATUS_SUCCESS;
    const std::unique_ptr<Runtime> runtime(current_.exchange(nullptr, std::memory_order_acq_rel));
    forget_event_handler();
    return HSA_STATUS_SUCCESS;
}

} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_init()
{
    try {
        return Runtime::init();
    } catch (const std::exception &) {
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
}

hsa_status_t hsa_shut_down()
{
    return Runtime::shut_down();
}

} // extern "C"
