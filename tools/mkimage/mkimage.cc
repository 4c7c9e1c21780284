// SPDX-License-Identifier: MIT
//
// mkimage NAME OUT: writes one of the programs below as an .accx file, or as a C++ source
// that holds its bytes if OUT ends in .cc.
// mkimage code:ROLE:KERNARG_BYTES:LUTS OUT OBJECT: a program of one kernel, of the role's name,
// that brings the role's code along: a shared object for regions' processes.
#include "program/images.h"
#include "program/program_writer.h"
#include "program/text.h"

#include "acc/kernels.h"
#include "examples/gemm.h"
#include "tools/accctl/selftest.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace
{

using acc::program::ProgramWriter;
using acc::program::set_name;

template <typename T>
void append(std::vector<std::byte> &bytes, const T &value)
{
    const auto *from = reinterpret_cast<const std::byte *>(&value);
    bytes.insert(bytes.end(), from, from + sizeof(value));
}

// Capacity 0: the engine computes what it needs.
uint32_t add_unit(ProgramWriter &writer, uint32_t target, std::string_view name,
                  uint64_t load_bytes)
{
    acc_unit_desc unit = {};
    unit.target = target;
    unit.load_bytes = load_bytes;
    (void)set_name(unit.name, name);
    return writer.add_unit(unit);
}

void add_kernel(ProgramWriter &writer, uint32_t target, uint32_t unit, std::string_view name,
                uint32_t kernarg_bytes)
{
    acc_kernel_desc kernel = {};
    kernel.target = target;
    kernel.unit = unit;
    kernel.kernarg_bytes = kernarg_bytes;
    (void)set_name(kernel.name, name);
    writer.add_kernel(kernel);
}

struct Null {
    std::string_view name, op;
    uint32_t kernarg_bytes;
};

void add_null(ProgramWriter &writer, std::initializer_list<Null> kernels)
{
    const uint32_t unit = add_unit(writer, ACC_TARGET_NULL, "null", 0);
    std::vector<std::byte> image;
    for (const Null &kernel : kernels) {
        add_kernel(writer, ACC_TARGET_NULL, unit, kernel.name, kernel.kernarg_bytes);
        acc_null_kernel entry = {};
        (void)set_name(entry.op, kernel.op);
        append(image, entry);
    }
    writer.set_image(ACC_TARGET_NULL, std::move(image));
}

// One matrix of int8 weights and signed 8-bit inputs, int32 sums.
void add_matrix(ProgramWriter &writer, std::string_view name, uint32_t rows, uint32_t cols,
                const std::function<int(uint32_t row, uint32_t col)> &weight)
{
    const uint64_t bytes = uint64_t{rows} * cols;
    const uint32_t unit = add_unit(writer, ACC_TARGET_CROSSBAR, name, bytes);
    add_kernel(writer, ACC_TARGET_CROSSBAR, unit, name, sizeof(acc_mvm_args));

    std::vector<std::byte> image;
    acc_xbar_image header = {};
    header.magic = ACC_XBAR_MAGIC;
    header.version = 1;
    header.matrices = 1;
    append(image, header);
    acc_xbar_matrix matrix = {};
    matrix.rows = rows;
    matrix.cols = cols;
    matrix.weight_bits = 8;
    matrix.input_bits = 8;
    matrix.output_bytes = 4;
    matrix.flags = ACC_XBAR_INPUT_SIGNED;
    matrix.data_offset = sizeof(header) + sizeof(matrix);
    matrix.data_bytes = bytes;
    append(image, matrix);
    for (uint32_t row = 0; row < rows; ++row)
        for (uint32_t col = 0; col < cols; ++col)
            append(image, static_cast<int8_t>(weight(row, col)));
    writer.set_image(ACC_TARGET_CROSSBAR, std::move(image));
}

struct RoleKernel {
    std::string_view name;
    const char *role;
    uint32_t kernarg_bytes;
};

// Each role in a unit of its own, which the engine sizes unless `load_bytes` says otherwise.
void add_roles(ProgramWriter &writer, std::initializer_list<RoleKernel> kernels,
               uint64_t load_bytes = 0)
{
    std::vector<std::byte> image;
    acc_fpga_image header = {};
    header.magic = ACC_FPGA_MAGIC;
    header.version = 1;
    header.kernels = static_cast<uint32_t>(kernels.size());
    append(image, header);
    for (const RoleKernel &kernel : kernels) {
        const uint32_t unit = add_unit(writer, ACC_TARGET_FPGA, kernel.role, load_bytes);
        add_kernel(writer, ACC_TARGET_FPGA, unit, kernel.name, kernel.kernarg_bytes);
        acc_fpga_kernel entry = {};
        (void)set_name(entry.role, kernel.role);
        append(image, entry);
    }
    writer.set_image(ACC_TARGET_FPGA, std::move(image));
}

bool read_file(const char *path, std::vector<std::byte> &bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    std::byte part[65536];
    size_t got;
    while ((got = fread(part, 1, sizeof part, file)) > 0)
        bytes.insert(bytes.end(), part, part + got);
    const bool whole = !ferror(file);
    fclose(file);
    return whole;
}

// "code:ROLE:KERNARG_BYTES:LUTS"
bool fill_code(ProgramWriter &writer, const char *what, const char *path)
{
    char role[ACC_NAME_BYTES] = {};
    unsigned kernarg_bytes = 0, luts = 0;
    std::vector<std::byte> code;
    if (sscanf(what, "code:%47[^:]:%u:%u", role, &kernarg_bytes, &luts) != 3 ||
        !read_file(path, code))
        return false;
    writer.set_id(role);
    acc_unit_desc unit = {};
    unit.target = ACC_TARGET_FPGA;
    unit.capacity = luts;
    (void)set_name(unit.name, role);
    add_kernel(writer, ACC_TARGET_FPGA, writer.add_unit(unit), role, kernarg_bytes);
    acc::program::FpgaNative native;
    native.kind = ACC_FPGA_COMPILED;
    native.code = code;
    native.roles.emplace_back(role);
    writer.set_image(ACC_TARGET_FPGA, acc::program::encode_fpga_native(native));
    return true;
}

bool fill(ProgramWriter &writer, std::string_view name)
{
    writer.set_id(name);
    if (name == "selftest") {
        using namespace acc::selftest;
        add_null(writer, {{null_kernel, ACC_NULL_COPY, sizeof(acc_null_args)}});
        add_matrix(writer, crossbar_kernel, rows, cols, weight);
        add_roles(writer, {{fpga_kernel, ACC_ROLE_REQUANTIZE_I32_I8, sizeof(acc_requantize_args)}},
                  4096);
    } else if (name == "gemm") {
        add_matrix(writer, "gemm", GEMM_K, GEMM_N, gemm_weight);
    } else if (name == "bench") {
        add_null(writer,
                 {{"noop", ACC_NULL_NOOP, 0}, {"copy", ACC_NULL_COPY, sizeof(acc_null_args)}});
        add_matrix(writer, "mvm128", 128, 128, [](uint32_t row, uint32_t col) {
            // Any full range of weights does: a multiplicative hash.
            return static_cast<int>((row * 128 + col) * 2654435761u >> 24) - 128;
        });
        constexpr uint32_t bytes = sizeof(acc_elementwise_f32_args);
        add_roles(writer, {{ACC_ROLE_NOOP, ACC_ROLE_NOOP, 0},
                           {"relu", ACC_ROLE_RELU_F32, bytes},
                           {"add", ACC_ROLE_ADD_F32, bytes},
                           {"mul", ACC_ROLE_MUL_F32, bytes},
                           {"clip", ACC_ROLE_CLIP_F32, bytes},
                           {"quantize", ACC_ROLE_QUANTIZE_F32_I8, sizeof(acc_quantize_args)},
                           {"dequantize", ACC_ROLE_DEQUANTIZE_I8_F32, sizeof(acc_quantize_args)}});
    } else {
        return false;
    }
    return true;
}

std::string as_source(std::string_view name, const std::vector<std::byte> &image)
{
    std::string text = "// Written by mkimage.\n#include <cstddef>\n"
                       "extern const unsigned char acc_" +
                       std::string(name) + "_image[];\nextern const size_t acc_" +
                       std::string(name) + "_image_bytes;\nconst unsigned char acc_" +
                       std::string(name) + "_image[] = {";
    for (size_t i = 0; i < image.size(); ++i)
        text += (i % 24 ? "," : i ? ",\n" : "\n") + std::to_string(static_cast<int>(image[i]));
    return text + "};\nconst size_t acc_" + std::string(name) + "_image_bytes = sizeof(acc_" +
           std::string(name) + "_image);\n";
}

int write_file(const char *path, std::string_view bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() || fclose(file) != 0) {
        fprintf(stderr, "mkimage: %s: %s\n", path, strerror(errno));
        return 1;
    }
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    ProgramWriter writer;
    const bool filled = argc == 4   ? fill_code(writer, argv[1], argv[3])
                        : argc == 3 ? fill(writer, argv[1])
                                    : false;
    if (!filled) {
        fprintf(stderr, "usage: mkimage selftest|gemm|bench OUT\n"
                        "       mkimage code:ROLE:KERNARG_BYTES:LUTS OUT OBJECT\n");
        return 2;
    }
    std::string why;
    const acc::Result<std::vector<std::byte>> image = writer.finish(&why);
    if (!image) {
        fprintf(stderr, "mkimage: %s: %s\n", argv[1], why.c_str());
        return 1;
    }
    const std::string_view path = argv[2];
    if (path.size() > 3 && path.substr(path.size() - 3) == ".cc")
        return write_file(argv[2], as_source(argv[1], *image));
    return write_file(argv[2], {reinterpret_cast<const char *>(image->data()), image->size()});
}
