// SPDX-License-Identifier: MIT
//
// FPGA programs that bring machine code along: what is checked before anything of it runs.
#pragma once

#include "emulator/fpga/process/region_process.h"
#include "program/images.h"
#include "program/program_file.h"

#include <functional>
#include <string>
#include <vector>

namespace acc::emu::fpga
{

struct NativeKernel {
    std::string role;
    std::vector<Register> registers;
    std::vector<GraphStage> stages;
    std::vector<GraphEdge> edges;
};

struct NativeProgram {
    Image image;
    std::vector<NativeKernel> kernels;

    RunOrder order(uint32_t kernel) const
    {
        const NativeKernel &one = kernels[kernel];
        return {one.role, one.registers, one.stages, one.edges};
    }
};

// What a device has to say.
struct NativeLimits {
    std::string keys; // a folder of trusted keys; empty: the configured ones
    std::function<std::string(uint32_t class_id)> check_class; // as Config
    std::function<uint64_t(uint64_t bytes)> load_ns;
    std::function<uint64_t(uint64_t ns)> load_pj;
};

// Fills units and kernels of `out`. -EINVAL for what is wrong, -EACCES for a design that nobody
// signed whom the device trusts; `why` says what was expected and what was found.
Result<NativeProgram> parse_native(const program::ProgramFile &file, const NativeLimits &limits,
                                   EngineProgram &out, std::string &why);

} // namespace acc::emu::fpga
