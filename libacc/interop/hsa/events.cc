// SPDX-License-Identifier: MIT
#include "events.h"

namespace acc::hsa
{
namespace
{

struct EventHandler {
    hsa_amd_system_event_callback_t callback = nullptr;
    void *data = nullptr;
};

std::mutex event_handler_mutex; // of what follows
EventHandler event_handler;

} // namespace

void report_fault(Runtime &, const Agent &agent, const acc_queue_info &fault)
{
    if (fault.fault_code != ACC_STATUS_INVALID_ADDRESS) return;
    EventHandler called;
    {
        std::lock_guard lock(event_handler_mutex);
        called = event_handler;
    }
    if (!called.callback) return;
    hsa_amd_event_t event = {};
    event.event_type = HSA_AMD_GPU_MEMORY_FAULT_EVENT;
    event.memory_fault.agent = agent.handle();
    event.memory_fault.virtual_address = fault.fault_address;
    // The device doesn't tell a missing page from one that may not be written.
    event.memory_fault.fault_reason_mask = HSA_AMD_MEMORY_FAULT_PAGE_NOT_PRESENT;
    (void)called.callback(&event, called.data);
}

void forget_event_handler()
{
    std::lock_guard lock(event_handler_mutex);
    event_handler = {};
}

} // namespace acc::hsa

using namespace acc::hsa;

extern "C" hsa_status_t
hsa_amd_register_system_event_handler(hsa_amd_system_event_callback_t callback, void *data)
{
    return with_runtime([&](Runtime &) {
        if (!callback) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        std::lock_guard lock(event_handler_mutex);
        if (event_handler.callback) return HSA_STATUS_ERROR;
        event_handler = {callback, data};
        return HSA_STATUS_SUCCESS;
    });
}
