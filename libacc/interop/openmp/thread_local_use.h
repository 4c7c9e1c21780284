// SPDX-License-Identifier: MIT
//
// Whether a function of a program uses its thread-local variables. A program's code finds them at a
// fixed distance from the thread's pointer, which no relocation shows; in another process something
// else is there. Compilers refuse such in target regions where they see it, which is not in another
// file's functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace acc::openmp
{

// The name of the first function that does, of `entry` and what it calls or names (the outlined
// functions of its parallel regions); empty: none. What is called by a pointer from memory isn't
// looked at, nor functions without a symbol.
std::string uses_thread_local(std::span<const std::byte> file, uint64_t entry);

} // namespace acc::openmp
