// SPDX-License-Identifier: MIT
//
// NumPy's .npz archives: zip files of .npy files, as numpy.savez() and savez_compressed() write
// them.
#pragma once

#include <string>

namespace acc::ctl
{

// Writes the array of this name to a file of its own. False, and `why` without the path: there is
// no such archive or array, it is above 4 GiB, or what the system said.
bool extract_npz(const std::string &path, const std::string &name, const std::string &to,
                 std::string &why);

} // namespace acc::ctl
