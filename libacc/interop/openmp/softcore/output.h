// SPDX-License-Identifier: MIT
//
// What target regions print: a region has no file, so the text goes to the client's memory, line
// by line, and the client prints it.
//
// Thread safety: one thread calls; any thread prints.
#pragma once

#include "../elf_object.h"
#include "acc/role.h"

#include <cstdint>
#include <vector>

namespace acc::openmp
{

// Once: stdout and stderr of this process go to the launch that runs.
void capture_output();
// What is printed from now on goes to the struct acc_omp_output at `address`; 0: nowhere. False:
// the client may not write there.
bool begin_output(const acc_role_host &host, uint64_t address);
// Whatever is printed later is lost.
void end_output();
// Functions that write to a stream, which may be the program's own.
void add_streams(std::vector<Override> &to);
// Where those lie in the program.
void name_host_streams(uint64_t out, uint64_t error);

} // namespace acc::openmp
