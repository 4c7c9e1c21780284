// SPDX-License-Identifier: MIT
//
// The seam: calls that every way to a device answers alike. Code above it never
// asks which one it has.
#pragma once

#include "common/result.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace acc
{

class Transport
{
public:
    virtual ~Transport() = default;

    // 0 or -errno. `arg` is the struct of the request (drm/acc_drm.h).
    virtual int ioctl(unsigned long request, void *arg) = 0;

    // Maps `size` bytes of the file at `offset` (as BO_CREATE, QUEUE_CREATE or DEV_QUERY
    // gave it) at exactly `address`, over a reservation of the caller's, or anywhere if
    // address is null. Unmap with munmap.
    virtual Result<void *> map(uint64_t offset, size_t size, int prot, void *address) = 0;

    // Of emulated devices: lets time pass for their cells (ACC_INJECT_AGE). 0 or -errno.
    virtual int age(uint64_t /*ns*/) { return -EOPNOTSUPP; }

    // A descriptor that becomes readable with each event and hangs up when the device is gone:
    // a socket, to be emptied by recv(). -1: there is none until EVENT_SET is given an eventfd,
    // as on a node. The transport's; unused once EVENT_SET has been called.
    virtual int event_fd() const { return -1; }
};

// "inproc:crossbar[:key=value,…]", "unix:PATH#INDEX", "/dev/accel/accelN". `why` gets the
// reason of a refusal.
Result<std::unique_ptr<Transport>> open_transport(std::string_view uri, std::string &why);

// URIs of what can be opened here, the preferred one first: nodes, then the devices of a
// service at its usual place, then the embedded emulator's engines.
std::vector<std::string> list_uris();

// --- Each in its own file; open_transport() and list_uris() are their only callers ----------

Result<std::unique_ptr<Transport>> open_inproc(std::string_view spec, std::string &why);
std::vector<std::string> list_inproc();

// The device of an index, of the service that listens at a path.
Result<std::unique_ptr<Transport>> open_socket(const std::string &path, uint32_t device,
                                               std::string &why);
std::vector<std::string> list_sockets();

Result<std::unique_ptr<Transport>> open_node(std::string_view path, std::string &why);
std::vector<std::string> list_nodes();

} // namespace acc
