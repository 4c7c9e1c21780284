// SPDX-License-Identifier: MIT
//
// Random packets for several queues, and what a machine that does one thing at a time makes
// of them. Generation is in an order in which everything can run: a packet waits only for
// signals all of whose completions were generated before it.
#pragma once

#include "acc/abi.h"

#include <cstdint>
#include <random>
#include <vector>

namespace acc::test
{

constexpr uint32_t no_signal = UINT32_MAX;

struct StreamPacket {
    enum class Kind { And, Or, Value, Dispatch, Bad };
    Kind kind = Kind::And;
    std::vector<uint32_t> waits; // signals
    uint32_t completes = no_signal;
    uint32_t status = ACC_STATUS_OK; // by the model
};

struct StreamSignal {
    uint32_t completions = 0; // packets that complete it
    bool failed = false;      // by the model: one of them had an error
    uint32_t queue = 0;       // of its last completion
};

struct Stream {
    std::vector<std::vector<StreamPacket>> queues;
    std::vector<StreamSignal> signals;

    static Stream random(std::mt19937_64 &random, size_t queues, size_t packets, double bad);
};

} // namespace acc::test
