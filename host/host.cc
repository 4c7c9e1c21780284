// SPDX-License-Identifier: MIT
#include "host/call.h"

#include <algorithm>
#include <cerrno>
#include <new>

namespace acc::host
{
namespace
{

const Operator *find(std::string_view op)
{
    static const auto table = [] {
        std::map<std::string_view, const Operator *> all;
        for (const Operator *ops : {elementwise_ops, reduce_ops, norm_ops, window_ops, product_ops,
                                    quantize_ops, recurrent_ops, move_ops, index_ops, resize_ops})
            for (; ops->name; ops++)
                all.emplace(ops->name, ops);
        return all;
    }();
    const auto it = table.find(op);
    return it == table.end() ? nullptr : it->second;
}

// Lists may be empty: what is left of a shape, say. These operators take one as it is.
bool takes_empty_list(const std::string &op)
{
    for (const char *known :
         {"Concat", "Slice", "Cast", "Identity", "Shape", "Size", "Reshape", "ConstantOfShape"})
        if (op == known) return true;
    return false;
}

bool check_inputs(const Operator &op, Call &call)
{
    if (call.in.size() < op.min_in || call.in.size() > op.max_in)
        return call.fail("expected " + std::to_string(op.min_in) + " to " +
                         std::to_string(op.max_in) + " inputs; found " +
                         std::to_string(call.in.size()));
    for (size_t i = 0; i < call.in.size(); i++) {
        const View &v = call.in[i];
        if (v.dtype == 0) {
            if (i < op.min_in)
                return call.fail("expected input " + std::to_string(i) + "; found none");
            continue;
        }
        if (!element_bytes(v.dtype))
            return call.fail("expected an input of a number type; found type " +
                             std::to_string(v.dtype));
        if (v.dims.size() > kMaxRank)
            return call.fail("expected at most 8 dimensions; found " +
                             std::to_string(v.dims.size()));
        const bool list = v.dims.size() == 1 && (i > 0 || takes_empty_list(call.node.op));
        for (const int64_t dim : v.dims)
            if (dim < (list ? 0 : 1))
                return call.fail("expected an input without an axis of size zero; found " +
                                 dims_text(v.dims));
    }
    if (call.outputs < 1 || call.outputs > op.max_out)
        return call.fail("expected 1 to " + std::to_string(op.max_out) + " outputs; found " +
                         std::to_string(call.outputs));
    return true;
}

bool check_outputs(Call &call)
{
    for (const Desc &d : *call.descs) {
        if (d.dims.size() > kMaxRank)
            return call.fail("expected a result of at most 8 dimensions; found " +
                             std::to_string(d.dims.size()));
        int64_t count = 1;
        const bool list = d.dims.size() == 1 && takes_empty_list(call.node.op);
        for (const int64_t dim : d.dims) {
            if (dim < (list ? 0 : 1))
                return call.fail("expected a result without an axis of size zero; found " +
                                 dims_text(d.dims));
            if (dim > kMaxElements / std::max<int64_t>(count, 1))
                return call.fail("expected a result of at most 2^28 elements; found " +
                                 dims_text(d.dims));
            count *= dim;
        }
    }
    return true;
}

template <typename T>
const T *attr(const Node &node, std::string_view name)
{
    const auto it = node.attrs.find(name);
    return it == node.attrs.end() ? nullptr : std::get_if<T>(&it->second);
}

} // namespace

int64_t Call::get(std::string_view name, int64_t otherwise) const
{
    const auto *v = attr<int64_t>(node, name);
    return v ? *v : otherwise;
}

float Call::get(std::string_view name, float otherwise) const
{
    const auto *v = attr<float>(node, name);
    return v ? *v : otherwise;
}

std::string Call::get(std::string_view name, const char *otherwise) const
{
    const auto *v = attr<std::string>(node, name);
    return v ? *v : otherwise;
}

std::vector<int64_t> Call::ints(std::string_view name) const
{
    const auto *v = attr<std::vector<int64_t>>(node, name);
    return v ? *v : std::vector<int64_t>{};
}

std::vector<float> Call::floats(std::string_view name) const
{
    const auto *v = attr<std::vector<float>>(node, name);
    return v ? *v : std::vector<float>{};
}

bool known(std::string_view op)
{
    return find(op) != nullptr;
}

bool known_attr(std::string_view op, std::string_view name)
{
    const std::string_view all = find(op)->attrs;
    for (size_t at = 0; at < all.size();) {
        const size_t end = std::min(all.find(' ', at), all.size());
        if (all.substr(at, end - at) == name) return true;
        at = end + 1;
    }
    return false;
}

int infer(const Node &node, std::span<const View> in, size_t outputs, std::vector<Desc> &out,
          std::string &why)
try {
    const Operator *op = find(node.op);
    out.clear();
    why.clear();
    if (!op) {
        why = "expected an operator that is known; found '" + node.op + "'";
        return -EINVAL;
    }
    Call call{node, in, outputs, &out, {}, why};
    if (!check_inputs(*op, call)) return -EINVAL;
    if (!op->infer(call)) {
        if (call.unknown && why.empty()) {
            why = "expected an input that the shape of the result depends on to be constant; "
                  "found it computed";
            return -EAGAIN;
        }
        return -EINVAL;
    }
    if (out.size() > outputs) out.resize(outputs);
    return check_outputs(call) ? 0 : -EINVAL;
} catch (const std::bad_alloc &) {
    why = "expected memory for the operator; found none";
    return -ENOMEM;
}

int run(const Node &node, std::span<const View> in, std::span<const View> out, std::string &why,
        bool fast)
try {
    // Shapes again: where they depend on data, this is the first time that they are known.
    std::vector<Desc> descs;
    if (const int error = infer(node, in, out.size(), descs, why)) return error;
    for (size_t i = 0; i < out.size(); i++)
        if (out[i].data && !(descs[i] == out[i])) {
            why = std::string("expected a result of ") + type_name(out[i].dtype) + " " +
                  dims_text(out[i].dims) + "; found " + type_name(descs[i].dtype) + " " +
                  dims_text(descs[i].dims);
            return -EINVAL;
        }
    Call call{node, in, out.size(), nullptr, out, why};
    call.fast = fast;
    return find(node.op)->run(call) ? 0 : -EINVAL;
} catch (const std::bad_alloc &) {
    why = "expected memory for the operator; found none";
    return -ENOMEM;
}

} // namespace acc::host
