// SPDX-License-Identifier: MIT
//
// What picks or makes elements by index.
#include "host/call.h"

#include <algorithm>

namespace acc::host
{
namespace
{

// Indices with negative ones counted from the end of `dim`.
bool checked(Call &c, std::vector<int64_t> &indices, int64_t dim)
{
    for (int64_t &i : indices) {
        if (i < -dim || i >= dim)
            return c.fail("expected indices of " + std::to_string(dim) + " elements; found " +
                          std::to_string(i));
        if (i < 0) i += dim;
    }
    return true;
}

bool index_type(Call &c, size_t i)
{
    if (!is_float(c.in[i].dtype) && c.in[i].dtype != ACC_DTYPE_BOOL) return true;
    return c.fail("expected indices of integers; found " + std::string(type_name(c.in[i].dtype)));
}

bool infer_gather(Call &c)
{
    int64_t axis = 0;
    if (!index_type(c, 1) || !c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    Dims out(c.dims(0).begin(), c.dims(0).begin() + axis);
    out.insert(out.end(), c.dims(1).begin(), c.dims(1).end());
    out.insert(out.end(), c.dims(0).begin() + axis + 1, c.dims(0).end());
    return c.give(c.in[0].dtype, out);
}

bool run_gather(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    const Split3 s = split_at(c.dims(0), axis);
    std::vector<int64_t> indices = read_ints(c.in[1]);
    if (!checked(c, indices, s.axis)) return false;
    const auto bytes = static_cast<size_t>(s.inner) * element_bytes(c.in[0].dtype);
    const auto *from = static_cast<const std::byte *>(c.in[0].data);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (int64_t o = 0; o < s.outer; o++)
        for (const int64_t i : indices) {
            std::memcpy(to, from + static_cast<size_t>(o * s.axis + i) * bytes, bytes);
            to += bytes;
        }
    return true;
}

bool infer_gather_elements(Call &c)
{
    int64_t axis = 0;
    if (!index_type(c, 1) || !c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    bool fits = c.rank(1) == c.rank(0);
    for (size_t i = 0; fits && i < c.dims(0).size(); i++)
        fits = static_cast<int64_t>(i) == axis || c.dims(1)[i] <= c.dims(0)[i];
    if (!fits)
        return c.fail("expected indices inside the data's shape; found " +
                      both(c.dims(0), c.dims(1)));
    return c.give(c.in[0].dtype, c.dims(1));
}

bool run_gather_elements(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    std::vector<int64_t> indices = read_ints(c.in[1]);
    if (!checked(c, indices, c.dims(0)[static_cast<size_t>(axis)])) return false;
    const uint32_t size = element_bytes(c.in[0].dtype);
    const Dims own = strides_of(c.dims(0));
    Dims others = own;
    others[static_cast<size_t>(axis)] = 0;
    Walk<1> walk(c.dims(1), {others});
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (size_t i = 0; i < indices.size(); i++, walk.next(), to += size)
        std::memcpy(to,
                    static_cast<const std::byte *>(c.in[0].data) +
                        (walk[0] + indices[i] * own[static_cast<size_t>(axis)]) * size,
                    size);
    return true;
}

// Tuples of indices: their length, and the dims of what one tuple names.
bool read_tuples(Call &c, int64_t batch, int64_t &length, Dims &rest)
{
    if (!index_type(c, 1)) return false;
    const int64_t rank = c.rank(0), last = c.dims(1).empty() ? 0 : c.dims(1).back();
    if (batch < 0 || batch >= c.rank(1) || batch >= rank || last < 1 || last > rank - batch)
        return c.fail("expected tuples of indices into " + dims_text(c.dims(0)) + "; found " +
                      dims_text(c.dims(1)));
    for (int64_t i = 0; i < batch; i++)
        if (c.dims(0)[static_cast<size_t>(i)] != c.dims(1)[static_cast<size_t>(i)])
            return c.fail("expected the same batch; found " + both(c.dims(0), c.dims(1)));
    length = last;
    rest.assign(c.dims(0).begin() + batch + last, c.dims(0).end());
    return true;
}

// The offset of each tuple's elements in the data.
bool tuple_offsets(Call &c, int64_t batch, int64_t length, std::vector<int64_t> &offsets)
{
    const std::vector<int64_t> indices = read_ints(c.in[1]);
    const Dims own = strides_of(c.dims(0));
    const Dims &d = c.dims(0);
    const int64_t batches = elements({d.begin(), d.begin() + batch});
    const int64_t each = static_cast<int64_t>(indices.size()) / length / batches;
    const int64_t stride = batch ? own[static_cast<size_t>(batch - 1)] : 0;
    for (size_t t = 0; t < indices.size() / static_cast<size_t>(length); t++) {
        int64_t offset = static_cast<int64_t>(t) / each * stride;
        for (int64_t k = 0; k < length; k++) {
            int64_t i = indices[t * static_cast<size_t>(length) + static_cast<size_t>(k)];
            const int64_t dim = d[static_cast<size_t>(batch + k)];
            if (i < -dim || i >= dim)
                return c.fail("expected indices of " + std::to_string(dim) + " elements; found " +
                              std::to_string(i));
            offset += (i < 0 ? i + dim : i) * own[static_cast<size_t>(batch + k)];
        }
        offsets.push_back(offset);
    }
    return true;
}

bool infer_gather_nd(Call &c)
{
    int64_t length = 0;
    Dims rest;
    if (!read_tuples(c, c.get("batch_dims", int64_t{0}), length, rest)) return false;
    Dims out(c.dims(1).begin(), c.dims(1).end() - 1);
    out.insert(out.end(), rest.begin(), rest.end());
    return c.give(c.in[0].dtype, out);
}

bool run_gather_nd(Call &c)
{
    const int64_t batch = c.get("batch_dims", int64_t{0});
    int64_t length = 0;
    Dims rest;
    std::vector<int64_t> offsets;
    if (!read_tuples(c, batch, length, rest) || !tuple_offsets(c, batch, length, offsets))
        return false;
    const uint32_t size = element_bytes(c.in[0].dtype);
    const auto bytes = static_cast<size_t>(elements(rest)) * size;
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (const int64_t offset : offsets) {
        std::memcpy(to, static_cast<const std::byte *>(c.in[0].data) + offset * size, bytes);
        to += bytes;
    }
    return true;
}

double reduced(const std::string &how, double a, double b)
{
    if (how == "add") return a + b;
    if (how == "mul") return a * b;
    if (how == "max") return std::max(a, b);
    if (how == "min") return std::min(a, b);
    return b;
}

bool check_reduction(Call &c)
{
    const std::string how = c.get("reduction", "none");
    for (const char *known : {"none", "add", "mul", "max", "min"})
        if (how == known) return true;
    return c.fail("expected attribute 'reduction' of none, add, mul, max or min; found '" + how +
                  "'");
}

bool infer_scatter_elements(Call &c)
{
    int64_t axis = 0;
    if (!index_type(c, 1) || !check_reduction(c) ||
        !c.axis(c.get("axis", int64_t{0}), c.rank(0), axis))
        return false;
    bool fits = c.dims(1) == c.dims(2) && c.rank(1) == c.rank(0) && c.in[0].dtype == c.in[2].dtype;
    for (size_t i = 0; fits && i < c.dims(0).size(); i++)
        fits = static_cast<int64_t>(i) == axis || c.dims(1)[i] <= c.dims(0)[i];
    if (!fits)
        return c.fail("expected indices and updates of one shape inside the data's; found " +
                      both(c.dims(1), c.dims(2)));
    return c.give(c.in[0].dtype, c.dims(0));
}

// Writes updates to the offsets of the data, each `run` elements long.
void scatter(Call &c, const std::vector<int64_t> &offsets, int64_t run)
{
    const std::string how = c.get("reduction", "none");
    const auto work = [&](auto w) {
        using W = decltype(w);
        const In<W> data(c.in[0]), updates(c.in[2]);
        Out<W> y(c.out[0]);
        std::copy_n(data.data(), y.size(), y.data());
        for (size_t i = 0; i < offsets.size(); i++)
            for (int64_t k = 0; k < run; k++) {
                W &to = y[static_cast<size_t>(offsets[i] + k)];
                const W from = updates[i * static_cast<size_t>(run) + static_cast<size_t>(k)];
                to = how == "none" ? from
                                   : static_cast<W>(reduced(how, static_cast<double>(to),
                                                            static_cast<double>(from)));
            }
    };
    by_type(c.in[0].dtype, work);
}

bool run_scatter_elements(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
    std::vector<int64_t> indices = read_ints(c.in[1]);
    if (!checked(c, indices, c.dims(0)[static_cast<size_t>(axis)])) return false;
    const Dims own = strides_of(c.dims(0));
    Dims others = own;
    others[static_cast<size_t>(axis)] = 0;
    Walk<1> walk(c.dims(1), {others});
    for (int64_t &i : indices) {
        i = walk[0] + i * own[static_cast<size_t>(axis)];
        walk.next();
    }
    scatter(c, indices, 1);
    return true;
}

bool infer_scatter_nd(Call &c)
{
    int64_t length = 0;
    Dims rest;
    if (!check_reduction(c) || !read_tuples(c, 0, length, rest)) return false;
    Dims updates(c.dims(1).begin(), c.dims(1).end() - 1);
    updates.insert(updates.end(), rest.begin(), rest.end());
    if (c.dims(2) != updates || c.in[2].dtype != c.in[0].dtype)
        return c.fail("expected updates of " + dims_text(updates) + "; found " +
                      dims_text(c.dims(2)));
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_scatter_nd(Call &c)
{
    int64_t length = 0;
    Dims rest;
    std::vector<int64_t> offsets;
    if (!read_tuples(c, 0, length, rest) || !tuple_offsets(c, 0, length, offsets)) return false;
    scatter(c, offsets, elements(rest));
    return true;
}

bool infer_one_hot(Call &c)
{
    std::vector<int64_t> depth;
    if (!c.need(1, depth)) return false;
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0) + 1, axis)) return false;
    if (depth.size() != 1 || depth[0] < 1 || c.dims(2) != Dims{2})
        return c.fail("expected one depth above 0 and two values; found others");
    Dims out = c.dims(0);
    out.insert(out.begin() + axis, depth[0]);
    return c.give(c.in[2].dtype, out);
}

bool run_one_hot(Call &c)
{
    int64_t axis = 0;
    if (!c.axis(c.get("axis", int64_t{-1}), c.rank(0) + 1, axis)) return false;
    const std::vector<int64_t> indices = read_ints(c.in[0]);
    const Split3 s = split_at(c.out[0].dims, axis);
    const uint32_t size = element_bytes(c.in[2].dtype);
    const auto *values = static_cast<const std::byte *>(c.in[2].data);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < s.axis; k++)
            for (int64_t i = 0; i < s.inner; i++, to += size) {
                const int64_t index = indices[static_cast<size_t>(o * s.inner + i)];
                const bool on = index == k || (index < 0 && index + s.axis == k);
                std::memcpy(to, values + (on ? size : 0), size);
            }
    return true;
}

bool infer_range(Call &c)
{
    for (const size_t i : {0, 1, 2}) {
        if (elements(c.dims(i)) != 1)
            return c.fail("expected start, limit and step of one value; found " +
                          dims_text(c.dims(i)));
        if (!c.in[i].data) c.unknown = true;
    }
    if (c.unknown) return false;
    const double start = read_floats(c.in[0])[0], limit = read_floats(c.in[1])[0],
                 step = read_floats(c.in[2])[0];
    const double count = std::ceil((limit - start) / step);
    if (!(std::abs(count) <= static_cast<double>(kMaxElements)))
        return c.fail("expected a step other than 0 and at most 2^28 values; found others");
    return c.give(c.in[0].dtype, {std::max<int64_t>(static_cast<int64_t>(count), 0)});
}

bool run_range(Call &c)
{
    by_type(c.in[0].dtype, [&](auto w) {
        using W = decltype(w);
        const W start = In<W>(c.in[0])[0], step = In<W>(c.in[2])[0];
        Out<W> y(c.out[0]);
        for (size_t i = 0; i < y.size(); i++)
            y[i] = start + static_cast<W>(i) * step;
    });
    return true;
}

bool infer_eye(Call &c)
{
    if (c.rank(0) != 2) return c.fail("expected 2 dimensions; found " + dims_text(c.dims(0)));
    const auto dtype = static_cast<uint32_t>(c.get("dtype", static_cast<int64_t>(c.in[0].dtype)));
    if (!element_bytes(dtype)) return c.fail("expected a number type; found another");
    return c.give(dtype, c.dims(0));
}

bool run_eye(Call &c)
{
    const int64_t k = c.get("k", int64_t{0}), cols = c.out[0].dims[1];
    Out<int64_t> y(c.out[0]);
    for (size_t i = 0; i < y.size(); i++) {
        const auto at = static_cast<int64_t>(i);
        y[i] = at % cols == at / cols + k;
    }
    return true;
}

bool infer_trilu(Call &c)
{
    if (c.rank(0) < 2)
        return c.fail("expected at least 2 dimensions; found " + dims_text(c.dims(0)));
    if (c.has(1) && elements(c.dims(1)) != 1) return c.fail("expected one k; found several");
    return c.give(c.in[0].dtype, c.dims(0));
}

bool run_trilu(Call &c)
{
    const int64_t k = c.has(1) ? read_ints(c.in[1])[0] : 0;
    const bool upper = c.get("upper", int64_t{1}) != 0;
    const uint32_t size = element_bytes(c.in[0].dtype);
    const int64_t cols = c.dims(0).back(), rows = c.dims(0)[c.dims(0).size() - 2];
    const auto *from = static_cast<const std::byte *>(c.in[0].data);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (int64_t i = 0, n = elements(c.dims(0)); i < n; i++, from += size, to += size) {
        const int64_t col = i % cols, row = i / cols % rows;
        const bool keep = upper ? col - row >= k : col - row <= k;
        if (keep)
            std::memcpy(to, from, size);
        else
            std::memset(to, 0, size);
    }
    return true;
}

bool infer_nonzero(Call &c)
{
    if (!c.in[0].data) {
        c.unknown = true;
        return false;
    }
    int64_t count = 0;
    for (const double v : read_floats(c.in[0]))
        count += v != 0;
    return c.give(ACC_DTYPE_I64, {c.rank(0), count});
}

bool run_nonzero(Call &c)
{
    const std::vector<double> x = read_floats(c.in[0]);
    auto *y = static_cast<int64_t *>(c.out[0].data);
    const int64_t count = c.out[0].dims[1];
    Walk<1> walk(c.dims(0), {strides_of(c.dims(0))});
    for (size_t i = 0, n = 0; i < x.size(); i++, walk.next()) {
        if (x[i] == 0) continue;
        for (size_t a = 0; a < c.dims(0).size(); a++)
            y[a * static_cast<size_t>(count) + n] = walk.at()[a];
        n++;
    }
    return true;
}

bool infer_compress(Call &c)
{
    std::vector<int64_t> keep;
    if (!c.need(1, keep)) return false;
    Dims out = {elements(c.dims(0))};
    int64_t axis = 0;
    if (c.has_attr("axis")) {
        if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
        out = c.dims(0);
    }
    int64_t &dim = out[static_cast<size_t>(axis)];
    const auto count = std::min<size_t>(keep.size(), static_cast<size_t>(dim));
    dim = std::count_if(keep.begin(), keep.begin() + static_cast<std::ptrdiff_t>(count),
                        [](int64_t k) { return k != 0; });
    return c.give(c.in[0].dtype, out);
}

bool run_compress(Call &c)
{
    const std::vector<int64_t> keep = read_ints(c.in[1]);
    Split3 s{1, elements(c.dims(0)), 1};
    if (c.has_attr("axis")) {
        int64_t axis = 0;
        if (!c.axis(c.get("axis", int64_t{0}), c.rank(0), axis)) return false;
        s = split_at(c.dims(0), axis);
    }
    const auto bytes = static_cast<size_t>(s.inner) * element_bytes(c.in[0].dtype);
    auto *to = static_cast<std::byte *>(c.out[0].data);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.axis && i < static_cast<int64_t>(keep.size()); i++) {
            if (!keep[static_cast<size_t>(i)]) continue;
            std::memcpy(to,
                        static_cast<const std::byte *>(c.in[0].data) +
                            static_cast<size_t>(o * s.axis + i) * bytes,
                        bytes);
            to += bytes;
        }
    return true;
}

} // namespace

const Operator index_ops[] = {
    {"Gather", 2, 2, 1, "axis", infer_gather, run_gather},
    {"GatherElements", 2, 2, 1, "axis", infer_gather_elements, run_gather_elements},
    {"GatherND", 2, 2, 1, "batch_dims", infer_gather_nd, run_gather_nd},
    {"ScatterElements", 3, 3, 1, "axis reduction", infer_scatter_elements, run_scatter_elements},
    {"ScatterND", 3, 3, 1, "reduction", infer_scatter_nd, run_scatter_nd},
    {"OneHot", 3, 3, 1, "axis", infer_one_hot, run_one_hot},
    {"Range", 3, 3, 1, "", infer_range, run_range},
    {"EyeLike", 1, 1, 1, "dtype k", infer_eye, run_eye},
    {"Trilu", 1, 2, 1, "upper", infer_trilu, run_trilu},
    {"NonZero", 1, 1, 1, "", infer_nonzero, run_nonzero},
    {"Compress", 2, 2, 1, "axis", infer_compress, run_compress},
    {nullptr, 0, 0, 0, nullptr, nullptr, nullptr},
};

} // namespace acc::host
