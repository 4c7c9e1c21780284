// SPDX-License-Identifier: MIT
#include "tools/accc/ir/shape.h"
#include "tools/accc/passes/passes.h"

#include <algorithm>

namespace acc::accc
{
namespace
{

bool has_limits(Kind kind)
{
    return kind == Kind::Conv || kind == Kind::MatMul || kind == Kind::Add || kind == Kind::Clip ||
           kind == Kind::Table || kind == Kind::Mul;
}

// Operations that give the same whether their operand or their result is limited.
bool commutes(Kind kind)
{
    return kind == Kind::MaxPool || kind == Kind::Reshape || kind == Kind::Transpose ||
           kind == Kind::Slice;
}

// A scale that the model states, with the limits that its type has alone.
bool only_scale(const Graph &g, const Op &clip)
{
    const Quant q = g.value(clip.output).quant;
    return q.scale > 0 && clip.lo <= static_cast<float>(-128 - q.zero_point) * q.scale &&
           clip.hi >= static_cast<float>(127 - q.zero_point) * q.scale;
}

// Lets ops[at], a Clip, and ops[before], which makes its operand, change
// places.
void swap_clip(Graph &g, size_t before, size_t at)
{
    Op clip = g.ops[at], other = g.ops[before];
    const Value from = g.value(other.inputs[0]);
    const ValueId result = clip.output;
    clip.inputs[0] = other.inputs[0];
    clip.output = g.add_value(from.name, from.dtype, from.dims, g.value(result).quant);
    other.inputs[0] = clip.output;
    other.output = result;
    // Both stay where their operands are made already and their readers come later.
    g.ops[before] = std::move(clip);
    g.ops[at] = std::move(other);
}

// Zeros around an image: an average of single elements, those outside counted.
bool only_pads(const Op &op)
{
    const Window &w = op.window;
    return op.kind == Kind::AvgPool && op.count_include_pad && w.kernel[0] == 1 &&
           w.kernel[1] == 1 && w.stride[0] == 1 && w.stride[1] == 1;
}

// A convolution pads by itself; what it makes has the same size as before.
void fuse_pads(Graph &g)
{
    const std::vector<int64_t> maker = g.makers();
    for (Op &op : g.ops) {
        if (op.kind != Kind::Conv || maker[op.inputs[0]] < 0) continue;
        const Op &pad = g.ops[static_cast<size_t>(maker[op.inputs[0]])];
        // A scale that the model states belongs to the value that has it.
        if (!only_pads(pad) || g.value(pad.output).quant.scale > 0) continue;
        const Window &more = pad.window;
        if (op.window.pad[0] + more.pad[0] >= kMaxKernel ||
            op.window.pad[1] + more.pad[1] >= kMaxKernel)
            continue;
        for (int i = 0; i < 2; i++)
            op.window.pad[i] += more.pad[i];
        op.inputs[0] = pad.inputs[0];
        g.sources[pad.source].fate = "fused into " + g.source(op).name + ", as its padding";
    }
}

} // namespace

Status fuse_limits(Graph &g, Diagnostics &)
{
    fuse_pads(g);
    std::vector<uint32_t> uses = g.uses();
    std::vector<int64_t> maker = g.makers();
    std::vector<bool> fused(g.ops.size());
    for (size_t i = 0; i < g.ops.size(); i++) {
        // A clip moves up until something takes its limits or nothing more can.
        for (size_t at = i; g.ops[at].kind == Kind::Clip && !fused[at];) {
            const ValueId x = g.ops[at].inputs[0];
            // A scale that the model states belongs to the value that has it.
            if (maker[x] < 0 || uses[x] != 1 || g.value(x).quant.scale > 0) break;
            const auto before = static_cast<size_t>(maker[x]);
            Op &p = g.ops[before];
            if (commutes(p.kind)) {
                swap_clip(g, before, at);
                uses.resize(g.values.size(), 1);
                maker.resize(g.values.size());
                maker[g.ops[before].output] = static_cast<int64_t>(before);
                maker[g.ops[at].output] = static_cast<int64_t>(at);
                at = before;
            } else if (has_limits(p.kind) || (p.kind == Kind::Concat && only_scale(g, g.ops[at]))) {
                const Op &clip = g.ops[at];
                if (p.kind != Kind::Concat) {
                    p.lo = std::clamp(p.lo, clip.lo, clip.hi);
                    p.hi = std::clamp(p.hi, clip.lo, clip.hi);
                }
                p.output = clip.output;
                maker[p.output] = static_cast<int64_t>(before);
                g.sources[clip.source].fate = "fused into " + g.source(p).name + ", as limits";
                fused[at] = true;
            } else {
                break;
            }
        }
    }
    size_t next = 0;
    std::erase_if(g.ops, [&](const Op &) { return fused[next++]; });
    return Ok{};
}

Status permute_weights(Graph &g, Diagnostics &)
{
    const std::vector<uint32_t> uses = g.uses();
    const std::vector<int64_t> maker = g.makers();
    const auto only_maker = [&](ValueId id, Kind kind) -> Op * {
        if (maker[id] < 0 || uses[id] != 1) return nullptr;
        Op &op = g.ops[maker[id]];
        return op.kind == kind ? &op : nullptr;
    };
    for (Op &op : g.ops) {
        if (op.kind != Kind::MatMul || !g.value(op.inputs[1]).is_constant()) continue;
        Op *flat = only_maker(op.inputs[0], Kind::Reshape);
        Op *moved = flat ? only_maker(flat->inputs[0], Kind::Transpose) : nullptr;
        const Dims w = g.value(op.inputs[1]).dims;
        if (!moved) continue;
        const Dims dims = g.value(moved->inputs[0]).dims; // in memory
        // The product must see the whole of an image as one row.
        if (elements({dims.begin() + 1, dims.end()}) != w[0]) continue;
        const std::vector<float> &old = g.floats(op.inputs[1]);
        std::vector<float> fresh(old.size());
        Dims step;
        for (const int axis : moved->perm)
            step.push_back(elements({dims.begin() + axis + 1, dims.end()}));
        Dims at(dims.size(), 0);
        const auto cols = static_cast<size_t>(w[1]);
        for (int64_t row = 0; row < w[0]; row++) {
            int64_t in_memory = 0;
            for (size_t i = 0; i < at.size(); i++)
                in_memory += at[i] * step[i];
            std::copy_n(old.begin() + row * w[1], cols, fresh.begin() + in_memory * w[1]);
            for (size_t i = at.size(); i-- > 0;) {
                if (++at[i] < dims[moved->perm[i]]) break;
                at[i] = 0;
            }
        }
        const std::vector<float> scales = g.value(op.inputs[1]).scales;
        op.inputs[1] = g.add_constant(g.source(op).name + " weights", w, std::move(fresh));
        g.value(op.inputs[1]).scales = scales;
        // The transposition stays as a reshape that nothing is behind.
        g.sources[moved->source].fate =
            "no data moves: the rows of " + g.source(op).name + "'s weights are permuted instead";
        moved->kind = Kind::Reshape;
        moved->shape = g.value(moved->output).dims;
        moved->perm.clear();
    }
    return Ok{};
}

} // namespace acc::accc
