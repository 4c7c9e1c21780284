// SPDX-License-Identifier: MIT
#include "tools/accc/reference/float_interpreter.h"

#include "tools/accc/ir/formula.h"
#include "tools/accc/ir/shape.h"

#include <algorithm>
#include <cmath>

namespace acc::accc
{
namespace
{

// Elements from one axis to the next of an image, whichever order it has.
struct Strides {
    int64_t h, w, c;
};

Strides strides_of(const Dims &x, bool channels_last)
{
    if (channels_last) return {x[2] * x[3], x[3], 1};
    return {x[3], 1, x[2] * x[3]};
}

class Evaluator
{
public:
    Evaluator(const Graph &g, const Rewrite &rewrite)
        : g_(g), rewrite_(rewrite), values_(g.values.size()), raw_(g.values.size())
    {
    }

    FloatValues run(std::span<const std::span<const float>> inputs)
    {
        for (size_t i = 0; i < g_.inputs.size(); i++) {
            const ValueId id = g_.inputs[i];
            values_[id].assign(inputs[i].begin(), inputs[i].end());
            if (g_.value(id).dtype == DType::F32) {
                if (rewrite_) rewrite_(id, values_[id]);
                continue;
            }
            host::store_floats(values_[id], memory(id));
        }
        for (const Op &op : g_.ops) {
            if (op.kind == Kind::Host) {
                run_host(op);
                continue;
            }
            run(op);
            if (rewrite_) rewrite_(op.output, values_[op.output]);
        }
        for (const ValueId id : g_.outputs)
            if (g_.value(id).dtype != DType::F32 && !g_.value(id).is_constant()) {
                const std::vector<double> wide = host::read_floats(memory(id));
                values_[id].assign(wide.begin(), wide.end());
            }
        return std::move(values_);
    }

    const std::string &why() const { return why_; }

private:
    const Dims &dims(ValueId id) const { return g_.value(id).dims; }
    const std::vector<float> &get(ValueId id) const
    {
        return g_.value(id).is_constant() ? g_.floats(id) : values_[id];
    }

    // A value's elements for an operator of the host, with memory for them.
    host::View memory(ValueId id)
    {
        host::View view = g_.view(id);
        if (id == kNoValue || view.data) return view;
        if (g_.value(id).dtype == DType::F32) {
            values_[id].resize(static_cast<size_t>(elements(view.dims)));
            view.data = values_[id].data();
        } else {
            raw_[id].resize(host::bytes_of(view));
            view.data = raw_[id].data();
        }
        return view;
    }

    void run_host(const Op &op)
    {
        std::vector<host::View> in, out;
        for (const ValueId id : op.inputs)
            in.push_back(memory(id));
        for (const ValueId id : results(op))
            out.push_back(memory(id));
        std::string why;
        if (host::run(op.node, in, out, why) && why_.empty())
            why_ = "node '" + g_.source(op).name + "' (" + g_.source(op).op + "): " + why;
    }

    void run(const Op &op)
    {
        std::vector<float> &y = values_[op.output];
        y.assign(static_cast<size_t>(elements(dims(op.output))), 0);
        const std::vector<float> &x = get(op.inputs[0]);
        switch (op.kind) {
        case Kind::Conv:
            conv(op, x, y);
            break;
        case Kind::MatMul:
            matmul(op, x, y);
            break;
        case Kind::ScaleShift:
            scale_shift(op, x, y);
            break;
        case Kind::Add: {
            const std::vector<float> &b = get(op.inputs[1]);
            for (size_t i = 0; i < y.size(); i++)
                y[i] = x[i] + b[i % b.size()];
            break;
        }
        case Kind::Mul: {
            const std::vector<float> &b = get(op.inputs[1]);
            const Rows rows = *product_rows(dims(op.inputs[0]), dims(op.inputs[1]));
            const auto middle = static_cast<size_t>(rows.middle),
                       inner = static_cast<size_t>(rows.inner);
            for (size_t i = 0; i < y.size(); i++)
                y[i] = x[i] * b[i / (middle * inner) * inner + i % inner];
            break;
        }
        case Kind::Concat:
        case Kind::Slice:
            join(op, y);
            break;
        case Kind::MaxPool:
        case Kind::AvgPool:
            pool(op, x, y);
            break;
        case Kind::Transpose:
            transpose(op, x, y);
            break;
        case Kind::Softmax:
            softmax(op, x, y);
            break;
        case Kind::Table:
            y = x;
            run_formula(formula_of(op), y);
            break;
        default:
            y = x;
            break; // Clip, Reshape
        }
        if (op.clamps())
            for (float &v : y)
                v = std::clamp(v, op.lo, op.hi);
    }

