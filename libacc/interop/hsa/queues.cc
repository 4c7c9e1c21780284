// SPDX-License-Identifier: MIT
//
// Making and ending queues; what is told of their errors.
#include "queues.h"

#include "events.h"
#include "memory.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace acc::hsa
{
namespace
{

constexpr uint32_t control_bytes = 4096; // a page behind the ring

bool is_queue_type(uint32_t type)
{
    return type == HSA_QUEUE_TYPE_MULTI || type == HSA_QUEUE_TYPE_SINGLE ||
           type == HSA_QUEUE_TYPE_COOPERATIVE;
}

bool has_empty_workgroup(const acc_packet &packet)
{
    const acc_dispatch_packet &dispatch = packet.dispatch;
    return !dispatch.workgroup_x || !dispatch.workgroup_y || !dispatch.workgroup_z;
}

// On a thread of libacc's.
void on_fault(void *user, acc_queue *, const acc_queue_info *info, int error)
{
    auto &queue = *static_cast<Queue *>(user);
    if (queue.inactive.load(std::memory_order_acquire)) return; // asked for
    hsa_status_t status = HSA_STATUS_ERROR;
    if (!error) {
        auto *const ring = static_cast<acc_packet *>(queue.api.base_address);
        acc_packet &packet = ring[info->fault_packet & (queue.api.size - 1)];
        // The producer's release, which the device has acquired at an address of its own: what
        // it wrote before that is now visible here as well.
        (void)std::atomic_ref(packet.raw.publish).load(std::memory_order_acquire);
        status = status_of_fault(info->fault_code, &packet);
        log_line(ACC_LOG_WARN, std::string(queue.agent->node->uri) + ": queue " +
                                   std::to_string(queue.api.id) + ", packet " +
                                   std::to_string(info->fault_packet) + ": " +
                                   acc_status_name(info->fault_code));
        report_fault(*queue.runtime, *queue.agent, *info);
    }
    if (queue.callback) queue.callback(status, &queue.api, queue.data);
}

} // namespace

hsa_status_t status_of_fault(uint32_t code, const acc_packet *packet)
{
    switch (code) {
    case ACC_STATUS_OK:
        return HSA_STATUS_SUCCESS;
    case ACC_STATUS_INVALID_PACKET:
    case ACC_STATUS_UNSUPPORTED_PACKET:
        return HSA_STATUS_ERROR_INVALID_PACKET_FORMAT;
    case ACC_STATUS_INVALID_DIMENSIONS:
        // The slot keeps all but the first bytes until it is used again.
        return packet && has_empty_workgroup(*packet) ? HSA_STATUS_ERROR_INVALID_ARGUMENT
                                                      : HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS;
    case ACC_STATUS_INVALID_KERNEL:
        return HSA_STATUS_ERROR_INVALID_CODE_OBJECT;
    case ACC_STATUS_INVALID_KERNARG:
        return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    case ACC_STATUS_INVALID_SEGMENT:
        return HSA_STATUS_ERROR_INVALID_ALLOCATION;
    case ACC_STATUS_INVALID_ADDRESS:
        return hsa_status_t(HSA_STATUS_ERROR_MEMORY_FAULT);
    case ACC_STATUS_MISALIGNED:
        return hsa_status_t(HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION);
    case ACC_STATUS_INVALID_SIGNAL:
        return HSA_STATUS_ERROR_INVALID_SIGNAL;
    case ACC_STATUS_NO_SLOT:
    case ACC_STATUS_WEAR_EXHAUSTED:
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    case ACC_STATUS_TIMEOUT:
    case ACC_STATUS_ENGINE_ERROR:
        return HSA_STATUS_ERROR_EXCEPTION;
    default:
        return HSA_STATUS_ERROR;
    }
}

Queue::~Queue()
{
    if (handle && acc_queue_destroy(handle)) log_line(ACC_LOG_ERROR, acc_error_text());
    if (soft_memory && acc_buffer_destroy(soft_memory)) log_line(ACC_LOG_ERROR, acc_error_text());
}

Queues::~Queues() = default;

uint64_t Queues::next_id()
{
    static std::atomic<uint64_t> next{0};
    return next.fetch_add(1, std::memory_order_relaxed);
}

hsa_queue_t *Queues::add(std::unique_ptr<Queue> queue)
{
    hsa_queue_t *const api = &queue->api;
    std::lock_guard lock(mutex_);
    queues_[api] = std::move(queue);
    return api;
}

Queue *Queues::find(const hsa_queue_t *queue) const
{
    std::lock_guard lock(mutex_);
    const auto found = queues_.find(queue);
    return found == queues_.end() ? nullptr : found->second.get();
}

std::unique_ptr<Queue> Queues::remove(const hsa_queue_t *queue)
{
    std::lock_guard lock(mutex_);
    const auto found = queues_.find(queue);
    if (found == queues_.end()) return nullptr;
    std::unique_ptr<Queue> removed = std::move(found->second);
    queues_.erase(found);
    return removed;
}

namespace
{

hsa_status_t create_queue(Runtime &runtime, const Agent &agent, uint32_t size, uint32_t type,
                          void (*callback)(hsa_status_t, hsa_queue_t *, void *), void *data,
                          hsa_queue_t **out)
{
    auto queue = std::make_unique<Queue>();
    auto options = acc_init<acc_queue_options>();
    options.packets = std::max(size, 1u << ACC_RING_MIN_LOG2);
    options.flags = ACC_QUEUE_NO_KERNARGS; // they are the program's
    if (type == HSA_QUEUE_TYPE_SINGLE) options.flags |= ACC_QUEUE_SINGLE_PRODUCER;
    if (acc_queue_create(agent.node->device.get(), &options, &queue->handle)) {
        log_line(ACC_LOG_DEBUG, acc_error_text());
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    auto memory = acc_init<acc_queue_memory>();
    if (const int error = acc_queue_get_memory(queue->handle, &memory)) return status_of(error);
    queue->control = memory.control;
    queue->agent = &agent;
    queue->runtime = &runtime;
    queue->callback = callback;
    queue->data = data;
    queue->doorbell.queue = queue->handle;
    queue->api.type = type;
    queue->api.features = HSA_QUEUE_FEATURE_KERNEL_DISPATCH;
    queue->api.base_address = memory.ring;
    queue->api.doorbell_signal = {reinterpret_cast<uint64_t>(&queue->doorbell)};
    queue->api.size = options.packets;
    queue->api.id = Queues::next_id();
    if (acc_queue_on_fault(queue->handle, on_fault, queue.get())) {
        log_line(ACC_LOG_DEBUG, acc_error_text());
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    *out = runtime.queues().add(std::move(queue));
    return HSA_STATUS_SUCCESS;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_queue_create(hsa_agent_t agent, uint32_t size, hsa_queue_type32_t type,
                              void (*callback)(hsa_status_t status, hsa_queue_t *source,
                                               void *data),
                              void *data, uint32_t, uint32_t, hsa_queue_t **queue)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!queue || !std::has_single_bit(size) || !is_queue_type(type))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        if (found->is_host() || type == HSA_QUEUE_TYPE_COOPERATIVE)
            return HSA_STATUS_ERROR_INVALID_QUEUE_CREATION;
        if (size > found->node->info.max_ring_packets) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return create_queue(runtime, *found, size, type, callback, data, queue);
    });
}

hsa_status_t hsa_soft_queue_create(hsa_region_t region, uint32_t size, hsa_queue_type32_t type,
                                   uint32_t features, hsa_signal_t doorbell_signal,
                                   hsa_queue_t **queue)
{
    return with_runtime([&](Runtime &runtime) {
        const Region *from = runtime.memory().find_region(region.handle);
        if (!from || !from->allocates) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        if (!queue || !std::has_single_bit(size) || !doorbell_signal.handle ||
            !is_queue_type(type) || type == HSA_QUEUE_TYPE_COOPERATIVE)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        auto made = std::make_unique<Queue>();
        const uint64_t ring_bytes =
            (uint64_t(size) * ACC_PACKET_BYTES + control_bytes - 1) / control_bytes * control_bytes;
        HSA_TRY(
            runtime.memory().create_buffer(*from, ring_bytes + control_bytes, made->soft_memory));
        auto *bytes = static_cast<std::byte *>(acc_buffer_data(made->soft_memory));
        auto *ring = reinterpret_cast<acc_packet *>(bytes);
        for (uint32_t i = 0; i < size; i++)
            ring[i].header = ACC_PACKET_INVALID;
        made->control = reinterpret_cast<acc_queue_control *>(bytes + ring_bytes);
        made->soft = true;
        made->runtime = &runtime;
        made->api.type = type;
        made->api.features = features;
        made->api.base_address = ring;
        made->api.doorbell_signal = doorbell_signal;
        made->api.size = size;
        made->api.id = Queues::next_id();
        *queue = runtime.queues().add(std::move(made));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_queue_destroy(hsa_queue_t *queue)
{
    return with_runtime([&](Runtime &runtime) {
        if (!queue) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const std::unique_ptr<Queue> removed = runtime.queues().remove(queue);
        return removed ? HSA_STATUS_SUCCESS : HSA_STATUS_ERROR_INVALID_QUEUE;
    });
}

hsa_status_t hsa_queue_inactivate(hsa_queue_t *queue)
{
    return with_runtime([&](Runtime &runtime) {
        if (!queue) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        Queue *const found = runtime.queues().find(queue);
        if (!found) return HSA_STATUS_ERROR_INVALID_QUEUE;
        if (found->inactive.exchange(true, std::memory_order_acq_rel) || found->soft)
            return HSA_STATUS_SUCCESS;
        return status_of(acc_queue_stop(found->handle));
    });
}

} // extern "C"
