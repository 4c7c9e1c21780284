// SPDX-License-Identifier: MIT
//
// The compiler's one intermediate representation: a list of operations over
// values, in an order in which every value is made before it is used. Each
// value is made once. A graph is about one item, whose first axis is the
// model's batch, mostly of 1; what runs several items has them one after the
// other in memory, so an operation of the engines may do anything along an axis
// but the first, which is as long as the items are many.
//
// A graph goes through four stages and the verifier (verify.h) knows which operations each
// of them may have:
//   Model     as imported: operators of host/host.h alone, any type, any shape
//   Float     what the engines can do in operations of their own: float, ONNX's axes (N, C, H, W)
//   Physical  float still, but dims are in the order of memory: windows are channels-last
//   Lowered   every operation is one kernel of an engine; int8 and int32 with known scales
//
// Operators of the host may be in all of them: those that no engine can do.
#pragma once

#include "host/host.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace acc::accc
{

enum class Stage { Model, Float, Physical, Lowered };
// In the order of enum acc_dtype, which starts at 1. Engines know the first three.
enum class DType : uint8_t { F32, I8, I32, U8, I16, U16, U32, I64, U64, Bool, F16, BF16, F64 };

using host::Dims;
using host::dims_text;
using host::elements;
using ValueId = uint32_t;
inline constexpr ValueId kNoValue = UINT32_MAX; // an operand or result that is left out
// Elements of the engines' types, bytes of the others.
using Data = std::variant<std::vector<float>, std::vector<int8_t>, std::vector<int32_t>,
                          std::vector<std::byte>>;

// real = (stored - zero_point) * scale, of int8 values.
struct Quant {
    float scale = 0;
    int32_t zero_point = 0;
    bool operator==(const Quant &) const = default;
};

struct Value {
    std::string name;
    DType dtype = DType::F32;
    Dims dims;
    Quant quant;
    std::shared_ptr<const Data> data; // of a constant, else null
    // Of a constant that the model states as integers times scales, along an axis: the scales.
    // (A float value with a quant.scale above 0 is one whose scale the model states.)
    std::vector<float> scales;
    int64_t scale_axis = 0;

    bool is_constant() const { return data != nullptr; }
};

// Windows over two axes (height, width). Its padding at the bottom and right is what the
// output's size implies.
struct Window {
    int64_t kernel[2] = {1, 1};
    int64_t stride[2] = {1, 1};
    int64_t dilation[2] = {1, 1};
    int64_t pad[2] = {0, 0}; // top, left
    int64_t out[2] = {0, 0};
};

enum class Kind : uint8_t {
    // Float and Physical
    Conv,       // x, weights [out, in / groups, kh, kw], bias [out]?
    MatMul,     // x [..., k], w [k, n] constant; or x [..., m, k], w [..., k, n];
                // bias [n]?
    ScaleShift, // x, scale [c], shift [c] along `axis`
    // all stages
    Add,       // a, b; b may be a constant whose dims are the last ones of a's
    Clip,      // x, to [lo, hi]
    MaxPool,   // x
    AvgPool,   // x
    Reshape,   // x, to `shape`: no data moves
    Transpose, // x, by `perm`; axis 0 stays
    Softmax,   // x, over the last axis; Lowered: int8 -> float
    Mul,       // a, b; b's dims are a's, or 1 along a run of axes
    Concat,    // 1 to 8 values along `axis`; a constant one only where no axis is
               // before it
    Slice,     // x, along `axis` from `start` on, as many as the result has
    Table,     // x by the formula of each element (ir/formula.h); Lowered: and int8
               // [256]
    // Lowered
    Quantize,   // x float -> int8
    Dequantize, // x int8 -> float
    Im2col,     // x [b, h, w, c] -> [b, oh, ow, kh * kw * c]
    Mvm,        // x int8 [..., k], matrix int8 [k, n] constant -> int32 [..., n]
    Gemm,       // a int8 [..., m, k], b int8 [..., k, n] -> int32 [..., m, n]
    Requantize, // x int32 [..., n], bias, multiplier, shift int32 [n] constants
                // -> int8
    // all stages
    Host, // `node` of host/host.h; operands and further results may be kNoValue
};

struct Op {
    Kind kind = Kind::Reshape;
    uint32_t source = 0; // index in Graph::sources
    std::vector<ValueId> inputs;
    ValueId output = 0;
    std::vector<ValueId> more; // Host: results after the first

    host::Node node;                // Host; Table: attribute `formula`
    Window window;                  // Conv, pools, Im2col
    bool channels_last = false;     // Conv, pools: x is [b, h, w, c], not [b, c, h, w]
    int64_t groups = 1;             // Conv
    bool count_include_pad = false; // AvgPool
    std::vector<int> perm;          // Transpose: output axis i is input axis perm[i]
    Dims shape;                     // Reshape; Slice: how many
    int64_t axis = 1;               // ScaleShift, Concat, Slice
    int64_t start = 0;              // Slice
    // Lowered: which of the crossbar's programs of instructions it is part of, from 1 on; 0: none.
    // Operations of one stand side by side.
    uint32_t program = 0;
    // Conv, MatMul, Add, Mul, Clip, Table: what the result is limited to.
    // Requantize: as int8 values.
    float lo = -std::numeric_limits<float>::infinity();
    float hi = std::numeric_limits<float>::infinity();

    bool clamps() const
    {
        return lo > -std::numeric_limits<float>::infinity() ||
               hi < std::numeric_limits<float>::infinity();
    }
};

// A node of the imported model, for messages and the placement report.
struct Source {
    std::string name;    // unique
    std::string op;      // ONNX's op type
    std::string fate;    // set when a pass did away with it: "folded into /conv1/Conv"
    std::string host;    // why it runs on the host, where it does
    std::string kernels; // why its product is no part of a program of instructions
};

struct Graph {
    Stage stage = Stage::Float;
    std::string name;
    std::vector<Value> values;
    std::vector<Op> ops;
    std::vector<Source> sources;
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    std::vector<std::string> output_names; // one for each output

    ValueId add_value(std::string value_name, DType dtype, Dims dims, Quant quant = {});
    ValueId add_constant(std::string value_name, Dims dims, Data data, Quant quant = {});
    // Of any type, from the bytes of its elements.
    ValueId add_raw_constant(std::string value_name, DType dtype, Dims dims,
                             std::span<const std::byte> bytes);

    Value &value(ValueId id) { return values[id]; }
    const Value &value(ValueId id) const { return values[id]; }
    // Precondition: a constant of that type.
    const std::vector<float> &floats(ValueId id) const;
    const std::vector<int8_t> &int8s(ValueId id) const;
    const std::vector<int32_t> &int32s(ValueId id) const;
    // Of a constant of any type.
    std::span<const std::byte> bytes(ValueId id) const;
    // What an operator of the host sees of a value; data of constants alone.
    host::View view(ValueId id) const;
    const Source &source(const Op &op) const { return sources[op.source]; }

    // For each value how often operations and outputs read it.
    std::vector<uint32_t> uses() const;
    // For each value the index of the operation that makes it, or -1.
    std::vector<int64_t> makers() const;
    // Makes every operation and output that reads `from` read `to`.
    void replace(ValueId from, ValueId to);
    // Drops operations that nothing needs.
    void drop_dead();
};

// All results of an operation, the first first.
std::vector<ValueId> results(const Op &op);
const char *kind_name(Kind kind);
inline uint32_t dtype_code(DType dtype)
{
    return static_cast<uint32_t>(dtype) + 1;
}
// F32 for what is no enum acc_dtype.
DType dtype_of(uint32_t code);
const char *dtype_name(DType dtype);
uint32_t dtype_size(DType dtype);
// Elements of one row, which the last dimension counts; 1 for no dims.
int64_t last_dim(const Dims &dims);

} // namespace acc::accc
