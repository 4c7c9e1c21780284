// SPDX-License-Identifier: MIT
//
// Signals and groups of them: making, finding, ending.
#include "signals.h"

#include "agents.h"
#include "ipc.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace acc::hsa
{

SignalObject::~SignalObject()
{
    if (shared_fd >= 0) close(shared_fd);
    if (handle && acc_signal_destroy(handle))
        log_line(ACC_LOG_ERROR,
                 std::string("a signal could not be destroyed: ") + acc_error_text());
}

hsa_status_t check_consumers(Runtime &runtime, uint32_t count, const hsa_agent_t *consumers)
{
    std::vector<uint64_t> seen(count);
    for (uint32_t i = 0; i < count; i++) {
        if (!runtime.agents().find(consumers[i])) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        seen[i] = consumers[i].handle;
    }
    std::ranges::sort(seen);
    return std::ranges::adjacent_find(seen) == seen.end() ? HSA_STATUS_SUCCESS
                                                          : HSA_STATUS_ERROR_INVALID_ARGUMENT;
}

Signals::~Signals()
{
    {
        std::lock_guard lock(groups_mutex_);
        groups_.clear();
    }
    for (Shard &shard : shards_) {
        std::unique_lock lock(shard.mutex);
        shard.signals.clear();
    }
}

namespace
{

// A page with one signal, for others to map: no other signal of ours is in it.
hsa_status_t share_memory(Runtime &runtime, int64_t initial, int &fd)
{
    acc_buffer *buffer = nullptr;
    int error = acc_buffer_create(runtime.devices().front(), ACC_SIGNAL_BYTES, nullptr, &buffer);
    if (!error) {
        auto &cell = *static_cast<acc_signal_memory *>(acc_buffer_data(buffer));
        cell.value = initial;
        std::atomic_ref(cell.kind).store(ACC_SIGNAL_KIND_USER, std::memory_order_release);
        error = acc_buffer_export(buffer, &fd);
        (void)acc_buffer_destroy(buffer);
    }
    if (!error) return HSA_STATUS_SUCCESS;
    log_line(ACC_LOG_DEBUG, acc_error_text());
    return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
}

} // namespace

hsa_status_t Signals::adopt(int fd, hsa_signal_t *signal)
{
    auto object = std::make_shared<SignalObject>();
    object->shared_fd = fd;
    for (const auto &node : runtime_.nodes())
        object->polled |= node->uri.starts_with("inproc:");
    const auto &devices = runtime_.devices();
    if (const int error = acc_signal_import(devices.data(), devices.size(), fd, 0, &object->handle))
        return status_of(error);
    add(object);
    *signal = {object->address()};
    return HSA_STATUS_SUCCESS;
}

// Every device may complete into every signal, whoever waits: the list of consumers says
// nothing about who writes, so that it can't tell where the memory must be bound.
hsa_status_t Signals::create(hsa_signal_value_t initial, uint32_t num_consumers,
                             const hsa_agent_t *consumers, uint64_t attributes,
                             hsa_signal_t *signal)
{
    if (!signal || (num_consumers && !consumers)) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    if (num_consumers) HSA_TRY(check_consumers(runtime_, num_consumers, consumers));
    if (attributes & HSA_AMD_SIGNAL_IPC) {
        int fd = -1;
        HSA_TRY(share_memory(runtime_, initial, fd));
        return adopt(fd, signal);
    }
    auto object = std::make_shared<SignalObject>();
    const auto &devices = runtime_.devices();
    if (acc_signal_create(devices.data(), devices.size(), initial, &object->handle)) {
        log_line(ACC_LOG_DEBUG, acc_error_text());
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    add(object);
    *signal = {object->address()};
    return HSA_STATUS_SUCCESS;
}

void Signals::add(const SignalRef &signal)
{
    Shard &shard = this->shard(signal->address());
    std::unique_lock lock(shard.mutex);
    shard.signals[signal->address()] = signal;
}

hsa_status_t Signals::destroy(hsa_signal_t signal)
{
    if (!signal.handle) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    SignalRef object;
    {
        Shard &shard = this->shard(signal.handle);
        std::unique_lock lock(shard.mutex);
        const auto found = shard.signals.find(signal.handle);
        if (found == shard.signals.end()) return HSA_STATUS_ERROR_INVALID_SIGNAL;
        object = std::move(found->second);
        shard.signals.erase(found);
    }
    object->destroyed.store(true, std::memory_order_release);
    runtime_.ipc().forget(object.get());
    // Handlers that wait hold it: they are called no more, and let go.
    if (const int error = acc_signal_cancel(object->handle)) return status_of(error);
    return HSA_STATUS_SUCCESS;
}

hsa_status_t Signals::on(const SignalRef &signal, uint32_t condition, int64_t value,
                         acc_signal_fn fn, void *user)
{
    {
        std::lock_guard lock(callbacks_mutex_);
        if (draining_) return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
        callbacks_++;
    }
    int error = acc_signal_on(signal->handle, condition, value, fn, user);
    if (!error) {
        // Destroyed meanwhile: whoever did it may have looked before this one waited.
        if (signal->destroyed.load(std::memory_order_acquire))
            (void)acc_signal_cancel(signal->handle);
        return HSA_STATUS_SUCCESS;
    }
    log_line(ACC_LOG_DEBUG, acc_error_text());
    end_callback();
    return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
}

void Signals::end_callback()
{
    std::lock_guard lock(callbacks_mutex_);
    if (!--callbacks_) callbacks_ended_.notify_all();
}

void Signals::drain()
{
    {
        std::lock_guard lock(callbacks_mutex_);
        draining_ = true;
    }
    for (Shard &shard : shards_) {
        std::shared_lock lock(shard.mutex);
        for (const auto &[address, signal] : shard.signals) {
            signal->destroyed.store(true, std::memory_order_release);
            (void)acc_signal_cancel(signal->handle);
        }
    }
    std::unique_lock lock(callbacks_mutex_);
    callbacks_ended_.wait(lock, [&] { return !callbacks_; });
}

SignalRef Signals::find(uint64_t address) const
{
    const Shard &shard = this->shard(address);
    std::shared_lock lock(shard.mutex);
    const auto found = shard.signals.find(address);
    return found == shard.signals.end() ? nullptr : found->second;
}

hsa_signal_group_t Signals::add_group(std::unique_ptr<SignalGroup> group)
{
    std::lock_guard lock(groups_mutex_);
    const hsa_signal_group_t handle = group->handle();
    groups_[handle.handle] = std::move(group);
    return handle;
}

bool Signals::remove_group(hsa_signal_group_t handle)
{
    std::lock_guard lock(groups_mutex_);
    return groups_.erase(handle.handle);
}

std::shared_ptr<SignalGroup> Signals::find_group(hsa_signal_group_t handle) const
{
    std::lock_guard lock(groups_mutex_);
    const auto found = groups_.find(handle.handle);
    return found == groups_.end() ? nullptr : found->second;
}

} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_signal_create(hsa_signal_value_t initial_value, uint32_t num_consumers,
                               const hsa_agent_t *consumers, hsa_signal_t *signal)
{
    return with_runtime([&](Runtime &runtime) {
        return runtime.signals().create(initial_value, num_consumers, consumers, 0, signal);
    });
}

hsa_status_t hsa_signal_destroy(hsa_signal_t signal)
{
    return with_runtime([&](Runtime &runtime) { return runtime.signals().destroy(signal); });
}

hsa_status_t hsa_signal_group_create(uint32_t num_signals, const hsa_signal_t *signals,
                                     uint32_t num_consumers, const hsa_agent_t *consumers,
                                     hsa_signal_group_t *signal_group)
{
    return with_runtime([&](Runtime &runtime) {
        if (!num_signals || !signals || !num_consumers || !consumers || !signal_group)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        HSA_TRY(check_consumers(runtime, num_consumers, consumers));
        auto group = std::make_unique<SignalGroup>();
        std::vector<uint64_t> seen;
        for (uint32_t i = 0; i < num_signals; i++) {
            SignalRef signal = runtime.signals().find(signals[i]);
            if (!signal) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
            group->signals.push_back(std::move(signal));
            seen.push_back(signals[i].handle);
        }
        std::ranges::sort(seen);
        if (std::ranges::adjacent_find(seen) != seen.end())
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *signal_group = runtime.signals().add_group(std::move(group));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_signal_group_destroy(hsa_signal_group_t signal_group)
{
    return with_runtime([&](Runtime &runtime) {
        return runtime.signals().remove_group(signal_group) ? HSA_STATUS_SUCCESS
                                                            : HSA_STATUS_ERROR_INVALID_SIGNAL_GROUP;
    });
}

} // extern "C"
