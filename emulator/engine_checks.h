// SPDX-License-Identifier: MIT
//
// Refusals that modelling engines have in common, so that they read the same.
#pragma once

#include "acc/abi.h"
#include "acc/program.h"
#include "emulator/engine.h"
#include "program/text.h"

#include <cstring>
#include <span>
#include <string>

namespace acc::emu
{

inline std::string hex(std::span<const uint8_t> bytes)
{
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const uint8_t byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

inline std::string hex(uint64_t value)
{
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    do
        text.insert(text.begin(), digits[value & 15]);
    while (value >>= 4);
    return "0x" + text;
}

// Empty, or why a program does not go with a device of this shell interface.
inline std::string check_shell(const acc_note_compat &compat, const uint8_t (&shell)[16])
{
    static constexpr uint8_t any[sizeof(shell)] = {};
    if (std::memcmp(compat.shell, any, sizeof(any)) == 0 ||
        std::memcmp(compat.shell, shell, sizeof(shell)) == 0)
        return {};
    return "expected shell " + hex(shell) + " or none; found " + hex(compat.shell);
}

// Empty, or why a kernel's segments are not what the engine's kernels have.
inline std::string check_segments(const acc_kernel_desc &kernel, uint32_t kernarg_bytes)
{
    if (kernel.kernarg_bytes == kernarg_bytes && !kernel.group_bytes && !kernel.private_bytes)
        return {};
    return "kernel " + program::printable(kernel.name) + ": expected " +
           std::to_string(kernarg_bytes) +
           ", 0 and 0 bytes of arguments, group and private memory; found " +
           std::to_string(kernel.kernarg_bytes) + ", " + std::to_string(kernel.group_bytes) +
           " and " + std::to_string(kernel.private_bytes);
}

// What is the same for every dispatch: a kernel of the program, one pass, whole arguments.
inline acc_status check_dispatch(Dispatch &dispatch, const EngineProgram &program)
{
    if (dispatch.kernel >= program.kernels.size()) {
        dispatch.text = "expected a kernel below " + std::to_string(program.kernels.size()) +
                        "; found " + std::to_string(dispatch.kernel);
        return ACC_STATUS_INVALID_KERNEL;
    }
    if (dispatch.grid[0] != 1 || dispatch.grid[1] != 1 || dispatch.grid[2] != 1) {
        dispatch.text = "expected a grid of 1 x 1 x 1; found " + std::to_string(dispatch.grid[0]) +
                        " x " + std::to_string(dispatch.grid[1]) + " x " +
                        std::to_string(dispatch.grid[2]);
        return ACC_STATUS_INVALID_DIMENSIONS;
    }
    const uint32_t bytes = program.kernels[dispatch.kernel].kernarg_bytes;
    if (dispatch.kernargs.size() != bytes) {
        dispatch.text = "expected " + std::to_string(bytes) + " bytes of arguments; found " +
                        std::to_string(dispatch.kernargs.size());
        return ACC_STATUS_INVALID_KERNARG;
    }
    return ACC_STATUS_OK;
}

// A memory fault of `name`, after Memory said no.
inline acc_status memory_fault(Dispatch &dispatch, const char *verb, const char *name)
{
    dispatch.text = std::string("expected ") + name + " that may be " + verb + "; found address " +
                    hex(dispatch.memory->fault_address()) + " not bound for that";
    return ACC_STATUS_INVALID_ADDRESS;
}

} // namespace acc::emu
