// SPDX-License-Identifier: MIT
//
// Task groups with reductions, as clang compiles them: each thread adds to a copy of its own, and
// the copies are combined when the group ends. libgomp's groups are under it, and know nothing of
// that.
//
// Thread safety: as of OpenMP's runtimes.
#pragma once

#include "../elf_object.h"

#include <vector>

namespace acc::openmp
{

struct Group;

// The innermost one of the task that this thread runs; null: none.
Group *current_group();

// For as long as a thread runs a task, or its part of a parallel region.
class InGroup
{
public:
    explicit InGroup(Group *group);
    ~InGroup();
    InGroup(const InGroup &) = delete;
    InGroup &operator=(const InGroup &) = delete;

private:
    Group *const before_;
};

void add_kmpc_groups(std::vector<Override> &to);

} // namespace acc::openmp
