// SPDX-License-Identifier: MIT
//
// Inside: what the operators share. An operator is a pair of functions on a Call: infer sets
// the descriptions of its outputs, run writes them.
#pragma once

#include "host/host.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <type_traits>

namespace acc::host
{

struct Call {
    const Node &node;
    std::span<const View> in;
    size_t outputs = 1;                 // wanted
    std::vector<Desc> *descs = nullptr; // infer
    std::span<const View> out;          // run
    std::string &why;
    bool unknown = false; // infer: an input's data is needed and not there
    bool fast = false;    // run: by oneDNN where it can, whose sums have an order of their own

    bool has(size_t i) const { return i < in.size() && in[i].dtype != 0; }
    bool wants(size_t i) const { return i < out.size() && out[i].data != nullptr; }
    const Dims &dims(size_t i) const { return in[i].dims; }
    int64_t rank(size_t i) const { return static_cast<int64_t>(in[i].dims.size()); }

    int64_t get(std::string_view name, int64_t otherwise) const;
    float get(std::string_view name, float otherwise) const;
    std::string get(std::string_view name, const char *otherwise) const;
    std::vector<int64_t> ints(std::string_view name) const; // empty when absent
    std::vector<float> floats(std::string_view name) const;
    bool has_attr(std::string_view name) const { return node.attrs.contains(name); }

    bool fail(std::string text)
    {
        if (why.empty()) why = std::move(text);
        return false;
    }
    // infer: the integers of input i; false, and `unknown`, when they are not there.
    bool need(size_t i, std::vector<int64_t> &values)
    {
        if (!in[i].data && elements(in[i].dims) > 0) {
            unknown = true;
            return false;
        }
        values = read_ints(in[i]);
        return true;
    }
    // infer: the next output.
    bool give(uint32_t dtype, Dims dims)
    {
        descs->push_back({dtype, std::move(dims)});
        return true;
    }
    // An axis counted from the end when negative; false and a text when it is out of range.
    bool axis(int64_t given, int64_t of, int64_t &result)
    {
        result = given < 0 ? given + of : given;
        if (result >= 0 && result < of) return true;
        return fail("expected an axis of " + std::to_string(of) + " dimensions; found " +
                    std::to_string(given));
    }
};

struct Operator {
    const char *name;
    size_t min_in, max_in; // of inputs; those below min_in must be there
    size_t max_out;
    const char *attrs; // names, blanks between
    bool (*infer)(Call &);
    bool (*run)(Call &);
};

// Each file's operators, ended by a null name.
extern const Operator elementwise_ops[], reduce_ops[], norm_ops[], window_ops[], product_ops[],
    quantize_ops[], recurrent_ops[], move_ops[], index_ops[], resize_ops[];

bool is_float(uint32_t dtype);
bool broadcast(const Dims &a, const Dims &b, Dims &out);
// "1x2 and 1x3".
inline std::string both(const Dims &a, const Dims &b)
{
    return dims_text(a) + " and " + dims_text(b);
}

// ------------------------------------------------------------------ elements

// Elements are worked on as float, double or int64_t.
void load(const View &from, float *to);
void load(const View &from, double *to);
void load(const View &from, int64_t *to);
void store(const float *from, const View &to);
void store(const double *from, const View &to);
void store(const int64_t *from, const View &to);

template <typename W>
constexpr uint32_t native_type()
{
    if constexpr (std::is_same_v<W, float>) return ACC_DTYPE_F32;
    if constexpr (std::is_same_v<W, double>) return ACC_DTYPE_F64;
    return ACC_DTYPE_I64;
}

// memcpy() of what may be an empty list, which has no memory.
inline void copy_bytes(void *to, const void *from, uint64_t bytes)
{
    if (bytes) std::memcpy(to, from, bytes);
}

// An input's elements as W, copied only when they are of another type.
template <typename W>
class In
{
public:
    explicit In(const View &view) : size_(static_cast<size_t>(elements(view.dims)))
    {
        if (view.dtype == native_type<W>()) {
            data_ = static_cast<const W *>(view.data);
            return;
        }
        copy_.resize(size_);
        load(view, copy_.data());
        data_ = copy_.data();
    }
    const W *data() const { return data_; }
    size_t size() const { return size_; }
    const W &operator[](size_t i) const { return data_[i]; }

private:
    size_t size_;
    std::vector<W> copy_;
    const W *data_ = nullptr;
};

// An output's elements as W, converted when this goes.
template <typename W>
class Out
{
public:
    explicit Out(const View &view) : view_(view), size_(static_cast<size_t>(elements(view.dims)))
    {
        if (view.dtype == native_type<W>()) {
            data_ = static_cast<W *>(view.data);
            return;
        }
        copy_.resize(size_);
        data_ = copy_.data();
    }
    ~Out()
    {
        if (!copy_.empty()) store(copy_.data(), view_);
    }
    Out(const Out &) = delete;
    Out &operator=(const Out &) = delete;
    W *data() { return data_; }
    size_t size() const { return size_; }
    W &operator[](size_t i) { return data_[i]; }

private:
    const View &view_;
    size_t size_;
    std::vector<W> copy_;
    W *data_ = nullptr;
};

// Calls f with a value of the type that elements of `dtype` are worked on as.
template <typename F>
auto by_type(uint32_t dtype, F f)
{
    if (dtype == ACC_DTYPE_F64) return f(double{});
    if (is_float(dtype)) return f(float{});
    return f(int64_t{});
}

// ------------------------------------------------------------------- indices

Dims strides_of(const Dims &dims);
// Strides of `from` as if it had the dims `to`: 0 along axes that are spread.
Dims spread_strides(const Dims &from, const Dims &to);

// Counts through the elements of a shape in order, with an offset for each of N strides.
template <size_t N>
class Walk
{
public:
    Walk(const Dims &dims, const Dims (&strides)[N]) : dims_(dims), at_(dims.size(), 0)
    {
        for (size_t n = 0; n < N; n++)
            strides_[n] = strides[n];
    }
    int64_t operator[](size_t n) const { return offset_[n]; }
    const Dims &at() const { return at_; }
    void next()
    {
        for (size_t i = dims_.size(); i-- > 0;) {
            for (size_t n = 0; n < N; n++)
                offset_[n] += strides_[n][i];
            if (++at_[i] < dims_[i]) return;
            for (size_t n = 0; n < N; n++)
                offset_[n] -= strides_[n][i] * dims_[i];
            at_[i] = 0;
        }
    }

private:
    Dims dims_, at_;
    Dims strides_[N];
    int64_t offset_[N] = {};
};

// [outer, axis, inner] around an axis.
struct Split3 {
    int64_t outer = 1, axis = 1, inner = 1;
};
Split3 split_at(const Dims &dims, int64_t axis);

// C[m][n] += A[m][k] * B[k][n], all dense and row-major. fast: by oneDNN where it is there.
void gemm(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c, bool fast);

} // namespace acc::host
