// SPDX-License-Identifier: MIT
#include "common/npz.h"

#include "common/unique_fd.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <zip.h>

namespace acc
{
namespace
{

constexpr uint64_t max_bytes = uint64_t{4} << 30; // as of an .npy file
constexpr size_t chunk = size_t{1} << 16;

struct Discard {
    void operator()(zip_t *archive) const { zip_discard(archive); }
};
struct Close {
    void operator()(zip_file_t *file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

Error refuse(int code, std::string &why, std::string text)
{
    why = std::move(text);
    return Error{code};
}

Result<Archive> open_archive(const std::string &path, std::string &why)
{
    // Opened here: a FIFO would hold libzip up for ever.
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status = {};
    if (fd.get() < 0 || fstat(fd.get(), &status) < 0) {
        const int code = -errno;
        return refuse(code, why, strerror(-code));
    }
    if (!S_ISREG(status.st_mode)) return refuse(-EINVAL, why, "expected a regular file");
    int code = 0;
    Archive archive(zip_fdopen(fd.get(), 0, &code));
    if (archive) {
        (void)fd.release(); // closed with the archive
        return archive;
    }
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    return refuse(-EINVAL, why, "expected an .npz archive; found: " + text);
}

// "x" of "x.npy"; empty of anything else.
std::string array_name(zip_t *archive, uint64_t index)
{
    const char *name = zip_get_name(archive, index, 0);
    std::string text = name ? name : "";
    if (!text.ends_with(".npy")) return {};
    text.resize(text.size() - 4);
    return text;
}

std::string names_in(zip_t *archive)
{
    std::string names;
    const auto count = static_cast<uint64_t>(zip_get_num_entries(archive, 0));
    for (uint64_t i = 0; i < std::min(count, uint64_t{8}); ++i) {
        const char *name = zip_get_name(archive, i, 0);
        names += (names.empty() ? "" : ", ") + std::string(name ? name : "?");
    }
    return names.empty() ? "none" : names + (count > 8 ? ", …" : "");
}

// `total` counts the bytes that came out of the archive so far.
Result<Npy> read_entry(zip_t *archive, uint64_t index, const std::string &name, uint64_t &total,
                       std::string &why)
{
    const std::string entry = "array '" + name + "': ";
    const auto too_big = [&](uint64_t bytes) {
        return refuse(-EFBIG, why,
                      entry + "expected at most 4 GiB in an archive; found " +
                          std::to_string(bytes) + " bytes");
    };
    zip_stat_t stat = {};
    if (zip_stat_index(archive, index, 0, &stat) == 0 && (stat.valid & ZIP_STAT_SIZE) &&
        stat.size > max_bytes - total)
        return too_big(stat.size);
    const std::unique_ptr<zip_file_t, Close> file(zip_fopen_index(archive, index, 0));
    if (!file) return refuse(-EINVAL, why, entry + zip_strerror(archive));
    // The size in the directory is a claim: memory grows with what really comes.
    std::string bytes;
    for (;;) {
        const size_t at = bytes.size();
        bytes.resize(at + chunk);
        const zip_int64_t n = zip_fread(file.get(), bytes.data() + at, chunk);
        if (n < 0) // a checksum that is wrong shows up here too
            return refuse(-EINVAL, why, entry + zip_file_strerror(file.get()));
        bytes.resize(at + static_cast<size_t>(n));
        total += static_cast<uint64_t>(n);
        if (total > max_bytes) return too_big(total);
        if (n == 0) break;
    }
    auto array = parse_npy(bytes, why);
    if (!array) why = entry + why;
    return array;
}

} // namespace

Result<std::map<std::string, Npy>> read_npz(const std::string &path, std::string &why)
{
    ACC_TRY(const Archive archive, open_archive(path, why));
    std::map<std::string, Npy> arrays;
    uint64_t total = 0;
    const auto count = static_cast<uint64_t>(zip_get_num_entries(archive.get(), 0));
    for (uint64_t i = 0; i < count; ++i) {
        const std::string name = array_name(archive.get(), i);
        if (name.empty())
            return refuse(-EINVAL, why,
                          "expected arrays, NAME.npy; found " + names_in(archive.get()));
        ACC_TRY(Npy array, read_entry(archive.get(), i, name, total, why));
        arrays.insert_or_assign(name, std::move(array));
    }
    return arrays;
}

Result<Npy> read_npz(const std::string &path, const std::string &name, std::string &why)
{
    ACC_TRY(const Archive archive, open_archive(path, why));
    const zip_int64_t index = zip_name_locate(archive.get(), (name + ".npy").c_str(), 0);
    if (index < 0)
        return refuse(-ENOENT, why,
                      "expected an array '" + name + "'; found " + names_in(archive.get()));
    uint64_t total = 0;
    return read_entry(archive.get(), static_cast<uint64_t>(index), name, total, why);
}

} // namespace acc
