// SPDX-License-Identifier: MIT
//
// What moves, repeats or renames elements; bytes are copied, whatever their type.
#include "host/call.h"

#include <algorithm>

namespace acc::host
{
namespace
{

constexpr size_t kManyParts = 1024;

bool run_copy(Call &c)
{
    copy_bytes(c.out[0].data, c.in[0].data, bytes_of(c.in[0]));
    return true;
}

bool same(Call &c)
{
    return c.give(c.in[0].dtype, c.dims(0));
}

// Copies elements: result i is the input's element at walk.
void gather_walk(const View &from, const View &to, const Dims &strides, int64_t start = 0)
{
    const uint32_t size = element_bytes(to.dtype);
    const auto *src = static_cast<const std::byte *>(from.data) + start * size;
    auto *dst = static_cast<std::byte *>(to.data);
    Walk<1> walk(to.dims, {strides});
    for (int64_t i = 0, n = elements(to.dims); i < n; i++, walk.next(), dst += size)
        std::memcpy(dst, src + walk[0] * size, size);
}

bool infer_reshape(Call &c)
{
    std::vector<int64_t> to;
    if (!c.need(1, to)) return false;
    const bool zeros = c.get("allowzero", int64_t{0}) != 0;
    const Dims &from = c.dims(0);
    const int64_t all = elements(from);
    int64_t known = 1, open = -1;
    for (size_t i = 0; i < to.size(); i++) {
        if (to[i] == 0 && !zeros && i < from.size()) to[i] = from[i];
        if (to[i] == -1 && open == -1) {
            open = static_cast<int64_t>(i);
        } else if (to[i] < 1 || to[i] > kMaxElements / known) {
            return c.fail("expected a shape of sizes from 1, 0 (as it is) or one -1; found " +
                          std::to_string(to[i]));
        } else {
            known *= to[i];
        }
    }
    if (open >= 0) to[static_cast<size_t>(open)] = all / known;
    if (elements(to) != all)
        return c.fail("expected a shape of " + std::to_string(all) + " elements, as " +
                      dims_text(from) + " has; found " + dims_text(to));
    return c.give(c.in[0].dtype, to);
}

bool infer_flatten(Call &c)
{
    int64_t axis = c.get("axis", int64_t{1});
    const int64_t rank = c.rank(0);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis > rank)
        return c.fail("expected an axis of " + dims_text(c.dims(0)) + "; found " +
                      std::to_string(axis));
    const Dims &d = c.dims(0);
    return c.give(c.in[0].dtype,
                  {elements({d.begin(), d.begin() + axis}), elements({d.begin() + axis, d.end()})});
}

bool infer_squeeze(Call &c)
{
    std::vector<int64_t> axes;
    if (c.has(1) && !c.need(1, axes)) return false;
    const Dims &d = c.dims(0);
    std::vector<bool> gone(d.size());
    for (size_t i = 0; i < d.size() && !c.has(1); i++)
        gone[i] = d[i] == 1;
    for (const int64_t a : axes) {
        int64_t axis = 0;
        if (!c.axis(a, c.rank(0), axis)) return false;
        if (d[static_cast<size_t>(axis)] != 1)
            return c.fail("expected axes of size 1; found axis " + std::to_string(a) + " of " +
                          dims_text(d));
        gone[static_cast<size_t>(axis)] = true;
    }
    Dims out;
    for (size_t i = 0; i < d.size(); i++)
        if (!gone[i]) out.push_back(d[i]);
    return c.give(c.in[0].dtype, out);
}

bool infer_unsqueeze(Call &c)
{
    std::vector<int64_t> axes;
    if (!c.need(1, axes)) return false;
    const auto rank = c.rank(0) + static_cast<int64_t>(axes.size());
    if (rank > static_cast<int64_t>(kMaxRank))
        return c.fail("expected at most 8 dimensions; found " + std::to_string(rank));
    std::vector<bool> fresh(static_cast<size_t>(rank));
    for (const int64_t a : axes) {
        int64_t axis = 0;
        if (!c.axis(a, rank, axis)) return false;
        if (fresh[static_cast<size_t>(axis)])
            return c.fail("expected axes that differ; found " + std::to_string(a) + " twice");
        fresh[static_cast<size_t>(axis)] = true;
    }
    Dims out;
    for (size_t i = 0, from = 0; i < fresh.size(); i++)
        out.push_back(fresh[i] ? 1 : c.dims(0)[from++]);
    return c.give(c.in[0].dtype, out);
}

bool read_perm(Call &c, Dims &perm)
{
    perm = c.ints("perm");
    const auto rank = c.dims(0).size();
    if (!c.has_attr("perm"))
        for (size_t i = rank; i-- > 0;)
            perm.push_back(static_cast<int64_t>(i));
    Dims sorted = perm;
    std::sort(sorted.begin(), sorted.end());
    bool good = sorted.size() == rank;
    for (size_t i = 0; good && i < rank; i++)
        good = sorted[i] == static_cast<int64_t>(i);
    if (!good)
        return c.fail("expected a permutation of " + std::to_string(rank) + " axes; found another");
    return true;
}

bool infer_transpose(Call &c)
{
    Dims perm, out;
    if (!read_perm(c, perm)) return false;
    for (const int64_t axis : perm)
        out.push_back(c.dims(0)[static_cast<size_t>(axis)]);
    return c.give(c.in[0].dtype, out);
}

bool run_transpose(Call &c)
{
    Dims perm, strides;
    if (!read_perm(c, perm)) return false;
    const Dims own = strides_of(c.dims(0));
    for (const int64_t axis : perm)
        strides.push_back(own[static_cast<size_t>(axis)]);
    gather_walk(c.in[0], c.out[0], strides);
    return true;
}

bool infer_concat(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    Dims out = c.dims(0);
    for (size_t i = 1; i < c.in.size(); i++) {
        if (!c.has(i)) return c.fail("expected input " + std::to_string(i) + "; found none");
        Dims d = c.dims(i);
        if (d.size() != out.size() || c.in[i].dtype != c.in[0].dtype)
            return c.fail("expected parts of one type and rank; found " + both(out, d));
        const int64_t more = d[static_cast<size_t>(axis)];
        d[static_cast<size_t>(axis)] = out[static_cast<size_t>(axis)];
        if (d != out)
            return c.fail("expected parts that differ along axis " + std::to_string(axis) +
                          " alone; found " + both(c.dims(0), c.dims(i)));
        out[static_cast<size_t>(axis)] += more;
    }
    return c.give(c.in[0].dtype, out);
}

bool run_concat(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    const Split3 s = split_at(c.out[0].dims, axis);
    const uint64_t inner = static_cast<uint64_t>(s.inner) * element_bytes(c.out[0].dtype);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (int64_t o = 0; o < s.outer; o++)
        for (const View &part : c.in) {
            const uint64_t size =
                static_cast<uint64_t>(part.dims[static_cast<size_t>(axis)]) * inner;
            copy_bytes(to,
                       static_cast<const std::byte *>(part.data) + static_cast<uint64_t>(o) * size,
                       size);
            to += size;
        }
    return true;
}

// The sizes of the parts.
bool read_split(Call &c, bool infer, int64_t &axis, std::vector<int64_t> &sizes)
{
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    const int64_t all = c.dims(0)[static_cast<size_t>(axis)];
    if (c.has(1)) {
        if (infer && !c.need(1, sizes)) return false;
        sizes = read_ints(c.in[1]);
        int64_t sum = 0;
        for (const int64_t size : sizes) {
            if (size < 0 || size > all - sum)
                return c.fail("expected parts of " + std::to_string(all) + " in all; found " +
                              std::to_string(size) + " after " + std::to_string(sum));
            sum += size;
        }
        if (sum != all || sizes.size() != c.outputs)
            return c.fail("expected " + std::to_string(c.outputs) + " parts of " +
                          std::to_string(all) + " in all; found " + std::to_string(sizes.size()) +
                          " of " + std::to_string(sum));
        return true;
    }
    const auto parts = c.get("num_outputs", static_cast<int64_t>(c.outputs));
    if (parts != static_cast<int64_t>(c.outputs) || (all % parts && !c.has_attr("num_outputs")))
        return c.fail("expected " + std::to_string(c.outputs) + " equal parts; found " +
                      std::to_string(all) + " in " + std::to_string(parts));
    const int64_t size = (all + parts - 1) / parts;
    for (int64_t left = all; left > 0; left -= size)
        sizes.push_back(std::min(size, left));
    if (sizes.size() != c.outputs)
        return c.fail("expected " + std::to_string(c.outputs) + " parts; found " +
                      std::to_string(sizes.size()));
    return true;
}

bool infer_split(Call &c)
{
    int64_t axis = 0;
    std::vector<int64_t> sizes;
    if (!read_split(c, true, axis, sizes)) return false;
    for (const int64_t size : sizes) {
        Dims d = c.dims(0);
        d[static_cast<size_t>(axis)] = size;
        c.give(c.in[0].dtype, d);
    }
    return true;
}

bool run_split(Call &c)
{
    int64_t axis = 0;
    std::vector<int64_t> sizes;
    if (!read_split(c, false, axis, sizes)) return false;
    const Split3 s = split_at(c.dims(0), axis);
    const auto inner = static_cast<size_t>(s.inner) * element_bytes(c.in[0].dtype);
    const auto *from = static_cast<const std::byte *>(c.in[0].data);
    for (int64_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < sizes.size(); i++) {
            const size_t bytes = static_cast<size_t>(sizes[i]) * inner;
            if (c.wants(i))
                std::memcpy(static_cast<std::byte *>(c.out[i].data) +
                                static_cast<size_t>(o) * bytes,
                            from, bytes);
            from += bytes;
        }
    return true;
}

// Starts and steps of every axis.
bool read_slice(Call &c, bool infer, Dims &start, Dims &step, Dims &out)
{
    std::vector<int64_t> starts, ends, axes, steps;
    std::vector<int64_t> *lists[] = {nullptr, &starts, &ends, &axes, &steps};
    for (size_t i = 1; i < 5; i++) {
        if (!c.has(i)) continue;
        if (infer && !c.need(i, *lists[i])) return false;
        *lists[i] = read_ints(c.in[i]);
    }
    if (!c.has(3))
        for (size_t i = 0; i < starts.size(); i++)
            axes.push_back(static_cast<int64_t>(i));
    if (!c.has(4)) steps.assign(starts.size(), 1);
    if (ends.size() != starts.size() || axes.size() != starts.size() ||
        steps.size() != starts.size())
        return c.fail("expected as many ends, axes and steps as starts; found others");
    out = c.dims(0);
    start.assign(out.size(), 0);
    step.assign(out.size(), 1);
    for (size_t i = 0; i < starts.size(); i++) {
        int64_t axis = 0;
        if (!c.axis(axes[i], c.rank(0), axis)) return false;
        const auto a = static_cast<size_t>(axis);
        const int64_t dim = c.dims(0)[a], by = steps[i];
        if (by == 0) return c.fail("expected steps other than 0; found 0");
        const auto placed = [&](int64_t v, int64_t least, int64_t most) {
            if (v < -dim) v = -dim - 1; // far below, so that adding dim cannot overflow
            return std::clamp(v < 0 ? v + dim : v, least, most);
        };
        const int64_t from = by > 0 ? placed(starts[i], 0, dim) : placed(starts[i], 0, dim - 1);
        const int64_t to = by > 0 ? placed(ends[i], 0, dim) : placed(ends[i], -1, dim - 1);
        const int64_t length = by > 0 ? to - from : from - to;
        // A step beyond the axis is as good as the axis itself.
        const int64_t size = std::clamp<int64_t>(by, -dim - 1, dim + 1);
        start[a] = from;
        step[a] = size;
        out[a] = length <= 0 ? 0 : (length - 1) / std::abs(size) + 1;
    }
    return true;
}

bool infer_slice(Call &c)
{
    Dims start, step, out;
    return read_slice(c, true, start, step, out) && c.give(c.in[0].dtype, out);
}

bool run_slice(Call &c)
{
    Dims start, step, out;
    if (!read_slice(c, false, start, step, out)) return false;
    Dims strides = strides_of(c.dims(0));
    int64_t first = 0;
    for (size_t i = 0; i < strides.size(); i++) {
        first += start[i] * strides[i];
        strides[i] *= step[i];
    }
    gather_walk(c.in[0], c.out[0], strides, first);
    return true;
}

bool read_pads(Call &c, bool infer, Dims &before, Dims &after)
{
    std::vector<int64_t> pads, axes;
    if (infer && !c.need(1, pads)) return false;
    pads = read_ints(c.in[1]);
    const size_t rank = c.dims(0).size();
    if (c.has(3)) {
        if (infer && !c.need(3, axes)) return false;
        axes = read_ints(c.in[3]);
    } else {
        for (size_t i = 0; i < rank; i++)
            axes.push_back(static_cast<int64_t>(i));
    }
    if (pads.size() != 2 * axes.size())
        return c.fail("expected " + std::to_string(2 * axes.size()) + " pads; found " +
                      std::to_string(pads.size()));
    before.assign(rank, 0);
    after.assign(rank, 0);
    for (size_t i = 0; i < axes.size(); i++) {
        int64_t axis = 0;
        if (!c.axis(axes[i], c.rank(0), axis)) return false;
        before[static_cast<size_t>(axis)] = pads[i];
        after[static_cast<size_t>(axis)] = pads[axes.size() + i];
    }
    for (size_t i = 0; i < rank; i++)
        for (const int64_t p : {before[i], after[i]})
            if (p > kMaxElements || p < -c.dims(0)[i])
                return c.fail("expected pads that leave something; found " + std::to_string(p));
    return true;
}

bool infer_pad(Call &c)
{
    Dims before, after, out = c.dims(0);
    if (!read_pads(c, true, before, after)) return false;
    const std::string mode = c.get("mode", "constant");
    if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
        return c.fail("expected attribute 'mode' of constant, reflect, edge or wrap; found '" +
                      mode + "'");
    if (c.has(2) && (c.in[2].dtype != c.in[0].dtype || elements(c.dims(2)) != 1))
        return c.fail("expected one value of the input's type to pad with; found another");
    for (size_t i = 0; i < out.size(); i++) {
        if (mode == "reflect" && out[i] < 2 && (before[i] > 0 || after[i] > 0))
            return c.fail("expected at least 2 elements to reflect; found " + dims_text(out));
        out[i] += before[i] + after[i];
    }
    return c.give(c.in[0].dtype, out);
}

bool run_pad(Call &c)
{
    Dims before, after;
    if (!read_pads(c, false, before, after)) return false;
    const std::string mode = c.get("mode", "constant");
    const uint32_t size = element_bytes(c.in[0].dtype);
    const Dims &from = c.dims(0), own = strides_of(from);
    const std::vector<std::byte> zero(8, std::byte{0});
    const auto *value = c.has(2) ? static_cast<const std::byte *>(c.in[2].data) : zero.data();
    auto *to = static_cast<std::byte *>(c.out[0].data);
    Walk<1> walk(c.out[0].dims, {strides_of(c.out[0].dims)});
    for (int64_t i = 0, n = elements(c.out[0].dims); i < n; i++, walk.next(), to += size) {
        int64_t offset = 0;
        bool inside = true;
        for (size_t a = 0; a < from.size(); a++) {
            int64_t x = walk.at()[a] - before[a];
            const int64_t dim = from[a];
            if (x < 0 || x >= dim) {
                if (mode == "constant") {
                    inside = false;
                    break;
                }
                if (mode == "edge") {
                    x = std::clamp<int64_t>(x, 0, dim - 1);
                } else if (mode == "wrap") {
                    x = ((x % dim) + dim) % dim;
                } else {
                    const int64_t period = 2 * (dim - 1);
                    x = ((x % period) + period) % period;
                    if (x >= dim) x = period - x;
                }
            }
            offset += x * own[a];
        }
        std::memcpy(to,
                    inside ? static_cast<const std::byte *>(c.in[0].data) + offset * size : value,
                    size);
    }
    return true;
}

bool infer_shape(Call &c)
{
    const int64_t rank = c.rank(0);
    int64_t start = c.get("start", int64_t{0}), end = c.get("end", rank);
    start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
    end = std::clamp<int64_t>(end < 0 ? end + rank : end, start, rank);
    return c.give(ACC_DTYPE_I64, {end - start});
}

bool run_shape(Call &c)
{
    const int64_t rank = c.rank(0), start = c.get("start", int64_t{0});
    const auto first = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
    copy_bytes(c.out[0].data, c.dims(0).data() + first, bytes_of(c.out[0]));
    return true;
}

bool run_size(Call &c)
{
    const int64_t size = elements(c.dims(0));
    std::memcpy(c.out[0].data, &size, sizeof(size));
    return true;
}

// The value is input 1, of one element; absent it is float 0.
bool infer_fill(Call &c)
{
    std::vector<int64_t> dims;
    if (!c.need(0, dims)) return false;
    if (c.has(1) && elements(c.dims(1)) != 1)
        return c.fail("expected a value of one element; found " + dims_text(c.dims(1)));
    return c.give(c.has(1) ? c.in[1].dtype : static_cast<uint32_t>(ACC_DTYPE_F32), dims);
}

bool run_fill(Call &c)
{
    const uint32_t size = element_bytes(c.out[0].dtype);
    const std::vector<std::byte> zero(8, std::byte{0});
    const void *value = c.has(1) ? c.in[1].data : zero.data();
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (int64_t i = 0, n = elements(c.out[0].dims); i < n; i++, to += size)
        std::memcpy(to, value, size);
    return true;
}

bool infer_dropout(Call &c)
{
    c.give(c.in[0].dtype, c.dims(0));
    return c.give(ACC_DTYPE_BOOL, c.dims(0));
}

bool run_dropout(Call &c)
{
    for (const size_t i : {1, 2})
        if (c.has(i) && elements(c.dims(i)) != 1)
            return c.fail("expected one ratio and one mode; found " + dims_text(c.dims(i)));
    if (c.has(2) && read_ints(c.in[2])[0] != 0 && (!c.has(1) || read_floats(c.in[1])[0] != 0))
        return c.fail("expected 'training_mode' to be false; found it true");
    if (c.wants(0)) std::memcpy(c.out[0].data, c.in[0].data, bytes_of(c.in[0]));
    if (c.wants(1)) std::memset(c.out[1].data, 1, bytes_of(c.out[1]));
    return true;
}

bool infer_expand(Call &c)
{
    std::vector<int64_t> shape;
    Dims out;
    if (!c.need(1, shape)) return false;
    if (!broadcast(c.dims(0), shape, out))
        return c.fail("expected shapes that fit each other; found " + both(c.dims(0), shape));
    return c.give(c.in[0].dtype, out);
}

bool run_expand(Call &c)
{
    gather_walk(c.in[0], c.out[0], spread_strides(c.dims(0), c.out[0].dims));
    return true;
}

bool infer_tile(Call &c)
{
    std::vector<int64_t> repeats;
    if (!c.need(1, repeats)) return false;
    Dims out = c.dims(0);
    if (repeats.size() != out.size())
        return c.fail("expected " + std::to_string(out.size()) + " repeats; found " +
                      std::to_string(repeats.size()));
    for (size_t i = 0; i < out.size(); i++) {
        if (repeats[i] < 0 || repeats[i] > kMaxElements)
            return c.fail("expected repeats of at most 2^28; found " + std::to_string(repeats[i]));
        out[i] *= repeats[i];
    }
    return c.give(c.in[0].dtype, out);
}

bool run_tile(Call &c)
{
    const uint32_t size = element_bytes(c.in[0].dtype);
    const Dims own = strides_of(c.dims(0));
    auto *to = static_cast<std::byte *>(c.out[0].data);
    Walk<1> walk(c.out[0].dims, {strides_of(c.out[0].dims)});
    for (int64_t i = 0, n = elements(c.out[0].dims); i < n; i++, walk.next(), to += size) {
        int64_t from = 0;
        for (size_t a = 0; a < own.size(); a++)
            from += walk.at()[a] % c.dims(0)[a] * own[a];
        std::memcpy(to, static_cast<const std::byte *>(c.in[0].data) + from * size, size);
    }
    return true;
}

} // namespace

