// SPDX-License-Identifier: MIT
//
// Locking memory that the program got elsewhere: its pages move into a buffer of libacc's,
// which is mapped where they were, so that host and agents see the same bytes. That is
// possible for whole pages of private anonymous memory; the rest is refused. Nobody may
// write the pages while they are locked or unlocked, and a child after fork has none of them.
#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

namespace acc::hsa
{
namespace
{

struct CloseFile {
    void operator()(FILE *file) const { std::fclose(file); }
};

// Whether [start, end) is nothing but private anonymous memory that can be written, and no
// stack. `why`: what was found.
bool can_move(uint64_t start, uint64_t end, std::string &why)
{
    const std::unique_ptr<FILE, CloseFile> maps(std::fopen("/proc/self/maps", "re"));
    if (!maps) {
        why = "no /proc/self/maps";
        return false;
    }
    char line[512];
    while (start < end && std::fgets(line, sizeof line, maps.get())) {
        uint64_t from = 0, to = 0, inode = 0;
        char permissions[8] = {}, name[256] = {};
        if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %" SCNu64 " %255s", &from, &to,
                        permissions, &inode, name) < 4 ||
            to <= start)
            continue;
        if (from > start) break;
        if (inode || std::strncmp(permissions, "rw-p", 4) || !std::strncmp(name, "[stack", 6)) {
            why = line;
            return false;
        }
        start = to;
    }
    if (start < end) why = "addresses that are not mapped";
    return start >= end;
}

hsa_status_t refuse(const void *pointer, size_t bytes, const std::string &found)
{
    char text[128];
    std::snprintf(text, sizeof text, "hsa_amd_memory_lock(%p, %zu): ", pointer, bytes);
    log_line(ACC_LOG_WARN,
             text + std::string("expected whole pages of private anonymous memory; found ") +
                 found);
    return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
}

// Maps a buffer in place of the pages at `host`, with their contents.
hsa_status_t move_in(acc_buffer *buffer, void *host, size_t bytes)
{
    std::memcpy(acc_buffer_data(buffer), host, bytes);
    int file = -1;
    if (const int error = acc_buffer_export(buffer, &file)) return status_of(error);
    void *const at = mmap(host, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    close(file);
    if (at == MAP_FAILED) return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
    madvise(host, bytes, MADV_DONTFORK); // or a child would write what is the parent's
    return HSA_STATUS_SUCCESS;
}

// Ordinary pages again, with what the buffer holds now.
bool move_out(void *host, size_t bytes)
{
    void *const pages =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return false;
    std::memcpy(pages, host, bytes);
    if (mremap(pages, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, host) != MAP_FAILED) return true;
    munmap(pages, bytes);
    return false;
}

hsa_status_t lock_pages(Runtime &runtime, void *host, size_t bytes,
                        const std::vector<const Agent *> &agents, void **agent_pointer)
{
    const auto address = reinterpret_cast<uint64_t>(host);
    if (address % page_bytes || bytes % page_bytes) return refuse(host, bytes, "a part of a page");
    std::string why;
    if (!can_move(address, address + bytes, why)) return refuse(host, bytes, why);
    Memory &memory = runtime.memory();
    auto block = std::make_unique<Allocation>();
    block->type = HSA_EXT_POINTER_TYPE_LOCKED;
    block->region = &memory.system_region();
    block->agents = agents;
    HSA_TRY(memory.create_buffer(*block->region, bytes, block->buffer));
    HSA_TRY(move_in(block->buffer, host, bytes));
    block->base = acc_buffer_data(block->buffer);
    block->bytes = bytes;
    block->host_base = host;
    *agent_pointer = block->base;
    memory.add(std::move(block));
    return HSA_STATUS_SUCCESS;
}

hsa_status_t lock(Runtime &runtime, void *host, size_t bytes, const hsa_agent_t *agents, int count,
                  void **agent_pointer)
{
    if (!host || !bytes || !agent_pointer || count < 0 || (agents != nullptr) != (count != 0))
        return HSA_STATUS_ERROR_INVALID_ARGUMENT;
    std::vector<const Agent *> wanted;
    for (const auto &agent : runtime.agents().all())
        if (!agents && !agent->is_host()) wanted.push_back(agent.get());
    for (int i = 0; i < count; i++) {
        const Agent *const agent = runtime.agents().find(agents[i]);
        if (!agent) return HSA_STATUS_ERROR_INVALID_AGENT;
        if (!agent->is_host()) wanted.push_back(agent);
    }
    // Memory that agents reach already: ours, or locked before.
    bool known = false, fits = false;
    Memory &memory = runtime.memory();
    const auto look = [&](Allocation &block, std::byte *begin) {
        const auto offset = size_t(static_cast<std::byte *>(host) - begin);
        known = true;
        fits = bytes <= block.bytes - offset;
        if (!fits) return;
        *agent_pointer = static_cast<std::byte *>(block.base) + offset;
        block.references++;
    };
    if (!memory.visit(
            host, [&](Allocation &block) { look(block, static_cast<std::byte *>(block.base)); }))
        memory.visit_locked(host, [&](Allocation &block) {
            look(block, static_cast<std::byte *>(block.host_base));
        });
    if (!known) return lock_pages(runtime, host, bytes, wanted, agent_pointer);
    if (!fits) return refuse(host, bytes, "memory of which a part is locked or allocated already");
    for (const Agent *agent : wanted)
        HSA_TRY(memory.grant(*agent, *agent_pointer));
    return HSA_STATUS_SUCCESS;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_amd_memory_lock(void *host_ptr, size_t size, hsa_agent_t *agents, int num_agent,
                                 void **agent_ptr)
{
    return with_runtime([&](Runtime &runtime) {
        return lock(runtime, host_ptr, size, agents, num_agent, agent_ptr);
    });
}

hsa_status_t hsa_amd_memory_lock_to_pool(void *host_ptr, size_t size, hsa_agent_t *agents,
                                         int num_agent, hsa_amd_memory_pool_t pool, uint32_t flags,
                                         void **agent_ptr)
{
    return with_runtime([&](Runtime &runtime) {
        if (flags) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const Region *const found = runtime.memory().find_region(pool.handle);
        if (!found || !found->is_system())
            return hsa_status_t(HSA_STATUS_ERROR_INVALID_MEMORY_POOL);
        return lock(runtime, host_ptr, size, agents, num_agent, agent_ptr);
    });
}

hsa_status_t hsa_amd_memory_unlock(void *host_ptr)
{
    return with_runtime([&](Runtime &runtime) {
        if (!host_ptr) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        Memory &memory = runtime.memory();
        bool known = false, last = false;
        const auto drop = [&](Allocation &block) {
            known = true;
            if (block.references > 1)
                block.references--;
            else
                last = block.type == HSA_EXT_POINTER_TYPE_LOCKED;
        };
        if (!memory.visit(host_ptr, drop)) memory.visit_locked(host_ptr, drop);
        if (!known) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        if (!last) return HSA_STATUS_SUCCESS;
        const auto block = memory.remove_locked(host_ptr);
        if (!block) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return move_out(block->host_base, block->bytes) ? HSA_STATUS_SUCCESS
                                                        : HSA_STATUS_ERROR_RESOURCE_FREE;
    });
}

} // extern "C"
