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
void prepare_runtime(uint32_t thread_limit);

// f(list[0], list[1], ... list[count - 1]), at most 64.
void call_list(void *function, const uint64_t *list, uint32_t count);

} // namespace acc::openmp
