// SPDX-License-Identifier: MIT
//
// What moves or renames, and constants: a model's arithmetic on shapes is done here.
#include "tools/accc/import/importer.h"
#include "tools/accc/ir/shape.h"

#include <algorithm>

namespace acc::accc
{
namespace
{

Status reshape_to(Importer &in, Node &node, Dims shape)
{
    const Named &x = in.operand(node, 0);
    if (const Tensor *constant = std::get_if<Tensor>(&x)) {
        Tensor t = *constant;
        if (elements(shape) != elements(t.dims))
            return node.error("expected a shape of " + std::to_string(elements(t.dims)) +
                              " elements; found " + dims_text(shape));
        t.dims = std::move(shape);
        ACCC_CHECK(node.done());
        return in.define(node, std::move(t));
    }
    Op op = make_op(node, Kind::Reshape, {std::get<ValueId>(x)});
    op.shape = std::move(shape);
    return in.finish(node, std::move(op));
}

// The dims of a node's first input, or an error when there is none.
Result<Dims> input_dims(Importer &in, Node &node)
{
    if (!node.has_input(0)) return node.error("expected an input; found none");
    const Named &x = in.operand(node, 0);
    if (const Tensor *t = std::get_if<Tensor>(&x)) return t->dims;
    return in.dims(std::get<ValueId>(x));
}

// Dims within which later products cannot overflow.
bool sane(const Dims &dims)
{
    Diagnostics ignored;
    return static_cast<bool>(checked_elements(dims, ignored));
}

Status import_reshape(Importer &in, Node &node)
{
    const bool zeros = node.get_int("allowzero", 0) != 0;
    ACC_TRY(const Dims from, input_dims(in, node));
    ACC_TRY(const Tensor shape, in.int_constant(node, 1));
    Dims to = shape.ints();
    int64_t known = 1, free = -1;
    for (size_t i = 0; i < to.size(); i++) {
        if (to[i] == 0 && !zeros && i < from.size()) to[i] = from[i];
        if (to[i] == -1 && free == -1) {
            free = static_cast<int64_t>(i);
        } else if (to[i] < 1 || to[i] > kMaxElements / known) {
            return node.error("expected a shape of sizes from 1, 0 (as it is) or one -1; found " +
                              std::to_string(to[i]));
        } else {
            known *= to[i];
        }
    }
    const int64_t all = elements(from);
    if (free >= 0) to[free] = all / known;
    if (!sane(to) || elements(to) != all)
        return node.error("expected a shape of " + std::to_string(all) + " elements, as " +
                          dims_text(from) + " has; found " + dims_text(shape.ints()));
    return reshape_to(in, node, std::move(to));
}

Status import_flatten(Importer &in, Node &node)
{
    ACC_TRY(const Dims from, input_dims(in, node));
    int64_t axis = node.get_int("axis", 1);
    const auto rank = static_cast<int64_t>(from.size());
    if (axis < 0) axis += rank;
    if (axis < 1 || axis > rank)
        return node.error("expected an axis after the batch of " + dims_text(from) + "; found " +
                          std::to_string(axis));
    return reshape_to(in, node,
                      {elements({from.begin(), from.begin() + axis}),
                       elements({from.begin() + axis, from.end()})});
}

// The axes of Squeeze and Unsqueeze: an attribute, from opset 13 on an input.
Result<std::vector<int64_t>> read_axes(Importer &in, Node &node)
{
    if (in.opset() < 13) return node.get_ints("axes");
    if (!node.has_input(1)) return std::vector<int64_t>{};
    ACC_TRY(const Tensor axes, in.int_constant(node, 1));
    return axes.ints();
}

Status import_squeeze(Importer &in, Node &node)
{
    ACC_TRY(const Dims from, input_dims(in, node));
    ACC_TRY(std::vector<int64_t> axes, read_axes(in, node));
    for (int64_t &axis : axes) {
        const int64_t normal = normal_axis(axis, from.size());
        if (normal < 0 || from[normal] != 1)
            return node.error("expected axes of size 1 of " + dims_text(from) + "; found " +
                              std::to_string(axis));
        axis = normal;
    }
    Dims to;
    for (size_t i = 0; i < from.size(); i++) {
        const bool named =
            std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
        if (axes.empty() ? from[i] != 1 : !named) to.push_back(from[i]);
    }
    return reshape_to(in, node, std::move(to));
}

Status import_unsqueeze(Importer &in, Node &node)
{
    ACC_TRY(const Dims from, input_dims(in, node));
    ACC_TRY(std::vector<int64_t> axes, read_axes(in, node));
    const size_t rank = from.size() + axes.size();
    std::vector<bool> fresh(rank);
    for (const int64_t axis : axes) {
        const int64_t normal = rank <= kMaxRank ? normal_axis(axis, rank) : -1;
        if (normal < 0 || fresh[normal])
            return node.error("expected axes of at most 6 that differ; found " +
                              std::to_string(axis));
        fresh[normal] = true;
    }
    Dims to;
    for (size_t i = 0, next = 0; i < rank; i++)
        to.push_back(fresh[i] ? 1 : from[next++]);
    return reshape_to(in, node, std::move(to));
}

Status import_transpose(Importer &in, Node &node)
{
    ACC_TRY(const Dims from, input_dims(in, node));
    std::vector<int64_t> perm = node.get_ints("perm");
    if (!node.has("perm"))
        for (size_t i = from.size(); i-- > 0;)
            perm.push_back(static_cast<int64_t>(i));
    std::vector<int64_t> sorted = perm;
    std::sort(sorted.begin(), sorted.end());
    bool good = perm.size() == from.size();
    for (size_t i = 0; good && i < sorted.size(); i++)
        good = sorted[i] == static_cast<int64_t>(i);
    if (!good)
        return node.error("expected attribute 'perm' to be a permutation of " +
                          std::to_string(from.size()) + " axes; found another");
    const Named &x = in.operand(node, 0);
    if (const ValueId *id = std::get_if<ValueId>(&x)) {
        Op op = make_op(node, Kind::Transpose, {*id});
        op.perm.assign(perm.begin(), perm.end());
        return in.finish(node, std::move(op));
    }
    ACC_TRY(const Tensor t, in.float_constant(node, 0));
    Tensor out{{}, std::vector<float>(t.floats().size())};
    Dims step;
    for (const int64_t axis : perm) {
        out.dims.push_back(t.dims[axis]);
        step.push_back(elements({t.dims.begin() + axis + 1, t.dims.end()}));
    }
    Dims at(perm.size(), 0);
    for (float &v : out.floats()) {
        int64_t index = 0;
        for (size_t i = 0; i < perm.size(); i++)
            index += at[i] * step[i];
        v = t.floats()[index];
        for (size_t i = perm.size(); i-- > 0;) {
            if (++at[i] < out.dims[i]) break;
            at[i] = 0;
        }
    }
    ACCC_CHECK(node.done());
    return in.define(node, std::move(out));
}

// Identity and, at inference, Dropout: another name.
Status import_identity(Importer &in, Node &node)
{
    if (!node.has_input(0)) return node.error("expected an input; found none");
    if (node.op() == "Dropout") {
        node.get_float("ratio", 0.5f);
        node.get_int("seed", 0);
        if (node.has_input(2)) {
            ACC_TRY(const Tensor training, in.int_constant(node, 2));
            if (training.ints().size() != 1 || training.ints()[0] != 0)
                return node.error("expected inference, 'training_mode' false; found training");
        }
    }
    ACCC_CHECK(node.done());
    in.graph().sources[node.source()].fate = "another name of its input";
    return in.define(node, in.operand(node, 0));
}

Status import_constant(Importer &in, Node &node)
{
    Tensor t;
    if (const auto *proto = node.get_tensor("value")) {
        ACC_TRY(t, decode_tensor(*proto, in.options().folder, in.diag()));
    } else if (node.has("value_float")) {
        t.data = std::vector<float>{node.get_float("value_float", 0)};
    } else if (node.has("value_floats")) {
        t.data = node.get_floats("value_floats");
        t.dims = {static_cast<int64_t>(t.floats().size())};
    } else if (node.has("value_int")) {
        t.data = std::vector<int64_t>{node.get_int("value_int", 0)};
    } else if (node.has("value_ints")) {
        t.data = node.get_ints("value_ints");
        t.dims = {static_cast<int64_t>(t.ints().size())};
    } else {
        return node.error("expected a value of floats or integers; found another");
    }
    ACCC_CHECK(node.done());
    in.graph().sources[node.source()].fate = "a constant";
    return in.define(node, std::move(t));
}

Status define_ints(Importer &in, Node &node, std::vector<int64_t> ints, bool scalar = false)
{
    ACCC_CHECK(node.done());
    in.graph().sources[node.source()].fate = "arithmetic on shapes, done by the compiler";
    Dims dims;
    if (!scalar) dims.push_back(static_cast<int64_t>(ints.size()));
    return in.define(node, Tensor{std::move(dims), std::move(ints)});
}

Status import_shape(Importer &in, Node &node)
{
    ACC_TRY(const Dims dims, input_dims(in, node));
    const auto rank = static_cast<int64_t>(dims.size());
    int64_t start = node.get_int("start", 0), end = node.get_int("end", rank);
    start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
    end = std::clamp<int64_t>(end < 0 ? end + rank : end, start, rank);
    return define_ints(in, node, {dims.begin() + start, dims.begin() + end});
}

Status import_gather(Importer &in, Node &node)
{
    ACC_TRY(const Tensor data, in.int_constant(node, 0));
    ACC_TRY(const Tensor index, in.int_constant(node, 1));
    if (node.get_int("axis", 0) != 0 || data.dims.size() != 1 || index.dims.size() > 1)
        return node.error("expected elements of a shape; found another gathering");
    std::vector<int64_t> picked;
    for (const int64_t i : index.ints()) {
        const int64_t normal = normal_axis(i, data.ints().size());
        if (normal < 0)
            return node.error("expected an index of " + std::to_string(data.ints().size()) +
                              " elements; found " + std::to_string(i));
        picked.push_back(data.ints()[normal]);
    }
    return define_ints(in, node, std::move(picked), index.dims.empty());
}

Status import_concat(Importer &in, Node &node)
{
    const int64_t axis = node.get_int("axis", 0);
    std::vector<int64_t> all;
    for (size_t i = 0; i < node.inputs(); i++) {
        ACC_TRY(const Tensor part, in.int_constant(node, i));
        if (part.dims.size() != 1 || (axis != 0 && axis != -1) ||
            all.size() + part.ints().size() > kMaxRank)
            return node.error("expected parts of a shape; found another concatenation");
        all.insert(all.end(), part.ints().begin(), part.ints().end());
    }
    return define_ints(in, node, std::move(all));
}

Status import_cast(Importer &in, Node &node)
{
    const int64_t to = node.get_int("to", 0);
    if (!node.has_input(0)) return node.error("expected an input; found none");
    const Named &x = in.operand(node, 0);
    const Tensor *t = std::get_if<Tensor>(&x);
    const bool is_float = !t || t->is_float();
    const bool same = is_float ? to == onnx::TensorProto::FLOAT
                               : to == onnx::TensorProto::INT64 || to == onnx::TensorProto::INT32;
    if (!same)
        return node.error(
            "expected a cast of floats to float or of integers to integers; found type " +
            std::to_string(to));
    ACCC_CHECK(node.done());
    in.graph().sources[node.source()].fate = "another name of its input";
    return in.define(node, x);
}

} // namespace

ImportFunction find_shape(std::string_view op)
{
    static constexpr std::pair<std::string_view, ImportFunction> table[] = {
        {"Reshape", import_reshape},     {"Flatten", import_flatten},
        {"Squeeze", import_squeeze},     {"Unsqueeze", import_unsqueeze},
        {"Transpose", import_transpose}, {"Identity", import_identity},
        {"Dropout", import_identity},    {"Constant", import_constant},
        {"Shape", import_shape},         {"Gather", import_gather},
        {"Concat", import_concat},       {"Cast", import_cast},
    };
    for (const auto &[name, function] : table)
        if (name == op) return function;
    return nullptr;
}

} // namespace acc::accc
