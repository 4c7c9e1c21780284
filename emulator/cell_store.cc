// SPDX-License-Identifier: MIT
#include "emulator/cell_store.h"

#include "emulator/digest.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <limits>
#include <new>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace acc::emu
{

namespace
{

constexpr char magic[8] = {'A', 'C', 'C', 'C', 'E', 'L', 'L', 'S'};
constexpr uint64_t most_state_bytes = 1ull << 32;
constexpr char prefix[] = "slot-";
constexpr char temporary[] = ".new";

// A file: this, then the state. Little-endian, as everything that a device shares.
struct FileHeader {
    char magic[8];
    uint32_t version;
    uint32_t engine; // enum drm_acc_engine
    uint8_t shell[16];
    uint32_t slot;
    uint32_t reserved; // 0
    uint64_t capacity; // of the unit
    uint64_t state_bytes;
    uint8_t cells[Digest::bytes];  // Unit::cells
    char unit[64];                 // its name
    uint8_t digest[Digest::bytes]; // of what stands before it, and of the state
};
static_assert(sizeof(FileHeader) == 184);

void digest_file(const FileHeader &header, std::span<const std::byte> state,
                 uint8_t (&digest)[Digest::bytes])
{
    Digest all;
    all.add(std::as_bytes(std::span(&header, 1)).first(offsetof(FileHeader, digest)));
    all.add(state);
    all.finish(digest);
}

std::string file_name(uint32_t slot)
{
    return prefix + std::to_string(slot);
}

// "slot-12" -> 12; false for anything else, "slot-012" too.
bool parse_name(std::string_view name, uint32_t &slot)
{
    if (!name.starts_with(prefix)) return false;
    const char *first = name.data() + std::strlen(prefix), *last = name.data() + name.size();
    const auto [end, error] = std::from_chars(first, last, slot);
    return error == std::errc() && end == last && file_name(slot) == name;
}

// How much there was, or -errno.
ssize_t read_fully(int fd, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        const ssize_t part = ::read(fd, static_cast<char *>(to) + done, bytes - done);
        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return -errno;
        if (!part) break;
        done += size_t(part);
    }
    return ssize_t(done);
}

int write_fully(int fd, std::span<const std::byte> data)
{
    while (!data.empty()) {
        const ssize_t part = ::write(fd, data.data(), data.size());
        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return -errno;
        data = data.subspan(size_t(part));
    }
    return 0;
}

} // namespace

CellStore::CellStore(std::string path, const EngineInfo &engine, LogFunction log)
    : path_(std::move(path)), engine_(engine), log_(std::move(log)), owner_(getpid())
{
}

Result<std::unique_ptr<CellStore>> CellStore::open(const std::string &path,
                                                   const EngineInfo &engine, LogFunction log,
                                                   std::string &why)
{
    std::unique_ptr<CellStore> store(new CellStore(path, engine, std::move(log)));
    const auto refuse = [&](const char *found) {
        const int error = errno;
        why = "option state: expected a directory of this device's own; found '" + path + "', " +
              found + std::strerror(error);
        return Error{-error};
    };
    if (mkdir(path.c_str(), 0700) && errno != EEXIST) return refuse("which cannot be made: ");
    store->directory_.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!store->directory_) return refuse("which cannot be opened: ");
    store->lock_.reset(
        openat(store->directory_.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!store->lock_) return refuse("whose lock cannot be opened: ");
    if (flock(store->lock_.get(), LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK) return refuse("which cannot be locked: ");
        errno = EBUSY;
        return refuse("which another device has: ");
    }
    return store;
}

CellStore::~CellStore()
{
    // A child of fork shares the lock: it ends with the store that took it, and with no copy.
    if (lock_ && getpid() == owner_) flock(lock_.get(), LOCK_UN);
}

int CellStore::failed(const std::string &what, int error) const
{
    if (log_) log_(4, path_ + "/" + what + ": " + std::strerror(-error));
    return error;
}

// -------------------------------------------------------------------- reading

