// SPDX-License-Identifier: MIT
#include "search.h"

namespace acc::model
{

namespace
{

constexpr const char *kOrder[] = {"relaxed", "acquire", "release", "acq_rel"};

} // namespace

void Checker::expand(const State &s, std::vector<Next> &out) const
{
    for (size_t t = 0; t < threads_.size(); t++) {
        const Local &me = s.threads[t];
        if (me.buffered) { // tso: the oldest store reaches memory
            Next n{s, static_cast<uint8_t>(t), 255, {}, {}};
            Local &l = n.state.threads[t];
            auto [var, value] = l.buffer[0];
            n.state.vars[var][0].value = value;
            std::move(l.buffer.begin() + 1, l.buffer.begin() + l.buffered, l.buffer.begin());
            l.buffer[--l.buffered] = {};
            if (log_)
                n.log = "    (store buffer drains " + model_.vars_[var] + " = " +
                        std::to_string(value) + ")";
            out.push_back(std::move(n));
        }
        if (!ended(s, t)) step(s, t, out);
    }
}

void Checker::finish(Next &n, int pc, std::vector<Next> &out) const
{
    n.state.threads[n.thread].pc = pc + 1;
    n.failure = settle(n.state, n.thread);
    if (memory_ == Memory::c11) forget(n.state);
    out.push_back(std::move(n));
}

// A thread about to step: its next operation, with the address and the registers worked out.
struct Checker::Move {
    const Checker &checker;
    const State &s;
    const int t;
    std::vector<Next> &out;
    const Local &me = s.threads[t];
    const Op &op = checker.threads_[t].ops_[me.pc];
    std::array<Val, kMaxRegs> regs = me.regs; // copies: looking ahead changes nothing
    std::array<Val, kMaxGhosts> ghosts = s.ghosts;
    const Ctx ctx{regs.data(), ghosts.data()};
    const int var = op.kind == Op::Kind::fence ? -1 : op.addr.first + op.addr.index.eval(ctx);
    uint8_t choice = 0;

    Next begin() { return {s, static_cast<uint8_t>(t), choice++, {}, {}}; }

    // Does the operation's condition hold with `value` in its register?
    bool accepts(int value)
    {
        if (!op.pred) return true;
        if (op.dst < 0) return op.pred(ctx);
        const Val saved = std::exchange(regs[op.dst], static_cast<Val>(value));
        const bool ok = op.pred(ctx);
        regs[op.dst] = saved;
        return ok;
    }

    Val stored() const { return static_cast<Val>(op.value.eval(ctx)); }
    Val updated(Val old) const { return static_cast<Val>(op.update(ctx, old)); }

