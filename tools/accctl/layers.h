// SPDX-License-Identifier: MIT
//
// What each node of a network took, beside what its report predicted.
#pragma once

#include "accctl.h"

#include "acc/acc.h"

namespace acc::ctl
{

// An object for each node that has steps, in the order of the plan; times and energies of one of
// `samples` items. Precondition: acc_model_profile(). False, with libacc's text, where it is none.
bool read_layers(const acc_model *model, const Json &report, uint64_t samples, Json &layers);

void print_layers(const Json &layers);

} // namespace acc::ctl
