// SPDX-License-Identifier: MIT
//
// Inside the TensorFlow importers: a list of nodes, functions already inlined, to a graph.
#pragma once

#include "tools/accc/import/model_builder.h"
#include "tools/accc/import/onnx_import.h"

#include "tensorflow.pb.h"

#include <functional>
#include <map>

namespace acc::accc
{

// The dtype of one of TensorFlow's type numbers.
std::optional<DType> tf_dtype(int type);

class TfReader
{
public:
    TfReader(const ImportOptions &options, Diagnostics &diag)
        : options_(options), diag_(diag), b_(diag)
    {
    }

    // Nodes by name, "name" or "name:k" naming results. A variable is looked up by its handle's
    // node when something reads it.
    void add_nodes(std::vector<const tf::Node *> nodes);
    // `inputs`: nodes of type Placeholder in the model's order (empty: in the file's). `outputs`:
    // the name to give, and the result.
    Result<Graph> run(const std::vector<std::pair<std::string, std::string>> &outputs,
                      const std::map<std::string, std::string> &input_names);
    // Says what a node's first result is: variables.
    Status define_variable(const std::string &node, DType dtype, Dims dims,
                           std::span<const std::byte> bytes);
    ModelBuilder &builder() { return b_; }

private:
    using Ids = std::vector<ValueId>;
    // The node's results; made on demand, operands first.
    Result<ValueId> value(const std::string &reference);
    Status make(const tf::Node &node);
    Result<Ids> make_known(const tf::Node &node, const Ids &in);
    Result<Ids> make_window(const tf::Node &node, const Ids &in);
    Result<Ids> make_pool(const tf::Node &node, const Ids &in, bool max);
    Result<Ids> make_shape_op(const tf::Node &node, const Ids &in);
    Result<Ids> make_slice(const tf::Node &node, const Ids &in);
    Result<Ids> constant(const tf::Node &node);
    Result<Ids> placeholder(const tf::Node &node);
    Result<std::vector<int64_t>> ints_of(const Ids &in, size_t i);
    Result<Ids> one(const std::string &op, host::Attrs attrs, Ids in);

    const ImportOptions &options_;
    Diagnostics &diag_;
    ModelBuilder b_;
    std::map<std::string, const tf::Node *> nodes_;
    std::map<std::string, Ids> made_;
    std::map<std::string, int> state_; // 1: being made, 2: made
    std::map<std::string, std::string> input_names_;
};

} // namespace acc::accc
