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
    if (in.dims(x).size() > 4)
        return node.error("expected at most 4 dimensions; found " + dims_text(in.dims(x)));
    const std::vector<int64_t> perm = node.get_ints("perm");
    Op op = make_op(node, Kind::Transpose, {x});
    op.perm.assign(perm.begin(), perm.end());
    if (!node.has("perm"))
        for (size_t i = in.dims(x).size(); i-- > 0;)
            op.perm.push_back(static_cast<int>(i));
    return in.finish(node, std::move(op));
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

} // namespace

LegalizeFunction find_move(std::string_view op)
{
    if (op == "Reshape" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze")
        return legalize_reshape;
    if (op == "Transpose") return legalize_transpose;
    if (op == "Identity" || op == "Dropout") return legalize_identity;
    return nullptr;
}

} // namespace acc::accc
