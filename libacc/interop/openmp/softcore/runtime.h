// SPDX-License-Identifier: MIT
//
// What target regions see of OpenMP's runtime: the region's own libgomp, but where that would
// take the region for a host, and clang's own names for it (kmpc.h).
//
// Thread safety: as libgomp's.
#pragma once

#include "../elf_object.h"

#include <cstdint>

namespace acc::openmp
{

// Ends with a null name. `fail` ends a launch with a text.
const Override *overrides(void (*fail)(const char *text));

// Before each launch: what one target region set is not the next one's. `thread_limit`: 0: none.
// `cancellation`: `cancel` does what it says, if libgomp was started so.
void prepare_runtime(uint32_t thread_limit, bool cancellation);

// A limit to threads as libgomp is told it: a region's process has stacks for so many.
uint32_t limited(uint32_t thread_limit);

// LLVM's kinds, 1 to 4, are the numbers of libgomp's bits. True: leave the construct.
bool cancel_construct(int kind);
bool is_cancelled(int kind);

// f(list[0], list[1], ... list[count - 1]), at most 64.
void call_list(void *function, const uint64_t *list, uint32_t count);

} // namespace acc::openmp
