// SPDX-License-Identifier: MIT
#include "tools/accc/place/cost.h"

#include "arch/costs.h"
#include "program/role_costs.h"
#include "tools/accc/place/place.h"

#include <algorithm>

namespace acc::accc
{

ProductCost product_cost(int64_t rows, int64_t cols, uint64_t vectors, uint32_t input_bits)
{
    const arch::Arch machine;
    const TileCut cut = cut_matrix(rows, cols);
    ProductCost cost;
    double vector_ns = 0, vector_pj = 0;
    for (uint32_t rb = 0; rb < cut.row_blocks; rb++)
        for (uint32_t cb = 0; cb < cut.col_blocks; cb++) {
            arch::ArrayUse use;
            use.rows = static_cast<uint32_t>(
                std::min<int64_t>(machine.rows, rows - int64_t{rb} * machine.rows));
            use.cols = static_cast<uint32_t>(
                std::min<int64_t>(machine.cols, cols - int64_t{cb} * machine.cols));
            use.arrays = cut.slices * 2;
            use.input_bits = input_bits;
            use.adc_bits = machine.adc_bits;
            use.dac_bits = machine.dac_bits;
            use.adcs = machine.adcs_per_array;
            vector_ns = std::max(vector_ns, arch::mvm_ns(use)); // side by side
            vector_pj += arch::mvm_pj(use);
            cost.program_ns += use.arrays * arch::program_ns(use.rows);
            cost.program_pj += use.arrays * arch::program_pj(use.rows, use.cols);
        }
    vector_ns += arch::reduce_ns(cut.row_blocks,
                                 static_cast<uint32_t>(std::min<int64_t>(cols, machine.cols)));
    vector_pj += arch::reduce_pj(cut.row_blocks, static_cast<uint32_t>(cols));
    cost.ns = vector_ns * static_cast<double>(vectors);
    cost.pj = vector_pj * static_cast<double>(vectors);
    cost.utilisation = static_cast<double>(rows) * static_cast<double>(cols) /
                       (static_cast<double>(cut.row_blocks) * cut.col_blocks *
                        static_cast<double>(machine.rows) * machine.cols);
    return cost;
}

namespace
{

// What a role counts its time by, of one item.
uint64_t role_elements(const Graph &g, const Op &op)
{
    const Value &y = g.value(op.output);
    const auto count = static_cast<uint64_t>(elements(y.dims));
    switch (op.kind) {
    case Kind::Im2col:
    case Kind::Transpose:
        return count * dtype_size(y.dtype); // bytes
    case Kind::MaxPool:
    case Kind::AvgPool:
        return count * static_cast<uint64_t>(op.window.kernel[0] * op.window.kernel[1]);
    case Kind::Softmax:
        return 3 * count; // sweeps
    case Kind::Gemm:
        return count * static_cast<uint64_t>(last_dim(g.value(op.inputs[0]).dims));
    default:
        return count;
    }
}

} // namespace

double emulated_ns(const Graph &g, const Op &op, uint64_t batch)
{
    constexpr double launch = 10'000, of_mac = 0.02, of_element = 0.2;
    if (op.kind == Kind::Reshape) return 0;
    double item = 0;
    if (op.kind == Kind::Mvm)
        item = of_mac * static_cast<double>(elements(g.value(op.output).dims)) *
               static_cast<double>(g.value(op.inputs[1]).dims[0]);
    else
        item = of_element * static_cast<double>(role_elements(g, op));
    return launch + static_cast<double>(batch) * item;
}

double emulated_ns(uint64_t instructions, uint64_t accesses, uint64_t products, uint64_t macs,
                   uint64_t items)
{
    constexpr double launch = 50'000, of_instruction = 25, of_access = 35, of_product = 150,
                     of_mac = 0.03;
    const double item = of_instruction * static_cast<double>(instructions) +
                        of_access * static_cast<double>(accesses) +
                        of_product * static_cast<double>(products) +
                        of_mac * static_cast<double>(macs);
    return launch + static_cast<double>(items) * item;
}

RoleCost role_cost(const Graph &g, const Op &op, uint64_t batch)
{
    if (op.kind == Kind::Reshape || op.kind == Kind::Host) return {};
    const program::RoleCost *role =
        program::find_role_cost(place(op.kind, g.value(op.output).dtype).role);
    if (!role) return {};
    double bytes = 0;
    const auto add = [&](ValueId id) {
        const Value &v = g.value(id);
        const double times = v.is_constant() ? 1 : static_cast<double>(batch);
        bytes += times * static_cast<double>(elements(v.dims)) * dtype_size(v.dtype);
    };
    for (const ValueId id : op.inputs)
        add(id);
    add(op.output);
    const auto cycles =
        static_cast<double>(program::role_cycles(*role, batch * role_elements(g, op)));
    return {.ns = cycles * 1e3 / program::kRegionMhz,
            .pj = cycles * role->luts * program::kPjPerLutCycle + bytes * program::kPjPerByte};
}

} // namespace acc::accc
