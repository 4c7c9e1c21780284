// SPDX-License-Identifier: MIT
//
// The interpreter of instructions, measured: `isa_minstr_per_s`, `mlp_l4_ms` and what the model
// says of the same network.
#pragma once

#include <functional>
#include <string>

// Calls put(name, value) for each metric; false and `why` where a program does not run.
bool bench_isa(const std::function<void(const std::string &, double)> &put, bool short_run,
               std::string &why);
