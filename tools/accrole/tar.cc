// SPDX-License-Identifier: MIT
#include "tools/accrole/tar.h"

#include <cstdio>
#include <cstring>

namespace acc::role
{

std::vector<std::byte> write_tar(const std::vector<TarFile> &files)
{
    constexpr size_t block = 512;
    std::vector<std::byte> out;
    for (const TarFile &file : files) {
        char header[block] = {};
        std::snprintf(header, 100, "%s", file.name.c_str());
        std::memcpy(header + 100, "0000644", 8);
        std::memcpy(header + 108, "0000000", 8);
        std::memcpy(header + 116, "0000000", 8);
        std::snprintf(header + 124, 12, "%011zo", file.bytes.size());
        std::memcpy(header + 136, "00000000000", 12);
        std::memcpy(header + 148, "        ", 8); // counts as blanks
        header[156] = '0';
        std::memcpy(header + 257, "ustar", 6);
        std::memcpy(header + 263, "00", 2);
        unsigned sum = 0;
        for (const char c : header)
            sum += static_cast<unsigned char>(c);
        std::snprintf(header + 148, 8, "%06o", sum);
        const auto *bytes = reinterpret_cast<const std::byte *>(header);
        out.insert(out.end(), bytes, bytes + block);
        out.insert(out.end(), file.bytes.begin(), file.bytes.end());
        out.resize((out.size() + block - 1) / block * block);
    }
    out.resize(out.size() + 2 * block);
    return out;
}

} // namespace acc::role
