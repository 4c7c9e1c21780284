// SPDX-License-Identifier: MIT
#pragma once

#include "tools/accc/accc.h"
#include "tools/accc/place/place.h"

namespace acc::accc
{

// The placement of a Lowered graph: every node of the model with where it went and why.
CompileReport make_report(const Graph &graph, const MemoryPlan &memory, const arch::Arch &arch);

} // namespace acc::accc
