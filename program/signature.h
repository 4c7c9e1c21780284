// SPDX-License-Identifier: MIT
//
// Signatures of program files and the keys that are trusted: Ed25519, as struct acc_signature
// says.
//
// Thread safety: any thread.
#pragma once

#include "acc/program.h"
#include "common/result.h"
#include "program/program_file.h"

#include <array>
#include <span>
#include <string>
#include <vector>

namespace acc::program
{

using PublicKey = std::array<uint8_t, 32>;
// Ed25519's seed and public key, 64 bytes. Wiped when it goes.
struct SecretKey {
    SecretKey() = default;
    ~SecretKey();
    SecretKey(const SecretKey &) = delete;
    SecretKey &operator=(const SecretKey &) = delete;
    SecretKey(SecretKey &&) = default;
    uint8_t bytes[64] = {};
    PublicKey public_key() const;
};

// Makes a new one.
Result<SecretKey> generate_key();

// Key files are one line: "acc-public-key " or "acc-secret-key " and hexadecimal digits. A secret
// one must be readable by its owner alone. -EINVAL, -EACCES or what open() says, with `why`.
Result<SecretKey> read_secret_key(const std::string &path, std::string *why);
Result<PublicKey> read_public_key(const std::string &path, std::string *why);
// Refuse to replace a file (-EEXIST).
int write_secret_key(const std::string &path, const SecretKey &key, std::string *why);
int write_public_key(const std::string &path, const PublicKey &key, std::string *why);

std::string key_text(const PublicKey &key); // hexadecimal

enum class Signed { No, Bad, Good };
// Whether the file has a signature and whether it is right; `key` is whose.
Signed check_signature(const ProgramFile &file, PublicKey &key);

// The file, signed; an older signature gives way.
Result<std::vector<std::byte>> sign(std::span<const std::byte> file, const SecretKey &key,
                                    std::string *why);

// Keys in *.pub files of a folder that only its owner may write to, as the files; a key that
// anybody may change is left out. A folder that isn't there has none.
std::vector<PublicKey> keys_in(const std::string &folder);

// Of the user who calls: ~/.config/acc/, by the password file. Empty: no home.
std::string user_folder();
inline constexpr char kSystemKeys[] = "/etc/acc/keys";
// ~/.config/acc/developer.key, made at the first call with its public half beside it.
Result<SecretKey> developer_key(std::string *why);

// What a device trusts: the operator's keys, and this user's own and developer key. With
// `folder`: what is in there and nothing else.
std::vector<PublicKey> trusted_keys(const std::string &folder);

} // namespace acc::program
