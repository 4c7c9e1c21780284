// SPDX-License-Identifier: MIT
//
// Inside legalize(): what the functions for the operators share.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace acc::accc
{

// A constant operand: floats of any width as float, integers and booleans as int64.
struct Tensor {
    Dims dims;
    std::variant<std::vector<float>, std::vector<int64_t>> data;
    std::vector<float> scales; // Value::scales
    int64_t scale_axis = 0;

    bool is_float() const { return data.index() == 0; }
    std::vector<float> &floats() { return *std::get_if<0>(&data); }
    std::vector<int64_t> &ints() { return *std::get_if<1>(&data); }
    const std::vector<float> &floats() const { return *std::get_if<0>(&data); }
    const std::vector<int64_t> &ints() const { return *std::get_if<1>(&data); }
};

// What a value of the model stands for: a result of the new graph, or a constant.
using Named = std::variant<ValueId, Tensor>;

// One operator of the model.
class Node
{
public:
    Node(const Graph &model, const Op &op, Diagnostics &diag) : model_(model), op_(op), diag_(diag)
    {
    }

    uint32_t source() const { return op_.source; }
    const std::string &name() const { return model_.source(op_).name; }
    const std::string &op() const { return op_.node.op; }
    const Op &whole() const { return op_; }
    size_t inputs() const { return op_.inputs.size(); }
    bool has_input(size_t i) const { return i < inputs() && op_.inputs[i] != kNoValue; }
    ValueId input(size_t i) const { return op_.inputs[i]; }
    size_t outputs() const { return 1 + op_.more.size(); }
    ValueId output() const { return op_.output; }
    // Of the first output.
    const Dims &dims() const { return model_.value(op_.output).dims; }

    int64_t get_int(std::string_view attribute, int64_t otherwise) const;
    float get_float(std::string_view attribute, float otherwise) const;
    std::string get_string(std::string_view attribute, const char *otherwise) const;
    std::vector<int64_t> get_ints(std::string_view attribute) const;
    bool has(std::string_view attribute) const { return op_.node.attrs.contains(attribute); }

    Error error(const std::string &text) { return diag_.error(text); }

private:
    const Graph &model_;
    const Op &op_;
    Diagnostics &diag_;
};

class Legalizer
{
public:
    explicit Legalizer(Graph &model) : model_(model) {}

    Status run(Diagnostics &diag);

    // For the operators.
    Graph &graph() { return graph_; }
    const Graph &model() const { return model_; }
    const Dims &dims(ValueId id) const { return graph_.value(id).dims; }

    // What an input of a node stands for. Precondition: has_input(i).
    const Named &operand(const Node &node, size_t i);
    // The same when only one will do; the error names the input.
    Result<ValueId> activation(Node &node, size_t i);
    Result<Tensor> float_constant(Node &node, size_t i);

    // Adds an operation of the node, with dims inferred.
    Result<ValueId> add(Node &node, Op op);
    ValueId constant(Node &node, Tensor tensor);
    // Says what the node's first output stands for; always succeeds.
    Status define(const Node &node, Named named);
    // The same of its output of that number; one that is left out stands for
    // nothing.
    void define_output(const Node &node, size_t i, ValueId id);
    // add() of the node's only operation, and define().
    Status finish(Node &node, Op op);
    // Says that a quantised value of the model is the stored form of a float value.
    void set_stored(ValueId model_value, ValueId value) { stored_[model_value] = value; }
    std::optional<ValueId> stored(ValueId model_value) const;
    // Whether a value of the new graph is a result of the host's, which has it as floats.
    bool made_by_host(ValueId id) const;
    // Adds the node as an operator of the host.
    Status to_host(const Op &op);

private:
    void add_table(Op op);

    Graph &model_;
    Graph graph_;
    std::vector<std::optional<Named>> names_; // by the model's ids
    std::map<ValueId, ValueId> constants_;    // of the model, in the new graph
    std::map<ValueId, ValueId> stored_;
    std::set<ValueId> host_made_;
};

// In a graph of the stage Model: QLinearConv and QLinearMatMul whose weights are constants of 8
// bits become DequantizeLinear, Conv or MatMul, QuantizeLinear.
void expand_qlinear(Graph &model);

// Operators. Each gives its reason for not taking a node to the diagnostics.
using LegalizeFunction = Status (*)(Legalizer &, Node &);

// The function for an operator, null when no engine has it.
LegalizeFunction find_linear(std::string_view op);
LegalizeFunction find_join(std::string_view op);
LegalizeFunction find_move(std::string_view op);
LegalizeFunction find_window(std::string_view op);
LegalizeFunction find_quantize(std::string_view op);
LegalizeFunction find_upscale(std::string_view op);
LegalizeFunction find_spatial(std::string_view op);

// An operation of a node on operands.
Op make_op(const Node &node, Kind kind, std::vector<ValueId> inputs);
// x with its axes in another order: by a transposition of the engines, whose
// first axis stays and which have four, in a shape where axes that stay
// together are one.
Result<ValueId> add_transpose(Legalizer &in, Node &node, ValueId x, const std::vector<int> &perm);
// `count` elements of an axis from `start` on; x itself if these are all.
Result<ValueId> add_slice(Legalizer &in, Node &node, ValueId x, int64_t axis, int64_t start,
                          int64_t count);
// The axis counted from the end when negative; -1 when it is out of range.
int64_t normal_axis(int64_t axis, size_t rank);

} // namespace acc::accc
