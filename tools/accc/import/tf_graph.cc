// SPDX-License-Identifier: MIT
#include "tools/accc/import/tf_graph.h"

#include "tools/accc/ir/shape.h"

#include <algorithm>
#include <cstring>

namespace acc::accc
{

std::optional<DType> tf_dtype(int type)
{
    switch (type) {
    case 1:
        return DType::F32;
    case 2:
        return DType::F64;
    case 3:
        return DType::I32;
    case 4:
        return DType::U8;
    case 5:
        return DType::I16;
    case 6:
        return DType::I8;
    case 9:
        return DType::I64;
    case 10:
        return DType::Bool;
    case 14:
        return DType::BF16;
    case 19:
        return DType::F16;
    default:
        return std::nullopt;
    }
}

void TfReader::add_nodes(std::vector<const tf::Node *> nodes)
{
    for (const tf::Node *node : nodes)
        nodes_.emplace(node->name(), node);
}

Status TfReader::define_variable(const std::string &node, DType dtype, Dims dims,
                                 std::span<const std::byte> bytes)
{
    made_[node] = {b_.constant(node, dtype, std::move(dims), bytes)};
    state_[node] = 2;
    return Ok{};
}

// Operands are made first, by a stack of our own: a graph may be deeper than ours.
Result<ValueId> TfReader::value(const std::string &reference)
{
    const auto split = [](const std::string &text) {
        const size_t colon = text.rfind(':');
        return std::pair(text.substr(0, colon), colon == std::string::npos
                                                    ? size_t{0}
                                                    : static_cast<size_t>(std::strtoul(
                                                          text.c_str() + colon + 1, nullptr, 10)));
    };
    const auto [wanted, result] = split(reference);
    std::vector<std::string> stack = {wanted};
    while (!stack.empty()) {
        const std::string name = stack.back();
        if (state_[name] == 2) {
            stack.pop_back();
            continue;
        }
        const auto it = nodes_.find(name);
        if (it == nodes_.end())
            return diag_.error("expected an operand that something makes; found '" + name + "'");
        const bool again = state_[name] == 1;
        state_[name] = 1;
        bool ready = true;
        for (const std::string &input : it->second->input()) {
            if (input.starts_with("^")) continue;
            const std::string operand = split(input).first;
            if (state_[operand] == 2) continue;
            if (state_[operand] == 1)
                return diag_.error("node '" + operand +
                                   "': expected a graph without cycles; found it in one");
            ready = false;
            stack.push_back(operand);
        }
        if (!ready) {
            if (again)
                return diag_.error("node '" + name +
                                   "': expected a graph without cycles; found it in one");
            continue;
        }
        ACCC_CHECK(make(*it->second));
        state_[name] = 2;
        stack.pop_back();
    }
    const Ids &ids = made_[wanted];
    if (result >= ids.size() || ids[result] == kNoValue)
        return diag_.error("expected result " + std::to_string(result) + " of node '" + wanted +
                           "'; found " + std::to_string(ids.size()) + " results");
    return ids[result];
}

Status TfReader::make(const tf::Node &node)
{
    b_.begin_node(node.name(), node.op());
    Ids in;
    for (const std::string &input : node.input()) {
        if (input.starts_with("^")) continue;
        ACC_TRY(const ValueId id, value(input));
        in.push_back(id);
    }
    // Operands may have begun nodes of their own; they are made before, so none was.
    ACC_TRY(made_[node.name()], make_known(node, in));
    return Ok{};
}

Result<TfReader::Ids> TfReader::constant(const tf::Node &node)
{
    const auto it = node.attr().find("value");
    const tf::Tensor empty;
    const tf::Tensor &t = it == node.attr().end() ? empty : it->second.tensor();
    const auto dtype = tf_dtype(t.dtype());
    if (!dtype)
        return b_.error("expected numbers or booleans; found type " + std::to_string(t.dtype()));
    Dims dims;
    int64_t count = 1;
    for (const auto &dim : t.shape().dim()) {
        if (dim.size() < 0 || (dim.size() > 0 && count > kMaxElements / dim.size()))
            return b_.error("expected at most 2^28 elements; found " + std::to_string(dim.size()));
        count *= dim.size();
        dims.push_back(dim.size());
    }
    if (dims.size() > host::kMaxRank)
        return b_.error("expected at most 8 dimensions; found " + std::to_string(dims.size()));
    const uint64_t bytes = static_cast<uint64_t>(count) * dtype_size(*dtype);
    if (!t.content().empty() || count == 0) {
        if (t.content().size() != bytes)
            return b_.error("expected " + std::to_string(bytes) + " bytes; found " +
                            std::to_string(t.content().size()));
        return Ids{b_.constant(node.name(), *dtype, dims, std::as_bytes(std::span(t.content())))};
    }
    // Values one by one; the last one fills what is left.
    std::vector<double> values;
    const auto all = [&](const auto &field) {
        for (const auto v : field)
            values.push_back(static_cast<double>(v));
    };
    all(t.float_val());
    all(t.double_val());
    all(t.int_val());
    all(t.int64_val());
    all(t.bool_val());
    for (const int32_t half : t.half_val())
        values.push_back(static_cast<double>(host::from_half(static_cast<uint16_t>(half))));
    if (values.size() > static_cast<uint64_t>(count))
        return b_.error("expected " + std::to_string(count) + " values; found " +
                        std::to_string(values.size()));
    values.resize(static_cast<size_t>(count), values.empty() ? 0 : values.back());
    std::vector<std::byte> raw(bytes);
    host::View from, to;
    from.dtype = ACC_DTYPE_F64;
    from.dims = dims;
    from.data = values.data();
    to.dtype = dtype_code(*dtype);
    to.dims = dims;
    to.data = raw.data();
    std::string why;
    (void)host::run({"Cast", {{"to", static_cast<int64_t>(to.dtype)}}}, {&from, 1}, {&to, 1}, why);
    return Ids{b_.constant(node.name(), *dtype, dims, raw)};
}

Result<TfReader::Ids> TfReader::placeholder(const tf::Node &node)
{
    const auto named = input_names_.find(node.name());
    const std::string name = named == input_names_.end() ? node.name() : named->second;
    const auto type = node.attr().find("dtype"), shape = node.attr().find("shape");
    const auto dtype = type == node.attr().end() ? std::nullopt : tf_dtype(type->second.type());
    if (!dtype) return b_.error("expected an input of numbers or booleans; found another");
    Dims dims;
    const auto given = options_.shapes.find(name);
    if (given != options_.shapes.end()) {
        dims = given->second;
    } else {
        if (shape == node.attr().end() || shape->second.shape().unknown_rank())
            return b_.error("expected a shape; found none, give --shape " + name + "=1x…");
        for (const auto &dim : shape->second.shape().dim())
            dims.push_back(dim.size());
        if (!dims.empty() && dims[0] == -1) dims[0] = 1;
        for (size_t i = 1; i < dims.size(); i++)
            if (dims[i] == -1)
                return b_.error("expected a size for dimension " + std::to_string(i) +
                                "; found it free, give --shape " + name + "=1x…");
    }
    ACC_TRY(const ValueId id, b_.input(name, *dtype, dims));
    return Ids{id};
}

Result<Graph> TfReader::run(const std::vector<std::pair<std::string, std::string>> &outputs,
                            const std::map<std::string, std::string> &input_names)
{
    input_names_ = input_names;
    const auto steps = [&]() -> Status {
        std::map<std::string, bool> known;
        for (const auto &[name, node] : nodes_) {
            if (node->op() != "Placeholder") continue;
            const auto it = input_names.find(name);
            if (!input_names.empty() && it == input_names.end()) continue;
            known[it == input_names.end() ? name : it->second] = true;
            ACC_TRY([[maybe_unused]] const ValueId id, value(name));
        }
        for (const auto &[name, dims] : options_.shapes)
            if (!known.contains(name))
                return diag_.error("expected --shape of an input; found no input '" + name + "'");
        for (const auto &[name, reference] : outputs) {
            ACC_TRY(const ValueId id, value(reference));
            ACCC_CHECK(b_.output(name, id));
        }
        return Ok{};
    };
    ACCC_CHECK(steps());
    return b_.finish();
}

} // namespace acc::accc
