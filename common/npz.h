// SPDX-License-Identifier: MIT
//
// NumPy's .npz archives: ZIP files of .npy files, stored or compressed, as numpy.savez() and
// savez_compressed() write them. Read by libzip; whoever includes this links it.
#pragma once

#include "common/npy.h"

#include <map>

namespace acc
{

// Both read at most 4 GiB out of an archive. `why` names what was expected and what was found,
// without the path. -EINVAL no archive, or malformed, -EFBIG above 4 GiB, or what the system said.

// All its arrays by name.
Result<std::map<std::string, Npy>> read_npz(const std::string &path, std::string &why);
// One of them; -ENOENT if it has no such one.
Result<Npy> read_npz(const std::string &path, const std::string &name, std::string &why);

} // namespace acc
