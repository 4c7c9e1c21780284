// SPDX-License-Identifier: MIT
#include "program/signature.h"

#include "common/unique_fd.h"
#include "program/program_writer.h"
#include "program/text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <pwd.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

namespace acc::program
{
namespace
{

constexpr std::string_view kSecretWord = "acc-secret-key ", kPublicWord = "acc-public-key ";
constexpr char kHex[] = "0123456789abcdef";

// The signed message: the context, its NUL, and a digest of the sections.
std::vector<uint8_t> message_of(const ProgramFile &file)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, 32);
    const auto add = [&](const void *bytes, size_t size) {
        crypto_generichash_update(&state, static_cast<const unsigned char *>(bytes), size);
    };
    for (const auto &[name, bytes] : file.sections()) {
        if (name == ACC_SECTION_SIGNATURE || name == ".shstrtab" || name.empty()) continue;
        const uint64_t size = bytes.size();
        add(name.c_str(), name.size() + 1);
        add(&size, sizeof size);
        add(bytes.data(), bytes.size());
    }
    std::vector<uint8_t> message(sizeof(ACC_SIGNATURE_CONTEXT) + 32);
    std::memcpy(message.data(), ACC_SIGNATURE_CONTEXT, sizeof(ACC_SIGNATURE_CONTEXT));
    crypto_generichash_final(&state, message.data() + sizeof(ACC_SIGNATURE_CONTEXT), 32);
    return message;
}

std::string hex_text(std::span<const uint8_t> bytes)
{
    std::string text;
    for (const uint8_t byte : bytes) {
        text += kHex[byte >> 4];
        text += kHex[byte & 15];
    }
    return text;
}

bool from_hex(std::string_view text, std::span<uint8_t> bytes)
{
    if (text.size() != bytes.size() * 2) return false;
    for (size_t i = 0; i < bytes.size(); i++) {
        const char *high = std::strchr(kHex, text[2 * i]),
                   *low = std::strchr(kHex, text[2 * i + 1]);
        if (!high || !low || !*high || !*low) return false;
        bytes[i] = static_cast<uint8_t>((high - kHex) << 4 | (low - kHex));
    }
    return true;
}

// The digits behind `word` in a file of one line. `others`: mode bits that it must not have.
int read_key(const std::string &path, std::string_view word, mode_t others,
             std::span<uint8_t> bytes, std::string *why)
{
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status;
    if (!fd || fstat(fd.get(), &status)) {
        const int error = errno;
        (void)refuse(why, -error, path + ": " + std::strerror(error));
        return -error;
    }
    if (!S_ISREG(status.st_mode) || (status.st_mode & others)) {
        (void)refuse(why, -EACCES,
                     path + ": expected a file that " +
                         (others & S_IROTH ? "its owner alone may read" : "others can't change") +
                         "; found mode " + std::to_string((status.st_mode >> 6) & 7) +
                         std::to_string((status.st_mode >> 3) & 7) +
                         std::to_string(status.st_mode & 7));
        return -EACCES;
    }
    char text[256] = {};
    const ssize_t got = read(fd.get(), text, sizeof text - 1);
    std::string_view line(text, got > 0 ? static_cast<size_t>(got) : 0);
    while (!line.empty() && line.back() == '\n')
        line.remove_suffix(1);
    const bool good = line.substr(0, word.size()) == word &&
                      from_hex(line.substr(std::min(word.size(), line.size())), bytes);
    sodium_memzero(text, sizeof text);
    if (good) return 0;
    (void)refuse(why, -EINVAL,
                 path + ": expected \"" + std::string(word) + "\" and " +
                     std::to_string(bytes.size() * 2) + " hexadecimal digits; found another");
    return -EINVAL;
}

int write_key(const std::string &path, std::string_view word, mode_t mode,
              std::span<const uint8_t> bytes, std::string *why)
{
    const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    std::string line = std::string(word) + hex_text(bytes) + "\n";
    const bool good =
        fd && write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
    const int error = good ? 0 : errno;
    sodium_memzero(line.data(), line.size());
    if (!good) (void)refuse(why, -error, path + ": " + std::strerror(error));
    return -error;
}

bool ready()
{
    return sodium_init() >= 0;
}

} // namespace

SecretKey::~SecretKey()
{
    sodium_memzero(bytes, sizeof bytes);
}

PublicKey SecretKey::public_key() const
{
    PublicKey key;
    std::copy(bytes + 32, bytes + 64, key.begin());
    return key;
}

Result<SecretKey> generate_key()
{
    SecretKey key;
    PublicKey unused;
    if (!ready() || crypto_sign_keypair(unused.data(), key.bytes)) return Error{-EIO};
    return key;
}

