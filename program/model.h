// SPDX-License-Identifier: MIT
//
// The section .acc.model: a static plan, read with every index, range and order checked.
#pragma once

#include "acc/program.h"
#include "common/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace acc::program
{

// Tables of a plan as the writer takes them. The header's counts and offsets are computed.
struct ModelTables {
    uint32_t inputs = 0;          // the first tensors
    uint32_t outputs = 0;         // the next
    uint64_t workspace_bytes = 0; // for a batch of one
    std::vector<acc_model_tensor> tensors;
    std::vector<acc_model_step> steps;
    std::vector<acc_model_reloc> relocs;
    std::vector<uint32_t> deps;
    std::vector<std::byte> kernargs;
};

// A plan that has been checked: whoever walks it needs no check of its own.
//  - inputs + outputs <= tensors, both at least 1; names of inputs differ, so do outputs'
//  - tensors lie inside the workspace at multiples of 64; bytes fit dtype and dims;
//    dims are at least 1, beyond the rank 0; int8 tensors have a finite scale > 0
//  - a step's kernel exists; its kernarg_bytes are the kernel's and inside kernargs
//  - relocs and deps of the steps follow each other without gaps, in the steps' order
//  - relocs are aligned, inside the kernargs and do not overlap; their indices exist
//  - deps name earlier steps of other targets
struct ModelView {
    acc_model_header header;
    std::span<const acc_model_tensor> tensors;
    std::span<const acc_model_step> steps;
    std::span<const acc_model_reloc> relocs;
    std::span<const uint32_t> deps;
    std::span<const std::byte> kernargs;

    std::span<const acc_model_tensor> inputs() const { return tensors.first(header.inputs); }
    std::span<const acc_model_tensor> outputs() const
    {
        return tensors.subspan(header.inputs, header.outputs);
    }
    std::span<const acc_model_reloc> relocs_of(const acc_model_step &step) const
    {
        return relocs.subspan(step.first_reloc, step.relocs);
    }
    std::span<const uint32_t> deps_of(const acc_model_step &step) const
    {
        return deps.subspan(step.first_dep, step.deps);
    }
    std::span<const std::byte> kernargs_of(const acc_model_step &step) const
    {
        return kernargs.subspan(step.kernarg_offset, step.kernarg_bytes);
    }
};

// What a model may refer to outside its section.
struct ModelContext {
    std::array<std::span<const acc_kernel_desc>, ACC_TARGET_COUNT> kernels;
    uint64_t const_bytes = 0;
};

// Bytes of one element, 0 for an unknown dtype.
uint32_t dtype_bytes(uint32_t dtype);

// Reads and checks .acc.model; the tables are copied, so `section` may go afterwards.
// -EINVAL with a text that says what was expected and what was found.
Result<ModelTables> parse_model(std::span<const std::byte> section, const ModelContext &context,
                                std::string *why);

// The section's bytes. Every table starts at a multiple of 16.
std::vector<std::byte> encode_model(const ModelTables &tables);

// The header that belongs to the tables, as encode_model() writes it.
acc_model_header model_header(const ModelTables &tables);

} // namespace acc::program