    void conv(const Op &op, const std::vector<float> &x, std::vector<float> &y) const
    {
        const Window &k = op.window;
        const Dims &in = dims(op.inputs[0]), &wd = dims(op.inputs[1]);
        const int64_t height = in[op.channels_last ? 1 : 2], width = in[op.channels_last ? 2 : 3];
        const int64_t out = wd[0] / op.groups, depth = wd[1]; // of one group
        const Strides from = strides_of(in, op.channels_last);
        const Strides to = strides_of(dims(op.output), op.channels_last);
        const std::vector<float> &w = get(op.inputs[1]);
        // [group][ky][kx][c][out]: the inner loop runs over outputs.
        std::vector<double> turned(w.size());
        const int64_t taps = wd[2] * wd[3];
        for (int64_t o = 0; o < wd[0]; o++)
            for (int64_t c = 0; c < depth; c++)
                for (int64_t t = 0; t < taps; t++)
                    turned[((o / out * taps + t) * depth + c) * out + o % out] =
                        static_cast<double>(w[(o * depth + c) * taps + t]);
        std::vector<double> sum(static_cast<size_t>(out));
        const int64_t x_item = elements(in) / in[0], y_item = elements(dims(op.output)) / in[0];
        for (int64_t g = 0; g < op.groups * in[0]; g++)
            for (int64_t oy = 0; oy < k.out[0]; oy++)
                for (int64_t ox = 0; ox < k.out[1]; ox++) {
                    const int64_t item = g / op.groups, group = g % op.groups;
                    std::fill(sum.begin(), sum.end(), 0.0);
                    for (int64_t t = 0; t < taps; t++) {
                        const int64_t iy = oy * k.stride[0] + t / wd[3] * k.dilation[0] - k.pad[0];
                        const int64_t ix = ox * k.stride[1] + t % wd[3] * k.dilation[1] - k.pad[1];
                        if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
                        const double *row = &turned[((group * taps + t) * depth) * out];
                        for (int64_t c = 0; c < depth; c++, row += out) {
                            const auto v =
                                static_cast<double>(x[item * x_item + iy * from.h + ix * from.w +
                                                      (group * depth + c) * from.c]);
                            for (int64_t o = 0; o < out; o++)
                                sum[o] += v * row[o];
                        }
                    }
                    for (int64_t o = 0; o < out; o++) {
                        const int64_t channel = group * out + o;
                        if (op.inputs.size() == 3)
                            sum[o] += static_cast<double>(get(op.inputs[2])[channel]);
                        y[item * y_item + oy * to.h + ox * to.w + channel * to.c] =
                            static_cast<float>(sum[o]);
                    }
                }
    }

    void matmul(const Op &op, const std::vector<float> &x, std::vector<float> &y) const
    {
        const std::vector<float> &w = get(op.inputs[1]);
        const Dims &rows = dims(op.inputs[0]);
        const int64_t k = rows.back(), n = dims(op.inputs[1]).back();
        // Rows that one matrix is for: all of them, where there is one.
        const int64_t all = static_cast<int64_t>(x.size()) / k;
        const int64_t m = dims(op.inputs[1]).size() > 2 ? rows[rows.size() - 2] : all;
        std::vector<double> sum(static_cast<size_t>(n));
        for (int64_t row = 0; row < all; row++) {
            const float *matrix = &w[row / m * k * n];
            std::fill(sum.begin(), sum.end(), 0.0);
            for (int64_t i = 0; i < k; i++)
                for (int64_t j = 0; j < n; j++)
                    sum[j] += static_cast<double>(x[row * k + i]) *
                              static_cast<double>(matrix[i * n + j]);
            for (int64_t j = 0; j < n; j++) {
                if (op.inputs.size() == 3) sum[j] += static_cast<double>(get(op.inputs[2])[j]);
                y[row * n + j] = static_cast<float>(sum[j]);
            }
        }
    }

    void scale_shift(const Op &op, const std::vector<float> &x, std::vector<float> &y) const
    {
        const Dims &d = dims(op.inputs[0]);
        const int64_t run = elements({d.begin() + op.axis + 1, d.end()});
        const std::vector<float> &scale = get(op.inputs[1]), &shift = get(op.inputs[2]);
        for (size_t i = 0; i < x.size(); i++) {
            const size_t c = i / static_cast<size_t>(run) % scale.size();
            y[i] = x[i] * scale[c] + shift[c];
        }
    }

