// SPDX-License-Identifier: MIT
//
// Precompiled: the two libraries that cost more to read than every file of ours.
#include "acc/acc.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
