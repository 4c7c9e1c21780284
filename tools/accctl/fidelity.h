// SPDX-License-Identifier: MIT
//
// How faithful a device is: what its emulator models and what it doesn't, in words.
#pragma once

#include "acc/acc.h"

#include <string>
#include <vector>

namespace acc::ctl
{

struct Fidelity {
    std::vector<std::string> modelled;
    std::vector<std::string> not_modelled;
};

Fidelity fidelity_of(const acc_device_info &info);

} // namespace acc::ctl
