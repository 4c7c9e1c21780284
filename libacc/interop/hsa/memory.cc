// SPDX-License-Identifier: MIT
#include "memory.h"

#include "ipc.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace acc::hsa
{
namespace
{

// What hsa.h asks for at least; ours has no memory per work-item or work-group, and takes
// what a packet says of it as it is.
constexpr size_t private_bytes = 64 << 10, group_bytes = 64 << 10;

} // namespace

Allocation::~Allocation()
{
    if (buffer && acc_buffer_destroy(buffer)) log_line(ACC_LOG_WARN, acc_error_text());
}

Memory::Memory(Runtime &runtime) : runtime_(runtime)
{
    const Agents &agents = runtime.agents();
    const size_t host_bytes = agents.topology().memory_bytes;
    // One buffer is on every device: the least of their limits is everybody's.
    size_t system_max = SIZE_MAX;
    for (const auto &node : runtime.nodes())
        if (node->info.max_buffer_bytes)
            system_max = std::min<size_t>(system_max, node->info.max_buffer_bytes);
    const auto add = [&](const Agent &owner, hsa_region_segment_t segment, uint32_t flags,
                         size_t bytes, size_t most) {
        auto region = std::make_unique<Region>();
        region->owner = &owner;
        region->segment = segment;
        region->flags = flags;
        region->bytes = std::max(bytes, most == SIZE_MAX ? 0 : most);
        region->max_bytes = std::min(most, region->bytes) / page_bytes * page_bytes;
        region->allocates = segment == HSA_REGION_SEGMENT_GLOBAL;
        regions_.push_back(std::move(region));
    };
    for (const uint32_t flags :
         {HSA_REGION_GLOBAL_FLAG_FINE_GRAINED | HSA_REGION_GLOBAL_FLAG_KERNARG,
          int(HSA_REGION_GLOBAL_FLAG_COARSE_GRAINED)})
        add(agents.host(), HSA_REGION_SEGMENT_GLOBAL, flags, host_bytes, system_max);
    for (const auto &agent : agents.all()) {
        if (agent->is_host()) continue;
        const size_t most =
            agent->node->info.max_buffer_bytes ? agent->node->info.max_buffer_bytes : SIZE_MAX;
        add(*agent, HSA_REGION_SEGMENT_GLOBAL, HSA_REGION_GLOBAL_FLAG_COARSE_GRAINED, host_bytes,
            most);
        add(*agent, HSA_REGION_SEGMENT_GROUP, 0, group_bytes, group_bytes);
        add(*agent, HSA_REGION_SEGMENT_PRIVATE, 0, private_bytes, private_bytes);
    }
}

Memory::~Memory() = default;

const Region *Memory::find_region(uint64_t handle) const
{
    for (const auto &region : regions_)
        if (region->handle() == handle) return region.get();
    return nullptr;
}

bool Memory::is_listed(const Region &region, const Agent &agent)
{
    if (region.owner == &agent) return true;
    return region.is_system() && (region.flags & HSA_REGION_GLOBAL_FLAG_FINE_GRAINED);
}

hsa_status_t Memory::create_buffer(const Region &region, size_t bytes, acc_buffer *&buffer)
{
    const auto &devices = runtime_.devices();
    acc_device *const first =
        region.is_system() ? devices.front() : region.owner->node->device.get();
    int error = acc_buffer_create(first, bytes, nullptr, &buffer);
    for (acc_device *device : devices)
        if (!error && region.is_system()) error = acc_buffer_attach(buffer, device);
    if (!error) return HSA_STATUS_SUCCESS;
    log_line(ACC_LOG_DEBUG, acc_error_text());
    if (buffer) (void)acc_buffer_destroy(buffer);
    buffer = nullptr;
    return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
}

hsa_status_t Memory::allocate(const Region &region, size_t bytes, void **pointer)
{
    auto allocation = std::make_unique<Allocation>();
    HSA_TRY(create_buffer(region, bytes, allocation->buffer));
    allocation->base = acc_buffer_data(allocation->buffer);
    allocation->bytes = whole_pages(bytes);
    allocation->region = &region;
    for (const auto &agent : runtime_.agents().all())
        if (!agent->is_host() && (region.is_system() || region.owner == agent.get()))
            allocation->agents.push_back(agent.get());
    *pointer = allocation->base;
    add(std::move(allocation));
    return HSA_STATUS_SUCCESS;
}

void Memory::add(std::unique_ptr<Allocation> allocation)
{
    std::lock_guard lock(mutex_);
    const auto base = reinterpret_cast<uint64_t>(allocation->base);
    allocations_[base] = std::move(allocation);
}

std::unique_ptr<Allocation> Memory::remove_if(const void *base,
                                              const std::function<bool(Allocation &)> &f)
{
    std::lock_guard lock(mutex_);
    const auto found = allocations_.find(reinterpret_cast<uint64_t>(base));
    if (found == allocations_.end() || !f(*found->second)) return nullptr;
    std::unique_ptr<Allocation> removed = std::move(found->second);
    allocations_.erase(found);
    return removed;
}

hsa_status_t Memory::free(void *pointer, hsa_amd_pointer_type_t type)
{
    const std::unique_ptr<Allocation> removed =
        remove_if(pointer, [&](Allocation &allocation) { return allocation.type == type; });
    if (!removed) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    runtime_.ipc().forget(pointer);
    for (const Allocation::OnFree &told : removed->on_free)
        told.callback(told.pointer, told.data);
    return HSA_STATUS_SUCCESS;
}

Allocation *Memory::holder(const void *pointer)
{
    const auto address = reinterpret_cast<uint64_t>(pointer);
    auto next = allocations_.upper_bound(address);
    if (next == allocations_.begin()) return nullptr;
    Allocation &allocation = *std::prev(next)->second;
    return address - reinterpret_cast<uint64_t>(allocation.base) < allocation.bytes ? &allocation
                                                                                    : nullptr;
}

bool Memory::visit(const void *pointer, const Visit &f)
{
    std::lock_guard lock(mutex_);
    Allocation *const allocation = holder(pointer);
    if (allocation) f(*allocation);
    return allocation;
}

bool Memory::reaches(const Agent &agent, const void *pointer, size_t bytes)
{
    bool reached = false;
    visit(pointer, [&](Allocation &allocation) {
        const auto offset = static_cast<const std::byte *>(pointer) -
                            static_cast<const std::byte *>(allocation.base);
        reached = bytes <= allocation.bytes - size_t(offset) &&
                  std::ranges::find(allocation.agents, &agent) != allocation.agents.end();
    });
    return reached;
}

hsa_status_t Memory::grant(const Agent &agent, const void *pointer)
{
    if (agent.is_host()) return HSA_STATUS_SUCCESS;
    std::lock_guard lock(mutex_);
    Allocation *const block = holder(pointer);
    if (!block || std::ranges::find(block->agents, &agent) != block->agents.end())
        return HSA_STATUS_SUCCESS;
    if (acc_buffer_attach(block->buffer, agent.node->device.get())) {
        log_line(ACC_LOG_DEBUG, acc_error_text());
        return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    }
    block->agents.push_back(&agent);
    return HSA_STATUS_SUCCESS;
}

hsa_status_t Memory::set_access(const std::vector<const Agent *> &agents, const void *pointer)
{
    for (const Agent *agent : agents)
        HSA_TRY(grant(*agent, pointer));
    std::lock_guard lock(mutex_);
    Allocation *const block = holder(pointer);
    if (!block || block->base != pointer) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    // What the whole system shares stays where it is.
    if (block->region->is_system()) return HSA_STATUS_SUCCESS;
    std::erase_if(block->agents, [&](const Agent *agent) {
        if (agent == block->region->owner || std::ranges::find(agents, agent) != agents.end())
            return false;
        if (!acc_buffer_detach(block->buffer, agent->node->device.get())) return true;
        log_line(ACC_LOG_DEBUG, acc_error_text());
        return false;
    });
    return HSA_STATUS_SUCCESS;
}

// Locked memory is rare: a walk over all is good enough.
Memory::Table::iterator Memory::locked(const void *host)
{
    const auto address = reinterpret_cast<uint64_t>(host);
    return std::ranges::find_if(allocations_, [&](const auto &entry) {
        const Allocation &block = *entry.second;
        return block.host_base &&
               address - reinterpret_cast<uint64_t>(block.host_base) < block.bytes;
    });
}

bool Memory::visit_locked(const void *host, const Visit &f)
{
    std::lock_guard lock(mutex_);
    const auto found = locked(host);
    if (found == allocations_.end()) return false;
    f(*found->second);
    return true;
}

std::unique_ptr<Allocation> Memory::remove_locked(const void *host)
{
    std::lock_guard lock(mutex_);
    const auto found = locked(host);
    if (found == allocations_.end()) return nullptr;
    std::unique_ptr<Allocation> removed = std::move(found->second);
    allocations_.erase(found);
    return removed;
}

} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_region_get_info(hsa_region_t region, hsa_region_info_t attribute, void *value)
{
    return with_runtime([&](Runtime &runtime) {
        const Region *found = runtime.memory().find_region(region.handle);
        if (!found) return HSA_STATUS_ERROR_INVALID_REGION;
        if (!value) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        switch (int(attribute)) {
        case HSA_REGION_INFO_SEGMENT:
            put(value, found->segment);
            break;
        case HSA_REGION_INFO_GLOBAL_FLAGS:
            put(value, found->flags);
            break;
        case HSA_REGION_INFO_SIZE:
            put(value, found->bytes);
            break;
        case HSA_REGION_INFO_ALLOC_MAX_SIZE:
            put(value, found->max_bytes);
            break;
        case HSA_REGION_INFO_ALLOC_MAX_PRIVATE_WORKGROUP_SIZE:
            put(value, uint32_t(found->segment == HSA_REGION_SEGMENT_PRIVATE ? private_bytes : 0));
            break;
        case HSA_REGION_INFO_RUNTIME_ALLOC_ALLOWED:
            put(value, found->allocates);
            break;
        case HSA_REGION_INFO_RUNTIME_ALLOC_GRANULE:
        case HSA_REGION_INFO_RUNTIME_ALLOC_ALIGNMENT:
            put(value, size_t(found->allocates ? page_bytes : 0));
            break;
        case HSA_AMD_REGION_INFO_HOST_ACCESSIBLE:
            put(value, found->allocates);
            break;
        case HSA_AMD_REGION_INFO_BASE:
            put(value, static_cast<void *>(nullptr)); // no aperture: anywhere
            break;
        case HSA_AMD_REGION_INFO_BUS_WIDTH:
        case HSA_AMD_REGION_INFO_MAX_CLOCK_FREQUENCY:
            put(value, uint32_t(0)); // not known
            break;
        default:
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        }
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_agent_iterate_regions(hsa_agent_t agent,
                                       hsa_status_t (*callback)(hsa_region_t region, void *data),
                                       void *data)
{
    return with_runtime([&](Runtime &runtime) {
        const Agent *found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        for (const auto &region : runtime.memory().regions())
            if (Memory::is_listed(*region, *found))
                HSA_TRY(callback(hsa_region_t{region->handle()}, data));
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_memory_allocate(hsa_region_t region, size_t size, void **ptr)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr || !size) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const Region *found = runtime.memory().find_region(region.handle);
        if (!found) return HSA_STATUS_ERROR_INVALID_REGION;
        if (!found->allocates || size > found->max_bytes)
            return HSA_STATUS_ERROR_INVALID_ALLOCATION;
        return runtime.memory().allocate(*found, size, ptr);
    });
}

hsa_status_t hsa_memory_free(void *ptr)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr) return HSA_STATUS_SUCCESS;
        return runtime.memory().free(ptr);
    });
}

hsa_status_t hsa_memory_copy(void *dst, const void *src, size_t size)
{
    return with_runtime([&](Runtime &) {
        if (!dst || !src) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        // All memory is the host's too; overlap is forbidden, and harmless.
        if (size) std::memmove(dst, src, size);
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_memory_assign_agent(void *ptr, hsa_agent_t agent, hsa_access_permission_t access)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const Agent *found = runtime.agents().find(agent);
        if (!found) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (access != HSA_ACCESS_PERMISSION_RO && access != HSA_ACCESS_PERMISSION_WO &&
            access != HSA_ACCESS_PERMISSION_RW)
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        // Memory is coherent: the new owner only has to reach it.
        return runtime.memory().grant(*found, ptr);
    });
}

// Registering is a no-op in the base profile, which is ours.
hsa_status_t hsa_memory_register(void *ptr, size_t size)
{
    return with_runtime([&](Runtime &) {
        return ptr && !size ? HSA_STATUS_ERROR_INVALID_ARGUMENT : HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_memory_deregister(void *, size_t)
{
    return with_runtime([&](Runtime &) { return HSA_STATUS_SUCCESS; });
}

} // extern "C"
