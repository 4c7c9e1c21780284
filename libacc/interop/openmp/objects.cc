// SPDX-License-Identifier: MIT
#include "objects.h"

#include "elf_detail.h"
#include "thread_local_use.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace acc::openmp
{
namespace
{

using elf::each_symbol;

constexpr size_t kMostFileBytes = size_t{1} << 30;

// What the dynamic linker knows of the object that holds an address.
struct Mapped {
    const void *address = nullptr;
    bool found = false;
    std::string path;
    uint64_t entry = 0;
    const std::byte *code = nullptr; // the segment around it: compared with the file's
    uint64_t offset = 0;             // of that segment in the file
    size_t bytes = 0;
};

int look(dl_phdr_info *info, size_t, void *user)
{
    auto &mapped = *static_cast<Mapped *>(user);
    const auto address = reinterpret_cast<uint64_t>(mapped.address);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto &segment = info->dlpi_phdr[i];
        const uint64_t start = info->dlpi_addr + segment.p_vaddr;
        if (segment.p_type != PT_LOAD || address < start || address - start >= segment.p_filesz)
            continue;
        mapped.found = true;
        mapped.path = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : Objects::kSelf;
        mapped.entry = address - info->dlpi_addr;
        mapped.code = reinterpret_cast<const std::byte *>(address);
        mapped.offset = segment.p_offset + (address - start);
        mapped.bytes = std::min<uint64_t>(64, segment.p_filesz - (address - start));
        return 1;
    }
    return 0;
}

bool read_all(int fd, std::byte *to, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t part = pread(fd, to + done, bytes - done, static_cast<off_t>(done));
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return false;
        done += static_cast<size_t>(part);
    }
    return true;
}

// The function at an address; empty: none.
std::string symbol_at(std::span<const std::byte> file, uint64_t address)
{
    std::string found;
    each_symbol(file, [&](const Elf64_Sym &symbol, std::string_view name) {
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || address < symbol.st_value ||
            address >= symbol.st_value + std::max<uint64_t>(symbol.st_size, 1))
            return false;
        found = name.substr(0, 256);
        return true;
    });
    return found;
}

// Its own, of a type.
std::optional<Elf64_Sym> symbol_named(std::span<const std::byte> file, std::string_view wanted,
                                      unsigned type)
{
    std::optional<Elf64_Sym> found;
    each_symbol(file, [&](const Elf64_Sym &symbol, std::string_view name) {
        if (name != wanted || symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) != type)
            return false;
        found = symbol;
        return true;
    });
    return found;
}

} // namespace

Objects::~Objects()
{
    const auto end = [](Object &object) {
        if (object.buffer) (void)acc_buffer_destroy(object.buffer);
        if (object.place) (void)acc_buffer_destroy(object.place);
    };
    for (const auto &[path, object] : objects_)
        end(*object);
    for (const auto &image : images_)
        end(*image);
}

// Its variables then have one address on both sides, and outlive the region's process.
std::string Objects::lay_out(Object &object)
{
    std::string why;
    const auto *file = static_cast<const std::byte *>(acc_buffer_data(object.buffer));
    const size_t extent = ElfObject::extent(file, object.bytes, why);
    if (!extent) return why;
    // A word behind it is the role's.
    if (acc_buffer_create(device_, extent + 8, nullptr, &object.place) < 0) return acc_error_text();
    object.placed = ElfObject::place(file, object.bytes,
                                     static_cast<std::byte *>(acc_buffer_data(object.place)), why);
    if (object.placed) return {};
    (void)acc_buffer_destroy(object.place);
    object.place = nullptr;
    return why;
}

// Under the lock.
const Objects::Object *Objects::add_file(const std::string &path, std::string &why)
{
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status = {};
    if (fd < 0 || fstat(fd, &status)) {
        why = path + ": " + std::strerror(errno);
        if (fd >= 0) close(fd);
        return nullptr;
    }
    auto object = std::make_unique<Object>();
    object->path = path;
    object->bytes = static_cast<size_t>(status.st_size);
    acc_buffer_options options = ACC_INIT(acc_buffer_options);
    options.flags = ACC_BUFFER_READ_ONLY;
    if (!object->bytes || object->bytes > kMostFileBytes)
        why = path + ": expected a file of 1 to 2^30 bytes; found " + std::to_string(object->bytes);
    else if (acc_buffer_create(device_, object->bytes, &options, &object->buffer) < 0)
        why = path + ": " + acc_error_text();
    else if (!read_all(fd, static_cast<std::byte *>(acc_buffer_data(object->buffer)),
                       object->bytes))
        why = path + ": expected " + std::to_string(object->bytes) + " bytes; it ended before";
    close(fd);
    if (!why.empty()) {
        if (object->buffer) (void)acc_buffer_destroy(object->buffer);
        return nullptr;
    }
    // A program at fixed addresses can't be, and what is no good is refused by its first region.
    (void)lay_out(*object);
    object->id = ++last_id_;
    return (objects_[path] = std::move(object)).get();
}

