// SPDX-License-Identifier: MIT
//
// libelf's one piece of global state, set once; its error number is per thread.
#pragma once

#include <libelf.h>

namespace acc::program
{

// Thread-safe. False when the library is older than its header.
inline bool init_libelf()
{
    static const bool ok = elf_version(EV_CURRENT) != EV_NONE;
    return ok;
}

} // namespace acc::program
