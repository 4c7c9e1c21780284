// SPDX-License-Identifier: MIT
//
// Inside the importers: a graph in stage Model, made operator by operator. Shapes are inferred on
// the way, and what has constant operands alone is computed at once: that is how a model's
// arithmetic on shapes goes away.
#pragma once

#include "tools/accc/diagnostics.h"
#include "tools/accc/ir/graph.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace acc::accc
{

// What a format says of a result, for shapes that cannot be inferred.
struct Declared {
    DType dtype = DType::F32;
    Dims dims;
};

class ModelBuilder
{
public:
    explicit ModelBuilder(Diagnostics &diag) : diag_(diag) { graph_.stage = Stage::Model; }

    Graph &graph() { return graph_; }
    Diagnostics &diag() { return diag_; }

    // A node of the file, for messages and the report; operators that follow are its.
    void begin_node(const std::string &name, const std::string &op);
    // "node 'conv1' (Conv): " + text.
    Error error(const std::string &text);

    // Refuses shapes with a free, a zero or too many dims.
    Result<ValueId> input(const std::string &name, DType dtype, const Dims &dims);
    ValueId constant(const std::string &name, DType dtype, Dims dims,
                     std::span<const std::byte> bytes);
    ValueId ints(const std::vector<int64_t> &values); // int64 [n]
    ValueId scalar(DType dtype, double value);

    // Results of an operator. `wanted[i]` false: result i is not needed, and kNoValue. Declared
    // shapes (may be fewer) are taken where they cannot be inferred.
    Result<std::vector<ValueId>> add(const std::string &op, host::Attrs attrs,
                                     std::vector<ValueId> inputs,
                                     const std::vector<bool> &wanted = {true},
                                     const std::vector<std::optional<Declared>> &declared = {});
    // The same with one result.
    Result<ValueId> add1(const std::string &op, host::Attrs attrs, std::vector<ValueId> inputs);

    Status output(const std::string &name, ValueId id);
    // The verified graph.
    Result<Graph> finish();

    const Dims &dims(ValueId id) const { return graph_.value(id).dims; }
    bool is_constant(ValueId id) const { return graph_.value(id).is_constant(); }
    // Precondition: a constant.
    std::vector<int64_t> read_ints(ValueId id) const { return host::read_ints(graph_.view(id)); }

private:
    Result<std::vector<ValueId>> fold(const Op &op, const std::vector<bool> &wanted,
                                      const std::vector<host::Desc> &descs);
    void keep_scales(const Op &dequantize, ValueId result);

    Graph graph_;
    Diagnostics &diag_;
    uint32_t source_ = 0;
    std::set<std::string> names_; // of sources
};

} // namespace acc::accc
