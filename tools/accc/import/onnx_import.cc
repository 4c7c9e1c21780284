// SPDX-License-Identifier: MIT
#include "tools/accc/import/onnx_import.h"

#include "tools/accc/import/model_builder.h"
#include "tools/accc/import/onnx_ops.h"
#include "tools/accc/import/onnx_tensor.h"

#include <google/protobuf/stubs/logging.h>

#include <filesystem>
#include <map>
#include <new>
#include <queue>
#include <set>

namespace acc::accc
{
namespace
{

constexpr int kMaxNodes = 1 << 16;

std::string quoted(const std::string &name)
{
    return "'" + name + "'";
}

class OnnxImporter
{
public:
    OnnxImporter(const onnx::ModelProto &model, const ImportOptions &options, Diagnostics &diag)
        : model_(model), options_(options), diag_(diag), builder_(diag)
    {
    }
    Result<Graph> run();

private:
    Status check_versions();
    Status check_operators();
    Status read_initializers();
    Status read_inputs();
    Status read_declared();
    Status read_outputs();
    Result<std::vector<int>> sorted_nodes();
    Status import_node(const onnx::NodeProto &proto);
    Status read_attribute(const onnx::AttributeProto &a, OnnxNode &node);
    Status define(const std::string &name, ValueId id, const char *what);