int CellStore::read(uint32_t slot, Kept &kept, std::string &why)
{
    const UniqueFd file(openat(directory_.get(), file_name(slot).c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status;
    if (!file || fstat(file.get(), &status)) {
        why = std::strerror(errno);
        return -errno;
    }
    const auto refuse = [&](std::string text) {
        why = std::move(text);
        return -EINVAL;
    };
    const auto size = uint64_t(status.st_size);
    if (!S_ISREG(status.st_mode)) return refuse("expected a plain file; found something else");
    FileHeader header;
    if (size < sizeof header)
        return refuse("expected at least " + std::to_string(sizeof header) + " bytes; found " +
                      std::to_string(size));
    if (read_fully(file.get(), &header, sizeof header) != ssize_t(sizeof header))
        return refuse("it could not be read");
    if (std::memcmp(header.magic, magic, sizeof magic) != 0)
        return refuse("expected cells of a slot; found something else");
    if (header.version != version)
        return refuse("expected version " + std::to_string(version) + "; found " +
                      std::to_string(header.version));
    if (header.state_bytes > most_state_bytes || size != sizeof header + header.state_bytes)
        return refuse("expected " + std::to_string(header.state_bytes) + " bytes of state; found " +
                      std::to_string(size - sizeof header));
    try {
        kept.state.resize(header.state_bytes);
    } catch (const std::bad_alloc &) {
        why = "there is no memory for it";
        return -ENOMEM;
    }
    if (read_fully(file.get(), kept.state.data(), kept.state.size()) != ssize_t(kept.state.size()))
        return refuse("it could not be read");
    uint8_t digest[Digest::bytes];
    digest_file(header, kept.state, digest);
    if (std::memcmp(digest, header.digest, sizeof digest) != 0)
        return refuse("its digest is not that of its contents");
    // From here on it is what some store wrote.
    if (header.slot != slot)
        return refuse("expected the cells of slot " + std::to_string(slot) + "; found those of " +
                      std::to_string(header.slot));
    if (header.engine != engine_.engine ||
        std::memcmp(header.shell, engine_.shell, sizeof header.shell) != 0)
        return refuse("expected cells of this engine; found those of engine " +
                      std::to_string(header.engine) + " or of another shell");
    kept.slot = slot;
    kept.unit.assign(header.unit, strnlen(header.unit, sizeof header.unit));
    kept.capacity = header.capacity;
    std::memcpy(kept.cells, header.cells, sizeof kept.cells);
    return 0;
}

std::vector<CellStore::Kept> CellStore::read_all(uint32_t slots)
{
    std::vector<uint32_t> found;
    // A descriptor of its own: the position in a directory is shared by duplicates.
    UniqueFd fd(openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *folder = fd ? fdopendir(fd.get()) : nullptr;
    if (!folder) {
        failed("", -errno);
        return {};
    }
    (void)fd.release(); // closedir() closes it
    while (const dirent *entry = readdir(folder)) {
        std::string_view name = entry->d_name;
        uint32_t slot;
        if (parse_name(name, slot)) {
            found.push_back(slot);
        } else if (name.ends_with(temporary)) {
            name.remove_suffix(std::strlen(temporary));
            // Its writer died before it was whole: what it was to replace is there still.
            if (parse_name(name, slot)) unlinkat(directory_.get(), entry->d_name, 0);
        }
    }
    closedir(folder);

    std::vector<Kept> all;
    for (const uint32_t slot : found) {
        Kept kept;
        std::string why;
        int error = 0;
        if (slot >= slots) {
            error = -EINVAL;
            why = "expected a slot below " + std::to_string(slots) + "; found " +
                  std::to_string(slot);
        } else {
            error = read(slot, kept, why);
        }
        if (!error)
            all.push_back(std::move(kept));
        else if (error == -EINVAL || error == -ELOOP)
            set_aside(slot, why);
        else
            failed(file_name(slot), error); // nothing need be wrong with it
    }
    return all;
}

void CellStore::set_aside(uint32_t slot, const std::string &reason)
{
    const std::string name = file_name(slot);
    std::string aside = name + ".damaged";
    // Nobody else is here: the directory is locked.
    for (int i = 2; !faccessat(directory_.get(), aside.c_str(), F_OK, AT_SYMLINK_NOFOLLOW); i++)
        aside = name + ".damaged." + std::to_string(i);
    if (renameat(directory_.get(), name.c_str(), directory_.get(), aside.c_str())) {
        failed(name, -errno);
        return;
    }
    (void)fsync(directory_.get());
    if (log_)
        log_(4, path_ + "/" + name + ": " + reason + "; it is not loaded and now called " + aside);
}

// -------------------------------------------------------------------- writing

int CellStore::write_file(const std::string &name, std::span<const std::byte> header,
                          std::span<const std::byte> state)
{
    const UniqueFd file(openat(directory_.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return -errno;
    if (const int error = write_fully(file.get(), header)) return error;
    if (const int error = write_fully(file.get(), state)) return error;
    return fsync(file.get()) ? -errno : 0;
}

int CellStore::save(uint32_t slot, const Unit &unit, std::span<const std::byte> state)
{
    FileHeader header = {};
    std::memcpy(header.magic, magic, sizeof magic);
    header.version = version;
    header.engine = engine_.engine;
    std::memcpy(header.shell, engine_.shell, sizeof header.shell);
    header.slot = slot;
    header.capacity = unit.capacity;
    header.state_bytes = state.size();
    std::memcpy(header.cells, unit.cells, sizeof header.cells);
    std::memcpy(header.unit, unit.name.data(), std::min(unit.name.size(), sizeof header.unit - 1));
    digest_file(header, state, header.digest);

    const std::string name = file_name(slot), fresh = name + temporary;
    int error = write_file(fresh, std::as_bytes(std::span(&header, 1)), state);
    if (!error && renameat(directory_.get(), fresh.c_str(), directory_.get(), name.c_str()))
        error = -errno;
    if (error) {
        unlinkat(directory_.get(), fresh.c_str(), 0);
        return failed(fresh, error);
    }
    return fsync(directory_.get()) ? failed(name, -errno) : 0;
}

int CellStore::erase(uint32_t slot)
{
    const std::string name = file_name(slot);
    if (unlinkat(directory_.get(), name.c_str(), 0))
        return errno == ENOENT ? 0 : failed(name, -errno);
    return fsync(directory_.get()) ? failed(name, -errno) : 0;
}

} // namespace acc::emu
