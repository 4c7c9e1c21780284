// SPDX-License-Identifier: MIT
//
// The behavioural roles and the matrix product of acc/kernels.h, one line of its text a loop.
#pragma once

#include "acc/kernels.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace acc::accc
{

// The memory that kernel arguments may name: two ranges of addresses.
class RoleMemory
{
public:
    static constexpr uint64_t kWorkspace = uint64_t{1} << 40;
    static constexpr uint64_t kConsts = uint64_t{1} << 44;

    RoleMemory(std::span<std::byte> workspace, std::span<const std::byte> consts)
        : workspace_(workspace), consts_(consts)
    {
    }

    // `count` elements at an address; empty (and faulted()) when they are not all inside.
    // Constants are read-only.
    template <typename T>
    std::span<const T> read(uint64_t address, uint64_t count)
    {
        const bool is_const = address >= kConsts;
        return at<const T>(is_const ? consts_ : std::span<const std::byte>(workspace_),
                           address - (is_const ? kConsts : kWorkspace), count);
    }
    template <typename T>
    std::span<T> write(uint64_t address, uint64_t count)
    {
        return at<T>(workspace_, address - kWorkspace, count);
    }
    bool faulted() const { return faulted_; }

private:
    template <typename T, typename Bytes>
    std::span<T> at(Bytes bytes, uint64_t offset, uint64_t count)
    {
        if (count > bytes.size() / sizeof(T) || offset > bytes.size() - count * sizeof(T) ||
            offset % alignof(T)) {
            faulted_ = true;
            return {};
        }
        return {reinterpret_cast<T *>(bytes.data() + offset), count};
    }

    std::span<std::byte> workspace_;
    std::span<const std::byte> consts_;
    bool faulted_ = false;
};

// Runs a role; `kernargs` are of its size. False when it is unknown or when its arguments
// leave their limits or the memory (which then says so itself).
bool run_role(std::string_view role, std::span<const std::byte> kernargs, RoleMemory &memory);

// The crossbar's kernel: int8 weights [rows][cols], int8 inputs or, `wide`, int16, int32 outputs.
bool run_mvm(std::span<const int8_t> weights, uint32_t rows, uint32_t cols, bool wide,
             std::span<const std::byte> kernargs, RoleMemory &memory);

// (x * m + 2^(s-1)) >> s
int64_t requant(int64_t x, int64_t multiplier, int32_t shift);

} // namespace acc::accc
