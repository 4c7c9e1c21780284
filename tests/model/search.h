// SPDX-License-Identifier: MIT
//
// Inside of the checker: what a state is, and the search over states. search.cc walks the graph and
// finds the way back, steps.cc is the two memories, model.cc the building of models.
#pragma once

#include "checker.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace acc::model
{

using View = std::array<uint8_t, kMaxVars>;

inline void join(View &to, const View &from)
{
    for (int v = 0; v < kMaxVars; v++)
        to[v] = std::max(to[v], from[v]);
}

struct Message {
    Val value = 0;
    bool adjacent = false; // written by an rmw that read the message before: nothing goes between
    View view{};           // what an acquire load of it learns
};

struct Local {
    uint8_t pc = 0, buffered = 0;
    std::array<Val, kMaxRegs> regs{};
    std::array<std::pair<uint8_t, Val>, kMaxBuffer> buffer{}; // tso: oldest first
    View cur{}, acq{}, rel{}; // c11: knows; would know after a fence; attaches to relaxed stores
};

struct State {
    std::array<Val, kMaxGhosts> ghosts{};
    View sc{};
    std::vector<std::vector<Message>> vars; // modification order; tso: one message each
    std::vector<Local> threads;
};

/// A mistake in a model, not in what it models: says so and aborts.
[[noreturn]] void broken_model(const char *what, const std::string &name);

inline bool acquires(Order o)
{
    return o == Order::acquire || o == Order::acq_rel;
}
inline bool releases(Order o)
{
    return o == Order::release || o == Order::acq_rel;
}

class Checker
{
public:
    Checker(const Model &m, Memory memory);
    Result run();

private:
    struct Next {
        State state;
        uint8_t thread, choice;
        std::string failure, log;
    };
    struct Node {
        uint32_t parent;
        uint8_t thread, choice;
    };

    State initial(std::string &failure) const;
    void expand(const State &s, std::vector<Next> &out) const;
    struct Move;
    void step(const State &s, int t, std::vector<Next> &out) const;
    void step_tso(Move &m) const;
    void step_c11(Move &m) const;
    void finish(Next &n, int pc, std::vector<Next> &out) const;
    std::string settle(State &s, int t) const;
    void insert(State &s, int t, int var, int pos, Message m) const;
    void forget(State &s) const;
    bool ended(const State &s, int t) const { return s.threads[t].pc >= threads_[t].ops_.size(); }
    bool done(const State &s) const;
    std::string check_end(const State &s) const;
    std::string encode(const State &s) const;
    State decode(const std::string &bytes) const;
    void explain(Result &r, uint32_t node, int thread, int choice) const;

    const Model &model_;
    std::deque<Thread> threads_;
    Memory memory_;
    int vars_;
    bool log_ = false;
    // What a thread at [thread][pc] may still do; c11 forgets what no longer matters to anybody.
    struct Future {
        uint32_t touches = 0; // bit per variable
        bool fence = false, relaxed_store = false;
        bool operator==(const Future &) const = default;
    };
    std::vector<std::vector<Future>> future_;
    uint32_t read_ = 0; // variables that somebody reads; stores to others have no effect
    std::vector<Node> nodes_;
};

} // namespace acc::model
