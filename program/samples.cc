// SPDX-License-Identifier: MIT
#include "program/samples.h"

#include "program/images.h"
#include "program/text.h"

#include <new>

namespace acc::program
{
namespace
{

constexpr uint64_t kWeightAlign = 64;

template <typename T>
void put(std::vector<std::byte> &bytes, uint64_t offset, const T &value)
{
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

void add_one(ProgramWriter &writer, uint32_t target, uint32_t unit, std::string_view name,
             uint32_t kernarg_bytes)
{
    acc_kernel_desc kernel{};
    kernel.target = target;
    kernel.unit = unit;
    kernel.kernarg_bytes = kernarg_bytes;
    set_name(kernel.name, name);
    writer.add_kernel(kernel);
}

uint32_t add_unit(ProgramWriter &writer, uint32_t target, std::string_view name)
{
    acc_unit_desc unit{};
    unit.target = target;
    set_name(unit.name, name);
    return writer.add_unit(unit);
}

std::string check_matrix(const MatrixSpec &m)
{
    const std::string which = "matrix \"" + std::string(m.name) + "\": ";
    if (m.rows < 1 || m.rows > kMaxMatrixDim || m.cols < 1 || m.cols > kMaxMatrixDim)
        return which + "expected 1 to 2^20 rows and columns; found " + std::to_string(m.rows) +
               " x " + std::to_string(m.cols);
    if (m.weights.size() != uint64_t{m.rows} * m.cols)
        return which + "expected " + std::to_string(uint64_t{m.rows} * m.cols) +
               " weights; found " + std::to_string(m.weights.size());
    if (m.weight_bits < 2 || m.weight_bits > 16)
        return which + "expected 2 to 16 weight bits; found " + std::to_string(m.weight_bits);
    const int limit = 1 << (m.weight_bits - 1);
    for (const int w : m.weights)
        if (w < -limit || w >= limit)
            return which + "expected weights of " + std::to_string(m.weight_bits) +
                   " bits; found " + std::to_string(w);
    return {};
}

template <typename Add>
Result<std::vector<std::byte>> one_target(const char *name, std::string *why, Add add)
{
    try {
        ProgramWriter writer;
        writer.set_id(name);
        if (const int error = add(writer)) return Error{error};
        return writer.finish(why);
    } catch (const std::bad_alloc &) {
        return refuse(why, -ENOMEM, "expected memory for a program; found none");
    }
}

} // namespace

int add_null(ProgramWriter &writer, std::span<const std::string_view> ops)
{
    const uint32_t unit = add_unit(writer, ACC_TARGET_NULL, "null");
    std::vector<std::byte> image(ops.size() * sizeof(acc_null_kernel));
    for (size_t i = 0; i < ops.size(); i++) {
        acc_null_kernel entry{};
        set_name(entry.op, ops[i]);
        put(image, i * sizeof(entry), entry);
        add_one(writer, ACC_TARGET_NULL, unit, ops[i], null_kernarg_bytes(ops[i]).value_or(0));
    }
    writer.set_image(ACC_TARGET_NULL, std::move(image));
    return 0;
}

int add_crossbar(ProgramWriter &writer, std::span<const MatrixSpec> matrices, std::string *why)
{
    for (const MatrixSpec &m : matrices) {
        std::string text = check_matrix(m);
        if (!text.empty()) return refuse(why, -EINVAL, std::move(text)).code;
    }
    const uint32_t unit = add_unit(writer, ACC_TARGET_CROSSBAR, "matrices");
    std::vector<std::byte> image(sizeof(acc_xbar_image) +
                                 matrices.size() * sizeof(acc_xbar_matrix));
    put(image, 0, acc_xbar_image{ACC_XBAR_MAGIC, 1, static_cast<uint32_t>(matrices.size()), 0});
    for (size_t i = 0; i < matrices.size(); i++) {
        const MatrixSpec &m = matrices[i];
        const uint64_t offset = (image.size() + kWeightAlign - 1) / kWeightAlign * kWeightAlign;
        const uint64_t element = m.weight_bits <= 8 ? 1 : 2;
        acc_xbar_matrix desc = m.describe();
        desc.data_offset = offset;
        image.resize(offset + desc.data_bytes);
        for (size_t k = 0; k < m.weights.size(); k++) {
            if (element == 1)
                put(image, offset + k, static_cast<int8_t>(m.weights[k]));
            else
                put(image, offset + 2 * k, m.weights[k]);
        }
        put(image, sizeof(acc_xbar_image) + i * sizeof(desc), desc);
        add_one(writer, ACC_TARGET_CROSSBAR, unit, m.name, sizeof(acc_mvm_args));
    }
    writer.set_image(ACC_TARGET_CROSSBAR, std::move(image));
    return 0;
}

int add_fpga(ProgramWriter &writer, std::span<const std::string_view> roles, std::string *why)
{
    std::vector<std::byte> image(sizeof(acc_fpga_image) + roles.size() * sizeof(acc_fpga_kernel));
    put(image, 0, acc_fpga_image{ACC_FPGA_MAGIC, 1, static_cast<uint32_t>(roles.size()), 0});
    for (size_t i = 0; i < roles.size(); i++) {
        const auto bytes = role_kernarg_bytes(roles[i]);
        if (!bytes)
            return refuse(why, -EINVAL,
                          "expected a role of acc/kernels.h; found \"" + std::string(roles[i]) +
                              "\"")
                .code;
        acc_fpga_kernel entry{};
        set_name(entry.role, roles[i]);
        put(image, sizeof(acc_fpga_image) + i * sizeof(entry), entry);

        acc_unit_desc unit{};
        unit.target = ACC_TARGET_FPGA;
        set_name(unit.name, roles[i]);
        const std::string hashed = "acc.fpga.role:" + std::string(roles[i]);
        content_hash(std::as_bytes(std::span(hashed)), unit.hash);
        add_one(writer, ACC_TARGET_FPGA, writer.add_unit(unit), roles[i], *bytes);
    }
    writer.set_image(ACC_TARGET_FPGA, std::move(image));
    return 0;
}

Result<std::vector<std::byte>> null_program(std::span<const std::string_view> ops, std::string *why)
{
    return one_target("null", why, [&](ProgramWriter &w) { return add_null(w, ops); });
}

Result<std::vector<std::byte>> crossbar_program(std::span<const MatrixSpec> matrices,
                                                std::string *why)
{
    return one_target("crossbar", why,
                      [&](ProgramWriter &w) { return add_crossbar(w, matrices, why); });
}

Result<std::vector<std::byte>> fpga_program(std::span<const std::string_view> roles,
                                            std::string *why)
{
    return one_target("fpga", why, [&](ProgramWriter &w) { return add_fpga(w, roles, why); });
}

} // namespace acc::program
