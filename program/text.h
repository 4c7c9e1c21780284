// SPDX-License-Identifier: MIT
//
// Names and error texts of the container: small things that its files share.
#pragma once

#include "acc/program.h"
#include "common/result.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace acc::program
{

// Writes `text` where `why` points, if it points anywhere, and gives the error.
inline Error refuse(std::string *why, int code, std::string text)
{
    if (why) *why = std::move(text);
    return Error{code};
}

// A fixed name field as text. Precondition: it holds a NUL, as every parsed field does.
inline std::string_view name_of(const char (&field)[ACC_NAME_BYTES])
{
    return {field, strnlen(field, sizeof(field))};
}

// Sets a fixed name field, cut to ACC_NAME_BYTES - 1 bytes and NUL-padded.
// False when the name was cut.
inline bool set_name(char (&field)[ACC_NAME_BYTES], std::string_view name)
{
    const size_t bytes = name.size() < sizeof(field) ? name.size() : sizeof(field) - 1;
    std::memset(field, 0, sizeof(field));
    std::memcpy(field, name.data(), bytes);
    return bytes == name.size();
}

// Whether a name field is text: at least one byte, a NUL, and zeros from there on.
inline bool is_name(const char (&field)[ACC_NAME_BYTES])
{
    const size_t bytes = strnlen(field, sizeof(field));
    if (bytes == 0 || bytes == sizeof(field)) return false;
    for (size_t i = bytes; i < sizeof(field); i++)
        if (field[i] != 0) return false;
    return true;
}

// What is in a name field that may be anything, for an error text: printable and short.
std::string printable(const char (&field)[ACC_NAME_BYTES]);

// "null", "crossbar", "fpga", or "target 7".
std::string target_name(uint32_t target);

// 128-bit FNV-1a. It tells builds apart; it does not withstand somebody who looks for
// collisions, so nothing may grant access by it.
void content_hash(std::span<const std::byte> bytes, uint8_t (&hash)[16]);

// True when [offset, offset + bytes) lies inside [0, limit); no overflow.
inline bool inside(uint64_t offset, uint64_t bytes, uint64_t limit)
{
    return offset <= limit && bytes <= limit - offset;
}

// Reads a struct at any alignment. Precondition: it lies inside `bytes`.
template <typename T>
T load_struct(std::span<const std::byte> bytes, uint64_t offset = 0)
{
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

} // namespace acc::program
