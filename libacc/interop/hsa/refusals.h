// SPDX-License-Identifier: MIT
//
// What the functions answer that we don't have.
#pragma once

namespace acc::hsa
{

// NOT_INITIALIZED, or HSA_STATUS_ERROR with a line in the log that names the function.
int refuse(const char *function) noexcept;

} // namespace acc::hsa
