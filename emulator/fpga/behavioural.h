// SPDX-License-Identifier: MIT
//
// The behavioural library behind the table of acc/role.h.
#pragma once

#include "acc/role.h"

namespace acc::emu::fpga
{

// All of role.h's roles(), by their names. Static.
const acc_role_library &behavioural_library();

} // namespace acc::emu::fpga