const Objects::Object *Objects::of_file(const std::string &path, std::string &why)
{
    why.clear();
    std::unique_lock lock(mutex_);
    const auto known = objects_.find(path);
    return known != objects_.end() ? known->second.get() : add_file(path, why);
}

const Objects::Function *Objects::find(const void *address, std::string &why)
{
    why.clear();
    {
        std::shared_lock lock(mutex_);
        if (const auto found = functions_.find(address); found != functions_.end())
            return &found->second;
    }
    Mapped mapped;
    mapped.address = address;
    dl_iterate_phdr(look, &mapped);
    if (!mapped.found) {
        why = "expected a target region in a program or a library; found none at its address";
        return nullptr;
    }
    std::unique_lock lock(mutex_);
    const auto known = objects_.find(mapped.path);
    const Object *object =
        known != objects_.end() ? known->second.get() : add_file(mapped.path, why);
    if (!object) return nullptr;
    // The file may have been replaced since it was mapped: code is as it was.
    const auto *file = static_cast<const std::byte *>(acc_buffer_data(object->buffer));
    if (mapped.offset > object->bytes || mapped.bytes > object->bytes - mapped.offset ||
        std::memcmp(file + mapped.offset, mapped.code, mapped.bytes) != 0) {
        why = mapped.path + ": expected the file that this process runs; found another";
        return nullptr;
    }
    if (const std::string user = uses_thread_local({file, object->bytes}, mapped.entry);
        !user.empty()) {
        why = "target region " + name_of({object, mapped.entry}) +
              ": expected no use of the program's thread-local variables; found one in " + user;
        return nullptr;
    }
    return &functions_.insert_or_assign(address, Function{object, mapped.entry}).first->second;
}

const Objects::Object *Objects::add_image(const std::string &name, const void *file, size_t bytes,
                                          std::string &why)
{
    auto image = std::make_unique<Object>();
    image->path = name;
    image->bytes = bytes;
    acc_buffer_options options = ACC_INIT(acc_buffer_options);
    options.flags = ACC_BUFFER_READ_ONLY;
    why.clear();
    if (acc_buffer_create(device_, std::max<size_t>(bytes, 1), &options, &image->buffer) < 0) {
        why = acc_error_text();
    } else {
        std::memcpy(acc_buffer_data(image->buffer), file, bytes);
        why = lay_out(*image);
    }
    if (!why.empty()) {
        why = name + ": " + why;
        if (image->buffer) (void)acc_buffer_destroy(image->buffer);
        return nullptr;
    }
    std::unique_lock lock(mutex_);
    image->id = ++last_id_;
    return images_.emplace_back(std::move(image)).get();
}

const Objects::Function *Objects::find_function(const Object &image, const char *name)
{
    const auto *bytes = static_cast<const std::byte *>(acc_buffer_data(image.buffer));
    const auto symbol = symbol_named({bytes, image.bytes}, name, STT_FUNC);
    if (!symbol || !image.placed->code(symbol->st_value)) return nullptr;
    std::unique_lock lock(mutex_);
    return image_functions_
        .emplace_back(std::make_unique<Function>(Function{&image, symbol->st_value}))
        .get();
}

void *Objects::find_variable(const Object &image, const char *name, size_t bytes) const
{
    const auto *file = static_cast<const std::byte *>(acc_buffer_data(image.buffer));
    const auto symbol = symbol_named({file, image.bytes}, name, STT_OBJECT);
    return symbol && symbol->st_size == bytes ? image.placed->data(symbol->st_value, bytes)
                                              : nullptr;
}

void *Objects::find_placed(const Object &object, uint64_t address, size_t bytes)
{
    return object.placed ? object.placed->data(address, bytes) : nullptr;
}

std::string Objects::name_of(const Function &function)
{
    const Object &object = *function.object;
    std::string path = object.path;
    if (path == kSelf) {
        char link[4096];
        const ssize_t length = readlink(kSelf, link, sizeof link);
        if (length > 0) path.assign(link, static_cast<size_t>(length));
    }
    const auto *bytes = static_cast<const std::byte *>(acc_buffer_data(object.buffer));
    std::string name = symbol_at({bytes, object.bytes}, function.entry);
    if (name.empty()) {
        char text[32];
        std::snprintf(text, sizeof text, "0x%lx", static_cast<unsigned long>(function.entry));
        name = text;
    }
    return name + " of " + path.substr(path.rfind('/') + 1);
}

} // namespace acc::openmp
