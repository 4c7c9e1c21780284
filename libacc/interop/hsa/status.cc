// SPDX-License-Identifier: MIT
//
// hsa_status_string().
#include "runtime.h"

using namespace acc::hsa;

namespace
{

// Null for what is no status.
const char *text_of(int status)
{
    switch (status) {
    case HSA_STATUS_SUCCESS:
        return "HSA_STATUS_SUCCESS: The function has been executed successfully.";
    case HSA_STATUS_INFO_BREAK:
        return "HSA_STATUS_INFO_BREAK: The application ended a traversal before it was complete.";
    case HSA_STATUS_ERROR:
        return "HSA_STATUS_ERROR: A generic error has occurred.";
    case HSA_STATUS_ERROR_INVALID_ARGUMENT:
        return "HSA_STATUS_ERROR_INVALID_ARGUMENT: An argument does not meet its precondition.";
    case HSA_STATUS_ERROR_INVALID_QUEUE_CREATION:
        return "HSA_STATUS_ERROR_INVALID_QUEUE_CREATION: The agent has no queues of this kind.";
    case HSA_STATUS_ERROR_INVALID_ALLOCATION:
        return "HSA_STATUS_ERROR_INVALID_ALLOCATION: The requested allocation is not valid.";
    case HSA_STATUS_ERROR_INVALID_AGENT:
        return "HSA_STATUS_ERROR_INVALID_AGENT: The agent is invalid.";
    case HSA_STATUS_ERROR_INVALID_REGION:
        return "HSA_STATUS_ERROR_INVALID_REGION: The memory region is invalid.";
    case HSA_STATUS_ERROR_INVALID_SIGNAL:
        return "HSA_STATUS_ERROR_INVALID_SIGNAL: The signal is invalid.";
    case HSA_STATUS_ERROR_INVALID_QUEUE:
        return "HSA_STATUS_ERROR_INVALID_QUEUE: The queue is invalid.";
    case HSA_STATUS_ERROR_OUT_OF_RESOURCES:
        return "HSA_STATUS_ERROR_OUT_OF_RESOURCES: The runtime could not get what it needs.";
    case HSA_STATUS_ERROR_INVALID_PACKET_FORMAT:
        return "HSA_STATUS_ERROR_INVALID_PACKET_FORMAT: The AQL packet is malformed.";
    case HSA_STATUS_ERROR_RESOURCE_FREE:
        return "HSA_STATUS_ERROR_RESOURCE_FREE: A resource could not be released.";
    case HSA_STATUS_ERROR_NOT_INITIALIZED:
        return "HSA_STATUS_ERROR_NOT_INITIALIZED: The runtime has not been initialized.";
    case HSA_STATUS_ERROR_REFCOUNT_OVERFLOW:
        return "HSA_STATUS_ERROR_REFCOUNT_OVERFLOW: The object has as many references as it can.";
    case HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS:
        return "HSA_STATUS_ERROR_INCOMPATIBLE_ARGUMENTS: The arguments do not fit each other.";
    case HSA_STATUS_ERROR_INVALID_INDEX:
        return "HSA_STATUS_ERROR_INVALID_INDEX: The index is invalid.";
    case HSA_STATUS_ERROR_INVALID_ISA:
        return "HSA_STATUS_ERROR_INVALID_ISA: The instruction set architecture is invalid.";
    case HSA_STATUS_ERROR_INVALID_ISA_NAME:
        return "HSA_STATUS_ERROR_INVALID_ISA_NAME: No instruction set architecture has this name.";
    case HSA_STATUS_ERROR_INVALID_CODE_OBJECT:
        return "HSA_STATUS_ERROR_INVALID_CODE_OBJECT: The code object is invalid.";
    case HSA_STATUS_ERROR_INVALID_EXECUTABLE:
        return "HSA_STATUS_ERROR_INVALID_EXECUTABLE: The executable is invalid.";
    case HSA_STATUS_ERROR_FROZEN_EXECUTABLE:
        return "HSA_STATUS_ERROR_FROZEN_EXECUTABLE: The executable is frozen.";
    case HSA_STATUS_ERROR_INVALID_SYMBOL_NAME:
        return "HSA_STATUS_ERROR_INVALID_SYMBOL_NAME: There is no symbol with this name.";
    case HSA_STATUS_ERROR_VARIABLE_ALREADY_DEFINED:
        return "HSA_STATUS_ERROR_VARIABLE_ALREADY_DEFINED: The variable is already defined.";
    case HSA_STATUS_ERROR_VARIABLE_UNDEFINED:
        return "HSA_STATUS_ERROR_VARIABLE_UNDEFINED: The variable is undefined.";
    case HSA_STATUS_ERROR_EXCEPTION:
        return "HSA_STATUS_ERROR_EXCEPTION: A packet ended with a hardware exception.";
    case HSA_STATUS_ERROR_INVALID_CODE_SYMBOL:
        return "HSA_STATUS_ERROR_INVALID_CODE_SYMBOL: The code object symbol is invalid.";
    case HSA_STATUS_ERROR_INVALID_EXECUTABLE_SYMBOL:
        return "HSA_STATUS_ERROR_INVALID_EXECUTABLE_SYMBOL: The executable symbol is invalid.";
    case HSA_STATUS_ERROR_INVALID_FILE:
        return "HSA_STATUS_ERROR_INVALID_FILE: The file descriptor is invalid.";
    case HSA_STATUS_ERROR_INVALID_CODE_OBJECT_READER:
        return "HSA_STATUS_ERROR_INVALID_CODE_OBJECT_READER: The code object reader is invalid.";
    case HSA_STATUS_ERROR_INVALID_CACHE:
        return "HSA_STATUS_ERROR_INVALID_CACHE: The cache is invalid.";
    case HSA_STATUS_ERROR_INVALID_WAVEFRONT:
        return "HSA_STATUS_ERROR_INVALID_WAVEFRONT: The wavefront is invalid.";
    case HSA_STATUS_ERROR_INVALID_SIGNAL_GROUP:
        return "HSA_STATUS_ERROR_INVALID_SIGNAL_GROUP: The signal group is invalid.";
    case HSA_STATUS_ERROR_INVALID_RUNTIME_STATE:
        return "HSA_STATUS_ERROR_INVALID_RUNTIME_STATE: The runtime is not being configured.";
    case HSA_STATUS_ERROR_FATAL:
        return "HSA_STATUS_ERROR_FATAL: The queue cannot go on.";
    case HSA_STATUS_ERROR_INVALID_MEMORY_POOL:
        return "HSA_STATUS_ERROR_INVALID_MEMORY_POOL: The memory pool is invalid.";
    case HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION:
        return "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: An address lies beyond all memory.";
    case HSA_STATUS_ERROR_ILLEGAL_INSTRUCTION:
        return "HSA_STATUS_ERROR_ILLEGAL_INSTRUCTION: The agent met an illegal instruction.";
    case HSA_STATUS_ERROR_MEMORY_FAULT:
        return "HSA_STATUS_ERROR_MEMORY_FAULT: The agent may not access an address that it used.";
    case HSA_STATUS_CU_MASK_REDUCED:
        return "HSA_STATUS_CU_MASK_REDUCED: The mask names compute units that cannot be used.";
    default:
        return nullptr;
    }
}

} // namespace

extern "C" hsa_status_t hsa_status_string(hsa_status_t status, const char **status_string)
{
    return with_runtime([&](Runtime &) {
        const char *const text = text_of(status);
        if (!status_string || !text) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
        *status_string = text;
        return HSA_STATUS_SUCCESS;
    });
}
