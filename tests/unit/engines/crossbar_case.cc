// SPDX-License-Identifier: MIT
#include "crossbar_case.h"

#include <algorithm>

namespace acc::emu::test
{

std::string MvmCase::text() const
{
    return std::to_string(rows) + "x" + std::to_string(cols) + ", weights of " +
           std::to_string(weight_bits) + " bits, inputs of " + std::to_string(input_bits) +
           (input_signed ? " signed" : " unsigned") + " bits, " + std::to_string(vectors) +
           " vectors, on " + machine.text();
}

int64_t MvmCase::input(uint32_t v, uint32_t k) const
{
    const int64_t bits = inputs[size_t{v} * rows + k] & ((1u << input_bits) - 1);
    const int64_t top = int64_t{1} << (input_bits - 1);
    return input_signed && bits >= top ? bits - 2 * top : bits;
}

uint16_t MvmCase::output_bytes() const
{
    const int64_t high =
        input_signed ? (int64_t{1} << (input_bits - 1)) - 1 : (int64_t{1} << input_bits) - 1;
    const int64_t low = input_signed ? -(int64_t{1} << (input_bits - 1)) : 0;
    for (uint32_t n = 0; n < cols; n++) {
        int64_t most = 0, least = 0;
        for (uint32_t k = 0; k < rows; k++) {
            most += std::max(weight(k, n) * high, weight(k, n) * low);
            least += std::min(weight(k, n) * high, weight(k, n) * low);
        }
        if (most > INT32_MAX || least < INT32_MIN) return 8;
    }
    return 4;
}

MvmResult integer_product(const MvmCase &c)
{
    MvmResult result{std::vector<int64_t>(size_t{c.vectors} * c.cols), 0};
    for (uint32_t v = 0; v < c.vectors; v++)
        for (uint32_t k = 0; k < c.rows; k++)
            for (uint32_t n = 0; n < c.cols; n++)
                result.outputs[size_t{v} * c.cols + n] += c.input(v, k) * c.weight(k, n);
    return result;
}

MvmResult cell_by_cell(const MvmCase &c)
{
    const Machine &m = c.machine;
    const uint32_t slices = (c.weight_bits + m.cell_bits - 1) / m.cell_bits;
    MvmResult result{std::vector<int64_t>(size_t{c.vectors} * c.cols), 0};
    for (uint32_t v = 0; v < c.vectors; v++)
        for (uint32_t block = 0; block < c.rows; block += m.rows)
            for (uint32_t slice = 0; slice < slices; slice++)
                for (const bool negative : {false, true})
                    for (uint32_t bit = 0; bit < c.input_bits; bit++)
                        for (uint32_t n = 0; n < c.cols; n++) {
                            int64_t current = 0;
                            for (uint32_t k = block; k < std::min(c.rows, block + m.rows); k++) {
                                const int64_t w = c.weight(k, n);
                                if ((w < 0) != negative) continue;
                                const int64_t magnitude = w < 0 ? -w : w;
                                const int64_t cell =
                                    (magnitude >> (slice * m.cell_bits)) & ((1 << m.cell_bits) - 1);
                                if (c.inputs[size_t{v} * c.rows + k] >> bit & 1) current += cell;
                            }
                            const int64_t top = (int64_t{1} << m.adc_bits) - 1;
                            if (m.adc_bits && current > top) {
                                current = top;
                                result.saturations++;
                            }
                            int64_t value = current * (int64_t{1} << (slice * m.cell_bits + bit));
                            if (negative) value = -value;
                            if (c.input_signed && bit == c.input_bits - 1) value = -value;
                            result.outputs[size_t{v} * c.cols + n] += value;
                        }
    return result;
}

MvmResult on_engine(const MvmCase &c)
{
    const auto engine = make(create_crossbar_engine, c.machine.text());
    const uint16_t bytes = c.output_bytes();
    const program::MatrixSpec spec{
        .name = "m",
        .rows = c.rows,
        .cols = c.cols,
        .weights = c.weights,
        .weight_bits = static_cast<uint16_t>(c.weight_bits),
        .input_bits = static_cast<uint16_t>(c.input_bits),
        .output_bytes = bytes,
        .input_signed = c.input_signed,
    };
    std::string why;
    const auto image = program::crossbar_program({&spec, 1}, &why);
    EXPECT_TRUE(image) << why;
    const auto program = engine->parse(*image, why);
    EXPECT_TRUE(program) << why << ": " << c.text();
    if (!program) return {};

    PageMemory memory;
    const uint32_t in_stride = c.rows + c.input_gap, out_stride = c.cols + c.output_gap;
    const uint32_t in_bytes = c.input_bits <= 8 ? 1 : 2;
    std::vector<uint8_t> in(size_t{c.vectors} * in_stride * in_bytes, 0x5a);
    for (uint32_t v = 0; v < c.vectors; v++)
        for (uint32_t k = 0; k < c.rows; k++)
            std::memcpy(&in[(size_t{v} * in_stride + k) * in_bytes],
                        &c.inputs[size_t{v} * c.rows + k], in_bytes);
    acc_mvm_args args = {};
    args.input = memory.store(in, 4096 - in_bytes);
    const uint64_t out_elements = uint64_t{c.vectors} * out_stride;
    args.output = memory.store(std::vector<uint8_t>(out_elements * bytes, 0x77), 4096 - bytes);
    args.vectors = c.vectors;
    args.input_stride = in_stride;
    args.output_stride = out_stride;
    const Outcome outcome = run(*engine, **program, 0, args, memory);
    EXPECT_EQ(outcome.status, ACC_STATUS_OK) << outcome.dispatch.text << ": " << c.text();

    const Machine &m = c.machine;
    const uint64_t arrays = uint64_t{(c.rows + m.rows - 1) / m.rows} *
                            ((c.cols + m.cols - 1) / m.cols) * 2 *
                            ((c.weight_bits + m.cell_bits - 1) / m.cell_bits);
    EXPECT_EQ((*program)->units[0].capacity, arrays) << c.text();
    EXPECT_EQ(outcome.dispatch.mvms, arrays * c.vectors) << c.text();
    EXPECT_GT(outcome.dispatch.modelled_ns, 0u);
    EXPECT_GT(outcome.dispatch.energy_pj, 0u);

    MvmResult result{std::vector<int64_t>(size_t{c.vectors} * c.cols),
                     outcome.dispatch.saturations};
    const auto out = memory.load<uint8_t>(args.output, out_elements * bytes);
    for (uint64_t i = 0; i < out_elements; i++) {
        const uint64_t v = i / out_stride, n = i % out_stride;
        int64_t value = 0;
        if (bytes == 4) {
            int32_t narrow;
            std::memcpy(&narrow, &out[i * 4], 4);
            value = narrow;
        } else {
            std::memcpy(&value, &out[i * 8], 8);
        }
        if (n < c.cols)
            result.outputs[v * c.cols + n] = value;
        else // between the vectors nothing is written
            EXPECT_EQ(value, bytes == 4 ? 0x77777777 : 0x7777777777777777) << c.text();
    }
    return result;
}

void fill(MvmCase &c, uint32_t style, std::mt19937_64 &random)
{
    const int64_t w_most = (int64_t{1} << (c.weight_bits - 1)) - 1, w_least = -w_most - 1;
    const uint32_t element = c.input_bits <= 8 ? 0xff : 0xffff;
    const uint32_t mask = (1u << c.input_bits) - 1, top = 1u << (c.input_bits - 1);
    const uint32_t in_most = c.input_signed ? top - 1 : mask;
    const uint32_t in_least = c.input_signed ? top : 0; // as raw bits
    const uint32_t hot_row = static_cast<uint32_t>(random() % c.rows);
    c.weights.resize(size_t{c.rows} * c.cols);
    c.inputs.resize(size_t{c.vectors} * c.rows);
    for (uint32_t k = 0; k < c.rows; k++)
        for (uint32_t n = 0; n < c.cols; n++) {
            const int64_t values[kStyles] = {
                w_most,
                w_least,
                (k + n) % 2 ? w_most : w_least,
                k == hot_row ? w_least : 0,
                w_least +
                    static_cast<int64_t>(random() % static_cast<uint64_t>(w_most - w_least + 1)),
                static_cast<int64_t>(random() % 3) - 1,
                (n % 2 ? w_most : w_least),
            };
            c.weights[size_t{k} * c.cols + n] = static_cast<int16_t>(values[style]);
        }
    for (uint32_t v = 0; v < c.vectors; v++)
        for (uint32_t k = 0; k < c.rows; k++) {
            const auto noise = static_cast<uint32_t>(random());
            const uint32_t values[kStyles] = {
                v % 2 ? in_least : in_most,
                v % 2 ? in_most : in_least,
                k % 2 ? in_most : in_least,
                k == hot_row ? in_least : 0,
                noise & element, // also bits above input_bits, which must not count
                noise & mask,
                0xffff & mask, // -1, or the largest
            };
            c.inputs[size_t{v} * c.rows + k] = static_cast<uint16_t>(values[style]);
        }
}

} // namespace acc::emu::test
