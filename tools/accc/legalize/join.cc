// SPDX-License-Identifier: MIT
//
// Concat, and what takes a part: Split, Slice, and Gather of one index.
#include "tools/accc/legalize/legalizer.h"

#include <algorithm>
#include <limits>

namespace acc::accc
{
namespace
{

constexpr size_t kMostSources = 8; // of one role
// To take it to int8 for that would be a loss.
constexpr const char *kHostMade =
    "expected an operand that an engine makes; found floats of the host's";

Result<ValueId> whole(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    if (in.made_by_host(x)) return node.error(kHostMade);
    return x;
}

Status legalize_concat(Legalizer &in, Node &node)
{
    const int64_t axis = normal_axis(node.get_int("axis", 0), node.dims().size());
    if (axis < 0) return node.error("expected an axis of the result; found another");
    std::vector<ValueId> all;
    bool engine = false;
    for (size_t i = 0; i < node.inputs(); i++) {
        if (node.has_input(i) && std::get_if<Tensor>(&in.operand(node, i))) {
            ACC_TRY(Tensor constant, in.float_constant(node, i));
            all.push_back(in.constant(node, std::move(constant)));
            continue;
        }
        ACC_TRY(const ValueId x, in.activation(node, i));
        all.push_back(x);
        engine = engine || !in.made_by_host(x);
    }
    if (!engine) return node.error(kHostMade);
    // Eight at a time.
    while (all.size() > kMostSources) {
        std::vector<ValueId> joined;
        for (size_t i = 0; i < all.size(); i += kMostSources) {
            const size_t end = std::min(i + kMostSources, all.size());
            Op op = make_op(node, Kind::Concat,
                            {all.begin() + static_cast<std::ptrdiff_t>(i),
                             all.begin() + static_cast<std::ptrdiff_t>(end)});
            op.axis = axis;
            ACC_TRY(const ValueId part, in.add(node, std::move(op)));
            joined.push_back(part);
        }
        all = std::move(joined);
    }
    Op op = make_op(node, Kind::Concat, std::move(all));
    op.axis = axis;
    return in.finish(node, std::move(op));
}

Status legalize_split(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, whole(in, node));
    const int64_t axis = normal_axis(node.get_int("axis", 0), in.dims(x).size());
    if (axis < 0) return node.error("expected an axis of the operand; found another");
    // Sizes of all outputs are known, those that nobody reads included.
    std::vector<int64_t> sizes;
    if (node.has_input(1)) {
        const Tensor *t = std::get_if<Tensor>(&in.operand(node, 1));
        if (!t || t->is_float()) return node.error("expected constant sizes; found others");
        sizes = t->ints();
    } else {
        const int64_t whole = in.dims(x)[static_cast<size_t>(axis)];
        const auto parts = static_cast<int64_t>(node.outputs());
        const int64_t size = (whole + parts - 1) / parts;
        for (int64_t at = 0; at < whole; at += size)
            sizes.push_back(std::min(size, whole - at));
    }
    if (sizes.size() < node.outputs()) return node.error("expected a size for each output");
    int64_t start = 0;
    std::vector<ValueId> parts;
    for (size_t i = 0; i < node.outputs(); i++) {
        ACC_TRY(const ValueId y, add_slice(in, node, x, axis, start, sizes[i]));
        parts.push_back(y);
        start += sizes[i];
    }
    for (size_t i = 0; i < parts.size(); i++)
        in.define_output(node, i, parts[i]);
    return Ok{};
}

Status legalize_slice(Legalizer &in, Node &node)
{
    ACC_TRY(ValueId x, whole(in, node));
    const size_t rank = in.dims(x).size();
    std::vector<int64_t> lists[4]; // starts, ends, axes, steps
    for (size_t i = 1; i <= 4; i++) {
        if (!node.has_input(i)) continue;
        const Tensor *t = std::get_if<Tensor>(&in.operand(node, i));
        if (!t || t->is_float())
            return node.error("expected input " + std::to_string(i) +
                              " constant; found it computed");
        lists[i - 1] = t->ints();
    }
    for (size_t i = 0; i < lists[0].size(); i++) {
        const int64_t axis =
            normal_axis(lists[2].empty() ? static_cast<int64_t>(i) : lists[2][i], rank);
        if (axis < 0 || i >= lists[1].size()) return node.error("expected axes of the operand");
        if (!lists[3].empty() && lists[3][i] != 1)
            return node.error("expected steps of 1; found " + std::to_string(lists[3][i]));
        const int64_t size = in.dims(x)[static_cast<size_t>(axis)];
        const auto from_end = [&](int64_t v) {
            return std::clamp<int64_t>(v < 0 ? v + size : v, 0, size);
        };
        const int64_t start = from_end(lists[0][i]), end = from_end(lists[1][i]);
        if (end <= start) return node.error("expected a part that is not empty; found none");
        ACC_TRY(x, add_slice(in, node, x, axis, start, end - start));
    }
    if (in.dims(x) != node.dims()) return node.error("expected the slice that was inferred");
    return in.define(node, x);
}

// One index of an axis, which may go.
Status legalize_gather(Legalizer &in, Node &node)
{
    ACC_TRY(ValueId x, whole(in, node));
    const Tensor *index = node.has_input(1) ? std::get_if<Tensor>(&in.operand(node, 1)) : nullptr;
    if (!index || index->is_float() || index->ints().size() != 1)
        return node.error("expected one constant index; found another");
    const int64_t axis = normal_axis(node.get_int("axis", 0), in.dims(x).size());
    if (axis < 0) return node.error("expected an axis of the operand; found another");
    const int64_t size = in.dims(x)[static_cast<size_t>(axis)];
    const int64_t at = index->ints()[0] + (index->ints()[0] < 0 ? size : 0);
    if (at < 0 || at >= size) return node.error("expected an index of the axis; found another");
    if (node.dims().empty()) return node.error("expected a result with at least one axis");
    ACC_TRY(x, add_slice(in, node, x, axis, at, 1));
    Op op = make_op(node, Kind::Reshape, {x});
    op.shape = node.dims();
    return in.finish(node, std::move(op));
}

} // namespace

LegalizeFunction find_join(std::string_view op)
{
    if (op == "Concat") return legalize_concat;
    if (op == "Split") return legalize_split;
    if (op == "Slice") return legalize_slice;
    if (op == "Gather") return legalize_gather;
    return nullptr;
}

} // namespace acc::accc
