// SPDX-License-Identifier: MIT
//
// What acc-bench-crossbar measures beside an MVM unit. Both call put(name, value) for each metric;
// false and `why` where a program does not run.
#pragma once

#include <functional>
#include <string>

// The interpreter of instructions: `isa_minstr_per_s`, `mlp_l4_ms` and what the model says of the
// same network.
bool bench_isa(const std::function<void(const std::string &, double)> &put, bool short_run,
               std::string &why);
// Memory of a resident program of 25 million weights, in process: `program_*_25m_mb`.
bool bench_resident(const std::function<void(const std::string &, double)> &put, bool short_run,
                    std::string &why);
