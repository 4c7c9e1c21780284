// SPDX-License-Identifier: MIT
//
// Runs dispatches of a library's roles through the table of acc/role.h. It doesn't know what
// kind of role it has. In a region's process and, for trusted libraries, in the device's.
//
// Thread safety: none; one thread at a time.
#pragma once

#include "acc/kernels.h"
#include "acc/program.h"
#include "acc/role.h"
#include "common/result.h"
#include "emulator/engine.h"
#include "emulator/fpga/process/control.h"
#include "emulator/fpga/softcore/soft_core.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc::emu::fpga
{

// What a dispatch came to.
struct RunResult {
    acc_status status = ACC_STATUS_OK;
    uint64_t cycles = 0;
    std::string text;
};

struct RunRequest {
    std::string_view role;
    std::span<const std::byte> kernargs;
    std::span<const Register> registers; // where they go; empty: one after the other
    const uint32_t *grid = nullptr;      // [3]; for roles with the grid's registers
    Memory *memory = nullptr;
    // Called now and then in a long run with what the role waits for (may be null): true: give up.
    std::function<bool(uint64_t cycle, const char *waits_for)> alive;
};

// What soft cores tell whoever guards the process. Null: nobody.
struct SoftCoreGuard {
    SoftCore::StacksChanged stacks = nullptr;
    void (*divergent)() = nullptr; // does not return
};

class Runner
{
public:
    // `library` outlives the runner. -EINVAL, and `why`: another version, or nothing in it.
    static Result<std::unique_ptr<Runner>> create(const acc_role_library &library,
                                                  const SoftCoreGuard &guard, std::string &why);
    ~Runner();
    Runner(const Runner &) = delete;
    Runner &operator=(const Runner &) = delete;

    RunResult run(const RunRequest &request);
    // All roles.
    void reset();
    // Around what somebody else does with the roles: whose memory they reach.
    void begin(const RunRequest &request) { request_ = &request; }
    void end() { request_ = nullptr; }
    // Bytes of a waveform go there from now on; before the first run.
    void trace_to(int fd) { trace_fd_ = fd; }

    const acc_role_ops *find(std::string_view name) const;
    // The role, created and reset. Null: `why` says.
    acc_role *role(const acc_role_ops &ops, std::string &why);

private:
    Runner(const acc_role_library &library, const SoftCoreGuard &guard);

    struct Instance {
        const acc_role_ops *ops = nullptr;
        acc_role *role = nullptr;
    };

    const acc_role_library &library_;
    acc_role_host host_ = {};
    std::vector<Instance> instances_;
    int trace_fd_ = -1;
    const SoftCoreGuard guard_;
    SoftCore core_;

    // Of the run that is going on.
    const RunRequest *request_ = nullptr;
    std::string text_;
    bool given_up_ = false;
};

} // namespace acc::emu::fpga
