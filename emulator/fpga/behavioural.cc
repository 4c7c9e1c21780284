// SPDX-License-Identifier: MIT
#include "emulator/fpga/behavioural.h"

#include "emulator/fpga/role.h"

#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

// The client's memory through the host's functions.
class RegionMemory final : public Memory
{
public:
    explicit RegionMemory(const acc_role_host &host) : host_(host) {}

    std::span<std::byte> span(uint64_t address, size_t, Access) override
    {
        fault_address_ = address; // roles read and write, none asks for a span
        return {};
    }
    bool read(void *to, uint64_t address, size_t bytes) override
    {
        if (!host_.memory_read(host_.context, address, to, bytes)) return true;
        fault_address_ = address;
        return false;
    }
    bool write(uint64_t address, const void *from, size_t bytes) override
    {
        if (!host_.memory_write(host_.context, address, from, bytes)) return true;
        fault_address_ = address;
        return false;
    }

private:
    const acc_role_host &host_;
};

} // namespace
} // namespace acc::emu::fpga

using acc::emu::Dispatch;
using acc::emu::fpga::Pass;
using acc::emu::fpga::Role;

// One behavioural role in a region: registers for its arguments, and nothing that it keeps.
struct acc_role {
    acc_role(const Role &what, const acc_role_host &to) : role(what), host(to), memory(to)
    {
        kernargs.resize((role.kernarg_bytes + 3) / 4);
    }
    void work();

    const Role &role;
    const acc_role_host &host;
    acc::emu::fpga::RegionMemory memory;
    std::vector<uint32_t> kernargs;
    uint64_t cycle = 0;
    bool started = false, done = false;
    acc_status status = ACC_STATUS_OK;
};

void acc_role::work()
{
    Dispatch dispatch;
    dispatch.kernargs = std::as_bytes(std::span(kernargs)).first(role.kernarg_bytes);
    dispatch.memory = &memory;
    try {
        Pass pass(dispatch);
        status = role.run(pass);
        if (status == ACC_STATUS_OK) cycle += cycles(role, role.elements(pass));
    } catch (const std::bad_alloc &) {
        dispatch.text = "expected memory for the buffers of a pass; found none";
        status = ACC_STATUS_ENGINE_ERROR;
    }
    if (!dispatch.text.empty()) host.explain(host.context, dispatch.text.c_str());
    started = false;
    done = true;
}

namespace acc::emu::fpga
{
namespace
{

int create(const acc_role_ops *ops, const acc_role_host *host, acc_role **role)
{
    if (host->abi >> 16 != ACC_ROLE_ABI_MAJOR) return -EINVAL;
    *role = new (std::nothrow) acc_role(*static_cast<const Role *>(ops->data), *host);
    return *role ? 0 : -ENOMEM;
}

void reset(acc_role *role)
{
    role->cycle = 0;
    role->started = role->done = false;
}

int run_until(acc_role *role, acc_u64, acc_role_progress *progress)
{
    if (role->started) role->work();
    progress->cycle = role->cycle;
    progress->state = role->done ? ACC_ROLE_DONE : ACC_ROLE_IDLE;
    progress->status = role->status;
    return 0;
}

int mmio_read(acc_role *role, __u32 offset, __u32 *value)
{
    const uint32_t word = (offset - ACC_ROLE_REG_ARGUMENTS) / 4;
    if (offset == ACC_ROLE_REG_CONTROL)
        *value = role->done ? ACC_ROLE_CONTROL_DONE : 0;
    else if (offset % 4 == 0 && offset >= ACC_ROLE_REG_ARGUMENTS && word < role->kernargs.size())
        *value = role->kernargs[word];
    else
        return -EINVAL;
    return 0;
}

int mmio_write(acc_role *role, __u32 offset, __u32 value)
{
    const uint32_t word = (offset - ACC_ROLE_REG_ARGUMENTS) / 4;
    if (offset == ACC_ROLE_REG_CONTROL) {
        role->started = value & ACC_ROLE_CONTROL_START;
        role->done = false;
    } else if (offset % 4 == 0 && offset >= ACC_ROLE_REG_ARGUMENTS &&
               word < role->kernargs.size()) {
        role->kernargs[word] = value;
    } else {
        return -EINVAL;
    }
    return 0;
}

// Nothing is kept between two dispatches.
acc_s64 save(acc_role *, void *, acc_u64)
{
    return 0;
}

void destroy(acc_role *role)
{
    delete role;
}

struct Library {
    std::vector<acc_role_ops> ops;
    std::vector<const acc_role_ops *> pointers;
    acc_role_library library = {};

    Library()
    {
        for (const Role &role : roles()) {
            acc_role_ops one = {};
            one.size = sizeof one;
            one.abi = ACC_ROLE_ABI;
            one.name = role.name.data(); // of a literal
            one.data = &role;
            one.create = create;
            one.reset = reset;
            one.run_until = run_until;
            one.mmio_read = mmio_read;
            one.mmio_write = mmio_write;
            one.save = save;
            one.destroy = destroy;
            ops.push_back(one);
        }
        for (const acc_role_ops &one : ops)
            pointers.push_back(&one);
        library = {sizeof library, ACC_ROLE_ABI, static_cast<__u32>(pointers.size()), 0,
                   pointers.data()};
    }
};

} // namespace

const acc_role_library &behavioural_library()
{
    static const Library library;
    return library.library;
}

} // namespace acc::emu::fpga
