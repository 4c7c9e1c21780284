// SPDX-License-Identifier: MIT
//
// What is done with a container's bytes, by libFuzzer and by the mutation test: parse, read
// every accessor's answer, and hand the images to their parsers.
#pragma once

#include "program/images.h"
#include "program/program_file.h"
#include "program/samples.h"
#include "program/text.h"

#include <atomic>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace acc::fuzz
{

inline uint64_t sum_of(std::span<const std::byte> bytes)
{
    uint64_t sum = 0;
    for (const std::byte b : bytes)
        sum += static_cast<uint8_t>(b);
    return sum;
}

// The text that refused the bytes, empty when they were accepted; aborts when a refusal
// has no text or an accepted file breaks a promise of its view.
inline std::string try_container(std::span<const std::byte> bytes)
{
    using namespace program;
    const auto demand = [](bool good) {
        if (!good) std::abort();
    };
    std::string why;
    const auto file = ProgramFile::parse(bytes, &why);
    if (!file) {
        demand(!why.empty() && file.error() < 0);
        return why;
    }
    uint64_t sum = sum_of(file->consts()) + file->report().size();
    for (uint32_t t = 0; t < ACC_TARGET_COUNT; t++) {
        const auto kernels = file->kernels(t);
        for (const acc_kernel_desc &k : kernels) {
            demand(k.unit < file->units(t).size());
            demand(file->find_kernel(t, name_of(k.name)).has_value());
        }
        for (const acc_unit_desc &u : file->units(t))
            sum += name_of(u.name).size();
        sum += sum_of(file->image(t));
    }
    if (const auto all = parse_xbar_image(file->image(ACC_TARGET_CROSSBAR),
                                          file->kernels(ACC_TARGET_CROSSBAR).size(), &why))
        for (const XbarMatrix &m : *all)
            sum += static_cast<uint64_t>(m.weight(m.desc.rows - 1, m.desc.cols - 1));
    if (const auto roles = parse_fpga_image(file->image(ACC_TARGET_FPGA),
                                            file->kernels(ACC_TARGET_FPGA).size(), &why))
        for (const std::string_view role : *roles)
            sum += role_kernarg_bytes(role).value_or(0);
    if (const auto ops = parse_null_image(file->image(ACC_TARGET_NULL),
                                          file->kernels(ACC_TARGET_NULL).size(), &why))
        for (const std::string_view op : *ops)
            sum += op.size();
    if (file->has_model()) {
        const ModelView m = file->model();
        for (const acc_model_tensor &t : m.tensors)
            demand(t.offset + t.bytes <= m.header.workspace_bytes && t.dims[0] == 1);
        for (const acc_model_step &s : m.steps) {
            demand(s.kernel < file->kernels(s.target).size());
            sum += sum_of(m.kernargs_of(s));
            for (const acc_model_reloc &r : m.relocs_of(s))
                demand(r.field + (r.kind == ACC_RELOC_BATCH32 ? 4u : 8u) <= s.kernarg_bytes);
            for (const uint32_t dep : m.deps_of(s))
                demand(&m.steps[dep] < &s && m.steps[dep].target != s.target);
        }
        demand(m.inputs().size() == m.header.inputs && m.outputs().size() == m.header.outputs);
    }
    [[maybe_unused]] static std::atomic<uint64_t> sink; // so that the reads stay
    sink.store(sum, std::memory_order_relaxed);
    return {};
}

// Valid containers to start from: one for each target, and one with a plan.
inline std::vector<std::vector<std::byte>> container_seeds()
{
    using namespace program;
    constexpr std::string_view ops[] = {ACC_NULL_NOOP, ACC_NULL_COPY, ACC_NULL_HANG};
    constexpr std::string_view roles[] = {ACC_ROLE_QUANTIZE_F32_I8, ACC_ROLE_DEQUANTIZE_I8_F32};
    const std::vector<int16_t> weights(12, -3);
    const MatrixSpec specs[] = {
        {.name = "a", .rows = 3, .cols = 4, .weights = weights},
        {.name = "b",
         .rows = 4,
         .cols = 3,
         .weights = weights,
         .weight_bits = 12,
         .output_bytes = 8},
    };
    std::vector<std::vector<std::byte>> seeds;
    const auto keep = [&](Result<std::vector<std::byte>> file) {
        if (!file) std::abort();
        seeds.push_back(std::move(*file));
    };
    keep(null_program(ops));
    keep(crossbar_program(specs));
    keep(fpga_program(roles));

    ModelTables m;
    m.inputs = m.outputs = 1;
    m.workspace_bytes = 256;
    const uint32_t types[] = {ACC_DTYPE_F32, ACC_DTYPE_F32, ACC_DTYPE_I8, ACC_DTYPE_I32};
    for (uint32_t i = 0; i < 4; i++) {
        acc_model_tensor t{};
        set_name(t.name, "tensor" + std::to_string(i));
        t.dtype = types[i];
        t.rank = 3;
        t.dims[0] = 1;
        t.dims[1] = t.dims[2] = 2;
        t.offset = 64 * i;
        t.bytes = 4 * dtype_bytes(types[i]);
        t.scale = 0.5f;
        m.tensors.push_back(t);
    }
    const uint32_t targets[] = {ACC_TARGET_FPGA, ACC_TARGET_CROSSBAR, ACC_TARGET_FPGA};
    for (uint32_t i = 0; i < 3; i++) {
        acc_model_step s{};
        set_name(s.name, "step" + std::to_string(i));
        s.target = targets[i];
        s.kernarg_bytes = i == 1 ? sizeof(acc_mvm_args) : sizeof(acc_quantize_args);
        s.kernarg_offset = static_cast<uint32_t>(m.kernargs.size());
        m.kernargs.resize(m.kernargs.size() + s.kernarg_bytes);
        s.first_reloc = static_cast<uint32_t>(m.relocs.size());
        s.relocs = 3;
        m.relocs.push_back({ACC_RELOC_TENSOR, 0, i, 0, 0});
        m.relocs.push_back({ACC_RELOC_CONST, 8, 0, 0, 4});
        m.relocs.push_back({ACC_RELOC_BATCH64, 16, 0, 0, 0});
        s.first_dep = static_cast<uint32_t>(m.deps.size());
        if (i) m.deps.push_back(i - 1);
        s.deps = i ? 1 : 0;
        m.steps.push_back(s);
    }
    ProgramWriter writer;
    if (add_crossbar(writer, specs) || add_fpga(writer, roles)) std::abort();
    writer.set_model(m);
    writer.set_consts(std::vector<std::byte>(32));
    writer.set_report("{}");
    keep(writer.finish());
    return seeds;
}

} // namespace acc::fuzz
