// SPDX-License-Identifier: MIT
//
// The host's part of a plan: its operators, checked against the tensors that they are given.
#pragma once

#include "common/result.h"
#include "host/image.h"

#include <cstdint>
#include <vector>

namespace acc::program
{
class ProgramFile;
}
struct acc_model_step;

namespace acc
{

struct HostStep {
    const host::Kernel *kernel = nullptr;
    std::vector<uint64_t> stride; // bytes from one item to the next, of each operand
};

class HostSteps
{
public:
    // -EINVAL when an operator does not fit its operands. Nothing needs the file afterwards.
    static Result<HostSteps> make(const program::ProgramFile &file);

    // By the number of the step in the plan; the kernel of steps of other targets is null.
    const HostStep &operator[](size_t step) const { return steps_[step]; }
    // Runs a step for each item of a batch: `arguments` are its kernel arguments, addresses in
    // this process. 0 or -errno with a text.
    int run(size_t step, const void *arguments, uint32_t batch) const;

private:
    std::vector<host::Kernel> kernels_;
    std::vector<HostStep> steps_;
};

} // namespace acc
