// SPDX-License-Identifier: MIT
//
// Functions of extensions, found by clGetExtensionFunctionAddressForPlatform().
#pragma once

namespace acc::ocl
{

// Null: there is none of that name.
void *find_extension(const char *name);

} // namespace acc::ocl
