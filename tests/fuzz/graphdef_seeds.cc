// SPDX-License-Identifier: MIT
#include "tests/fuzz/importers.h"

#include "tensorflow.pb.h"

namespace acc::fuzz
{
namespace
{

using namespace accc::tf;

Node &add(Graph &g, const std::string &name, const std::string &op,
          const std::vector<std::string> &inputs)
{
    Node &node = *g.add_node();
    node.set_name(name);
    node.set_op(op);
    for (const std::string &input : inputs)
        node.add_input(input);
    return node;
}

void shape(Shape &to, const std::vector<int64_t> &dims)
{
    for (const int64_t dim : dims)
        to.add_dim()->set_size(dim);
}

void constant(Graph &g, const std::string &name, const std::vector<int64_t> &dims)
{
    Node &node = add(g, name, "Const", {});
    Tensor &t = *(*node.mutable_attr())["value"].mutable_tensor();
    t.set_dtype(1);
    shape(*t.mutable_shape(), dims);
    t.add_float_val(0.5f); // one value fills it
}

void integers(Graph &g, const std::string &name, const std::vector<int32_t> &values)
{
    Node &node = add(g, name, "Const", {});
    Tensor &t = *(*node.mutable_attr())["value"].mutable_tensor();
    t.set_dtype(3);
    shape(*t.mutable_shape(), {static_cast<int64_t>(values.size())});
    for (const int32_t v : values)
        t.add_int_val(v);
}

void list(Node &node, const char *name, const std::vector<int64_t> &values)
{
    for (const int64_t v : values)
        (*node.mutable_attr())[name].mutable_list()->add_i(v);
}

Node &placeholder(Graph &g, const std::vector<int64_t> &dims)
{
    Node &node = add(g, "x", "Placeholder", {});
    (*node.mutable_attr())["dtype"].set_type(1);
    shape(*(*node.mutable_attr())["shape"].mutable_shape(), dims);
    return node;
}

} // namespace

std::vector<std::vector<std::byte>> graphdef_seeds()
{
    std::vector<std::vector<std::byte>> seeds;
    const auto keep = [&](const Graph &g) {
        const std::string bytes = g.SerializeAsString();
        const auto *data = reinterpret_cast<const std::byte *>(bytes.data());
        seeds.emplace_back(data, data + bytes.size());
    };
    Graph rows;
    placeholder(rows, {-1, 4});
    constant(rows, "w", {4, 3});
    constant(rows, "b", {3});
    add(rows, "read", "Identity", {"w"});
    add(rows, "m", "MatMul", {"x", "read"});
    add(rows, "a", "BiasAdd", {"m", "b"});
    add(rows, "r", "Relu", {"a", "^w"});
    add(rows, "y", "Softmax", {"r:0"});
    keep(rows);

    Graph image;
    placeholder(image, {-1, 6, 6, 2});
    constant(image, "k", {3, 3, 2, 4});
    constant(image, "d", {3, 3, 4, 1});
    integers(image, "axes", {1, 2});
    Node &conv = add(image, "c", "Conv2D", {"x", "k"});
    list(conv, "strides", {1, 1, 1, 1});
    (*conv.mutable_attr())["padding"].set_s("SAME");
    Node &depth = add(image, "e", "DepthwiseConv2dNative", {"c", "d"});
    list(depth, "strides", {1, 2, 2, 1});
    (*depth.mutable_attr())["padding"].set_s("VALID");
    Node &pool = add(image, "p", "MaxPool", {"e"});
    list(pool, "strides", {1, 1, 1, 1});
    list(pool, "ksize", {1, 2, 2, 1});
    add(image, "six", "Relu6", {"p"});
    add(image, "y", "Mean", {"six", "axes"});
    keep(image);
    return seeds;
}

} // namespace acc::fuzz
