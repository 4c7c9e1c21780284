// SPDX-License-Identifier: MIT
#include "tools/accc/import/onnx_import.h"

#include "tools/accc/import/importer.h"
#include "tools/accc/ir/shape.h"
#include "tools/accc/ir/verify.h"

#include <google/protobuf/stubs/logging.h>

#include <filesystem>
#include <new>
#include <queue>

namespace acc::accc
{
namespace
{

constexpr int kMaxNodes = 1 << 16;

std::string quoted(const std::string &name)
{
    return "'" + name + "'";
}

ImportFunction find_function(std::string_view op)
{
    for (const auto find : {find_linear, find_shape, find_window})
        if (const ImportFunction function = find(op)) return function;
    return nullptr;
}

} // namespace

// Operators come first: what a model needs them for is not looked at.
Status Importer::check_operators()
{
    for (const auto &node : model_.graph().node()) {
        const std::string which = "node " + quoted(node.name()) + " (" + node.op_type() + "): ";
        if (!node.domain().empty() && node.domain() != "ai.onnx")
            return diag_.error(which + "expected an operator of ONNX's own domain; found domain " +
                               quoted(node.domain()));
        if (!find_function(node.op_type()))
            return diag_.error(which + "expected an operator that accc knows; found another");
    }
    return Ok{};
}

Status Importer::check_versions()
{
    const int64_t ir = model_.ir_version();
    if (ir < kMinIr || ir > kMaxIr)
        return diag_.error("expected ONNX IR version 3 to 13; found " + std::to_string(ir));
    for (const auto &opset : model_.opset_import())
        if (opset.domain().empty() || opset.domain() == "ai.onnx") opset_ = opset.version();
    if (opset_ < kMinOpset || opset_ > kMaxOpset)
        return diag_.error("expected ONNX opset 7 to 22; found " + std::to_string(opset_));
    if (!model_.has_graph()) return diag_.error("expected a graph in the model; found none");
    if (model_.graph().node_size() > kMaxNodes)
        return diag_.error("expected at most 65536 nodes; found " +
                           std::to_string(model_.graph().node_size()));
    if (model_.graph().sparse_initializer_size())
        return diag_.error("expected dense initializers; found a sparse one");
    return Ok{};
}

Status Importer::read_initializers()
{
    for (const auto &proto : model_.graph().initializer()) {
        auto tensor = decode_tensor(proto, options_.folder, diag_);
        if (!tensor) return Error{tensor.error()};
        if (proto.name().empty() || !names_.emplace(proto.name(), std::move(*tensor)).second)
            return diag_.error("expected initializers with names that differ; found " +
                               quoted(proto.name()) + " twice");
    }
    return Ok{};
}

Status Importer::read_inputs()
{
    std::set<std::string> shapes;
    for (const auto &[name, dims] : options_.shapes)
        shapes.insert(name);
    for (const auto &input : model_.graph().input()) {
        shapes.erase(input.name());
        if (names_.contains(input.name()) && std::get_if<Tensor>(&names_[input.name()]))
            continue; // an initializer with a default, as old files list it
        const std::string which = "input " + quoted(input.name()) + ": ";
        const auto &type = input.type();
        if (!type.has_tensor_type() || type.tensor_type().elem_type() != onnx::TensorProto::FLOAT)
            return diag_.error(which + "expected a tensor of float; found another type");
        Dims dims;
        for (const auto &dim : type.tensor_type().shape().dim())
            dims.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
        if (const auto it = options_.shapes.find(input.name()); it != options_.shapes.end())
            dims = it->second;
        if (dims.empty())
            return diag_.error(which +
                               "expected at least one dimension, the batch; found none, give "
                               "--shape");
        if (dims[0] == -1) dims[0] = 1;
        if (dims[0] != 1)
            return diag_.error(which +
                               "expected a batch (first dimension) that is free or 1; found " +
                               std::to_string(dims[0]) + ", give --shape");
        for (size_t i = 1; i < dims.size(); i++)
            if (dims[i] == -1)
                return diag_.error(which + "expected a size for dimension " + std::to_string(i) +
                                   "; found it free, give --shape " + input.name() + "=1x…");
        if (const auto count = checked_elements(dims, diag_); !count) return Error{count.error()};
        const ValueId id = graph_.add_value(input.name(), DType::F32, dims);
        if (input.name().empty() || !names_.emplace(input.name(), id).second)
            return diag_.error(which + "expected a name of its own; found it twice");
        graph_.inputs.push_back(id);
    }
    if (!shapes.empty())
        return diag_.error("expected --shape of an input; found no input " +
                           quoted(*shapes.begin()));
    if (graph_.inputs.empty()) return diag_.error("expected an input; found none");
    return Ok{};
}

// Nodes in an order in which every operand comes first; the file's order where it will do.
Result<std::vector<int>> Importer::sorted_nodes()
{
    const auto &nodes = model_.graph().node();
    std::map<std::string, int> maker;
    for (int i = 0; i < nodes.size(); i++)
        for (const std::string &name : nodes[i].output())
            if (!name.empty() && (names_.contains(name) || !maker.emplace(name, i).second))
                return diag_.error("expected every value to be made once; found " + quoted(name) +
                                   " twice");
    std::vector<int> waits(nodes.size());
    std::vector<std::vector<int>> users(nodes.size());
    for (int i = 0; i < nodes.size(); i++)
        for (const std::string &name : nodes[i].input()) {
            if (name.empty() || names_.contains(name)) continue;
            const auto it = maker.find(name);
            if (it == maker.end())
                return diag_.error("node " + quoted(nodes[i].name()) + " (" + nodes[i].op_type() +
                                   "): expected an operand that something makes; found " +
                                   quoted(name));
            users[it->second].push_back(i);
            waits[i]++;
        }
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (int i = 0; i < nodes.size(); i++)
        if (!waits[i]) ready.push(i);
    std::vector<int> order;
    while (!ready.empty()) {
        const int i = ready.top();
        ready.pop();
        order.push_back(i);
        for (const int user : users[i])
            if (--waits[user] == 0) ready.push(user);
    }
    for (int i = 0; i < nodes.size(); i++)
        if (waits[i])
            return diag_.error("node " + quoted(nodes[i].name()) + " (" + nodes[i].op_type() +
                               "): expected a graph without cycles; found it in one");
    return order;
}

std::string Importer::source_name(const onnx::NodeProto &proto)
{
    std::string name = proto.name();
    if (name.empty()) name = proto.op_type() + ":" + (proto.output_size() ? proto.output(0) : "");
    std::string unique = name;
    for (int i = 2; !source_names_.insert(unique).second; i++)
        unique = name + "#" + std::to_string(i);
    return unique;
}

Status Importer::import_node(const onnx::NodeProto &proto)
{
    graph_.sources.push_back({source_name(proto), proto.op_type(), {}});
    Node node(proto, static_cast<uint32_t>(graph_.sources.size() - 1), graph_.sources.back().name,
              diag_);
    if (node.outputs() < 1 || node.output().empty())
        return node.error("expected an output; found none");
    for (size_t i = 0; i < node.inputs(); i++)
        if (node.has_input(i) && !names_.contains(node.input(i)))
            return node.error("expected input " + std::to_string(i) +
                              " to have one result; found " + quoted(node.input(i)) +
                              ", a further output");
    return find_function(proto.op_type())(*this, node);
}

Status Importer::read_outputs()
{
    std::set<std::string> seen;
    for (const auto &output : model_.graph().output()) {
        const auto it = names_.find(output.name());
        if (it == names_.end())
            return diag_.error("output " + quoted(output.name()) +
                               ": expected something that makes it; found nothing");
        const ValueId *id = std::get_if<ValueId>(&it->second);
        if (!id)
            return diag_.error("output " + quoted(output.name()) +
                               ": expected a result of the inputs; found a constant");
        if (!seen.insert(output.name()).second)
            return diag_.error("expected outputs that differ; found " + quoted(output.name()) +
                               " twice");
        graph_.outputs.push_back(*id);
        graph_.output_names.push_back(output.name());
    }
    if (graph_.outputs.empty()) return diag_.error("expected an output; found none");
    return Ok{};
}

Result<Graph> Importer::run()
{
    const auto steps = [&]() -> Status {
        ACCC_CHECK(check_versions());
        graph_.name = model_.graph().name();
        ACCC_CHECK(check_operators());
        ACCC_CHECK(read_initializers());
        ACCC_CHECK(read_inputs());
        const auto order = sorted_nodes();
        if (!order) return Error{order.error()};
        for (const int i : *order)
            ACCC_CHECK(import_node(model_.graph().node(i)));
        return read_outputs();
    };
    ACCC_CHECK(steps());
    graph_.drop_dead();
    ACCC_CHECK(verify_graph(graph_, diag_));
    return std::move(graph_);
}

Result<Graph> import_onnx(std::span<const std::byte> bytes, const ImportOptions &options,
                          Diagnostics &diag)
try {
    // protobuf would print lines of its own about a file that it refuses.
    const google::protobuf::LogSilencer silence;
    onnx::ModelProto model;
    if (bytes.size() > std::numeric_limits<int>::max() ||
        !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return diag.error("expected an ONNX model; found " + std::to_string(bytes.size()) +
                          " bytes that are none");
    return Importer(model, options, diag).run();
} catch (const std::bad_alloc &) {
    return diag.error("expected memory for the model; found none", -ENOMEM);
}

Result<Graph> import_onnx_file(const std::string &path, ImportOptions options, Diagnostics &diag)
{
    ACC_TRY(const std::string bytes, read_file(path, 0, std::string::npos, diag));
    const auto folder = std::filesystem::path(path).parent_path();
    options.folder = folder.empty() ? "." : folder.string();
    Diagnostics inner;
    auto graph = import_onnx(std::as_bytes(std::span(bytes)), options, inner);
    for (const std::string &warning : inner.warnings())
        diag.warn(path + ": " + warning);
    if (!graph) return diag.error(path + ": " + inner.text(), graph.error());
    return graph;
}

} // namespace acc::accc
