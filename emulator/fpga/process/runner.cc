// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/runner.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace acc::emu::fpga
{
namespace
{

// How far a role runs between two looks at who wants it to stop: under a millisecond for RTL.
constexpr uint64_t kSliceCycles = 4096;

bool has(const acc_role_ops &ops, size_t end, bool given)
{
    return ops.size >= end && given;
}
#define HAS(ops, member)                                                                           \
    has(ops, offsetof(acc_role_ops, member) + sizeof((ops).member), (ops).member != nullptr)

std::string check_ops(const acc_role_ops *ops)
{
    if (!ops || !ops->name) return "expected a role with a name; found none";
    if (ops->abi >> 16 != ACC_ROLE_ABI_MAJOR)
        return "role " + std::string(ops->name) + ": expected role ABI " +
               std::to_string(ACC_ROLE_ABI_MAJOR) + "; found " + std::to_string(ops->abi >> 16);
    if (!HAS(*ops, create) || !HAS(*ops, reset) || !HAS(*ops, run_until) || !HAS(*ops, mmio_read) ||
        !HAS(*ops, mmio_write) || !HAS(*ops, destroy))
        return "role " + std::string(ops->name) + ": expected all functions; found some missing";
    if ((ops->inputs || ops->outputs) && (!HAS(*ops, stream_push) || !HAS(*ops, stream_pop)))
        return "role " + std::string(ops->name) + ": expected functions of its streams; found none";
    return {};
}

} // namespace

Runner::Runner(const acc_role_library &library, const SoftCoreGuard &guard)
    : library_(library), guard_(guard), core_(guard.stacks)
{
    host_.size = sizeof host_;
    host_.abi = ACC_ROLE_ABI;
    host_.context = this;
    host_.memory_read = [](void *self, acc_u64 address, void *to, acc_u64 bytes) {
        const RunRequest *request = static_cast<Runner *>(self)->request_;
        return request && request->memory->read(to, address, bytes) ? 0 : -EFAULT;
    };
    host_.memory_write = [](void *self, acc_u64 address, const void *from, acc_u64 bytes) {
        const RunRequest *request = static_cast<Runner *>(self)->request_;
        return request && request->memory->write(address, from, bytes) ? 0 : -EFAULT;
    };
    host_.memory_keep = [](void *self, acc_u64 address, acc_u64 bytes) {
        const RunRequest *request = static_cast<Runner *>(self)->request_;
        return request && request->memory->keep(address, bytes) ? 0 : -EINVAL;
    };
    host_.interrupt = [](void *, __u32) {};
    host_.explain = [](void *self, const char *text) {
        static_cast<Runner *>(self)->text_.assign(text, strnlen(text, kTextBytes - 1));
    };
    host_.progress = [](void *self, acc_u64 cycle, const char *waits_for) {
        auto *runner = static_cast<Runner *>(self);
        const RunRequest *request = runner->request_;
        if (request && request->alive && request->alive(cycle, waits_for)) runner->given_up_ = true;
    };
    host_.run_group = [](void *self, const acc_work_group *group) {
        auto *runner = static_cast<Runner *>(self);
        switch (runner->core_.run(*group)) {
        case SoftCore::End::Done:
            return 0;
        case SoftCore::End::NoMemory:
            return -ENOMEM;
        case SoftCore::End::Divergent:
            if (runner->guard_.divergent) runner->guard_.divergent();
            return -EDEADLK;
        case SoftCore::End::Invalid:
            break;
        }
        return -EINVAL;
    };
    host_.barrier = [](void *self, __u32 id) { static_cast<Runner *>(self)->core_.barrier(id); };
}

Result<std::unique_ptr<Runner>> Runner::create(const acc_role_library &library,
                                               const SoftCoreGuard &guard, std::string &why)
{
    if (library.size < sizeof library || library.abi >> 16 != ACC_ROLE_ABI_MAJOR) {
        why = "expected a role library of ABI " + std::to_string(ACC_ROLE_ABI_MAJOR) + "; found " +
              std::to_string(library.abi >> 16) + " and " + std::to_string(library.size) + " bytes";
        return Error{-EINVAL};
    }
    if (!library.roles || !library.role) {
        why = "expected a role in the library; found none";
        return Error{-EINVAL};
    }
    for (uint32_t i = 0; i < library.roles; i++) {
        why = check_ops(library.role[i]);
        if (!why.empty()) return Error{-EINVAL};
    }
    return std::unique_ptr<Runner>(new Runner(library, guard));
}

Runner::~Runner()
{
    for (const Instance &instance : instances_)
        instance.ops->destroy(instance.role);
}

const acc_role_ops *Runner::find(std::string_view name) const
{
    for (uint32_t i = 0; i < library_.roles; i++)
        if (name == library_.role[i]->name) return library_.role[i];
    return nullptr;
}

acc_role *Runner::role(const acc_role_ops &ops, std::string &why)
{
    for (const Instance &instance : instances_)
        if (instance.ops == &ops) return instance.role;
    if (trace_fd_ >= 0)
        host_.trace_write = [](void *self, const void *bytes, acc_u64 size) {
            const int fd = static_cast<Runner *>(self)->trace_fd_;
            const auto *from = static_cast<const char *>(bytes);
            while (size) {
                const ssize_t part = ::write(fd, from, size);
                if (part <= 0) return -EIO;
                from += part;
                size -= static_cast<acc_u64>(part);
            }
            return 0;
        };
    acc_role *role = nullptr;
    const int error = ops.create(&ops, &host_, &role);
    if (error || !role) {
        why = "role " + std::string(ops.name) + ": its create() failed with " +
              std::to_string(error) + (text_.empty() ? "" : ": " + text_);
        return nullptr;
    }
    ops.reset(role);
    instances_.push_back({&ops, role});
    return role;
}

void Runner::reset()
{
    for (const Instance &instance : instances_)
        instance.ops->reset(instance.role);
}

RunResult Runner::run(const RunRequest &request)
{
    RunResult result;
    text_.clear();
    given_up_ = false;
    const auto fail = [&](acc_status status, std::string text) {
        request_ = nullptr;
        result.status = status;
        result.text = std::move(text);
        return result;
    };
    const acc_role_ops *ops = find(request.role);
    if (!ops)
        return fail(ACC_STATUS_ENGINE_ERROR, "expected a role " + std::string(request.role) +
                                                 " in the image; found none of that name");
    request_ = &request;
    std::string why;
    acc_role *role = this->role(*ops, why);
    if (!role) return fail(ACC_STATUS_ENGINE_ERROR, why);

    // Arguments into registers, word by word.
    const auto store = [&](uint32_t argument, uint32_t offset, uint32_t bytes) {
        for (uint32_t done = 0; done < bytes; done += 4) {
            uint32_t word = 0;
            const size_t part = std::min<size_t>(4, request.kernargs.size() - argument - done);
            std::memcpy(&word, request.kernargs.data() + argument + done, part);
            if (ops->mmio_write(role, offset + done, word)) return false;
        }
        return true;
    };
    bool stored = true;
    for (const Register &one : request.registers)
        stored = stored && store(one.argument, one.offset, one.bytes);
    if (request.registers.empty())
        stored = store(0, ACC_ROLE_REG_ARGUMENTS, static_cast<uint32_t>(request.kernargs.size()));
    acc_role_progress progress = {};
    if (!stored || ops->run_until(role, 0, &progress)) // where its clock is
        return fail(ACC_STATUS_ENGINE_ERROR, text_.empty() ? "the role refused a register" : text_);
    const uint64_t start = progress.cycle;
    if (ops->mmio_write(role, ACC_ROLE_REG_CONTROL, ACC_ROLE_CONTROL_START))
        return fail(ACC_STATUS_ENGINE_ERROR, text_.empty() ? "the role did not start" : text_);
    do {
        if (const int error = ops->run_until(role, progress.cycle + kSliceCycles, &progress))
            return fail(ACC_STATUS_ENGINE_ERROR,
                        text_.empty() ? "its run_until() failed with " + std::to_string(error)
                                      : text_);
        if (progress.state == ACC_ROLE_BUSY && request.alive &&
            request.alive(progress.cycle - start, nullptr))
            given_up_ = true;
        if (given_up_) return fail(ACC_STATUS_TIMEOUT, text_);
    } while (progress.state == ACC_ROLE_BUSY);
    request_ = nullptr;
    result.cycles = progress.cycle - start;
    result.status = progress.status < ACC_STATUS_COUNT ? static_cast<acc_status>(progress.status)
                                                       : ACC_STATUS_ENGINE_ERROR;
    result.text = text_;
    return result;
}

} // namespace acc::emu::fpga
