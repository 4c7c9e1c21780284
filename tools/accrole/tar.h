// SPDX-License-Identifier: MIT
//
// An archive that tar(1) unpacks (POSIX.1-1988 ustar), without times and owners: the same files
// give the same bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace acc::role
{

struct TarFile {
    std::string name; // at most 99 bytes
    std::vector<std::byte> bytes;
};

std::vector<std::byte> write_tar(const std::vector<TarFile> &files);

} // namespace acc::role
