// SPDX-License-Identifier: MIT
//
// What a behavioural role is: a name, its arguments, its size, its speed and what it does.
// The engine knows nothing else about any of them; a new role is a line in role.cc and a
// function.
#pragma once

#include "acc/kernels.h"
#include "emulator/engine.h"
#include "program/role_costs.h"

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace acc::emu::fpga
{

// One dispatch, as a role sees it. A role checks every argument before it touches memory,
// reaches memory through Memory alone, keeps private buffers of a bounded size and calls
// spend() for the work it does.
class Pass
{
public:
    explicit Pass(Dispatch &dispatch) : dispatch_(dispatch) {}

    template <typename Args>
    Args args() const
    {
        Args args;
        std::memcpy(&args, dispatch_.kernargs.data(), sizeof(args));
        return args;
    }

    [[nodiscard]] bool read(void *to, uint64_t address, size_t bytes)
    {
        return dispatch_.memory->read(to, address, bytes);
    }
    [[nodiscard]] bool write(uint64_t address, const void *from, size_t bytes)
    {
        return dispatch_.memory->write(address, from, bytes);
    }

    // False: the role must return stopped(). Looks at the clock every 2^16 elements.
    [[nodiscard]] bool spend(uint64_t elements)
    {
        work_ += elements;
        if (work_ < kPollElements) return true;
        work_ = 0;
        return !dispatch_.should_stop();
    }

    // Ends of a pass that went wrong.
    acc_status refuse(std::string text);   // a value that the role refuses
    acc_status no_read(const char *name);  // after read() said no
    acc_status no_write(const char *name); // after write() said no
    acc_status stopped() const { return ACC_STATUS_TIMEOUT; }

private:
    static constexpr uint64_t kPollElements = 1u << 16;
    Dispatch &dispatch_;
    uint64_t work_ = 0;
};

struct Role {
    std::string_view name;
    uint32_t kernarg_bytes;
    Resources size;                // what it takes of a region
    const program::RoleCost *cost; // speed and size
    float emulated_ns;             // real time of one element, roughly, for the scheduler
    // What the pass works on, by unchecked arguments: never overflows, it saturates.
    uint64_t (*elements)(const Pass &);
    acc_status (*run)(Pass &);
};

// All of acc/kernels.h.
std::span<const Role> roles();
const Role *find_role(std::string_view name);

// Modelled cycles of a pass over `elements`.
uint64_t cycles(const Role &role, uint64_t elements);

// A product that stays at 2^64 - 1.
template <typename... Factors>
uint64_t saturating_product(Factors... factors)
{
    uint64_t product = 1;
    const auto times = [&](uint64_t factor) {
        if (__builtin_mul_overflow(product, factor, &product)) product = ~0ull;
    };
    bool zero = false;
    ((zero |= factors == 0), ...);
    if (zero) return 0;
    (times(factors), ...);
    return product;
}

// The roles, by file.
acc_status quantize_f32_i8(Pass &);
acc_status dequantize_i8_f32(Pass &);
acc_status requantize_i32_i8(Pass &);
acc_status requantize_i32_i16(Pass &);
acc_status im2col_i8(Pass &);
acc_status permute_i8(Pass &);
acc_status maxpool_i8(Pass &);
acc_status avgpool_i8(Pass &);
acc_status add_i8(Pass &);
acc_status add_i16(Pass &);
acc_status clip_i8(Pass &);
acc_status table_i8(Pass &);
acc_status mul_i8(Pass &);
acc_status concat_i8(Pass &);
acc_status add_f32(Pass &);
acc_status mul_f32(Pass &);
acc_status relu_f32(Pass &);
acc_status clip_f32(Pass &);
acc_status softmax_i8_f32(Pass &);
acc_status softmax_f32(Pass &);
acc_status gemm_i8(Pass &);
acc_status fft_f32(Pass &);
acc_status sha256(Pass &);
acc_status sort_i32(Pass &);
acc_status histogram_u8(Pass &);
acc_status fir_i32(Pass &);
acc_status aes_ctr(Pass &);

} // namespace acc::emu::fpga
