// SPDX-License-Identifier: MIT
//
// Which transport a URI means, and which URIs there are.
#include "libacc/transport.h"

namespace acc
{

Result<std::unique_ptr<Transport>> open_transport(std::string_view uri, std::string &why)
{
    constexpr std::string_view inproc = "inproc:", socket = "unix:", node = "/dev/accel/accel";
    if (uri.starts_with(inproc)) {
#ifdef ACC_HAVE_EMULATOR
        return open_inproc(uri.substr(inproc.size()), why);
#else
        why = "this build has no embedded emulator (meson option emulator)";
        return Error{-ENODEV};
#endif
    }
    if (uri.starts_with(socket)) {
        const size_t hash = uri.rfind('#');
        const std::string_view index = hash == uri.npos ? "" : uri.substr(hash + 1);
        if (hash == uri.npos || hash <= socket.size() || index.empty() || index.size() > 9 ||
            index.find_first_not_of("0123456789") != index.npos) {
            why = "expected unix:PATH#INDEX; found '" + std::string(uri) + "'";
            return Error{-EINVAL};
        }
        return open_socket(std::string(uri.substr(socket.size(), hash - socket.size())),
                           uint32_t(std::stoul(std::string(index))), why);
    }
    if (uri.starts_with(node)) {
        const std::string_view index = uri.substr(node.size());
        if (index.empty() || index.find_first_not_of("0123456789") != index.npos) {
            why = "expected /dev/accel/accelN; found '" + std::string(uri) + "'";
            return Error{-EINVAL};
        }
#ifdef ACC_HAVE_LIBDRM
        return open_node(uri, why);
#else
        why = "this build has no node transport (meson option libdrm)";
        return Error{-ENODEV};
#endif
    }
    why = "expected inproc:ENGINE, unix:PATH#INDEX or /dev/accel/accelN; found '" +
          std::string(uri) + "'";
    return Error{-EINVAL};
}

std::vector<std::string> list_uris()
{
    std::vector<std::string> uris;
#ifdef ACC_HAVE_LIBDRM
    for (std::string &uri : list_nodes())
        uris.push_back(std::move(uri));
#endif
    for (std::string &uri : list_sockets())
        uris.push_back(std::move(uri));
#ifdef ACC_HAVE_EMULATOR
    for (std::string &uri : list_inproc())
        uris.push_back(std::move(uri));
#endif
    return uris;
}

} // namespace acc
