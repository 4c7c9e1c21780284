// SPDX-License-Identifier: MIT
//
// What moves or renames.
#include "tools/accc/ir/shape.h"
#include "tools/accc/legalize/legalizer.h"

namespace acc::accc
{
namespace
{

// Reshape, Flatten, Squeeze, Unsqueeze: the same elements in another shape.
Status legalize_reshape(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    Op op = make_op(node, Kind::Reshape, {x});
    op.shape = node.dims();
    return in.finish(node, std::move(op));
}

Status legalize_transpose(Legalizer &in, Node &node)
{
    ACC_TRY(const ValueId x, in.activation(node, 0));
    const std::vector<int64_t> asked = node.get_ints("perm");
    std::vector<int> perm(asked.begin(), asked.end());
    if (!node.has("perm"))
        for (size_t i = in.dims(x).size(); i-- > 0;)
            perm.push_back(static_cast<int>(i));
    ACC_TRY(const ValueId y, add_transpose(in, node, x, perm));
    return in.define(node, y);
}

// Identity and, at inference, Dropout: another name.
Status legalize_identity(Legalizer &in, Node &node)
{
    if (node.outputs() > 1) return node.error("expected one output; found the mask as well");
    // The ratio means nothing at inference; the mode says that it is inference.
    if (node.has_input(2)) {
        const Tensor *mode = std::get_if<Tensor>(&in.operand(node, 2));
        if (!mode || mode->is_float() || mode->ints() != std::vector<int64_t>{0})
            return node.error("expected a constant training_mode of 0; found another");
    }
    const ValueId *x = std::get_if<ValueId>(&in.operand(node, 0));
    if (!x) return node.error("expected a result; found a constant");
    in.graph().sources[node.source()].fate = "another name of its input";
    return in.define(node, *x);
}

// Axes of x in the order of the result, each a run of axes that stay together; those of size 1,
// which may be anywhere, left out.
std::vector<std::vector<int>> runs_of(const Dims &x, const std::vector<int> &perm)
{
    std::vector<std::vector<int>> runs;
    for (const int axis : perm) {
        if (x[axis] == 1) continue;
        bool next = !runs.empty() && runs.back().back() < axis;
        for (int between = next ? runs.back().back() + 1 : axis; between < axis; between++)
            next = next && x[between] == 1;
        if (next)
            runs.back().push_back(axis);
        else
            runs.push_back({axis});
    }
    return runs;
}

Result<ValueId> add_reshape(Legalizer &in, Node &node, ValueId x, Dims dims)
{
    Op op = make_op(node, Kind::Reshape, {x});
    op.shape = std::move(dims);
    return in.add(node, std::move(op));
}

} // namespace

Result<ValueId> add_transpose(Legalizer &in, Node &node, ValueId x, const std::vector<int> &perm)
{
    const Dims dims = in.dims(x);
    if (dims.size() <= 4 && perm.size() == dims.size() && perm[0] == 0) {
        Op op = make_op(node, Kind::Transpose, {x});
        op.perm = perm;
        return in.add(node, std::move(op));
    }
    Dims result;
    for (const int axis : perm)
        result.push_back(dims[axis]);
    const std::vector<std::vector<int>> runs = runs_of(dims, perm);
    // The run that an axis is the first of comes in x's order after all that begin before it.
    Op op = make_op(node, Kind::Transpose, {});
    Dims merged;
    for (const std::vector<int> &run : runs) {
        int before = 0;
        for (const std::vector<int> &other : runs)
            before += other[0] < run[0];
        op.perm.push_back(before);
    }
    merged.resize(runs.size());
    for (size_t i = 0; i < runs.size(); i++) {
        int64_t size = 1;
        for (const int axis : runs[i])
            size *= dims[axis];
        merged[op.perm[i]] = size;
    }
    if (runs.size() <= 1) return add_reshape(in, node, x, result);
    if (op.perm[0] != 0) {
        for (int &axis : op.perm)
            axis++;
        op.perm.insert(op.perm.begin(), 0);
        merged.insert(merged.begin(), 1);
    }
    if (merged.size() > 4)
        return node.error(
            "expected at most 4 axes that change places, or 3 with the first; found " +
            dims_text(dims));
    ACC_TRY(const ValueId flat, add_reshape(in, node, x, merged));
    op.inputs = {flat};
    ACC_TRY(const ValueId moved, in.add(node, std::move(op)));
    return add_reshape(in, node, moved, result);
}

LegalizeFunction find_move(std::string_view op)
{
    if (op == "Reshape" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze")
        return legalize_reshape;
    if (op == "Transpose") return legalize_transpose;
    if (op == "Identity" || op == "Dropout") return legalize_identity;
    return nullptr;
}

} // namespace acc::accc
