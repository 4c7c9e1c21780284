// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace acc::policy
{

constexpr uint64_t ms = 1'000'000; // in ns

} // namespace acc::policy
