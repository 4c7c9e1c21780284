// SPDX-License-Identifier: MIT
#include "emulator/accemud/place.h"

#include "emulator/accemud/values.h"
#include "emulator/emulator.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace acc::daemon
{
namespace
{

// Whether files can be made in `folder`, which is made if its parent lets us. 0 or -errno.
int make_folder(const std::string &folder, mode_t mode)
{
    if (mkdir(folder.c_str(), mode) < 0 && errno != EEXIST) return -errno;
    struct stat status = {};
    if (stat(folder.c_str(), &status) < 0) return -errno;
    if (!S_ISDIR(status.st_mode)) return -ENOTDIR;
    // With the effective ids, as the bind that follows.
    return faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

} // namespace

Result<std::string> default_socket(const char *runtime_folder, std::string &why, const char *system)
{
    const int first = make_folder(system, 0755);
    if (!first) return std::string(system) + socket_name;
    why = std::string("expected a place for the socket: ") + system + " (" + strerror(-first) +
          ") or $XDG_RUNTIME_DIR/acc (";
    // As the specification of XDG_RUNTIME_DIR says: a relative path is to be ignored.
    if (!runtime_folder || *runtime_folder != '/') {
        why += runtime_folder && *runtime_folder ? quote(runtime_folder) + " is no absolute path"
                                                 : "XDG_RUNTIME_DIR is not set";
        why += "); found neither; say --socket PATH";
        return Error{-EACCES};
    }
    const std::string folder = std::string(runtime_folder) + "/acc";
    const std::string path = folder + socket_name;
    std::string too_long;
    const int second = make_folder(folder, 0700);
    if (!second && check_socket_path(path, too_long)) return path;
    why += (second ? folder + ": " + strerror(-second) : too_long) +
           "); found neither; say --socket PATH";
    return Error{-EACCES};
}

int place_state(Config &config, std::string &why)
{
    if (config.state_dir.empty()) return 0;
    if (config.state_dir.find(',') != std::string::npos) {
        why = "state-dir: expected a path without a comma; found " + quote(config.state_dir);
        return -EINVAL;
    }
    bool any = false;
    for (size_t i = 0; i < config.devices.size(); ++i) {
        DeviceEntry &device = config.devices[i];
        if (!emu::Emulator::keeps_cells(device.spec)) continue;
        if (device.spec.find(":state=") != std::string::npos ||
            device.spec.find(",state=") != std::string::npos) {
            why = device.where + ": expected no option state beside state-dir; found both";
            return -EINVAL;
        }
        device.state = config.state_dir + "/" + std::to_string(i);
        any = true;
    }
    if (any) return 0;
    why = "state-dir: expected a device whose engine keeps its programs, as crossbar; found none";
    return -EINVAL;
}

int make_state(const Config &config, std::string &why)
{
    if (config.state_dir.empty()) return 0;
    const int error = make_folder(config.state_dir, 0700);
    if (error)
        why = "state-dir: expected a folder, or a place for one; found " + quote(config.state_dir) +
              ": " + strerror(-error);
    return error;
}

std::string spec_with_state(const DeviceEntry &device)
{
    if (device.state.empty()) return device.spec;
    const bool options = device.spec.find(':') != std::string::npos && device.spec.back() != ':';
    const char *separator = options ? "," : device.spec.back() == ':' ? "" : ":";
    return device.spec + separator + "state=" + device.state;
}

} // namespace acc::daemon
