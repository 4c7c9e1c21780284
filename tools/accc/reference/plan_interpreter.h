// SPDX-License-Identifier: MIT
//
// Executes the plan of a program file in plain C++, kernel argument by kernel argument, as
// acc/kernels.h says it: what the engines must compute, bit for bit (softmax: to 1e-6). It
// knows nothing of the compiler that wrote the file.
#pragma once

#include "common/result.h"
#include "host/image.h"
#include "program/program_file.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace acc::accc
{

class PlanInterpreter
{
public:
    // `file` must have a model and outlive this object. -EINVAL when an image is malformed
    // or names what acc/kernels.h does not; `why` says what was expected and found.
    static Result<PlanInterpreter> create(const program::ProgramFile &file, std::string *why);

    // inputs[i]: batch * bytes of the model's input i. Gives the outputs' bytes. -EFAULT
    // when a kernel would leave the workspace and the constants, -EINVAL for arguments
    // outside of their limits.
    Result<std::vector<std::vector<std::byte>>>
    run(size_t batch, std::span<const std::span<const std::byte>> inputs, std::string *why) const;

private:
    struct Kernel {
        std::string role;            // empty: a matrix
        std::vector<int8_t> weights; // [rows][cols]
        uint32_t rows = 0, cols = 0;
        bool wide = false; // int16 inputs
    };

    explicit PlanInterpreter(const program::ProgramFile &file) : file_(&file) {}

    const program::ProgramFile *file_;
    std::vector<std::vector<Kernel>> kernels_; // [target][kernel]
    std::vector<host::Kernel> host_;
};

} // namespace acc::accc