    const onnx::ModelProto &model_;
    const ImportOptions &options_;
    Diagnostics &diag_;
    ModelBuilder builder_;
    int64_t opset_ = 0;
    std::map<std::string, ValueId> names_;
    std::map<std::string, Declared> declared_;
};

// A node without a name is known by what it makes.
std::string name_of(const onnx::NodeProto &node)
{
    if (!node.name().empty()) return node.name();
    return node.op_type() + ":" + (node.output_size() ? node.output(0) : "");
}

std::string which_node(const onnx::NodeProto &node)
{
    return "node " + quoted(name_of(node)) + " (" + node.op_type() + "): ";
}

// Operators come first: what a model needs them for is not looked at.
Status OnnxImporter::check_operators()
{
    for (const auto &node : model_.graph().node()) {
        const std::string which = which_node(node);
        if (!node.domain().empty() && node.domain() != "ai.onnx")
            return diag_.error(which + "expected an operator of ONNX's own domain; found domain " +
                               quoted(node.domain()));
        if (!onnx_knows(node.op_type()))
            return diag_.error(which + "expected an operator that accc knows; found another");
    }
    return Ok{};
}

Status OnnxImporter::check_versions()
{
    const int64_t ir = model_.ir_version();
    if (ir < kMinIr || ir > kMaxIr)
        return diag_.error("expected ONNX IR version 3 to 13; found " + std::to_string(ir));
    for (const auto &opset : model_.opset_import())
        if (opset.domain().empty() || opset.domain() == "ai.onnx") opset_ = opset.version();
    if (opset_ < kMinOpset || opset_ > kMaxOpset)
        return diag_.error("expected ONNX opset " + std::to_string(kMinOpset) + " to " +
                           std::to_string(kMaxOpset) + "; found " + std::to_string(opset_));
    if (!model_.has_graph()) return diag_.error("expected a graph in the model; found none");
    if (model_.graph().node_size() > kMaxNodes)
        return diag_.error("expected at most 65536 nodes; found " +
                           std::to_string(model_.graph().node_size()));
    if (model_.graph().sparse_initializer_size())
        return diag_.error("expected dense initializers; found a sparse one");
    return Ok{};
}

Status OnnxImporter::define(const std::string &name, ValueId id, const char *what)
{
    if (name.empty() || !names_.emplace(name, id).second)
        return diag_.error(std::string("expected ") + what + " with names that differ; found " +
                           quoted(name) + " twice");
    return Ok{};
}

Status OnnxImporter::read_initializers()
{
    for (const auto &proto : model_.graph().initializer()) {
        const auto tensor = decode_tensor(proto, options_.folder, diag_);
        if (!tensor) return Error{tensor.error()};
        const ValueId id = builder_.constant(proto.name(), tensor->dtype, tensor->dims,
                                             std::as_bytes(std::span(tensor->bytes)));
        ACCC_CHECK(define(proto.name(), id, "initializers"));
    }
    return Ok{};
}

Status OnnxImporter::read_inputs()
{
    std::set<std::string> shapes;
    for (const auto &[name, dims] : options_.shapes)
        shapes.insert(name);
    for (const auto &input : model_.graph().input()) {
        shapes.erase(input.name());
        if (const auto it = names_.find(input.name());
            it != names_.end() && builder_.is_constant(it->second))
            continue; // an initializer with a default, as old files list it
        const std::string which = "input " + quoted(input.name()) + ": ";
        const auto &type = input.type();
        const auto dtype = type.has_tensor_type() ? onnx_dtype(type.tensor_type().elem_type())
                                                  : std::optional<DType>();
        if (!dtype)
            return diag_.error(which + "expected a tensor of numbers or booleans; found another "
                                       "type");
        Dims dims;
        for (const auto &dim : type.tensor_type().shape().dim())
            dims.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
        if (!type.tensor_type().has_shape() && !options_.shapes.contains(input.name()))
            return diag_.error(which + "expected a shape; found none, give --shape");
        if (const auto it = options_.shapes.find(input.name()); it != options_.shapes.end())
            dims = it->second;
        if (!dims.empty() && dims[0] == -1) dims[0] = 1;
        for (size_t i = 1; i < dims.size(); i++)
            if (dims[i] == -1)
                return diag_.error(which + "expected a size for dimension " + std::to_string(i) +
                                   "; found it free, give --shape " + input.name() + "=1x…");
        const auto id = builder_.input(input.name(), *dtype, dims);
        if (!id) return Error{id.error()};
        ACCC_CHECK(define(input.name(), *id, "inputs"));
    }
    if (!shapes.empty())
        return diag_.error("expected --shape of an input; found no input " +
                           quoted(*shapes.begin()));
    return Ok{};
}

// What the file says of results: taken where a shape depends on what is computed.
Status OnnxImporter::read_declared()
{
    for (const auto *list : {&model_.graph().value_info(), &model_.graph().output()})
        for (const auto &info : *list) {
            const auto &type = info.type();
            if (!type.has_tensor_type() || !type.tensor_type().has_shape()) continue;
            const auto dtype = onnx_dtype(type.tensor_type().elem_type());
            Declared d;
            bool known = dtype.has_value();
            for (const auto &dim : type.tensor_type().shape().dim()) {
                known = known && dim.has_dim_value();
                d.dims.push_back(dim.dim_value());
            }
            if (!known) continue;
            d.dtype = *dtype;
            declared_.insert_or_assign(info.name(), std::move(d));
        }
    return Ok{};
}

// Nodes in an order in which every operand comes first; the file's order where it will do.
Result<std::vector<int>> OnnxImporter::sorted_nodes()
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
                return diag_.error(which_node(nodes[i]) +
                                   "expected an operand that something makes; found " +
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
            return diag_.error(which_node(nodes[i]) +
                               "expected a graph without cycles; found it in one");
    return order;
}

Status OnnxImporter::read_attribute(const onnx::AttributeProto &a, OnnxNode &node)
{
    const int wanted = onnx_attr_type(node.op, a.name());
    if (wanted && wanted != a.type() && a.type() != onnx::AttributeProto::UNDEFINED)
        return builder_.error("expected attribute " + quoted(a.name()) + " of type " +
                              onnx::AttributeProto::AttributeType_Name(
                                  static_cast<onnx::AttributeProto::AttributeType>(wanted)) +
                              "; found " + onnx::AttributeProto::AttributeType_Name(a.type()));
    if (!a.ref_attr_name().empty())
        return builder_.error("expected attribute " + quoted(a.name()) +
                              " with a value; found a reference");
    switch (a.type()) {
    case onnx::AttributeProto::INT:
        node.attrs[a.name()] = static_cast<int64_t>(a.i());
        return Ok{};
    case onnx::AttributeProto::FLOAT:
        node.attrs[a.name()] = a.f();
        return Ok{};
    case onnx::AttributeProto::STRING:
        node.attrs[a.name()] = a.s();
        return Ok{};
    case onnx::AttributeProto::INTS:
        node.attrs[a.name()] = std::vector<int64_t>(a.ints().begin(), a.ints().end());
        return Ok{};
    case onnx::AttributeProto::FLOATS:
        node.attrs[a.name()] = std::vector<float>(a.floats().begin(), a.floats().end());
        return Ok{};
    case onnx::AttributeProto::STRINGS: {
        std::string joined; // names without blanks, one blank between
        for (const std::string &text : a.strings())
            joined += (joined.empty() ? "" : " ") + text;
        node.attrs[a.name()] = joined;
        return Ok{};
    }
    case onnx::AttributeProto::TENSOR: {
        const auto tensor = decode_tensor(a.t(), options_.folder, diag_);
        if (!tensor) return Error{tensor.error()};
        node.tensors[a.name()] = builder_.constant(a.name(), tensor->dtype, tensor->dims,
                                                   std::as_bytes(std::span(tensor->bytes)));
        return Ok{};
    }
    default:
        return builder_.error("expected attribute " + quoted(a.name()) +
                              " of numbers, strings or a tensor; found " +
                              onnx::AttributeProto::AttributeType_Name(a.type()));
    }
}

Status OnnxImporter::import_node(const onnx::NodeProto &proto)
{
    builder_.begin_node(name_of(proto), proto.op_type());
    OnnxNode node;
    node.op = proto.op_type();
    node.opset = opset_;
    for (const auto &a : proto.attribute())
        ACCC_CHECK(read_attribute(a, node));
    for (int i = 0; i < proto.input_size(); i++) {
        const auto it = names_.find(proto.input(i));
        if (!proto.input(i).empty() && it == names_.end())
            return builder_.error("expected input " + std::to_string(i) +
                                  " to be a result that there is; found " + quoted(proto.input(i)));
        node.inputs.push_back(proto.input(i).empty() ? kNoValue : it->second);
    }
    while (!node.inputs.empty() && node.inputs.back() == kNoValue)
        node.inputs.pop_back();
    bool any = false;
    for (const std::string &output : proto.output()) {
        node.wanted.push_back(!output.empty());
        any = any || !output.empty();
        const auto it = declared_.find(output);
        node.declared.push_back(it == declared_.end() ? std::optional<Declared>() : it->second);
    }
    if (!any) return builder_.error("expected an output; found none");
    while (!node.wanted.back())
        node.wanted.pop_back();
    const auto ids = add_onnx_node(builder_, std::move(node));
    if (!ids) return Error{ids.error()};
    for (size_t i = 0; i < ids->size(); i++) {
        const std::string &output = proto.output(static_cast<int>(i));
        if (output.empty()) continue;
        names_.emplace(output, (*ids)[i]);
        if (!builder_.is_constant((*ids)[i])) builder_.graph().value((*ids)[i]).name = output;
    }
    return Ok{};
}

Status OnnxImporter::read_outputs()
{
    std::set<std::string> seen;
    for (const auto &output : model_.graph().output()) {
        const auto it = names_.find(output.name());
        if (it == names_.end())
            return diag_.error("output " + quoted(output.name()) +
                               ": expected something that makes it; found nothing");
        if (!seen.insert(output.name()).second)
            return diag_.error("expected outputs that differ; found " + quoted(output.name()) +
                               " twice");
        ACCC_CHECK(builder_.output(output.name(), it->second));
    }
    return Ok{};
}

Result<Graph> OnnxImporter::run()
{
    const auto steps = [&]() -> Status {
        ACCC_CHECK(check_versions());
        builder_.graph().name = model_.graph().name();
        ACCC_CHECK(check_operators());
        ACCC_CHECK(read_initializers());
        ACCC_CHECK(read_inputs());
        ACCC_CHECK(read_declared());
        const auto order = sorted_nodes();
        if (!order) return Error{order.error()};
        for (const int i : *order)
            ACCC_CHECK(import_node(model_.graph().node(i)));
        return read_outputs();
    };
    ACCC_CHECK(steps());
    return builder_.finish();
}

} // namespace

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
    return OnnxImporter(model, options, diag).run();
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
