// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/graph.h"

#include <algorithm>
#include <cstring>

namespace acc::emu::fpga
{

// The wait of an item before a stage: reproducible, so that a test can predict it. SplitMix64
// (Steele, Lea, Flood, 2014).
uint64_t Graph::stall(uint32_t stage, uint64_t item) const
{
    if (!args_.stall_most) return 0;
    uint64_t z = args_.stall_seed + (uint64_t{stage} << 32) + item + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % (uint64_t{args_.stall_most} + 1);
}

std::string Graph::name_of(const Edge &edge) const
{
    const auto end = [&](uint32_t stage, uint32_t stream) {
        return stage == ACC_FPGA_MEMORY
                   ? std::string("memory")
                   : std::string(stage_names_[stage].role) + "." + std::to_string(stream);
    };
    return end(edge.what.from_stage, edge.what.from_stream) + "->" +
           end(edge.what.to_stage, edge.what.to_stream);
}

// Roles, and which streams each edge joins. Empty, or what does not fit.
std::string Graph::connect()
{
    for (const GraphStage &named : stage_names_) {
        Stage stage;
        stage.ops = runner_.find(named.role);
        if (!stage.ops) return "expected a role " + std::string(named.role) + "; found none";
        std::string why;
        for (const Stage &other : stages_)
            if (other.ops == stage.ops)
                return "expected stages of roles that differ; found " + std::string(named.role) +
                       " twice";
        stage.role = runner_.role(*stage.ops, why);
        if (!stage.role) return why;
        if (token_bytes_ && stage.ops->token_bytes != token_bytes_)
            return "expected tokens of " + std::to_string(token_bytes_) + " bytes; found " +
                   std::to_string(stage.ops->token_bytes);
        token_bytes_ = stage.ops->token_bytes;
        stages_.push_back(stage);
    }
    if (!token_bytes_ || token_bytes_ > 8) return "expected tokens of 1 to 8 bytes; found another";
    for (const GraphEdge &what : edge_list_) {
        const size_t index = edges_.size();
        const auto fits = [&](uint32_t stage, uint32_t stream, bool out) {
            if (stage == ACC_FPGA_MEMORY) return true;
            const acc_role_ops &ops = *stages_[stage].ops;
            if (stream >= (out ? ops.outputs : ops.inputs)) return false;
            (out ? stages_[stage].outputs : stages_[stage].inputs).push_back(index);
            return true;
        };
        edges_.push_back({what, std::vector<uint64_t>(what.depth), 0, 0, 0, 0, 0, 0, 0, 0});
        if (!fits(what.from_stage, what.from_stream, true) ||
            !fits(what.to_stage, what.to_stream, false))
            return "edge " + name_of(edges_.back()) + ": expected a stream that its stage has";
    }
    return {};
}

// One cycle. True when a token moved.
bool Graph::step(uint64_t cycle)
{
    bool moved = false;
    for (Edge &edge : edges_) {
        const uint64_t before = edge.count();
        edge.visible = edge.pushed;
        edge.released = edge.popped;
        if (!before && edge.count()) edge.head_since = cycle;
        edge.full += !edge.room();
        edge.empty += !edge.count();
        edge.most = std::max(edge.most, edge.count());
    }
    const auto pop = [&](Edge &edge) {
        edge.popped++;
        edge.head_since = cycle + 1;
        moved = true;
    };
    for (uint32_t s = 0; s < stages_.size(); s++) {
        Stage &stage = stages_[s];
        // Outputs first: an input may be ready because an output is.
        for (const size_t e : stage.outputs) {
            Edge &edge = edges_[e];
            uint64_t token = 0;
            if (!edge.room() ||
                stage.ops->stream_pop(stage.role, edge.what.from_stream, &token) != 1)
                continue;
            edge.tokens[edge.pushed++ % edge.what.depth] = token;
            moved = true;
        }
        for (const size_t e : stage.inputs) {
            Edge &edge = edges_[e];
            if (!edge.count() || cycle < edge.head_since + stall(s, edge.popped)) continue;
            const uint64_t token = edge.tokens[edge.popped % edge.what.depth];
            if (stage.ops->stream_push(stage.role, edge.what.to_stream, &token) != 1) continue;
            // When each item was taken: the log of the first input.
            if (args_.log && e == stage.inputs.front() &&
                !memory_->write(args_.log + (s * args_.items + edge.popped) * 8, &cycle, 8))
                status_ = ACC_STATUS_INVALID_ADDRESS;
            pop(edge);
        }
    }
    for (Edge &edge : edges_) { // memory keeps up with every edge
        if (edge.what.from_stage == ACC_FPGA_MEMORY && edge.pushed < args_.items && edge.room()) {
            uint64_t token = 0;
            if (!memory_->read(&token, args_.input + edge.pushed * token_bytes_, token_bytes_))
                status_ = ACC_STATUS_INVALID_ADDRESS;
            edge.tokens[edge.pushed++ % edge.what.depth] = token;
            moved = true;
        }
        if (edge.what.to_stage == ACC_FPGA_MEMORY && edge.count()) {
            const uint64_t token = edge.tokens[edge.popped % edge.what.depth];
            if (!memory_->write(args_.output + edge.popped * token_bytes_, &token, token_bytes_))
                status_ = ACC_STATUS_INVALID_ADDRESS;
            pop(edge);
        }
    }
    acc_role_progress progress = {};
    for (Stage &stage : stages_)
        if (stage.ops->run_until(stage.role, stage.base + cycle + 1, &progress))
            status_ = ACC_STATUS_ENGINE_ERROR;
    return moved;
}

// The last edge of the graph that is full, which its stage does not take from; or the first that
// is empty, which nothing comes to.
std::string Graph::blocked_edge() const
{
    for (size_t e = edges_.size(); e-- > 0;) {
        const Edge &edge = edges_[e];
        if (!edge.room())
            return "edge " + std::to_string(e) + " " + name_of(edge) + " full, " +
                   std::to_string(edge.popped) + " of " + std::to_string(args_.items) + " taken";
    }
    for (size_t e = 0; e < edges_.size(); e++)
        if (!edges_[e].count())
            return "edge " + std::to_string(e) + " " + name_of(edges_[e]) + " empty after " +
                   std::to_string(edges_[e].popped);
    return "no edge is full or empty";
}

RunResult Graph::run(const RunRequest &request)
{
    RunResult result;
    const auto fail = [&](acc_status status, std::string text) {
        result.status = status;
        result.text = std::move(text);
        return result;
    };
    if (request.kernargs.size() != sizeof args_)
        return fail(ACC_STATUS_INVALID_KERNARG, "expected acc_graph_args; found another size");
    std::memcpy(&args_, request.kernargs.data(), sizeof args_);
    if (!args_.items || args_.items > (uint64_t{1} << 40) || args_.reserved)
        return fail(ACC_STATUS_INVALID_KERNARG, "expected 1 to 2^40 items and reserved 0");
    memory_ = request.memory;
    runner_.begin(request);
    const struct End {
        Runner &runner;
        ~End() { runner.end(); }
    } end{runner_};
    if (std::string text = connect(); !text.empty()) return fail(ACC_STATUS_ENGINE_ERROR, text);
    for (Stage &stage : stages_) {
        stage.ops->reset(stage.role);
        acc_role_progress progress = {};
        (void)stage.ops->run_until(stage.role, 0, &progress);
        stage.base = progress.cycle;
    }
    uint64_t cycle = 0, idle = 0;
    const auto done = [&] {
        return std::all_of(edges_.begin(), edges_.end(),
                           [&](const Edge &edge) { return edge.popped >= args_.items; });
    };
    for (; !done() && status_ == ACC_STATUS_OK; cycle++) {
        idle = step(cycle) ? 0 : idle + 1;
        if (idle > kWatchdogCycles + args_.stall_most)
            return fail(ACC_STATUS_ENGINE_ERROR, "deadlock: " + blocked_edge());
        if (cycle % 4096 == 0 && request.alive && request.alive(cycle, nullptr))
            return fail(ACC_STATUS_TIMEOUT, blocked_edge());
    }
    result.status = status_;
    result.cycles = cycle;
    for (size_t e = 0; args_.counters && e < edges_.size(); e++) {
        const Edge &edge = edges_[e];
        const acc_graph_counters counters = {edge.pushed, edge.popped, edge.full,
                                             edge.empty,  edge.most,   cycle};
        if (!memory_->write(args_.counters + e * sizeof counters, &counters, sizeof counters))
            result.status = ACC_STATUS_INVALID_ADDRESS;
    }
    return result;
}

} // namespace acc::emu::fpga
