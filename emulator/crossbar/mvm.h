// SPDX-License-Identifier: MIT
//
// One dispatch of a matrix: arguments checked, vectors streamed, results written.
#pragma once

#include "acc/kernels.h"
#include "emulator/crossbar/matrix.h"
#include "emulator/engine.h"

#include <cstdint>
#include <vector>

namespace acc::emu::crossbar
{

// Buffers of one slot, kept from dispatch to dispatch.
struct Scratch {
    std::vector<std::byte> raw;  // inputs as in memory
    std::vector<int16_t> planes; // inputs for the kernels, one plane or low and high
    std::vector<uint16_t> bits;  // inputs for the bit-serial path
    std::vector<uint64_t> words; // of ClippingColumns
    std::vector<int64_t> sums;   // accumulators
};

// Checks the arguments alone. Not OK: `text` names what was expected and found.
acc_status check_mvm(const Matrix &matrix, const acc_mvm_args &args, std::string &text);

// Precondition: check_mvm() was OK. Fills the dispatch's results.
acc_status run_mvm(const Matrix &matrix, const acc_mvm_args &args, Scratch &scratch,
                   Dispatch &dispatch);

} // namespace acc::emu::crossbar
