// SPDX-License-Identifier: MIT
#pragma once

#include "acc/acc.h"

#include "common/result.h"

namespace acc
{

// What acc_topology_get() gives, `size` aside.
Result<acc_topology_info> host_topology();

} // namespace acc
