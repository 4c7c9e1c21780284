// SPDX-License-Identifier: MIT
//
// What clang compiles OpenMP to, on this process's libgomp: functions named __kmpc_*, as in LLVM's
// openmp/runtime/src/kmp.h and kmp_csupport.cpp (versions 13 to 19). Those that are not here are
// missing to a target region that calls them, by name.
//
// The number of a thread that they are given is not looked at: libgomp knows its threads.
//
// Thread safety: as of OpenMP's runtimes: any thread of a launch.
#pragma once

#include "../elf_object.h"

#include <cstddef>
#include <vector>

namespace acc::openmp
{

// Nothing, where the process has no libgomp. `fail` ends the launch with a text.
void add_kmpc(std::vector<Override> &to, void (*fail)(const char *text));

template <typename F>
void add_function(std::vector<Override> &to, const char *name, F *function)
{
    to.push_back({name, reinterpret_cast<void *>(function)});
}

// Parts of it.
void add_kmpc_loops(std::vector<Override> &to);
void add_kmpc_tasks(std::vector<Override> &to);

// What a parallel region began with is forgotten when it ends, as are loops that were left.
struct LoopsOfThread {
    LoopsOfThread();
    ~LoopsOfThread();
    LoopsOfThread(const LoopsOfThread &) = delete;
    LoopsOfThread &operator=(const LoopsOfThread &) = delete;

private:
    const size_t before_; // of the region around it
};

// One whose chunks are handed out, in the middle; nothing outside of such.
void leave_loop();

} // namespace acc::openmp
