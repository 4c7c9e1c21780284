// SPDX-License-Identifier: MIT
//
// A kernel driver's node, /dev/accel/accelN.
#include "libacc/transport.h"

#include "acc/regs.h"
#include "common/unique_fd.h"
#include "libacc/group_hint.h"

#include <drm/acc_drm.h>

#include <xf86drm.h>

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace acc
{
namespace
{

constexpr const char *node_folder = "/dev/accel";
constexpr std::string_view node_prefix = "accel";

class NodeTransport final : public Transport
{
public:
    explicit NodeTransport(UniqueFd fd) : fd_(std::move(fd)) {}

    int ioctl(unsigned long request, void *arg) override
    {
        return drmIoctl(fd_.get(), request, arg) ? -errno : 0;
    }

    Result<void *> map(uint64_t offset, size_t size, int prot, void *address) override
    {
        void *at = mmap(address, size, prot, MAP_SHARED | (address ? MAP_FIXED : 0), fd_.get(),
                        off_t(offset));
        if (at == MAP_FAILED) return Error{-errno};
        return at;
    }

    // What no hardware does, the driver passes to emulated cards for who may write its debugfs.
    int age(uint64_t ns) override
    {
        struct stat node = {};
        if (fstat(fd_.get(), &node)) return -errno;
        // Of the card that the node is of: debugfs names it by its place on the bus.
        const std::string link = "/sys/dev/char/" + std::to_string(major(node.st_rdev)) + ":" +
                                 std::to_string(minor(node.st_rdev)) + "/device";
        char target[512];
        const ssize_t length = readlink(link.c_str(), target, sizeof target);
        if (length <= 0 || size_t(length) >= sizeof target) return -EOPNOTSUPP;
        const std::string_view card(target, size_t(length));
        const std::string path =
            "/sys/kernel/debug/accel/" + std::string(card.substr(card.rfind('/') + 1)) + "/inject";
        const UniqueFd inject(open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (!inject) return errno == EPERM ? -EACCES : errno == ENOENT ? -EOPNOTSUPP : -errno;
        const std::string text = std::to_string(ACC_INJECT_AGE) + " 0 " + std::to_string(ns);
        return write(inject.get(), text.data(), text.size()) < 0 ? -errno : 0;
    }

private:
    UniqueFd fd_;
};

// The number in "accel12", or none.
bool node_number(std::string_view name, unsigned long &number)
{
    if (!name.starts_with(node_prefix)) return false;
    name.remove_prefix(node_prefix.size());
    if (name.empty() || name.size() > 9 || name.find_first_not_of("0123456789") != name.npos)
        return false;
    number = std::stoul(std::string(name));
    return true;
}

// Which driver a node belongs to, by sysfs: nothing is opened that is not ours.
bool is_ours(const std::string &name)
{
    const std::string link = "/sys/class/accel/" + name + "/device/driver";
    char target[512];
    const ssize_t length = readlink(link.c_str(), target, sizeof target);
    if (length <= 0 || size_t(length) >= sizeof target) return false;
    const std::string_view path(target, size_t(length));
    return path.substr(path.rfind('/') + 1) == DRM_ACC_DRIVER_NAME;
}

} // namespace

Result<std::unique_ptr<Transport>> open_node(std::string_view path, std::string &why)
{
    const std::string name(path);
    UniqueFd fd(open(name.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd) {
        const int error = errno;
        why = "cannot open " + name + ": " + strerrordesc_np(error);
        if (error == EACCES) why += group_hint(name);
        return Error{error == ENOENT || error == ENXIO ? -ENODEV : -error};
    }
    drmVersionPtr version = drmGetVersion(fd.get());
    const std::string driver = version ? std::string(version->name, version->name_len) : "none";
    drmFreeVersion(version);
    if (driver != DRM_ACC_DRIVER_NAME) {
        why = "expected the driver '" DRM_ACC_DRIVER_NAME "' behind " + name + "; found '" +
              driver + "'";
        return Error{-ENODEV};
    }
    return std::unique_ptr<Transport>(std::make_unique<NodeTransport>(std::move(fd)));
}

std::vector<std::string> list_nodes()
{
    std::vector<unsigned long> numbers;
    if (DIR *folder = opendir(node_folder)) {
        while (const dirent *entry = readdir(folder)) {
            unsigned long number = 0;
            if (node_number(entry->d_name, number) && is_ours(entry->d_name))
                numbers.push_back(number);
        }
        closedir(folder);
    }
    std::sort(numbers.begin(), numbers.end());
    std::vector<std::string> uris;
    uris.reserve(numbers.size());
    for (const unsigned long number : numbers)
        uris.push_back(std::string(node_folder) + "/" + std::string(node_prefix) +
                       std::to_string(number));
    return uris;
}

} // namespace acc
