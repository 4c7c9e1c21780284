// SPDX-License-Identifier: MIT
#include "libacc/describe.h"

#include "program/images.h"
#include "program/program_file.h"
#include "program/text.h"

#include <array>
#include <cstdio>
#include <string_view>
#include <type_traits>

namespace acc
{
namespace
{

using program::ProgramFile;

// The few shapes of JSON that are needed, written as they come: members and elements are
// separated by looking at what was written last.
class Writer
{
public:
    Writer &open(char bracket)
    {
        separate();
        text_ += bracket;
        return *this;
    }
    Writer &close(char bracket)
    {
        text_ += bracket;
        return *this;
    }
    Writer &key(std::string_view name)
    {
        string(name);
        text_ += ':';
        return *this;
    }
    Writer &string(std::string_view value)
    {
        separate();
        text_ += '"';
        for (const char c : value) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                text_ += '\\';
                text_ += c;
            } else if (byte < 0x20 || byte == 0x7f) {
                std::array<char, 8> escape = {};
                snprintf(escape.data(), escape.size(), "\\u%04x", byte);
                text_ += escape.data();
            } else {
                text_ += c;
            }
        }
        text_ += '"';
        return *this;
    }
    template <typename T>
    Writer &number(T value)
    {
        separate();
        if constexpr (std::is_floating_point_v<T>) {
            std::array<char, 32> digits = {};
            snprintf(digits.data(), digits.size(), "%.9g", static_cast<double>(value));
            text_ += digits.data();
        } else {
            text_ += std::to_string(value);
        }
        return *this;
    }
    Writer &null()
    {
        separate();
        text_ += "null";
        return *this;
    }
    template <typename T>
    Writer &member(std::string_view name, T value)
    {
        key(name);
        if constexpr (std::is_convertible_v<T, std::string_view>)
            return string(value);
        else
            return number(value);
    }
    std::string take() { return std::move(text_); }

private:
    void separate()
    {
        if (!text_.empty() && std::string_view("{[:,").find(text_.back()) == std::string_view::npos)
            text_ += ',';
    }

    std::string text_;
};

std::string hex(const uint8_t (&bytes)[16])
{
    std::string text;
    for (const uint8_t byte : bytes) {
        std::array<char, 3> two = {};
        snprintf(two.data(), two.size(), "%02x", byte);
        text += two.data();
    }
    return text;
}

std::string_view dtype_name(uint32_t dtype)
{
    switch (dtype) {
    case ACC_DTYPE_F32:
        return "float32";
    case ACC_DTYPE_I8:
        return "int8";
    case ACC_DTYPE_I32:
        return "int32";
    default:
        return "unknown";
    }
}

void write_target(Writer &out, const ProgramFile &file, uint32_t target)
{
    const acc_note_compat *compat = file.compat(target);
    if (!compat) return;
    out.open('{').member("target", program::target_name(target));
    out.member("abi", std::to_string(compat->abi_major) + "." + std::to_string(compat->abi_minor));
    out.member("shell", hex(compat->shell)).member("image_bytes", file.image(target).size());
    out.key("units").open('[');
    for (const acc_unit_desc &unit : file.units(target)) {
        out.open('{').member("name", program::name_of(unit.name));
        out.member("class", unit.class_id).member("capacity", unit.capacity);
        out.member("load_bytes", unit.load_bytes).member("hash", hex(unit.hash)).close('}');
    }
    out.close(']').key("kernels").open('[');
    for (const acc_kernel_desc &kernel : file.kernels(target)) {
        out.open('{').member("name", program::name_of(kernel.name)).member("unit", kernel.unit);
        out.member("kernarg_bytes", kernel.kernarg_bytes);
        out.member("group_bytes", kernel.group_bytes);
        out.member("private_bytes", kernel.private_bytes).close('}');
    }
    out.close(']');
}