    void pool(const Op &op, const std::vector<float> &x, std::vector<float> &y) const
    {
        const Window &k = op.window;
        const Dims &in = dims(op.inputs[0]);
        const int64_t height = in[op.channels_last ? 1 : 2], width = in[op.channels_last ? 2 : 3];
        const int64_t channels = in[op.channels_last ? 3 : 1];
        const Strides from = strides_of(in, op.channels_last);
        const Strides to = strides_of(dims(op.output), op.channels_last);
        const int64_t x_item = elements(in) / in[0], y_item = elements(dims(op.output)) / in[0];
        for (int64_t image = 0; image < channels * in[0]; image++)
            for (int64_t oy = 0; oy < k.out[0]; oy++)
                for (int64_t ox = 0; ox < k.out[1]; ox++) {
                    const int64_t item = image / channels, c = image % channels;
                    double sum = 0, most = -HUGE_VAL;
                    int64_t count = 0;
                    for (int64_t ky = 0; ky < k.kernel[0]; ky++)
                        for (int64_t kx = 0; kx < k.kernel[1]; kx++) {
                            const int64_t iy = oy * k.stride[0] + ky * k.dilation[0] - k.pad[0];
                            const int64_t ix = ox * k.stride[1] + kx * k.dilation[1] - k.pad[1];
                            if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
                            const auto v = static_cast<double>(
                                x[item * x_item + iy * from.h + ix * from.w + c * from.c]);
                            sum += v;
                            most = std::max(most, v);
                            count++;
                        }
                    if (op.count_include_pad) count = k.kernel[0] * k.kernel[1];
                    y[item * y_item + oy * to.h + ox * to.w + c * to.c] = static_cast<float>(
                        op.kind == Kind::MaxPool
                            ? most
                            : sum / static_cast<double>(std::max<int64_t>(count, 1)));
                }
    }

    // Rows of what is from the axis on.
    void join(const Op &op, std::vector<float> &y) const
    {
        const auto tail = [&](ValueId id) {
            const Dims &d = dims(id);
            return elements({d.begin() + op.axis, d.end()});
        };
        const int64_t row = tail(op.output);
        int64_t to = 0;
        for (const ValueId id : op.inputs) {
            const std::vector<float> &x = get(id);
            const int64_t from_row = tail(id), unit = from_row / dims(id)[op.axis];
            const int64_t part = op.kind == Kind::Slice ? row : from_row;
            for (int64_t r = 0; r < static_cast<int64_t>(y.size()) / row; r++)
                std::copy_n(x.begin() + (r * from_row + op.start * unit), part,
                            y.begin() + (r * row + to));
            to += part;
        }
    }

    void transpose(const Op &op, const std::vector<float> &x, std::vector<float> &y) const
    {
        const Dims &in = dims(op.inputs[0]), &out = dims(op.output);
        Dims at(out.size(), 0);
        for (float &v : y) {
            int64_t index = 0;
            for (size_t i = 0; i < out.size(); i++)
                index += at[i] * elements({in.begin() + op.perm[i] + 1, in.end()});
            v = x[index];
            for (size_t i = out.size(); i-- > 0;) {
                if (++at[i] < out[i]) break;
                at[i] = 0;
            }
        }
    }

    void softmax(const Op &op, const std::vector<float> &x, std::vector<float> &y) const
    {
        const auto cols = static_cast<size_t>(dims(op.output).back());
        for (size_t row = 0; row < x.size(); row += cols) {
            const float most = *std::max_element(x.begin() + row, x.begin() + row + cols);
            double sum = 0;
            for (size_t i = row; i < row + cols; i++)
                sum += std::exp(static_cast<double>(x[i]) - static_cast<double>(most));
            for (size_t i = row; i < row + cols; i++)
                y[i] = static_cast<float>(
                    std::exp(static_cast<double>(x[i]) - static_cast<double>(most)) / sum);
        }
    }

    const Graph &g_;
    const Rewrite &rewrite_;
    FloatValues values_;
    std::vector<std::vector<std::byte>> raw_; // of other types
    std::string why_;
};

} // namespace

FloatValues evaluate(const Graph &graph, std::span<const std::span<const float>> inputs,
                     std::string *why, const Rewrite &rewrite)
{
    Evaluator evaluator(graph, rewrite);
    FloatValues values = evaluator.run(inputs);
    if (why) *why = evaluator.why();
    return values;
}

} // namespace acc::accc
