// SPDX-License-Identifier: MIT
//
// ONNX models made by tests, with weights from a seeded generator.
#pragma once

#include "tools/accc/accc.h"
#include "tools/accc/import/onnx_import.h"

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace acc::accc
{

class OnnxBuilder
{
public:
    explicit OnnxBuilder(int64_t opset = 13, uint32_t seed = 1) : random_(seed)
    {
        model_.set_ir_version(7);
        auto *import = model_.add_opset_import();
        import->set_version(opset);
        model_.mutable_graph()->set_name("test");
    }

    onnx::ModelProto &model() { return model_; }
    onnx::GraphProto &graph() { return *model_.mutable_graph(); }

    // A dim of -1 is free.
    OnnxBuilder &input(const std::string &name, const std::vector<int64_t> &dims)
    {
        describe(*graph().add_input(), name, dims);
        return *this;
    }
    OnnxBuilder &output(const std::string &name)
    {
        describe(*graph().add_output(), name, {});
        return *this;
    }

    OnnxBuilder &floats(const std::string &name, const std::vector<int64_t> &dims,
                        const std::vector<float> &values)
    {
        auto *t = tensor(name, dims, onnx::TensorProto::FLOAT);
        t->set_raw_data(values.data(), values.size() * sizeof(float));
        return *this;
    }
    // Uniform in lo … hi.
    OnnxBuilder &random(const std::string &name, const std::vector<int64_t> &dims, float lo = -0.5f,
                        float hi = 0.5f)
    {
        std::vector<float> values(static_cast<size_t>(elements(dims)));
        for (float &v : values)
            v = std::uniform_real_distribution<float>(lo, hi)(random_);
        return floats(name, dims, values);
    }
    OnnxBuilder &ints(const std::string &name, const std::vector<int64_t> &values)
    {
        auto *t = tensor(name, {static_cast<int64_t>(values.size())}, onnx::TensorProto::INT64);
        for (const int64_t v : values)
            t->add_int64_data(v);
        return *this;
    }

    // The last node, for attributes, is node().
    OnnxBuilder &add(const std::string &op, const std::vector<std::string> &inputs,
                     const std::string &result)
    {
        auto *n = graph().add_node();
        n->set_name(op + "_" + result);
        n->set_op_type(op);
        for (const std::string &in : inputs)
            n->add_input(in);
        n->add_output(result);
        return *this;
    }
    onnx::NodeProto &node() { return *graph().mutable_node(graph().node_size() - 1); }

    OnnxBuilder &attr(const std::string &name, int64_t value)
    {
        auto *a = attribute(name, onnx::AttributeProto::INT);
        a->set_i(value);
        return *this;
    }
    OnnxBuilder &attr_float(const std::string &name, float value)
    {
        auto *a = attribute(name, onnx::AttributeProto::FLOAT);
        a->set_f(value);
        return *this;
    }
    OnnxBuilder &attr_string(const std::string &name, const std::string &value)
    {
        auto *a = attribute(name, onnx::AttributeProto::STRING);
        a->set_s(value);
        return *this;
    }
    OnnxBuilder &attr(const std::string &name, const std::vector<int64_t> &values)
    {
        auto *a = attribute(name, onnx::AttributeProto::INTS);
        for (const int64_t v : values)
            a->add_ints(v);
        return *this;
    }

    std::string bytes() const { return model_.SerializeAsString(); }

    Result<Graph> import(Diagnostics &diag, const ImportOptions &options = {}) const
    {
        const std::string data = bytes();
        return import_onnx(std::as_bytes(std::span(data)), options, diag);
    }

private:
    onnx::TensorProto *tensor(const std::string &name, const std::vector<int64_t> &dims, int type)
    {
        auto *t = graph().add_initializer();
        t->set_name(name);
        t->set_data_type(type);
        for (const int64_t dim : dims)
            t->add_dims(dim);
        return t;
    }
    onnx::AttributeProto *attribute(const std::string &name,
                                    onnx::AttributeProto::AttributeType type)
    {
        auto *a = node().add_attribute();
        a->set_name(name);
        a->set_type(type);
        return a;
    }
    static void describe(onnx::ValueInfoProto &info, const std::string &name,
                         const std::vector<int64_t> &dims)
    {
        info.set_name(name);
        auto *type = info.mutable_type()->mutable_tensor_type();
        type->set_elem_type(onnx::TensorProto::FLOAT);
        for (const int64_t dim : dims) {
            auto *d = type->mutable_shape()->add_dim();
            if (dim == -1)
                d->set_dim_param("N");
            else
                d->set_dim_value(dim);
        }
    }

    onnx::ModelProto model_;
    std::mt19937 random_;
};

// `items` of each input, uniform in lo … hi.
inline Samples make_samples(const Graph &g, size_t items, float lo, float hi, uint32_t seed = 7)
{
    Samples samples;
    samples.items = items;
    std::mt19937 random(seed);
    for (const ValueId id : g.inputs) {
        auto &data =
            samples.inputs.emplace_back(items * static_cast<size_t>(elements(g.value(id).dims)));
        for (float &v : data)
            v = std::uniform_real_distribution<float>(lo, hi)(random);
    }
    return samples;
}

} // namespace acc::accc
