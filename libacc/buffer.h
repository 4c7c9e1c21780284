// SPDX-License-Identifier: MIT
//
// Memory at one address on the host and on every device it is attached to.
//
// Thread safety: all calls from any thread, but destroy() alone.
#pragma once

#include "common/result.h"
#include "libacc/handle.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace acc
{

class Device;

class Buffer : public Handle
{
public:
    // `flags`: ACC_BUFFER_*. `counted`: its devices can't be closed while it lives.
    static Result<std::unique_ptr<Buffer>> create(Device &device, size_t bytes, uint32_t flags,
                                                  bool counted = true);
    static Result<std::unique_ptr<Buffer>> import(Device &device, int fd);
    ~Buffer() { (void)destroy(); }

    void *data() const { return data_; }
    uint64_t address() const { return reinterpret_cast<uint64_t>(data_); }
    size_t bytes() const { return bytes_; }
    bool contains(const void *address, size_t bytes) const;
    uint32_t handle() const { return bindings_.front().handle; } // on the first device

    int attach(Device &device);
    int detach(Device &device);
    Result<int> export_fd();
    // -EBUSY: nothing has changed. Anything else: it is gone.
    int destroy();

private:
    struct Binding {
        Device *device;
        uint32_t handle;
    };

    explicit Buffer(uint32_t flags, bool counted)
        : Handle(HandleKind::Buffer), flags_(flags), counted_(counted)
    {
    }
    int place(Device &device, uint32_t handle, uint64_t mmap_offset, bool cpu);
    int bind(Device &device, uint32_t handle);
    int unbind(Device &device);
    void forget(const Binding &binding);
    Result<int> export_locked();

    const uint32_t flags_;
    const bool counted_;
    void *data_ = nullptr;
    size_t bytes_ = 0;
    std::mutex mutex_;
    std::vector<Binding> bindings_; // the first is the one it was made on
};

} // namespace acc
