// SPDX-License-Identifier: MIT
//
// Operators on the host: what neither engine can do of a network. Names, attributes and meaning
// are those of ONNX's newest operator set (onnx.ai/onnx/operators); importers bring older forms
// into it. The compiler infers shapes and folds constants with them, libacc's host agent runs
// them.
//
// Thread safety: free functions, any thread; nothing is kept between calls.
#pragma once

#include "acc/program.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace acc::host
{

using Dims = std::vector<int64_t>;

// The type and shape of a tensor; dtype 0: an input or output that is left out.
struct Desc {
    uint32_t dtype = 0; // enum acc_dtype
    Dims dims;
    bool operator==(const Desc &) const = default;
};

// A dense tensor in somebody's memory. As an input it is only read; no data: not known yet.
struct View : Desc {
    void *data = nullptr;
};

using Attr = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>>;
using Attrs = std::map<std::string, Attr, std::less<>>;

struct Node {
    std::string op;
    Attrs attrs;
};

inline constexpr size_t kMaxRank = 8;
inline constexpr int64_t kMaxElements = int64_t{1} << 28; // of one tensor

bool known(std::string_view op);
// Whether an operator knows an attribute of that name. Precondition: known(op).
bool known_attr(std::string_view op, std::string_view attr);
// Bytes of an element, 0 for no type. Numbers of enum acc_dtype.
uint32_t element_bytes(uint32_t dtype);
const char *type_name(uint32_t dtype);   // "f32"
int64_t elements(const Dims &dims);      // INT64_MAX where they are more
std::string dims_text(const Dims &dims); // "1x3x8", "scalar"
inline uint64_t bytes_of(const Desc &d)
{
    return static_cast<uint64_t>(elements(d.dims)) * element_bytes(d.dtype);
}

// Types and shapes of the first `outputs` outputs. Everything that run() relies on is checked
// here but values that it will see. 0; -EAGAIN: the shape depends on the data of an input that
// has none; -EINVAL: `why` says what was expected and found.
int infer(const Node &node, std::span<const View> in, size_t outputs, std::vector<Desc> &out,
          std::string &why);

// Computes outputs into memory of the inferred size. Every input has data, outputs that are
// not wanted have none. -EINVAL when a value makes it impossible (an index out of range, a
// shape other than that of `out`). Outputs overlap neither each other nor an input. The same bits
// on every machine, the C library's functions apart, unless `fast`: then products may be oneDNN's.
int run(const Node &node, std::span<const View> in, std::span<const View> out, std::string &why,
        bool fast = false);

// Reads a tensor's values whatever its type: a shape, an axis, a limit.
std::vector<int64_t> read_ints(const View &view);
std::vector<double> read_floats(const View &view);
// The other way: as many values as `to` has elements, rounded towards zero for integers.
void store_floats(std::span<const float> values, const View &to);

// Rounded to nearest even; what is too large becomes infinite.
uint16_t to_half(float value);
float from_half(uint16_t half);

} // namespace acc::host
