// SPDX-License-Identifier: MIT
#include "program/text.h"

namespace acc::program
{

std::string printable(const char (&field)[ACC_NAME_BYTES])
{
    std::string text;
    for (const char c : std::string_view(field, strnlen(field, sizeof(field))))
        text += c >= 0x20 && c < 0x7f ? c : '?';
    return text;
}

std::string target_name(uint32_t target)
{
    switch (target) {
    case ACC_TARGET_NULL:
        return "null";
    case ACC_TARGET_CROSSBAR:
        return "crossbar";
    case ACC_TARGET_FPGA:
        return "fpga";
    case ACC_TARGET_HOST:
        return "host";
    default:
        return "target " + std::to_string(target);
    }
}

void content_hash(std::span<const std::byte> bytes, uint8_t (&hash)[16])
{
    using u128 = unsigned __int128;
    const u128 prime = (u128{1} << 88) + 0x13b;
    u128 state = (u128{0x6c62272e07bb0142u} << 64) | 0x62b821756295c58du;
    for (const std::byte b : bytes)
        state = (state ^ static_cast<uint8_t>(b)) * prime;
    for (int i = 15; i >= 0; i--, state >>= 8)
        hash[i] = static_cast<uint8_t>(state);
}

} // namespace acc::program
