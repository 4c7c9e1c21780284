// SPDX-License-Identifier: MIT
//
// System events: what the program's handler is told of faults of memory accesses.
//
// Thread safety: all calls from any thread.
#pragma once

#include "agents.h"

namespace acc::hsa
{

// Calls the handler, if there is one and the fault is its kind.
void report_fault(Runtime &runtime, const Agent &agent, const acc_queue_info &fault);
// Shut-down takes it away.
void forget_event_handler();

} // namespace acc::hsa