    // Adds the successor, with its line of the trace where one is wanted.
    void end(Next &n, const char *sign = "", int value = 0, const char *note = "", int from = -1)
    {
        if (checker.log_) {
            n.log = op.text;
            if (var >= 0) {
                n.log += " " + checker.model_.vars_[var];
                if (op.kind == Op::Kind::rmw) n.log += " " + std::to_string(from);
                n.log += sign + std::to_string(value) + note;
                if (!op.kernel)
                    n.log += std::string(" [") + kOrder[static_cast<int>(op.order)] + "]";
            }
        }
        checker.finish(n, me.pc, out);
    }
};

// Everything thread t can do next: one successor a choice of message read or place written.
void Checker::step(const State &s, int t, std::vector<Next> &out) const
{
    Move m{*this, s, t, out};
    if (m.var >= 0 && (m.var < m.op.addr.first || m.var >= m.op.addr.first + m.op.addr.count))
        broken_model("index out of its array", threads_[t].name_ + ": " + m.op.text);
    if (m.op.kind == Op::Kind::store && !(read_ >> m.var & 1)) {
        Next n = m.begin();
        m.end(n, " = ", m.stored(), " (nobody reads it)");
    } else if (memory_ == Memory::tso) {
        step_tso(m);
    } else {
        step_c11(m);
    }
}

void Checker::step_tso(Move &m) const
{
    const bool drains = m.op.kind == Op::Kind::rmw || m.op.kind == Op::Kind::fence;
    if (drains && m.me.buffered) return;
    if (m.op.kind == Op::Kind::load) {
        Val value = m.s.vars[m.var][0].value;
        for (int i = 0; i < m.me.buffered; i++)
            if (m.me.buffer[i].first == m.var) value = m.me.buffer[i].second;
        if (!m.accepts(value)) return;
        Next n = m.begin();
        n.state.threads[m.t].regs[m.op.dst] = value;
        m.end(n, " reads ", value);
    } else if (m.op.kind == Op::Kind::store) {
        if (m.me.buffered == kMaxBuffer)
            broken_model("store buffer too small", threads_[m.t].name_);
        Next n = m.begin();
        Local &l = n.state.threads[m.t];
        const Val value = m.stored();
        l.buffer[l.buffered++] = {static_cast<uint8_t>(m.var), value};
        m.end(n, " = ", value);
    } else if (m.op.kind == Op::Kind::rmw) {
        const Val old = m.s.vars[m.var][0].value;
        if (m.op.kernel && !m.accepts(old)) return;
        Next n = m.begin();
        const Val value = m.updated(old);
        n.state.vars[m.var][0].value = value;
        if (m.op.dst >= 0) n.state.threads[m.t].regs[m.op.dst] = old;
        m.end(n, " -> ", value, "", old);
    } else {
        Next n = m.begin();
        m.end(n);
    }
}

void Checker::step_c11(Move &m) const
{
    if (m.op.kind == Op::Kind::fence) {
        Next n = m.begin();
        Local &l = n.state.threads[m.t];
        join(l.acq, l.cur);
        join(l.acq, n.state.sc);
        n.state.sc = l.cur = l.rel = l.acq;
        return m.end(n);
    }
    const int var = m.var;
    const auto &list = m.s.vars[var];
    const int size = static_cast<int>(list.size());
    const auto read = [&](State &to, const Message &from, int pos) {
        Local &l = to.threads[m.t];
        l.cur[var] = std::max<uint8_t>(l.cur[var], pos);
        if (acquires(m.op.order)) join(l.cur, from.view);
        join(l.acq, from.view);
        join(l.acq, l.cur);
        if (m.op.dst >= 0) l.regs[m.op.dst] = from.value;
    };
    if (m.op.kind == Op::Kind::load) {
        for (int i = m.me.cur[var]; i < size; i++) {
            if (!m.accepts(list[i].value)) continue;
            Next n = m.begin();
            read(n.state, list[i], i);
            m.end(n, " reads ", list[i].value, i + 1 < size ? " (stale)" : "");
        }
    } else if (m.op.kind == Op::Kind::store) {
        for (int pos = m.me.cur[var] + 1; pos <= size; pos++) {
            if (pos < size && list[pos].adjacent) continue;
            Next n = m.begin();
            const View &view = releases(m.op.order) ? m.me.cur : m.me.rel;
            insert(n.state, m.t, var, pos, {m.stored(), false, view});
            m.end(n, " = ", m.stored(), pos < size ? " (ordered before a newer value)" : "");
        }
    } else {
        for (int i = m.op.kernel ? size - 1 : m.me.cur[var]; i < size; i++) {
            if (i + 1 < size && list[i + 1].adjacent) continue;
            if (m.op.kernel && !m.accepts(list[i].value)) continue;
            Next n = m.begin();
            const Val value = m.updated(list[i].value);
            read(n.state, list[i], i);
            View view = releases(m.op.order) ? n.state.threads[m.t].cur : m.me.rel;
            join(view, list[i].view);
            insert(n.state, m.t, var, i + 1, {value, true, view});
            m.end(n, " -> ", value, "", list[i].value);
        }
    }
}

// c11: puts a message into var's modification order; positions known anywhere move up with it.
void Checker::insert(State &s, int t, int var, int pos, Message m) const
{
    const auto shift = [&](View &v) { v[var] += v[var] >= pos; };
    shift(s.sc);
    shift(m.view);
    for (Local &l : s.threads)
        shift(l.cur), shift(l.acq), shift(l.rel);
    for (auto &list : s.vars)
        for (Message &other : list)
            shift(other.view);
    m.view[var] = static_cast<uint8_t>(pos);
    s.vars[var].insert(s.vars[var].begin() + pos, m);
    Local &l = s.threads[t];
    l.cur[var] = std::max<uint8_t>(l.cur[var], pos);
    l.acq[var] = std::max(l.acq[var], l.cur[var]);
}

// c11: drops messages that nobody can read any more, and clears what ended threads knew, so that
// states that differ only in their past become one.
void Checker::forget(State &s) const
{
    bool fences = false;
    for (size_t t = 0; t < threads_.size(); t++) {
        Local &l = s.threads[t];
        const Future &f = future_[t][l.pc];
        if (ended(s, t)) l.cur = {};
        if (!f.fence) l.acq = {};
        if (!f.relaxed_store) l.rel = {};
        fences |= f.fence;
    }
    if (!fences) s.sc = {};
    for (int v = 0; v < vars_; v++) {
        uint8_t base = static_cast<uint8_t>(s.vars[v].size() - 1);
        for (size_t t = 0; t < threads_.size(); t++)
            if (future_[t][s.threads[t].pc].touches >> v & 1)
                base = std::min(base, s.threads[t].cur[v]);
        if (base == 0) continue;
        s.vars[v].erase(s.vars[v].begin(), s.vars[v].begin() + base);
        const auto lower = [&](View &w) { w[v] = w[v] > base ? w[v] - base : 0; };
        lower(s.sc);
        for (Local &l : s.threads)
            lower(l.cur), lower(l.acq), lower(l.rel);
        for (auto &list : s.vars)
            for (Message &m : list)
                lower(m.view);
    }
    for (auto &list : s.vars)
        list[0].adjacent = false;
}

// Runs local operations up to the next access; returns the message of a failed check.
std::string Checker::settle(State &s, int t) const
{
    Local &me = s.threads[t];
    const Ctx ctx{me.regs.data(), s.ghosts.data()};
    const auto &ops = threads_[t].ops_;
    for (int budget = 100; me.pc < ops.size(); me.pc++) {
        if (--budget == 0) broken_model("endless local loop", threads_[t].name_);
        const Op &op = ops[me.pc];
        if (op.kind == Op::Kind::let) {
            op.effect(ctx);
        } else if (op.kind == Op::Kind::check) {
            if (!op.pred(ctx)) return op.text;
        } else if (op.kind == Op::Kind::jump) {
            if (!op.pred || op.pred(ctx)) me.pc = static_cast<uint8_t>(op.target - 1); // wraps to 0
        } else {
            return {};
        }
    }
    me.regs = {};
    return {};
}

} // namespace acc::model