const Operator move_ops[] = {
    {"Reshape", 2, 2, 1, "allowzero", infer_reshape, run_copy},
    {"Flatten", 1, 1, 1, "axis", infer_flatten, run_copy},
    {"Squeeze", 1, 2, 1, "", infer_squeeze, run_copy},
    {"Unsqueeze", 2, 2, 1, "", infer_unsqueeze, run_copy},
    {"Identity", 1, 1, 1, "", same, run_copy},
    {"Dropout", 1, 3, 2, "seed ratio", infer_dropout, run_dropout},
    {"Transpose", 1, 1, 1, "perm", infer_transpose, run_transpose},
    {"Concat", 1, kManyParts, 1, "axis", infer_concat, run_concat},
    {"Split", 1, 2, kManyParts, "axis num_outputs", infer_split, run_split},
    {"Slice", 3, 5, 1, "", infer_slice, run_slice},
    {"Pad", 2, 4, 1, "mode", infer_pad, run_pad},
    {"Shape", 1, 1, 1, "start end", infer_shape, run_shape},
    {"Size", 1, 1, 1, "", [](Call &c) { return c.give(ACC_DTYPE_I64, {}); }, run_size},
    {"ConstantOfShape", 1, 2, 1, "", infer_fill, run_fill},
    {"Expand", 2, 2, 1, "", infer_expand, run_expand},
    {"Tile", 2, 2, 1, "", infer_tile, run_tile},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
