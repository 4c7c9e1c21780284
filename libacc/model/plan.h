// SPDX-License-Identifier: MIT
//
// A network's plan for one batch size: what is in the file, with every size multiplied out
// and every field of the kernel arguments known. No device is touched here.
#pragma once

#include "acc/program.h"
#include "common/result.h"
#include "libacc/model/host_steps.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc
{

struct PlanTensor {
    std::string name;
    uint32_t dtype = 0;
    uint32_t rank = 0;
    uint32_t dims[ACC_MODEL_MAX_DIMS] = {};
    uint64_t sample_bytes = 0;
    uint64_t offset = 0; // in the workspace of the batch
};

// An address that is known only when memory is.
struct PlanAddress {
    size_t at = 0;         // in the kernel arguments
    bool constant = false; // of the constants, else of the workspace
    uint64_t offset = 0;
};

struct PlanStep {
    std::string name;
    uint32_t target = 0;
    uint32_t kernel = 0;
    std::string kernel_name;
    uint32_t kernarg_bytes = 0;
    size_t kernarg_at = 0;     // in the kernel arguments, 64-byte aligned
    std::vector<size_t> waits; // steps of other targets that nothing else waits for
    bool signals = false;      // somebody waits for it
};

class Plan
{
public:
    // -EINVAL: malformed, or no network in it; -E2BIG: the batch is too large for it.
    static Result<Plan> make(std::span<const std::byte> image, uint32_t batch);

    uint32_t batch() const { return batch_; }
    uint64_t workspace_bytes() const { return workspace_bytes_; }
    std::span<const PlanTensor> inputs() const { return inputs_; }
    std::span<const PlanTensor> outputs() const { return outputs_; }
    std::span<const PlanStep> steps() const { return steps_; }
    std::span<const PlanAddress> addresses() const { return addresses_; }
    std::span<const std::byte> kernargs() const { return kernargs_; }
    std::span<const std::byte> consts() const { return consts_; }
    bool uses(uint32_t target) const { return uses_[target]; }
    const HostSteps &host() const { return host_; }
    // The last step of a target.
    size_t last_step(uint32_t target) const { return last_[target]; }

private:
    uint32_t batch_ = 1;
    uint64_t workspace_bytes_ = 0;
    std::vector<PlanTensor> inputs_, outputs_;
    std::vector<PlanStep> steps_;
    std::vector<PlanAddress> addresses_;
    std::vector<std::byte> kernargs_, consts_;
    HostSteps host_;
    bool uses_[ACC_TARGET_COUNT] = {};
    size_t last_[ACC_TARGET_COUNT] = {};
};

} // namespace acc
