// SPDX-License-Identifier: MIT
#include "tools/accc/place/place.h"

#include <algorithm>

namespace acc::accc
{
namespace
{

constexpr uint64_t kAlign = 64;

// From the operation that makes a value to the last that reads it, both included.
struct Life {
    ValueId value = 0;
    int64_t first = 0, last = 0;
    uint64_t bytes = 0;
};

uint64_t rounded(uint64_t bytes)
{
    return (bytes + kAlign - 1) / kAlign * kAlign;
}

// Values that nobody but the program that makes them reads, through reshapes too.
std::vector<bool> inside_programs(const Graph &g)
{
    std::vector<bool> inside(g.values.size());
    std::vector<uint32_t> program(g.values.size());
    std::vector<ValueId> root(g.values.size());
    for (ValueId id = 0; id < root.size(); id++)
        root[id] = id;
    for (const Op &op : g.ops) {
        for (const ValueId id : op.inputs)
            if (id != kNoValue && op.program != program[id]) inside[root[id]] = false;
        for (const ValueId id : results(op)) {
            if (id == kNoValue) continue;
            program[id] = op.program;
            if (op.kind == Kind::Reshape)
                root[id] = root[op.inputs[0]];
            else
                inside[id] = op.program != 0;
        }
    }
    for (const ValueId id : g.outputs)
        inside[root[id]] = false;
    return inside;
}

std::vector<Life> lives_of(const Graph &g, MemoryPlan &plan)
{
    const auto end = static_cast<int64_t>(g.ops.size());
    std::vector<Life> life(g.values.size());
    const auto born = [&](ValueId id, int64_t at) {
        const Value &v = g.value(id);
        life[id] = {id, at, at, static_cast<uint64_t>(elements(v.dims)) * dtype_size(v.dtype)};
    };
    for (const ValueId id : g.inputs) {
        born(id, -1);
        life[id].last = end;
    }
    // All of a program happens at once: what it reads is read until it is done. Between
    // its operations nothing is in memory.
    const std::vector<bool> inside = inside_programs(g);
    int64_t i = 0; // of the program, or the operation
    for (int64_t k = 0; k < end; k++) {
        const Op &op = g.ops[static_cast<size_t>(k)];
        if (k == 0 || !op.program || g.ops[static_cast<size_t>(k - 1)].program != op.program) i = k;
        for (const ValueId id : op.inputs)
            if (id != kNoValue && !g.value(id).is_constant()) {
                Life &l = life[plan.root[id]];
                l.last = std::max(l.last, i);
            }
        if (op.kind == Kind::Reshape)
            plan.root[op.output] = plan.root[op.inputs[0]];
        else
            for (const ValueId id : results(op))
                if (id != kNoValue && !inside[id]) born(id, i);
    }
    for (const ValueId id : g.outputs)
        life[plan.root[id]].last = end;
    std::erase_if(life, [](const Life &l) { return l.bytes == 0; });
    return life;
}

} // namespace

MemoryPlan plan_memory(const Graph &g)
{
    MemoryPlan plan;
    plan.root.resize(g.values.size());
    plan.offset.resize(g.values.size());
    plan.bytes.resize(g.values.size());
    for (ValueId id = 0; id < g.values.size(); id++)
        plan.root[id] = id;
    std::vector<Life> lives = lives_of(g, plan);
    // The largest first: what is small fits into what they leave.
    std::stable_sort(lives.begin(), lives.end(),
                     [](const Life &a, const Life &b) { return a.bytes > b.bytes; });
    std::vector<const Life *> placed; // by offset
    for (const Life &life : lives) {
        uint64_t at = 0;
        for (const Life *other : placed) {
            if (other->last < life.first || life.last < other->first) continue;
            const uint64_t begin = plan.offset[other->value];
            if (at + life.bytes <= begin) break;
            at = std::max(at, begin + rounded(other->bytes));
        }
        plan.offset[life.value] = at;
        plan.bytes[life.value] = life.bytes;
        const auto before = [&](const Life *a, uint64_t offset) {
            return plan.offset[a->value] < offset;
        };
        placed.insert(std::lower_bound(placed.begin(), placed.end(), at, before), &life);
        plan.workspace = std::max(plan.workspace, at + rounded(life.bytes));
        plan.unshared += rounded(life.bytes);
    }
    return plan;
}

std::vector<std::vector<uint32_t>> plan_deps(const Graph &g, const MemoryPlan &memory)
{
    struct Access {
        uint64_t begin, end;
        bool writes;
    };
    const size_t count = g.ops.size();
    std::vector<std::vector<Access>> accesses(count);
    std::vector<uint32_t> target(count, ACC_TARGET_COUNT); // none for Reshape
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        const Op &op = g.ops[i];
        if (op.kind == Kind::Reshape && !op.program) continue;
        // A program is where its first operation is.
        if (!op.program || i == 0 || g.ops[i - 1].program != op.program) first = i;
        target[first] = op.program ? uint32_t{ACC_TARGET_CROSSBAR} : place(op.kind).target;
        const auto add = [&](ValueId id, bool writes) {
            const ValueId root = memory.root[id];
            const uint64_t begin = memory.offset[root];
            if (memory.bytes[root] == 0) return; // inside of a program
            accesses[first].push_back({begin, begin + memory.bytes[root], writes});
        };
        for (const ValueId id : op.inputs)
            if (id != kNoValue && !g.value(id).is_constant()) add(id, false);
        for (const ValueId id : results(op))
            if (id != kNoValue) add(id, true);
    }
    const auto conflict = [&](size_t a, size_t b) {
        for (const Access &x : accesses[a])
            for (const Access &y : accesses[b])
                if ((x.writes || y.writes) && x.begin < y.end && y.begin < x.end) return true;
        return false;
    };
    // synced[t][u]: operations of u below this are complete before the next one of t.
    size_t synced[ACC_TARGET_COUNT][ACC_TARGET_COUNT] = {};
    std::vector<std::vector<uint32_t>> deps(count);
    for (size_t i = 0; i < count; i++) {
        if (target[i] == ACC_TARGET_COUNT) continue;
        for (uint32_t other = 0; other < ACC_TARGET_COUNT; other++) {
            if (other == target[i]) continue;
            size_t &done = synced[target[i]][other];
            for (size_t j = i; j-- > done;)
                if (target[j] == other && conflict(i, j)) {
                    deps[i].push_back(static_cast<uint32_t>(j));
                    done = j + 1;
                    break;
                }
        }
    }
    return deps;
}

} // namespace acc::accc
