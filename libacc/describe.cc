// SPDX-License-Identifier: MIT
//
// An image as JSON text, without a device.
#include "host/image.h"
#include "libacc/error.h"
#include "libacc/json.h"
#include "libacc/program.h"

#include "program/images.h"
#include "program/program_file.h"
#include "program/text.h"

namespace acc
{
namespace
{

using program::name_of;

std::string hex(const uint8_t (&bytes)[16])
{
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const uint8_t byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

const char *dtype_name(uint32_t dtype)
{
    switch (dtype) {
    case ACC_DTYPE_F32:
        return "float32";
    case ACC_DTYPE_I8:
        return "int8";
    case ACC_DTYPE_I32:
        return "int32";
    case ACC_DTYPE_U8:
        return "uint8";
    case ACC_DTYPE_I16:
        return "int16";
    case ACC_DTYPE_U16:
        return "uint16";
    case ACC_DTYPE_U32:
        return "uint32";
    case ACC_DTYPE_I64:
        return "int64";
    case ACC_DTYPE_U64:
        return "uint64";
    case ACC_DTYPE_BOOL:
        return "bool";
    case ACC_DTYPE_F16:
        return "float16";
    case ACC_DTYPE_BF16:
        return "bfloat16";
    case ACC_DTYPE_F64:
        return "float64";
    default:
        return "unknown";
    }
}

void write_matrix(JsonWriter &json, const acc_xbar_matrix &desc)
{
    json.begin('{')
        .member("rows", desc.rows)
        .member("cols", desc.cols)
        .member("weight_bits", desc.weight_bits)
        .member("input_bits", desc.input_bits)
        .member("input_signed", (desc.flags & ACC_XBAR_INPUT_SIGNED) != 0)
        .member("output_bytes", desc.output_bytes)
        .end('}');
}

// What the kernels of a target do: "roles", "ops" or "matrices", one entry each.
int write_image(JsonWriter &json, const program::ProgramFile &file, uint32_t target,
                std::string &why)
{
    const auto image = file.image(target);
    const size_t kernels = file.kernels(target).size();
    if (target == ACC_TARGET_CROSSBAR && program::has_xbar_kinds(image)) {
        const auto all = program::parse_xbar_kernels(image, kernels, &why);
        if (!all) return all.error();
        json.key("matrices").begin('['); // one a kernel, of either kind
        for (const program::XbarKernel &kernel : all->kernels) {
            if (kernel.kind == ACC_XBAR_KIND_MATRIX)
                write_matrix(json, kernel.matrix.desc);
            else
                json.begin('{')
                    .member("program", kernel.program)
                    .member("streams", kernel.isa.streams)
                    .member("ports", kernel.isa.ports)
                    .end('}');
        }
        json.end(']').key("programs").begin('[');
        for (const acc_xisa_program &program : all->programs)
            json.begin('{')
                .member("isa", program.isa)
                .member("tiles", program.tiles)
                .member("rows", program.rows)
                .member("cols", program.cols)
                .member("cores", program.cores)
                .member("mvm_units", program.mvm_units)
                .member("matrices", program.matrices)
                .end('}');
        json.end(']');
        return 0;
    }
    if (target == ACC_TARGET_CROSSBAR) {
        const auto matrices = program::parse_xbar_image(image, kernels, &why);
        if (!matrices) return matrices.error();
        json.key("matrices").begin('[');
        for (const program::XbarMatrix &matrix : *matrices)
            write_matrix(json, matrix.desc);
        json.end(']');
        return 0;
    }
    if (target == ACC_TARGET_HOST) {
        const auto operators = host::parse_image(image, kernels, why);
        if (!operators) return -EINVAL;
        json.key("operators").begin('[');
        for (const host::Kernel &kernel : *operators)
            json.value(kernel.node.op);
        json.end(']');
        return 0;
    }
    const bool fpga = target == ACC_TARGET_FPGA;
    const auto names = fpga ? program::parse_fpga_image(image, kernels, &why)
                            : program::parse_null_image(image, kernels, &why);
    if (!names) return names.error();
    json.key(fpga ? "roles" : "ops").begin('[');
    for (const std::string_view name : *names)
        json.value(name);
    json.end(']');
    return 0;
}

int write_target(JsonWriter &json, const program::ProgramFile &file, uint32_t target,
                 std::string &why)
{
    const acc_note_compat &compat = *file.compat(target);
    json.begin('{').member("target", program::target_name(target));
    json.member("abi", std::to_string(compat.abi_major) + "." + std::to_string(compat.abi_minor));
    json.member("shell", hex(compat.shell));
    json.member("image_bytes", file.image(target).size());
    json.key("units").begin('[');
    uint32_t index = 0;
    for (const acc_unit_desc &unit : file.units(target)) {
        json.begin('{')
            .member("name", name_of(unit.name))
            .member("class", unit.class_id)
            .member("capacity", uint64_t(unit.capacity))
            .member("load_bytes", uint64_t(unit.load_bytes))
            .member("hash", hex(unit.hash));
        const acc_unit_resources *takes =
            target == ACC_TARGET_FPGA ? file.resources(index) : nullptr;
        if (takes)
            json.member("ffs", uint64_t(takes->amount[1]))
                .member("brams", uint64_t(takes->amount[2]))
                .member("dsps", uint64_t(takes->amount[3]));
        json.end('}');
        index++;
    }
    json.end(']').key("kernels").begin('[');
    for (const acc_kernel_desc &kernel : file.kernels(target))
        json.begin('{')
            .member("name", name_of(kernel.name))
            .member("unit", kernel.unit)
            .member("kernarg_bytes", kernel.kernarg_bytes)
            .member("group_bytes", kernel.group_bytes)
            .member("private_bytes", kernel.private_bytes)
            .end('}');
    json.end(']');
    if (const int error = write_image(json, file, target, why)) return error;
    json.end('}');
    return 0;
}

void write_tensors(JsonWriter &json, std::string_view key,
                   std::span<const acc_model_tensor> tensors)
{
    json.key(key).begin('[');
    for (const acc_model_tensor &tensor : tensors) {
        json.begin('{')
            .member("name", name_of(tensor.name))
            .member("type", std::string_view(dtype_name(tensor.dtype)))
            .member("bytes", uint64_t(tensor.bytes))
            .member("scale", tensor.scale)
            .member("zero_point", tensor.zero_point);
        json.key("dims").begin('[');
        for (uint32_t i = 0; i < tensor.rank; i++)
            json.value(tensor.dims[i]);
        json.end(']').end('}');
    }
    json.end(']');
}

void write_model(JsonWriter &json, const program::ProgramFile &file)
{
    if (!file.has_model()) {
        json.key("model").null();
        return;
    }
    const program::ModelView model = file.model();
    json.key("model").begin('{');
    write_tensors(json, "inputs", model.inputs());
    write_tensors(json, "outputs", model.outputs());
    json.key("steps").begin('[');
    for (const acc_model_step &step : model.steps) {
        json.begin('{')
            .member("name", name_of(step.name))
            .member("target", program::target_name(step.target))
            .member("kernel", name_of(file.kernels(step.target)[step.kernel].name));
        json.key("deps").begin('[');
        for (const uint32_t dep : model.deps_of(step))
            json.value(dep);
        json.end(']').end('}');
    }
    json.end(']');
    json.member("tensors", model.tensors.size());
    json.member("workspace_bytes", uint64_t(model.header.workspace_bytes)).end('}');
}

} // namespace

Result<std::string> describe_image(std::span<const std::byte> image)
{
    std::string why;
    const auto file = program::ProgramFile::parse(image, &why);
    if (!file) return fail(file.error(), "malformed program: {}", why);
    JsonWriter json;
    json.begin('{')
        .member("name", name_of(file->id().name))
        .member("version", file->id().version)
        .member("bytes", image.size())
        .member("uuid", hex(file->id().uuid))
        .member("build", hex(file->id().build))
        .member("const_bytes", file->consts().size());
    json.key("targets").begin('[');
    for (uint32_t target = 0; target < ACC_TARGET_COUNT; target++) {
        if (!file->compat(target)) continue;
        if (const int error = write_target(json, *file, target, why))
            return fail(error, "malformed program: {}", why);
    }
    json.end(']');
    write_model(json, *file);
    if (const std::string_view report = file->report(); report.empty())
        json.key("report").null();
    else
        json.member("report", report);
    return json.end('}').take();
}

} // namespace acc
