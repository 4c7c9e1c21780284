// SPDX-License-Identifier: MIT
//
// What a kernel takes and needs: of built-in ones from a table, of compiled ones from what the
// compiler said.
#pragma once

#include "libacc/interop/opencl/object.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace acc::ocl
{

struct Argument {
    enum class Kind { Value, Memory, Local };
    Kind kind = Kind::Value;
    std::string name, type;
    cl_kernel_arg_address_qualifier space = CL_KERNEL_ARG_ADDRESS_PRIVATE;
    cl_kernel_arg_access_qualifier access = CL_KERNEL_ARG_ACCESS_NONE;
    cl_kernel_arg_type_qualifier qualifiers = CL_KERNEL_ARG_TYPE_NONE;
    size_t offset = 0; // in the block of arguments
    size_t bytes = 0;  // there: of memory an address, of local memory its size
};

struct Signature {
    std::string name;
    std::vector<Argument> arguments;
    size_t bytes = 0; // of the block
    size_t required_group[3] = {};
    size_t group_hint[3] = {};
    std::string attributes;
    size_t local_bytes = 0;   // of variables
    size_t private_bytes = 0; // of a work-item
    bool has_argument_info = true;
    bool prints = false;
    bool has_barriers = false;
};

// As lines of text, so that a binary carries them; and back. False: that is no such text.
std::string write_signatures(const std::vector<Signature> &all);
bool read_signatures(std::string_view text, std::vector<Signature> &all);

} // namespace acc::ocl
