// SPDX-License-Identifier: MIT
//
// NumPy's .npy files: versions 1.0 and 2.0, little-endian, C order. A file is hostile
// until read: nothing in its header is believed beyond the bytes that are there.
#pragma once

#include "common/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace acc
{

struct Npy {
    std::string type;            // "f2", "f4", "f8", "i1" … "i8", "u1" … "u8" or "b1"
    std::vector<size_t> shape;   // at most 8 dimensions
    std::vector<std::byte> data; // their product × item_bytes()

    size_t item_bytes() const;
    size_t items() const;
    // For messages: "float32 [450,1,8,8]".
    std::string describe() const;
};

// "float32" of "f4"; the type itself if it is none of ours.
std::string_view npy_type_name(std::string_view type);
// "[450,1,8,8]".
std::string npy_shape_text(const std::vector<size_t> &shape);

// Reads a whole file. `why` names what was expected and what was found, without the path.
// -EINVAL malformed or of another type, -EFBIG above 4 GiB, or what the system said.
Result<Npy> read_npy(const std::string &path, std::string &why);
// As read_npy, of bytes in memory.
Result<Npy> parse_npy(std::string_view bytes, std::string &why);

// Writes version 1.0. 0 or -errno; a regular file half written is removed.
int write_npy(const std::string &path, const Npy &array, std::string &why);

} // namespace acc
