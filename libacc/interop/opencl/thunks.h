// SPDX-License-Identifier: MIT
//
// What is written behind the text of a module so that the runtime (softcore/runtime.c) can run
// its kernels: for each a loop over the items of a group, into which the kernel is inlined, and a
// function for one item; the variables that ids come from; the barrier; the table of kernels.
#pragma once

#include "libacc/interop/opencl/ir.h"
#include "libacc/interop/opencl/signature.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace acc::ocl
{

// What a signature's text lies between in the image.
inline constexpr std::string_view kSignaturesBegin = "\n@acc-opencl-begin@\n";
inline constexpr std::string_view kSignaturesEnd = "\n@acc-opencl-end@\n";

// Names that PoCL's header defines as others (kRenamedBy and themselves) before a source is read:
// its kernels and arguments with such names are told with those that the source has.
using Renames = std::set<std::string, std::less<>>;
inline constexpr std::string_view kRenamedBy = "_cl_";

// False, and `why`: a kernel that can't be enqueued.
bool make_signatures(const IrModule &module, const Renames &renames, bool argument_info,
                     std::vector<Signature> &out, std::string &why);
// The whole module: `text` and what is added.
std::string add_thunks(std::string_view text, const IrModule &module,
                       const std::vector<Signature> &signatures);

} // namespace acc::ocl
