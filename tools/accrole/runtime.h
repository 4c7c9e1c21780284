// SPDX-License-Identifier: MIT
//
// Verilator's runtime, compiled once for all designs, and the headers around them.
#pragma once

#include "common/result.h"

#include <string>

namespace acc::role
{

struct Runtime {
    std::string archive;   // position independent
    std::string headers;   // with acc/
    std::string verilator; // Verilator's own
    bool built = false;    // just now
};

// From the cache; builds it there when it is missing or of another Verilator. Several callers may
// come at once.
Result<Runtime> prepare_runtime(const std::string &cache, std::string &why);

} // namespace acc::role
