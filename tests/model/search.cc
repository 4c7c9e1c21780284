// SPDX-License-Identifier: MIT
#include "search.h"

#include <cstring>
#include <unordered_map>

namespace acc::model
{

namespace
{

struct Hash128 {
    uint64_t a, b;
    bool operator==(const Hash128 &o) const { return a == o.a && b == o.b; }
};
struct HashOf {
    size_t operator()(const Hash128 &h) const { return h.a; }
};

// Two independent multiply-rotate hashes. A collision would hide a state; with 128 bits and 10^7
// states its probability is below 10^-24.
Hash128 hash(const std::string &s)
{
    uint64_t a = 0x9e3779b97f4a7c15u ^ s.size(), b = 0xc2b2ae3d27d4eb4fu + s.size();
    for (size_t i = 0; i < s.size(); i += 8) {
        uint64_t w = 0;
        std::memcpy(&w, s.data() + i, std::min<size_t>(8, s.size() - i));
        a = (a ^ w) * 0xff51afd7ed558ccdu, a ^= a >> 32;
        b = (b + w) * 0x9fb21c651e98df25u, b = (b << 29 | b >> 35) ^ a >> 7;
    }
    a ^= b >> 31, a *= 0xc4ceb9fe1a85ec53u, a ^= a >> 33;
    b *= 0x87c37b91114253d5u, b ^= b >> 29;
    return {a, b};
}

} // namespace

Checker::Checker(const Model &m, Memory memory)
    : model_(m), threads_(m.threads_), memory_(memory), vars_(static_cast<int>(m.init_.size()))
{
    for (Thread &t : threads_) {
        t.resolve();
        const int ops = static_cast<int>(t.ops_.size());
        std::vector<Future> f(ops + 1);
        for (bool changed = true; changed;) {
            changed = false;
            for (int pc = ops - 1; pc >= 0; pc--) {
                const Op &op = t.ops_[pc];
                Future now;
                const auto also = [&](const Future &o) {
                    now.touches |= o.touches, now.fence |= o.fence,
                        now.relaxed_store |= o.relaxed_store;
                };
                if (op.kind != Op::Kind::jump || op.pred) also(f[pc + 1]);
                if (op.kind == Op::Kind::jump) also(f[op.target]);
                now.touches |= ((1u << op.addr.count) - 1) << op.addr.first;
                now.fence |= op.kind == Op::Kind::fence;
                now.relaxed_store |=
                    (op.kind == Op::Kind::store || op.kind == Op::Kind::rmw) && !releases(op.order);
                changed |= !(now == f[pc]);
                f[pc] = now;
            }
        }
        for (const Op &op : t.ops_)
            if (op.kind == Op::Kind::load || op.kind == Op::Kind::rmw)
                read_ |= ((1u << op.addr.count) - 1) << op.addr.first;
        future_.push_back(std::move(f));
    }
    if (m.finally_) read_ = ~0u;
}

bool Checker::done(const State &s) const
{
    for (size_t t = 0; t < threads_.size(); t++)
        if (!threads_[t].daemon_ && (!ended(s, t) || s.threads[t].buffered)) return false;
    return true;
}

std::string Checker::check_end(const State &s) const
{
    if (!model_.finally_) return {};
    std::vector<int> memory;
    for (const auto &v : s.vars)
        memory.push_back(v.back().value);
    State copy = s;
    return model_.finally_({nullptr, copy.ghosts.data()}, memory) ? "" : model_.finally_text_;
}

State Checker::initial(std::string &failure) const
{
    State s;
    for (Val v : model_.init_)
        s.vars.push_back({Message{v, false, {}}});
    std::copy(model_.ghosts_.begin(), model_.ghosts_.end(), s.ghosts.begin());
    s.threads.resize(threads_.size());
    for (size_t t = 0; t < threads_.size() && failure.empty(); t++)
        failure = settle(s, t);
    return s;
}

Result Checker::run()
{
    Result r;
    State first = initial(r.failure);
    if (!r.failure.empty()) return r;

    std::unordered_map<Hash128, uint32_t, HashOf> visited;
    std::vector<std::pair<uint32_t, uint32_t>> edges;
    std::vector<uint32_t> accepted;
    std::vector<std::pair<uint32_t, std::string>> frontier, next_frontier;

    std::string bytes = encode(first);
    visited.emplace(hash(bytes), 0);
    nodes_.push_back({0, 0, 0});
    frontier.emplace_back(0, std::move(bytes));
    std::vector<Next> nexts;
    while (!frontier.empty()) {
        for (auto &[id, code] : frontier) {
            const State s = decode(code);
            const bool accept = done(s);
            if (accept) accepted.push_back(id);
            nexts.clear();
            expand(s, nexts);
            r.steps += nexts.size();
            if (accept) r.failure = check_end(s);
            if (!accept && nexts.empty()) {
                r.failure = "stuck for ever:";
                for (size_t t = 0; t < threads_.size(); t++)
                    if (!threads_[t].daemon_ && !ended(s, t))
                        r.failure += " " + threads_[t].name_ + " (" +
                                     threads_[t].ops_[s.threads[t].pc].text + ")";
            }
            if (!r.failure.empty()) {
                r.states = nodes_.size();
                explain(r, id, -1, 0);
                return r;
            }
            for (Next &n : nexts) {
                if (!n.failure.empty()) {
                    r.failure = n.failure;
                    r.states = nodes_.size();
                    explain(r, id, n.thread, n.choice);
                    return r;
                }
                std::string b = encode(n.state);
                auto [it, fresh] = visited.emplace(hash(b), static_cast<uint32_t>(nodes_.size()));
                edges.emplace_back(it->second, id);
                if (!fresh) continue;
                next_frontier.emplace_back(it->second, std::move(b));
                nodes_.push_back({id, n.thread, n.choice});
            }
        }
        frontier.swap(next_frontier);
        next_frontier.clear();
    }
    r.states = nodes_.size();

    // Whatever happens, ending must stay possible: walk back from the ends.
    std::sort(edges.begin(), edges.end());
    std::vector<bool> can_end(nodes_.size());
    std::vector<uint32_t> work = accepted;
    for (uint32_t n : work)
        can_end[n] = true;
    while (!work.empty()) {
        const uint32_t n = work.back();
        work.pop_back();
        for (auto e = std::lower_bound(edges.begin(), edges.end(), std::make_pair(n, 0u));
             e != edges.end() && e->first == n; ++e)
            if (!can_end[e->second]) can_end[e->second] = true, work.push_back(e->second);
    }
    if (auto doomed = std::find(can_end.begin(), can_end.end(), false); doomed != can_end.end()) {
        r.failure = "livelock: from here the threads can never all end";
        explain(r, doomed - can_end.begin(), -1, 0);
        return r;
    }
    r.holds = true;
    return r;
}

void Checker::explain(Result &r, uint32_t node, int thread, int choice) const
{
    std::vector<std::pair<int, int>> path;
    if (thread >= 0) path.emplace_back(thread, choice);
    for (; node != 0; node = nodes_[node].parent)
        path.emplace_back(nodes_[node].thread, nodes_[node].choice);
    std::reverse(path.begin(), path.end());

    Checker logger(model_, memory_);
    logger.log_ = true;
    std::string failure;
    State s = logger.initial(failure);
    for (auto [t, c] : path) {
        std::vector<Next> nexts;
        logger.expand(s, nexts);
        for (Next &n : nexts)
            if (n.thread == t && n.choice == c) {
                r.trace.push_back(threads_[t].name_ + ": " + n.log);
                s = std::move(n.state);
                break;
            }
    }
}

std::string Checker::encode(const State &s) const
{
    std::string b;
    b.reserve(256);
    const auto put = [&](const void *p, size_t n) { b.append(static_cast<const char *>(p), n); };
    const auto view = [&](const View &v) { put(v.data(), vars_); };
    put(s.ghosts.data(), model_.ghosts_.size());
    for (size_t t = 0; t < s.threads.size(); t++) {
        const Local &l = s.threads[t];
        b.push_back(static_cast<char>(l.pc));
        put(l.regs.data(), threads_[t].regs_);
        if (memory_ == Memory::tso) {
            b.push_back(static_cast<char>(l.buffered));
            for (int i = 0; i < l.buffered; i++)
                b.push_back(static_cast<char>(l.buffer[i].first)),
                    b.push_back(static_cast<char>(l.buffer[i].second));
        } else {
            view(l.cur), view(l.acq), view(l.rel);
        }
    }
    if (memory_ == Memory::c11) view(s.sc);
    for (const auto &list : s.vars) {
        if (memory_ == Memory::tso) {
            b.push_back(static_cast<char>(list[0].value));
            continue;
        }
        b.push_back(static_cast<char>(list.size()));
        for (const Message &m : list)
            b.push_back(static_cast<char>(m.value)), b.push_back(m.adjacent), view(m.view);
    }
    return b;
}

State Checker::decode(const std::string &b) const
{
    State s;
    size_t at = 0;
    const auto get = [&](void *p, size_t n) { std::memcpy(p, b.data() + at, n), at += n; };
    const auto byte = [&] { return b[at++]; };
    const auto view = [&](View &v) { get(v.data(), vars_); };
    get(s.ghosts.data(), model_.ghosts_.size());
    s.threads.resize(threads_.size());
    for (size_t t = 0; t < s.threads.size(); t++) {
        Local &l = s.threads[t];
        l.pc = static_cast<uint8_t>(byte());
        get(l.regs.data(), threads_[t].regs_);
        if (memory_ == Memory::tso) {
            l.buffered = static_cast<uint8_t>(byte());
            for (int i = 0; i < l.buffered; i++)
                l.buffer[i].first = static_cast<uint8_t>(byte()), l.buffer[i].second = byte();
        } else {
            view(l.cur), view(l.acq), view(l.rel);
        }
    }
    if (memory_ == Memory::c11) view(s.sc);
    s.vars.resize(vars_);
    for (auto &list : s.vars) {
        list.resize(memory_ == Memory::tso ? 1 : byte());
        for (Message &m : list) {
            m.value = byte();
            if (memory_ == Memory::c11) m.adjacent = byte(), view(m.view);
        }
    }
    return s;
}

} // namespace acc::model