// The image of a target, whose kernels it must fit. False with a reason.
bool write_image(Writer &out, const ProgramFile &file, uint32_t target, std::string &why)
{
    const auto image = file.image(target);
    const size_t kernels = file.kernels(target).size();
    if (target == ACC_TARGET_CROSSBAR) {
        const auto matrices = program::parse_xbar_image(image, kernels, &why);
        if (!matrices) return false;
        out.key("matrices").open('[');
        for (const program::XbarMatrix &matrix : *matrices) {
            out.open('{').member("rows", matrix.desc.rows).member("cols", matrix.desc.cols);
            out.member("weight_bits", matrix.desc.weight_bits);
            out.member("input_bits", matrix.desc.input_bits);
            out.member("input_signed", matrix.desc.flags & ACC_XBAR_INPUT_SIGNED ? 1 : 0);
            out.member("output_bytes", matrix.desc.output_bytes).close('}');
        }
        out.close(']');
        return true;
    }
    const auto names = target == ACC_TARGET_FPGA ? program::parse_fpga_image(image, kernels, &why)
                                                 : program::parse_null_image(image, kernels, &why);
    if (!names) return false;
    out.key(target == ACC_TARGET_FPGA ? "roles" : "ops").open('[');
    for (const std::string_view name : *names)
        out.string(name);
    out.close(']');
    return true;
}

void write_tensors(Writer &out, std::string_view key, std::span<const acc_model_tensor> tensors)
{
    out.key(key).open('[');
    for (const acc_model_tensor &tensor : tensors) {
        out.open('{').member("name", program::name_of(tensor.name));
        out.member("type", dtype_name(tensor.dtype)).key("dims").open('[');
        for (uint32_t i = 0; i < tensor.rank; ++i)
            out.number(tensor.dims[i]);
        out.close(']').member("bytes", tensor.bytes);
        if (tensor.dtype == ACC_DTYPE_I8)
            out.member("scale", tensor.scale).member("zero_point", tensor.zero_point);
        out.close('}');
    }
    out.close(']');
}

void write_model(Writer &out, const ProgramFile &file)
{
    out.key("model");
    if (!file.has_model()) {
        out.null();
        return;
    }
    const program::ModelView model = file.model();
    out.open('{');
    write_tensors(out, "inputs", model.inputs());
    write_tensors(out, "outputs", model.outputs());
    out.member("tensors", model.tensors.size());
    out.member("workspace_bytes", model.header.workspace_bytes);
    out.member("kernarg_bytes", model.header.kernarg_bytes).key("steps").open('[');
    for (const acc_model_step &step : model.steps) {
        const auto kernels = file.kernels(step.target);
        out.open('{').member("name", program::name_of(step.name));
        out.member("target", program::target_name(step.target));
        out.member("kernel", program::name_of(kernels[step.kernel].name)).key("after").open('[');
        for (const uint32_t dep : model.deps_of(step))
            out.number(dep);
        out.close(']').close('}');
    }
    out.close(']').close('}');
}

} // namespace

Result<std::string> describe_image(std::span<const std::byte> image, std::string &why)
{
    ACC_TRY(const ProgramFile file, ProgramFile::parse(image, &why));
    Writer out;
    out.open('{').member("name", program::name_of(file.id().name));
    out.member("version", file.id().version).member("uuid", hex(file.id().uuid));
    out.member("build", hex(file.id().build)).member("bytes", image.size());
    out.key("targets").open('[');
    for (uint32_t target = 0; target < ACC_TARGET_COUNT; ++target) {
        if (!file.compat(target)) continue;
        write_target(out, file, target);
        if (!write_image(out, file, target, why)) return Error{-EINVAL};
        out.close('}');
    }
    out.close(']');
    write_model(out, file);
    out.member("const_bytes", file.consts().size()).key("report");
    if (file.report().empty())
        out.null();
    else
        out.string(file.report());
    out.close('}');
    return out.take();
}

} // namespace acc
