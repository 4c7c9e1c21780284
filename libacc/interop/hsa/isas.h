// SPDX-License-Identifier: MIT
//
// Instruction set architectures: one per kind of engine, named "ACC:" and the engine. A
// kernel of ours is a matrix product or an FPGA's role, not a stream of instructions: the
// name says which container sections an agent can load, and that is all it says.
//
// Thread safety: never changes after it was made.
#pragma once

#include "runtime.h"

#include <string_view>

namespace acc::hsa
{

struct Isa {
    std::string name;
    uint32_t engine; // enum acc_engine

    hsa_isa_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
    // Its only wavefront: a handle of another type with the same number.
    hsa_wavefront_t wavefront() const { return {reinterpret_cast<uint64_t>(this)}; }
};

class Isas
{
public:
    explicit Isas(const std::vector<std::unique_ptr<Node>> &nodes);

    // Null for what is none.
    const Isa *find(uint64_t handle) const;
    const Isa *find_name(std::string_view name) const;
    const Isa *of_engine(uint32_t engine) const;

private:
    std::vector<std::unique_ptr<Isa>> isas_;
};

// What all of them say, and agents of theirs too.
constexpr uint32_t wavefront_size = 1;
constexpr uint16_t workgroup_max = UINT16_MAX; // in each dimension and in all: what a packet holds
constexpr uint32_t grid_max = UINT32_MAX;
constexpr uint32_t fbarrier_max = 32; // the least that HSA allows

// "crossbar", "fpga" or "null".
const char *engine_name(uint32_t engine);

} // namespace acc::hsa
