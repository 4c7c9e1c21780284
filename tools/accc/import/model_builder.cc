// SPDX-License-Identifier: MIT
#include "tools/accc/import/model_builder.h"

#include "tools/accc/ir/shape.h"
#include "tools/accc/ir/verify.h"

#include <algorithm>
#include <cstring>

namespace acc::accc
{
namespace
{

constexpr int64_t kMaxExact = int64_t{1}
                              << 23; // steps that a float times a scale still tells apart
constexpr int64_t kMaxFolded = int64_t{1} << 24; // elements: a larger constant is made at run time

bool is_8bit(DType dtype)
{
    return dtype == DType::I8 || dtype == DType::U8;
}

// Whether an operator that looks at many elements for each of its `results` would take long.
bool heavy(const Graph &g, const Op &op, int64_t results)
{
    const std::string &name = op.node.op;
    bool many = name.find("Pool") != std::string::npos || name == "LSTM" || name == "GRU" ||
                name == "RNN" || name == "LRN" || name == "Resize";
    for (const char *part : {"Conv", "MatMul", "Gemm"})
        many = many || name.find(part) != std::string::npos;
    if (!many || op.inputs[0] == kNoValue) return false;
    double work = static_cast<double>(elements(g.value(op.inputs[0]).dims));
    if (op.inputs.size() > 1 && op.inputs[1] != kNoValue)
        work += static_cast<double>(elements(g.value(op.inputs[1]).dims));
    return work * static_cast<double>(results) > 0x1p26;
}

} // namespace

void ModelBuilder::begin_node(const std::string &name, const std::string &op)
{
    std::string unique = name.empty() ? op : name;
    for (int i = 2; !names_.insert(unique).second; i++)
        unique = (name.empty() ? op : name) + "#" + std::to_string(i);
    graph_.sources.push_back({unique, op, {}, {}, {}});
    source_ = static_cast<uint32_t>(graph_.sources.size() - 1);
}

Error ModelBuilder::error(const std::string &text)
{
    const Source &s = graph_.sources[source_];
    return diag_.error("node '" + s.name + "' (" + s.op + "): " + text);
}

Result<ValueId> ModelBuilder::input(const std::string &name, DType dtype, const Dims &dims)
{
    Diagnostics inner;
    if (!checked_elements(dims, inner)) return diag_.error("input '" + name + "': " + inner.text());
    const ValueId id = graph_.add_value(name, dtype, dims);
    if (dtype == DType::I8) graph_.value(id).quant = {1, 0};
    graph_.inputs.push_back(id);
    return id;
}

ValueId ModelBuilder::constant(const std::string &name, DType dtype, Dims dims,
                               std::span<const std::byte> bytes)
{
    return graph_.add_raw_constant(name, dtype, std::move(dims), bytes);
}

ValueId ModelBuilder::ints(const std::vector<int64_t> &values)
{
    return constant("", DType::I64, {static_cast<int64_t>(values.size())},
                    std::as_bytes(std::span(values)));
}

ValueId ModelBuilder::scalar(DType dtype, double value)
{
    std::byte bytes[8] = {};
    host::View from, to;
    from.dtype = ACC_DTYPE_F64;
    from.data = &value;
    to.dtype = dtype_code(dtype);
    to.data = bytes;
    host::Node cast{"Cast", {{"to", static_cast<int64_t>(to.dtype)}}};
    std::string why;
    (void)host::run(cast, {&from, 1}, {&to, 1}, why); // a scalar to a number type: cannot fail
    return constant("", dtype, {}, std::span(bytes).first(dtype_size(dtype)));
}

// Weights and biases that are stored as integers keep their scales: integer = real / scale.
void ModelBuilder::keep_scales(const Op &op, ValueId result)
{
    const DType stored = graph_.value(op.inputs[0]).dtype;
    if (!is_8bit(stored) && stored != DType::I32) return;
    const auto integers = read_ints(op.inputs[0]);
    std::vector<int64_t> zeros = {0};
    if (op.inputs.size() > 2 && op.inputs[2] != kNoValue) zeros = read_ints(op.inputs[2]);
    for (const int64_t z : zeros)
        if (z != zeros.front()) return;
    // Those of a bias must survive as floats.
    const int64_t least = stored == DType::I32 ? -kMaxExact : -128;
    const int64_t most = stored == DType::I32 ? kMaxExact : 127;
    for (const int64_t v : integers)
        if (v - zeros.front() < least || v - zeros.front() > most) return;
    const std::vector<double> scales = host::read_floats(graph_.view(op.inputs[1]));
    Value &v = graph_.value(result);
    v.scales.assign(scales.begin(), scales.end());
    const auto it = op.node.attrs.find("axis");
    const auto *axis = it == op.node.attrs.end() ? nullptr : std::get_if<int64_t>(&it->second);
    v.scale_axis = axis ? *axis : 1;
    if (v.scale_axis < 0) v.scale_axis += static_cast<int64_t>(v.dims.size());
}

Result<std::vector<ValueId>> ModelBuilder::fold(const Op &op, const std::vector<bool> &wanted,
                                                const std::vector<host::Desc> &descs)
{
    std::vector<host::View> in, out;
    std::vector<std::vector<std::byte>> memory(descs.size());
    for (const ValueId id : op.inputs)
        in.push_back(graph_.view(id));
    for (size_t i = 0; i < descs.size(); i++) {
        host::View view;
        if (wanted[i]) {
            static_cast<host::Desc &>(view) = descs[i];
            memory[i].resize(host::bytes_of(descs[i]) + 1);
            view.data = memory[i].data();
        }
        out.push_back(view);
    }
    std::string why;
    // Of a shape only the dims are read.
    std::vector<std::byte> nothing(1);
    for (host::View &v : in)
        if (v.dtype && !v.data) v.data = nothing.data();
    if (const int code = host::run(op.node, in, out, why)) {
        const Source &s = graph_.sources[op.source];
        return diag_.error("node '" + s.name + "' (" + s.op + "): " + why, code);
    }
    std::vector<ValueId> ids(descs.size(), kNoValue);
    for (size_t i = 0; i < descs.size(); i++) {
        if (!wanted[i]) continue;
        ids[i] = constant(graph_.sources[op.source].name, dtype_of(descs[i].dtype), descs[i].dims,
                          std::span(memory[i]).first(host::bytes_of(descs[i])));
    }
    graph_.sources[op.source].fate = "a constant, computed by the compiler";
    if (op.node.op == "DequantizeLinear" && ids[0] != kNoValue) keep_scales(op, ids[0]);
    // The same integers in another order or shape.
    if ((op.node.op == "Transpose" || op.node.op == "Reshape") && ids[0] != kNoValue) {
        const Value &from = graph_.value(op.inputs[0]);
        Value &to = graph_.value(ids[0]);
        if (from.scales.size() == 1) to.scales = from.scales;
        const auto it = op.node.attrs.find("perm");
        if (from.scales.size() > 1 && it != op.node.attrs.end()) {
            const auto &perm = std::get<std::vector<int64_t>>(it->second);
            to.scales = from.scales;
            to.scale_axis = std::find(perm.begin(), perm.end(), from.scale_axis) - perm.begin();
        }
    }
    return ids;
}

Result<std::vector<ValueId>> ModelBuilder::add(const std::string &name, host::Attrs attrs,
                                               std::vector<ValueId> inputs,
                                               const std::vector<bool> &wanted,
                                               const std::vector<std::optional<Declared>> &declared)
{
    Op op;
    op.kind = Kind::Host;
    op.source = source_;
    op.node = {name, std::move(attrs)};
    op.inputs = std::move(inputs);
    op.more.assign(wanted.size() - 1, kNoValue);
    Diagnostics inner;
    auto descs = infer_host(graph_, op, inner);
    if (!descs) {
        // What the file says of it is held to by the operator when it runs.
        std::vector<host::Desc> said;
        for (size_t i = 0; i < wanted.size(); i++) {
            if (i < declared.size() && declared[i])
                said.push_back({dtype_code(declared[i]->dtype), declared[i]->dims});
            else if (wanted[i])
                return error(inner.text());
            else
                said.emplace_back();
        }
        if (descs.error() != -EAGAIN) return error(inner.text());
        for (const host::Desc &d : said)
            if (d.dtype && !checked_elements(d.dims, inner)) return error(inner.text());
        descs = std::move(said);
    } else {
        int64_t all = 0;
        for (const host::Desc &d : *descs)
            all += host::elements(d.dims);
        const bool of_shape = name == "Shape" || name == "Size";
        const bool known = std::all_of(op.inputs.begin(), op.inputs.end(), [&](ValueId id) {
            return id == kNoValue || is_constant(id);
        });
        if ((known || of_shape) && all <= kMaxFolded && !heavy(graph_, op, all))
            return fold(op, wanted, *descs);
    }
    std::vector<ValueId> ids;
    for (size_t i = 0; i < wanted.size(); i++) {
        // The first result always has a value: an operation is known by it.
        if (!wanted[i] && i > 0) {
            ids.push_back(kNoValue);
            continue;
        }
        const host::Desc &d = (*descs)[i];
        if (elements(d.dims) < 1)
            return error("expected a result without an axis of size zero; found " +
                         dims_text(d.dims));
        if (d.dims.size() > kMaxRank)
            return error("expected at most 6 dimensions; found " + dims_text(d.dims));
        const Quant quant = d.dtype == ACC_DTYPE_I8 ? Quant{1, 0} : Quant{};
        ids.push_back(
            graph_.add_value(graph_.sources[source_].name, dtype_of(d.dtype), d.dims, quant));
        if (i > 0) op.more[i - 1] = ids.back();
    }
    op.output = ids[0];
    graph_.ops.push_back(std::move(op));
    return ids;
}

Result<ValueId> ModelBuilder::add1(const std::string &op, host::Attrs attrs,
                                   std::vector<ValueId> inputs)
{
    ACC_TRY(const std::vector<ValueId> ids, add(op, std::move(attrs), std::move(inputs)));
    return ids[0];
}

Status ModelBuilder::output(const std::string &name, ValueId id)
{
    if (elements(dims(id)) < 1) // a list of constants, for others are refused where they are made
        return diag_.error("output '" + name + "': expected no axis of size zero; found " +
                           dims_text(dims(id)));
    const bool taken =
        std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end();
    const bool input =
        std::find(graph_.inputs.begin(), graph_.inputs.end(), id) != graph_.inputs.end();
    if (is_constant(id) || taken || (input && graph_.value(id).dtype != DType::F32)) {
        // Memory of its own: an operator copies it there.
        begin_node("output " + name, "Identity");
        Op op;
        op.kind = Kind::Host;
        op.source = source_;
        op.node.op = "Identity";
        op.inputs = {id};
        const Value v = graph_.value(id);
        op.output = graph_.add_value(name, v.dtype, v.dims, v.quant);
        id = op.output;
        graph_.ops.push_back(std::move(op));
    }
    graph_.outputs.push_back(id);
    graph_.output_names.push_back(name);
    return Ok{};
}

Result<Graph> ModelBuilder::finish()
{
    if (graph_.outputs.empty()) return diag_.error("expected an output; found none");
    graph_.drop_dead();
    ACCC_CHECK(verify_graph(graph_, diag_));
    return std::move(graph_);
}

} // namespace acc::accc
