// SPDX-License-Identifier: MIT
#include "npz.h"

#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace acc::ctl
{
namespace
{

constexpr zip_uint64_t most_bytes = zip_uint64_t{4} << 30; // as read_npy()'s

std::string text_of(int code)
{
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    return text;
}

std::string names_in(zip_t *archive)
{
    std::string names;
    const zip_int64_t count = zip_get_num_entries(archive, 0);
    for (zip_int64_t k = 0; k < count && k < 8; k++) {
        const char *name = zip_get_name(archive, static_cast<zip_uint64_t>(k), 0);
        names += (names.empty() ? "" : ", ") + std::string(name ? name : "?");
    }
    return names.empty() ? "none" : names + (count > 8 ? ", …" : "");
}

} // namespace

bool extract_npz(const std::string &path, const std::string &name, const std::string &to,
                 std::string &why)
{
    int code = 0;
    const auto discard = [](zip_t *archive) { zip_discard(archive); };
    const std::unique_ptr<zip_t, decltype(discard)> archive(
        zip_open(path.c_str(), ZIP_RDONLY, &code), discard);
    if (!archive) {
        why = "expected an archive of arrays: " + text_of(code);
        return false;
    }
    const std::string member = name + ".npy";
    zip_stat_t stat;
    if (zip_stat(archive.get(), member.c_str(), 0, &stat) < 0 || !(stat.valid & ZIP_STAT_SIZE)) {
        why = "expected an array '" + name + "'; found " + names_in(archive.get());
        return false;
    }
    if (stat.size > most_bytes) {
        why = "expected arrays of at most 4 GiB; found one of " + std::to_string(stat.size) +
              " bytes";
        return false;
    }
    const auto close_member = [](zip_file_t *file) { zip_fclose(file); };
    const std::unique_ptr<zip_file_t, decltype(close_member)> from(
        zip_fopen_index(archive.get(), stat.index, 0), close_member);
    const auto close = [](FILE *file) { fclose(file); };
    const std::unique_ptr<FILE, decltype(close)> out(fopen(to.c_str(), "we"), close);
    if (!from || !out) {
        why = from ? to + ": " + std::strerror(errno)
                   : "array '" + name + "': " + zip_strerror(archive.get());
        return false;
    }
    std::vector<char> part(1 << 16);
    zip_uint64_t left = stat.size;
    while (left) {
        const zip_int64_t n = zip_fread(from.get(), part.data(), part.size());
        if (n <= 0) {
            why = "array '" + name + "': expected " + std::to_string(left) + " more bytes; found " +
                  (n < 0 ? zip_file_strerror(from.get()) : "the end");
            return false;
        }
        if (fwrite(part.data(), 1, static_cast<size_t>(n), out.get()) != static_cast<size_t>(n)) {
            why = to + ": " + std::strerror(errno);
            return false;
        }
        left -= std::min(left, static_cast<zip_uint64_t>(n));
    }
    if (fflush(out.get()) == 0) return true;
    why = to + ": " + std::strerror(errno);
    return false;
}

} // namespace acc::ctl
