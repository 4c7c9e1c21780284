// SPDX-License-Identifier: MIT
//
// A file's queues.
#include "emulator/driver.h"

#include "acc/check.h"
#include "emulator/sync.h"

#include <cstring>
#include <fcntl.h>

namespace acc::emu
{

int File::queue_create(drm_acc_queue_create &args)
{
    // QUEUE_CREATE does not wait for the device, so the lock may be held.
    std::lock_guard lock(mutex_);
    const auto buffer = buffers_.find(args.handle);
    if (buffer == buffers_.end()) return -ENOENT;
    if (const int error =
            acc_check_queue_create(&args, &driver_->limits_, buffer->second.object->bytes()))
        return error;
    if (args.priority == DRM_ACC_PRIORITY_HIGH && !options_.high_priority) return -EACCES;
    // A queue that is being destroyed holds its doorbell to the end.
    if (queues_.size() >= driver_->limits_.max_queues || free_doorbells_.empty()) return -E2BIG;
    const MemoryObject *object = buffer->second.object.get();
    const auto ring =
        find_binding(object, args.ring_offset, uint64_t(args.packets) * ACC_PACKET_BYTES);
    const auto control = find_binding(object, args.control_offset, ACC_QUEUE_CONTROL_BYTES);
    if (ring == bindings_.end() || control == bindings_.end()) return -EINVAL; // not bound r/w

    UniqueFd kick(fcntl(driver_->device_->kick_fd(asid_), F_DUPFD_CLOEXEC, 0));
    if (!kick) return -errno;
    QueueRecord record;
    record.ring_binding = ring->first;
    record.control_binding = control->first;
    record.timeout_ns = args.timeout_ns ? args.timeout_ns : driver_->limits_.max_timeout_ns;
    record.doorbell = *free_doorbells_.begin();
    auto *doorbell = reinterpret_cast<acc_u64 *>(doorbells_->at(record.doorbell * sizeof(acc_u64)));
    shared(*doorbell).store(ACC_DOORBELL_NONE, std::memory_order_relaxed);

    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_QUEUE_CREATE;
    command.object = next_queue_;
    command.queue.ring = ring->first + (args.ring_offset - ring->second.bo_offset);
    command.queue.control = control->first + (args.control_offset - control->second.bo_offset);
    command.queue.timeout_ns = record.timeout_ns;
    command.queue.packets = args.packets;
    command.queue.priority = args.priority;
    command.queue.doorbell = record.doorbell;
    if (!account_->queues.take(1)) return -EDQUOT;
    if (const int error = admin(command)) {
        account_->queues.give(1);
        return error;
    }

    ring->second.queues++;
    control->second.queues++;
    free_doorbells_.erase(record.doorbell);
    args.queue = next_queue_++;
    args.doorbell_slot = record.doorbell;
    args.doorbell_mmap_offset = memory_info().doorbell_mmap_offset;
    args.kick_fd = kick.release();
    queues_.emplace(args.queue, record);
    return 0;
}

int File::queue_destroy(drm_acc_queue_destroy &args)
{
    if (args.pad) return -EINVAL;
    QueueRecord record;
    {
        std::lock_guard lock(mutex_);
        const auto found = queues_.find(args.queue);
        if (found == queues_.end()) return -ENOENT;
        record = found->second;
        queues_.erase(found);
    }
    // Waits for a packet that executes: no lock is held (driver.h).
    acc_admin_cmd command = {};
    command.op = ACC_ADMIN_QUEUE_DESTROY;
    command.object = args.queue;
    const int error = admin(command);
    account_->queues.give(1);

    std::lock_guard lock(mutex_);
    for (const uint64_t address : {record.ring_binding, record.control_binding}) {
        const auto binding = bindings_.find(address);
        if (binding != bindings_.end()) binding->second.queues--;
    }
    free_doorbells_.insert(record.doorbell);
    return error;
}

int File::queue_query(drm_acc_queue_query &args)
{
    acc_queue_state state;
    if (const int error = identify(ACC_ADMIN_QUEUE_QUERY, args.queue, 0, 0, &state, sizeof state))
        return error;
    args.state = state.state;
    args.read_index = state.read_index;
    args.write_index = state.write_index;
    args.fault_packet = state.fault_packet;
    args.fault_address = state.fault_address;
    args.fault_kernel = state.fault_kernel;
    args.fault_code = state.fault_code;
    args.priority = state.priority;
    args.packets = state.packets;
    return 0;
}

} // namespace acc::emu
