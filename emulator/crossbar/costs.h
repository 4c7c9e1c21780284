// SPDX-License-Identifier: MIT
//
// What an analog operation costs: arch/costs.h, under the names that this engine uses.
#pragma once

#include "arch/costs.h"

namespace acc::emu::crossbar
{

using CostTable = arch::Costs;
using arch::ArrayUse;
using arch::mvm_ns;
using arch::mvm_pj;
using arch::program_ns;
using arch::program_pj;
using arch::reduce_ns;
using arch::reduce_pj;

} // namespace acc::emu::crossbar
