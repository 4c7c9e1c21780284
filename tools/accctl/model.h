// SPDX-License-Identifier: MIT
#pragma once

#include "accctl.h"

namespace acc::ctl
{

// accctl model compare
void add_model_command(CLI::App &app, Context &context);

} // namespace acc::ctl
