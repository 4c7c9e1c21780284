// SPDX-License-Identifier: MIT
//
// Memory and signals between processes and between libraries: IPC handles, dma-bufs.
#include "ipc.h"
#include "memory.h"
#include "signals.h"

#include <unistd.h>

#include <cstring>

namespace acc::hsa
{
namespace
{

// A descriptor of the buffer whose block begins at `base` and has `bytes`, or holds them
// from `base` on.
hsa_status_t export_block(Runtime &runtime, const void *base, size_t bytes, bool whole, int &fd,
                          uint64_t &offset)
{
    hsa_status_t status = HSA_STATUS_ERROR_INVALID_ARGUMENT;
    runtime.memory().visit(base, [&](Allocation &block) {
        offset = uint64_t(static_cast<const std::byte *>(base) -
                          static_cast<const std::byte *>(block.base));
        const bool fits =
            whole ? !offset && whole_pages(bytes) == block.bytes : bytes <= block.bytes - offset;
        if (bytes && fits) status = status_of(acc_buffer_export(block.buffer, &fd));
    });
    return status;
}

// Maps what a descriptor shares, for these agents or for all.
hsa_status_t import_block(Runtime &runtime, int fd, hsa_amd_pointer_type_t type, uint32_t count,
                          const hsa_agent_t *agents, void **pointer, size_t *bytes)
{
    auto block = std::make_unique<Allocation>();
    block->type = type;
    block->region = &runtime.memory().system_region();
    for (const auto &agent : runtime.agents().all())
        if (!count && !agent->is_host()) block->agents.push_back(agent.get());
    for (uint32_t i = 0; i < count; i++) {
        const Agent *const agent = runtime.agents().find(agents[i]);
        if (!agent) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        if (!agent->is_host()) block->agents.push_back(agent);
    }
    acc_device *const first = block->agents.empty() ? runtime.devices().front()
                                                    : block->agents.front()->node->device.get();
    HSA_TRY(status_of(acc_buffer_import(first, fd, &block->buffer)));
    for (const Agent *agent : block->agents)
        HSA_TRY(status_of(acc_buffer_attach(block->buffer, agent->node->device.get())));
    block->base = acc_buffer_data(block->buffer);
    block->bytes = acc_buffer_bytes(block->buffer);
    *pointer = block->base;
    if (bytes) *bytes = block->bytes;
    runtime.memory().add(std::move(block));
    return HSA_STATUS_SUCCESS;
}

} // namespace
} // namespace acc::hsa

using namespace acc::hsa;

extern "C" {

hsa_status_t hsa_amd_ipc_memory_create(void *ptr, size_t len, hsa_amd_ipc_memory_t *handle)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr || !handle) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        int fd = -1;
        uint64_t offset = 0;
        HSA_TRY(export_block(runtime, ptr, len, true, fd, offset));
        IpcHandle made;
        HSA_TRY(runtime.ipc().share(IpcKind::Memory, ptr, fd, whole_pages(len), made));
        std::memcpy(handle, &made, sizeof *handle);
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_ipc_memory_attach(const hsa_amd_ipc_memory_t *handle, size_t len,
                                       uint32_t num_agents, const hsa_agent_t *mapping_agents,
                                       void **mapped_ptr)
{
    return with_runtime([&](Runtime &runtime) {
        if (!handle || !mapped_ptr || (num_agents && !mapping_agents))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        IpcHandle asked;
        std::memcpy(&asked, handle, sizeof asked);
        if (!len || whole_pages(len) != asked.bytes) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        int fd = -1;
        HSA_TRY(Ipc::fetch(asked, IpcKind::Memory, fd));
        const hsa_status_t status = import_block(runtime, fd, HSA_EXT_POINTER_TYPE_IPC, num_agents,
                                                 mapping_agents, mapped_ptr, nullptr);
        close(fd);
        return status;
    });
}

// Each attach gives an address of its own.
hsa_status_t hsa_amd_ipc_memory_detach(void *mapped_ptr)
{
    return with_runtime([&](Runtime &runtime) {
        return runtime.memory().free(mapped_ptr, HSA_EXT_POINTER_TYPE_IPC);
    });
}

hsa_status_t hsa_amd_ipc_signal_create(hsa_signal_t signal, hsa_amd_ipc_signal_t *handle)
{
    return with_runtime([&](Runtime &runtime) {
        const SignalRef found = runtime.signals().find(signal);
        if (!found || !handle || found->shared_fd < 0) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        const int fd = dup(found->shared_fd);
        if (fd < 0) return HSA_STATUS_ERROR_OUT_OF_RESOURCES;
        IpcHandle made;
        HSA_TRY(runtime.ipc().share(IpcKind::Signal, found.get(), fd, ACC_SIGNAL_BYTES, made));
        std::memcpy(handle, &made, sizeof *handle);
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_ipc_signal_attach(const hsa_amd_ipc_signal_t *handle, hsa_signal_t *signal)
{
    return with_runtime([&](Runtime &runtime) {
        if (!handle || !signal) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        IpcHandle asked;
        std::memcpy(&asked, handle, sizeof asked);
        int fd = -1;
        HSA_TRY(Ipc::fetch(asked, IpcKind::Signal, fd));
        return runtime.signals().adopt(fd, signal);
    });
}

hsa_status_t hsa_amd_interop_map_buffer(uint32_t num_agents, hsa_agent_t *agents,
                                        int interop_handle, uint32_t flags, size_t *size,
                                        void **ptr, size_t *metadata_size, const void **metadata)
{
    return with_runtime([&](Runtime &runtime) {
        if (flags || !size || !ptr || (num_agents && !agents))
            return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        HSA_TRY(import_block(runtime, interop_handle, HSA_EXT_POINTER_TYPE_GRAPHICS, num_agents,
                             agents, ptr, size));
        if (metadata_size) *metadata_size = 0;
        if (metadata) *metadata = nullptr;
        return HSA_STATUS_SUCCESS;
    });
}

hsa_status_t hsa_amd_interop_unmap_buffer(void *ptr)
{
    return with_runtime([&](Runtime &runtime) {
        return runtime.memory().free(ptr, HSA_EXT_POINTER_TYPE_GRAPHICS);
    });
}

// Of a later hsa_ext_amd.h than Debian's.
hsa_status_t hsa_amd_portable_export_dmabuf(const void *ptr, size_t size, int *dmabuf,
                                            uint64_t *offset)
{
    return with_runtime([&](Runtime &runtime) {
        if (!ptr || !dmabuf || !offset) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        return export_block(runtime, ptr, size, false, *dmabuf, *offset);
    });
}

hsa_status_t hsa_amd_portable_close_dmabuf(int dmabuf)
{
    return with_runtime([&](Runtime &) {
        return close(dmabuf) ? HSA_STATUS_ERROR_INVALID_ARGUMENT : HSA_STATUS_SUCCESS;
    });
}

} // extern "C"
