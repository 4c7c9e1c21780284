// SPDX-License-Identifier: MIT
#include "search.h"

#include <cstdio>
#include <cstdlib>

namespace acc::model
{

[[noreturn]] void broken_model(const char *what, const std::string &name)
{
    std::fprintf(stderr, "model: %s: %s\n", what, name.c_str());
    std::abort();
}

Op &Thread::add(Op::Kind kind, std::string text)
{
    Op op{};
    op.kind = kind;
    op.text = std::move(text);
    ops_.push_back(std::move(op));
    return ops_.back();
}

void Thread::load(Reg dst, Addr a, Order o)
{
    Op &op = add(Op::Kind::load, "load");
    op.addr = std::move(a), op.dst = dst.id, op.order = o;
}

void Thread::store(Addr a, Expr v, Order o)
{
    Op &op = add(Op::Kind::store, "store");
    op.addr = std::move(a), op.value = std::move(v), op.order = o;
}

void Thread::rmw(Reg dst, Addr a, Update f, Order o)
{
    rmw(std::move(a), std::move(f), o);
    ops_.back().dst = dst.id;
}

void Thread::rmw(Addr a, Update f, Order o)
{
    Op &op = add(Op::Kind::rmw, "rmw");
    op.addr = std::move(a), op.update = std::move(f), op.order = o;
}

void Thread::await(Reg dst, Addr a, Pred p, Order o)
{
    load(dst, std::move(a), o);
    ops_.back().pred = std::move(p), ops_.back().text = "await";
}

Reg Thread::scratch()
{
    if (scratch_ < 0) scratch_ = reg().id;
    return {scratch_};
}

void Thread::fence()
{
    add(Op::Kind::fence, "fence seq_cst");
}

void Thread::wake(Addr fd)
{
    rmw(
        std::move(fd), [](const Ctx &, int) { return 1; }, Order::acq_rel);
    ops_.back().kernel = true, ops_.back().text = "write descriptor";
}

void Thread::sleep(Addr fd)
{
    const Reg got = scratch();
    rmw(
        got, std::move(fd), [](const Ctx &, int) { return 0; }, Order::acq_rel);
    ops_.back().kernel = true, ops_.back().text = "sleep on";
    ops_.back().pred = [got](const Ctx &c) { return c[got] != 0; };
    let([got](const Ctx &c) { c[got] = 0; });
}

void Thread::poll(Addr fd)
{
    sleep(std::move(fd));
    ops_[ops_.size() - 2].update = [](const Ctx &, int old) { return old; };
    ops_[ops_.size() - 2].text = "poll";
}

void Thread::lock(Addr l)
{
    const Reg got = scratch();
    rmw(
        got, std::move(l), [](const Ctx &, int) { return 1; }, Order::acq_rel);
    ops_.back().kernel = true, ops_.back().text = "lock";
    ops_.back().pred = [got](const Ctx &c) { return c[got] == 0; };
}

void Thread::unlock(Addr l)
{
    store(std::move(l), 0, Order::release);
    ops_.back().text = "unlock";
}

void Thread::let(std::function<void(const Ctx &)> effect)
{
    add(Op::Kind::let, "let").effect = std::move(effect);
}

void Thread::check(Pred p, std::string message)
{
    add(Op::Kind::check, std::move(message)).pred = std::move(p);
}

void Thread::jump_if(Pred p, std::string label)
{
    add(Op::Kind::jump, std::move(label)).pred = std::move(p);
}

void Thread::resolve()
{
    if (regs_ > kMaxRegs) broken_model("too many registers", name_);
    if (ops_.size() > 250) broken_model("too many operations", name_);
    for (Op &op : ops_) {
        if (op.kind != Op::Kind::jump) continue;
        for (auto &[name, at] : labels_)
            if (name == op.text) op.target = at;
        if (op.target < 0) broken_model("no such label", op.text);
    }
}

Var Model::array(std::string name, int count, int init)
{
    const Var v{static_cast<int>(init_.size()), count};
    for (int i = 0; i < count; i++) {
        init_.push_back(static_cast<Val>(init));
        vars_.push_back(count == 1 ? name : name + "[" + std::to_string(i) + "]");
    }
    if (init_.size() > kMaxVars) broken_model("too many variables", name);
    return v;
}

void Model::set(Var v, int index, int init)
{
    init_.at(v.first + index) = static_cast<Val>(init);
}

Ghost Model::ghost(int count, int init)
{
    const Ghost g{static_cast<int>(ghosts_.size())};
    ghosts_.insert(ghosts_.end(), count, static_cast<Val>(init));
    if (ghosts_.size() > kMaxGhosts) broken_model("too many ghosts", "");
    return g;
}

Thread &Model::thread(std::string name, bool daemon)
{
    threads_.emplace_back(std::move(name), daemon);
    return threads_.back();
}

void Model::finally(std::function<bool(const Ctx &, const std::vector<int> &)> p, std::string msg)
{
    finally_ = std::move(p), finally_text_ = std::move(msg);
}

Result Model::run(Memory memory) const
{
    return Checker(*this, memory).run();
}

std::string Result::report() const
{
    std::string s = holds ? "holds" : "fails: " + failure;
    for (size_t i = 0; i < trace.size(); i++)
        s += "\n  " + std::to_string(i + 1) + ". " + trace[i];
    return s;
}

} // namespace acc::model
