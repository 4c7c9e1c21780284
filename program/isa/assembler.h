// SPDX-License-Identifier: MIT
//
// Text of the crossbar's programs: docs/crossbar-isa.md, "Assembly".
//
// Thread safety: the functions have no state.
#pragma once

#include "common/result.h"
#include "program/isa/program.h"

#include <string>
#include <string_view>

namespace acc::isa
{

// -EINVAL: `why` has one line per problem, at most 20, "NAME:LINE: what was expected and
// found". `arch` is what a program without .arch is for. The result has passed
// check_program() for the arch it names.
Result<Program> assemble(std::string_view text, std::string_view name, const arch::Arch &arch,
                         std::string &why);

// Text that assemble() reads back to the same program, given its arch. Weights are written
// out only if `weights`.
std::string disassemble(const Program &program, bool weights);

} // namespace acc::isa
