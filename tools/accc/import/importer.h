// SPDX-License-Identifier: MIT
//
// Inside the ONNX importer: what the functions for the operators share.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/import/onnx_import.h"
#include "tools/accc/import/onnx_tensor.h"
#include "tools/accc/ir/graph.h"

#include <onnx/onnx_pb.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace acc::accc
{

// What a name stands for: a result of the graph, or a constant.
using Named = std::variant<ValueId, Tensor>;

// One node while it is imported. Getters of attributes give the default when the attribute
// is absent, and keep the first error for done(), which also refuses attributes that nobody
// asked for.
class Node
{
public:
    Node(const onnx::NodeProto &proto, uint32_t source, std::string name, Diagnostics &diag)
        : proto_(proto), source_(source), name_(std::move(name)), diag_(diag)
    {
    }

    uint32_t source() const { return source_; }
    const std::string &name() const { return name_; }
    const std::string &op() const { return proto_.op_type(); }
    size_t inputs() const { return static_cast<size_t>(proto_.input_size()); }
    // Empty when absent or left out.
    const std::string &input(size_t i) const;
    bool has_input(size_t i) const { return !input(i).empty(); }
    size_t outputs() const { return static_cast<size_t>(proto_.output_size()); }
    const std::string &output(size_t i = 0) const;

    int64_t get_int(const char *attribute, int64_t otherwise);
    float get_float(const char *attribute, float otherwise);
    std::string get_string(const char *attribute, const char *otherwise);
    std::vector<int64_t> get_ints(const char *attribute);
    std::vector<float> get_floats(const char *attribute);
    const onnx::TensorProto *get_tensor(const char *attribute);
    bool has(const char *attribute) const;
    // The first error of the getters.
    Status done();

    // "node 'conv1' (Conv): " + text.
    Error error(const std::string &text);

private:
    const onnx::AttributeProto *find(const char *attribute, int type);

    const onnx::NodeProto &proto_;
    uint32_t source_;
    std::string name_;
    Diagnostics &diag_;
    std::set<std::string_view> known_;
    std::string bad_;
};

class Importer
{
public:
    Importer(const onnx::ModelProto &model, const ImportOptions &options, Diagnostics &diag)
        : model_(model), options_(options), diag_(diag)
    {
    }

    Result<Graph> run();

    // For the operators.
    int64_t opset() const { return opset_; }
    const ImportOptions &options() const { return options_; }
    Diagnostics &diag() { return diag_; }
    Graph &graph() { return graph_; }
    const Dims &dims(ValueId id) const { return graph_.value(id).dims; }

    // What an input of a node stands for. Precondition: has_input(i).
    const Named &operand(const Node &node, size_t i) const;
    // The same when only one will do; the error names the node and the input.
    Result<ValueId> activation(Node &node, size_t i);
    Result<Tensor> float_constant(Node &node, size_t i);
    Result<Tensor> int_constant(Node &node, size_t i);

    // Adds an operation of the node, with dims inferred. An error names the node.
    Result<ValueId> add(Node &node, Op op);
    ValueId constant(Node &node, Tensor tensor);
    // Says what the node's first output stands for; always succeeds.
    Status define(const Node &node, Named named);
    // add() of the node's only operation, and define().
    Status finish(Node &node, Op op);

private:
    Status check_versions();
    Status check_operators();
    Status read_initializers();
    Status read_inputs();
    Status read_outputs();
    Result<std::vector<int>> sorted_nodes();
    Status import_node(const onnx::NodeProto &proto);
    std::string source_name(const onnx::NodeProto &proto);

    const onnx::ModelProto &model_;
    const ImportOptions &options_;
    Diagnostics &diag_;
    int64_t opset_ = 0;
    Graph graph_;
    std::map<std::string, Named> names_;
    std::set<std::string> source_names_;
};

// Operators. Each gives its error's text to the diagnostics.
using ImportFunction = Status (*)(Importer &, Node &);

// The function for an operator of the default domain, null for an unknown one.
ImportFunction find_linear(std::string_view op);
ImportFunction find_shape(std::string_view op);
ImportFunction find_window(std::string_view op);

// An operation of a node on operands.
Op make_op(const Node &node, Kind kind, std::vector<ValueId> inputs);
// The axis that ONNX counts from the end when negative; -1 when it is out of range.
int64_t normal_axis(int64_t axis, size_t rank);

} // namespace acc::accc
