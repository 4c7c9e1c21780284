// SPDX-License-Identifier: MIT
//
// Who may open a file or a socket: an EACCES is told with the group that would help.
#pragma once

#include <grp.h>
#include <string>
#include <sys/stat.h>

namespace acc
{

// "; members of the group 'acc' may open it", or what keeps us from telling.
inline std::string group_hint(std::string path)
{
    struct stat status = {};
    bool folder = false;
    while (stat(path.c_str(), &status) != 0) {
        // Its folder may be closed to us, too: then it is that one's group.
        const size_t slash = path.rfind('/');
        if (slash == path.npos || slash == 0) return {};
        path.resize(slash);
        folder = true;
    }
    group entry = {}, *found = nullptr;
    char buffer[1024];
    const bool named =
        getgrgid_r(status.st_gid, &entry, buffer, sizeof buffer, &found) == 0 && found;
    const std::string who = named ? found->gr_name : std::to_string(status.st_gid);
    return "; members of the group '" + who + "' may " +
           (folder ? "look into the folder " + path : "open it");
}

} // namespace acc
