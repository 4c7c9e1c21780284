// SPDX-License-Identifier: MIT
//
// A digest that nobody can find a second origin of: BLAKE2b-256, as libsodium has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sodium/crypto_generichash.h>
#include <span>

namespace acc::emu
{

class Digest
{
public:
    static constexpr size_t bytes = 32;

    Digest() { crypto_generichash_init(&state_, nullptr, 0, bytes); }
    void add(std::span<const std::byte> part)
    {
        crypto_generichash_update(&state_, reinterpret_cast<const unsigned char *>(part.data()),
                                  part.size());
    }
    // Once.
    void finish(uint8_t (&digest)[bytes]) { crypto_generichash_final(&state_, digest, bytes); }

private:
    crypto_generichash_state state_;
};

inline void digest_of(std::span<const std::byte> content, uint8_t (&digest)[Digest::bytes])
{
    Digest one;
    one.add(content);
    one.finish(digest);
}

} // namespace acc::emu
