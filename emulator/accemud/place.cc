// SPDX-License-Identifier: MIT
#include "emulator/accemud/place.h"

#include "emulator/accemud/values.h"

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
    why = "state-dir: expected none, as no engine of this build keeps its programs; found " +
          quote(config.state_dir);
    return -EOPNOTSUPP;
}

} // namespace acc::daemon
