// SPDX-License-Identifier: MIT
//
// A small exhaustive model checker for the shared-memory protocols of the queue ABI.
//
// A model is a few threads (lists of operations with a program counter and registers) over shared
// variables. run() visits every reachable state, breadth first, and reports the shortest way to a
//  - failed check(),
//  - state in which nobody can step although a thread has not ended (deadlock, lost wake-up),
//  - state from which the threads can no longer all end (a livelock).
//
// Two memories:
//  - tso: x86. A FIFO store buffer per thread, drained by steps of its own; loads look there first;
//    read-modify-writes and fences wait until it is empty. Acquire and release cost nothing.
//  - c11: the C++20 model by views. Each variable keeps its modification order; a thread may read
//    any message not older than the newest it knows of, and may place a store anywhere behind that.
//    Release stores attach the writer's view, acquire loads take it, read-modify-writes sit
//    directly behind what they read and carry its view on (release sequences), seq_cst fences join
//    a global view. So stores drain out of order (PSO) and loads see stale values (RMO) unless
//    ordered. Not expressible: loads satisfied after a later store of their thread (load
//    buffering), and seq_cst accesses other than fences; protocols under test do without both.
//
// Operations without a memory access (let, jump_if, check) run together with the access before
// them. Ghosts are variables of the proof: seen by all at once, whatever the memory. A thread named
// a daemon may stay asleep at the end. Not thread-safe; a Model may be run any number of times.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace acc::model
{

using Val = int8_t;
enum class Memory { tso, c11 };
enum class Order : uint8_t { relaxed, acquire, release, acq_rel };

inline constexpr int kMaxVars = 20, kMaxRegs = 8, kMaxGhosts = 16, kMaxBuffer = 8;

struct Reg {
    int id;
};
struct Ghost {
    int id;
    Ghost operator[](int i) const { return {id + i}; }
};

/// What local code sees: its thread's registers and the ghosts.
struct Ctx {
    Val *regs, *ghosts;
    Val &operator[](Reg r) const { return regs[r.id]; }
    Val &operator[](Ghost g) const { return ghosts[g.id]; }
};

/// A value computed from registers; a constant or a register converts to one.
struct Expr {
    std::function<int(const Ctx &)> eval;
    Expr(int constant) : eval([constant](const Ctx &) { return constant; }) {}
    Expr(Reg r) : eval([r](const Ctx &c) { return c[r]; }) {}
    template <class F>
    requires std::is_invocable_r_v<int, F, const Ctx &> Expr(F f) : eval(std::move(f)) {}
};

/// A shared variable, an array of them, or one element.
struct Addr {
    int first, count;
    Expr index;
};
struct Var {
    int first, count;
    Addr operator[](Expr index) const { return {first, count, std::move(index)}; }
    operator Addr() const { return {first, count, 0}; }
};

using Pred = std::function<bool(const Ctx &)>;
using Update = std::function<int(const Ctx &, int old)>;

struct Op {
    enum class Kind : uint8_t { load, store, rmw, fence, let, jump, check } kind;
    Addr addr{0, 0, 0};
    int dst = -1;        // register that takes the value read
    Expr value = 0;      // store
    Update update;       // rmw
    Pred pred;           // load: spin until it holds (dst already set); jump, check
    bool kernel = false; // rmw on the newest value, blocked until pred holds: descriptors, locks
    Order order = Order::relaxed;
    std::function<void(const Ctx &)> effect; // let
    std::string text;                        // jump target, check message, or what the op is called
    int target = -1;
};

class Thread
{
public:
    Thread(std::string name, bool daemon) : name_(std::move(name)), daemon_(daemon) {}

    Reg reg() { return {regs_++}; }
    void load(Reg dst, Addr a, Order o);
    void store(Addr a, Expr v, Order o);
    void rmw(Reg dst, Addr a, Update f, Order o);
    void rmw(Addr a, Update f, Order o);
    /// Spins until `p`, evaluated with `dst` set to the value read, holds.
    void await(Reg dst, Addr a, Pred p, Order o);
    /// atomic_thread_fence(seq_cst).
    void fence();
    /// An eventfd: write makes it readable, sleep blocks until it is and consumes it all; poll
    /// blocks but leaves it. As in the kernel, a lock's ordering (acq_rel), not a full fence.
    void wake(Addr fd);
    void sleep(Addr fd);
    void poll(Addr fd);
    void lock(Addr l);
    void unlock(Addr l);
    void let(std::function<void(const Ctx &)> effect);
    void check(Pred p, std::string message);
    void jump_if(Pred p, std::string label);
    void jump(std::string label) { jump_if(nullptr, std::move(label)); }
    void label(const std::string &name)
    {
        labels_.emplace_back(name, static_cast<int>(ops_.size()));
    }

private:
    friend class Checker;
    friend class Model;
    Op &add(Op::Kind kind, std::string text);
    Reg scratch();
    void resolve();

    std::string name_;
    bool daemon_;
    int regs_ = 0, scratch_ = -1;
    std::vector<Op> ops_;
    std::vector<std::pair<std::string, int>> labels_;
};

struct Result {
    bool holds = false;
    std::string failure;            // empty when it holds
    std::vector<std::string> trace; // one step a line, to the first failure
    size_t states = 0, steps = 0;
    std::string report() const;
};

class Model
{
public:
    Var var(std::string name, int init = 0) { return array(std::move(name), 1, init); }
    Var array(std::string name, int count, int init = 0);
    /// Gives one element of an array another initial value.
    void set(Var v, int index, int init);
    Ghost ghost(int count = 1, int init = 0);
    /// The reference stays good as long as the model.
    Thread &thread(std::string name, bool daemon = false);
    /// Must hold of the ghosts and the final memory (newest value of each variable) at every end.
    void finally(std::function<bool(const Ctx &ghosts, const std::vector<int> &memory)> p,
                 std::string msg);

    [[nodiscard]] Result run(Memory memory) const;

private:
    friend class Checker;
    std::vector<std::string> vars_;
    std::vector<Val> init_, ghosts_;
    std::deque<Thread> threads_; // references stay good
    std::function<bool(const Ctx &, const std::vector<int> &)> finally_;
    std::string finally_text_;
};

} // namespace acc::model
