// SPDX-License-Identifier: MIT
//
// A graph of roles joined by bounded FIFOs, run cycle for cycle as one dispatch: no packet runs
// between its stages.
//
// A cycle t, for all stages at once: an output gives a token if its FIFO had room when t began;
// an input takes the FIFO's oldest token if it was there when t began; then every clock rises. What
// is pushed in t is there in t + 1, and so is the room of what is popped. With the stage's
// latency L, a token's random wait s and the depth B of the FIFO behind a stage, that makes
//
//   take(i, k) = max(max(give(i-1, k), take(i, k-1)) + 1 + s(i, k), give(i, k-1))
//   give(i, k) = max(take(i, k) + L(i), take(i+1, k-B) + 1)
//
// for a chain of stages that hold one token each and may take one in the cycle in which they
// give the one before (docs/roles.md).
#pragma once

#include "emulator/fpga/process/runner.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace acc::emu::fpga
{

// Cycles without a token that moves, after which a graph is stuck.
inline constexpr uint64_t kWatchdogCycles = 20'000;

class Graph
{
public:
    Graph(Runner &runner, std::span<const GraphStage> stages, std::span<const GraphEdge> edges)
        : runner_(runner), stage_names_(stages), edge_list_(edges)
    {
    }

    RunResult run(const RunRequest &request);

private:
    struct Stage {
        const acc_role_ops *ops = nullptr;
        acc_role *role = nullptr;
        std::vector<size_t> inputs, outputs; // edges
        uint64_t base = 0;                   // its clock when the dispatch began
    };
    struct Edge {
        GraphEdge what;
        std::vector<uint64_t> tokens; // a ring of `depth`
        uint64_t pushed = 0, popped = 0;
        uint64_t visible = 0;  // pushed before this cycle
        uint64_t released = 0; // popped before this cycle
        uint64_t head_since = 0;
        uint64_t full = 0, empty = 0, most = 0;

        uint64_t count() const { return visible - popped; }
        bool room() const { return pushed - released < what.depth; }
    };

    std::string connect();
    bool step(uint64_t cycle);
    std::string blocked_edge() const;
    uint64_t stall(uint32_t stage, uint64_t item) const;
    std::string name_of(const Edge &edge) const;

    Runner &runner_;
    const std::span<const GraphStage> stage_names_;
    const std::span<const GraphEdge> edge_list_;
    std::vector<Stage> stages_;
    std::vector<Edge> edges_;
    uint32_t token_bytes_ = 0;
    Memory *memory_ = nullptr;
    acc_graph_args args_ = {};
    acc_status status_ = ACC_STATUS_OK;
};

} // namespace acc::emu::fpga