Result<SecretKey> read_secret_key(const std::string &path, std::string *why)
{
    SecretKey key;
    if (const int error = read_key(path, kSecretWord, S_IRWXG | S_IRWXO, key.bytes, why))
        return Error{error};
    return key;
}

Result<PublicKey> read_public_key(const std::string &path, std::string *why)
{
    PublicKey key;
    if (const int error = read_key(path, kPublicWord, S_IWGRP | S_IWOTH, key, why))
        return Error{error};
    return key;
}

int write_secret_key(const std::string &path, const SecretKey &key, std::string *why)
{
    return write_key(path, kSecretWord, 0600, key.bytes, why);
}

int write_public_key(const std::string &path, const PublicKey &key, std::string *why)
{
    return write_key(path, kPublicWord, 0644, key, why);
}

std::string key_text(const PublicKey &key)
{
    return hex_text(key);
}

Signed check_signature(const ProgramFile &file, PublicKey &key)
{
    const auto section = file.section(ACC_SECTION_SIGNATURE);
    if (!file.sections().contains(ACC_SECTION_SIGNATURE)) return Signed::No;
    if (section.size() != sizeof(acc_signature) || !ready()) return Signed::Bad;
    const auto signature = load_struct<acc_signature>(section);
    std::copy(std::begin(signature.key), std::end(signature.key), key.begin());
    if (signature.version != 1 || signature.reserved) return Signed::Bad;
    const std::vector<uint8_t> message = message_of(file);
    return crypto_sign_verify_detached(signature.signature, message.data(), message.size(),
                                       signature.key)
               ? Signed::Bad
               : Signed::Good;
}

Result<std::vector<std::byte>> sign(std::span<const std::byte> file, const SecretKey &key,
                                    std::string *why)
{
    if (!ready()) return refuse(why, -EIO, "libsodium did not start");
    ACC_TRY(const ProgramFile parsed, ProgramFile::parse(file, why));
    const std::vector<uint8_t> message = message_of(parsed);
    acc_signature signature = {};
    signature.version = 1;
    const PublicKey whose = key.public_key();
    std::copy(whose.begin(), whose.end(), signature.key);
    if (crypto_sign_detached(signature.signature, nullptr, message.data(), message.size(),
                             key.bytes))
        return refuse(why, -EIO, "signing failed");
    return with_section(file, ACC_SECTION_SIGNATURE, std::as_bytes(std::span(&signature, 1)), why);
}

std::vector<PublicKey> keys_in(const std::string &folder)
{
    std::vector<PublicKey> keys;
    struct stat status;
    if (stat(folder.c_str(), &status) || !S_ISDIR(status.st_mode) ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) ||
        (status.st_uid != 0 && status.st_uid != geteuid()))
        return keys;
    const std::unique_ptr<DIR, int (*)(DIR *)> all(opendir(folder.c_str()), closedir);
    while (const dirent *entry = all ? readdir(all.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (!name.ends_with(".pub")) continue;
        const std::string path = folder + "/" + entry->d_name;
        if (stat(path.c_str(), &status) || (status.st_uid != 0 && status.st_uid != geteuid()))
            continue;
        if (const auto key = read_public_key(path, nullptr)) keys.push_back(*key);
    }
    return keys;
}

std::string user_folder()
{
    passwd entry = {}, *found = nullptr;
    char buffer[4096];
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) || !found || !*found->pw_dir)
        return {};
    return std::string(found->pw_dir) + "/.config/acc";
}

Result<SecretKey> developer_key(std::string *why)
{
    const std::string folder = user_folder();
    if (folder.empty())
        return refuse(why, -ENOENT, "expected a home for the developer's key; found none");
    const std::string path = folder + "/developer.key";
    if (access(path.c_str(), F_OK) == 0) return read_secret_key(path, why);
    for (size_t at = folder.find('/', 1);; at = folder.find('/', at + 1)) {
        const std::string part = folder.substr(0, at);
        if (mkdir(part.c_str(), 0700) && errno != EEXIST)
            return refuse(why, -errno, part + ": " + std::strerror(errno));
        if (at == std::string::npos) break;
    }
    ACC_TRY(SecretKey key, generate_key());
    const int error = write_secret_key(path, key, why);
    if (error == -EEXIST) return read_secret_key(path, why); // another was faster
    if (error) return Error{error};
    (void)write_public_key(folder + "/developer.pub", key.public_key(), why);
    return key;
}

std::vector<PublicKey> trusted_keys(const std::string &folder)
{
    if (!folder.empty()) return keys_in(folder);
    std::vector<PublicKey> keys = keys_in(kSystemKeys);
    const std::string own = user_folder();
    if (own.empty()) return keys;
    for (const std::string &place : {own, own + "/keys"}) { // the developer's lies in the first
        const auto more = keys_in(place);
        keys.insert(keys.end(), more.begin(), more.end());
    }
    return keys;
}

} // namespace acc::program
