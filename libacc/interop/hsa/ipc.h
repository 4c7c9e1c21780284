// SPDX-License-Identifier: MIT
//
// Memory for other processes. A handle is 32 bytes that say where to ask: each process that
// shares something has one thread behind a socket in the abstract namespace, which gives
// the descriptor of what a handle names to whoever is of the same user and knows its key.
//
// Thread safety: all calls from any thread.
#pragma once

#include "runtime.h"

#include <map>
#include <thread>

namespace acc::hsa
{

enum class IpcKind : uint32_t { Memory = 1, Signal = 2 };

struct IpcHandle {
    uint32_t magic;
    IpcKind kind;
    uint64_t process; // the socket's name
    uint64_t key;     // of what is shared
    uint64_t bytes;
};
static_assert(sizeof(IpcHandle) == sizeof(hsa_amd_ipc_memory_t));

class Ipc
{
public:
    Ipc() = default;
    ~Ipc();
    Ipc(const Ipc &) = delete;
    Ipc &operator=(const Ipc &) = delete;

    // Takes the descriptor. `base` names it for forget().
    hsa_status_t share(IpcKind kind, const void *base, int fd, uint64_t bytes, IpcHandle &handle);
    // What was shared under this base is given to nobody any more.
    void forget(const void *base);
    // A descriptor of what the handle names; the caller closes it.
    static hsa_status_t fetch(const IpcHandle &handle, IpcKind kind, int &fd);

private:
    struct Shared {
        const void *base;
        int fd;
    };
    hsa_status_t start();
    void serve();
    void answer(int connection);

    std::mutex mutex_;                  // of what follows
    std::map<uint64_t, Shared> shared_; // by key
    uint64_t process_ = 0;
    int listener_ = -1, stop_ = -1;
    std::thread thread_;
};

} // namespace acc::hsa
