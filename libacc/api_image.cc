// SPDX-License-Identifier: MIT
//
// acc/image.h.
#include "acc/image.h"

#include "libacc/api.h"
#include "program/images.h"
#include "program/samples.h"
#include "program/text.h"

#include <cstdlib>
#include <string>
#include <vector>

using namespace acc;

namespace
{

int refused(int error, const std::string &why)
{
    return fail(error, "{}", why.empty() ? "the image was refused" : why).code;
}

// To memory that acc_image_free() gives back.
int hand_over(const Result<std::vector<std::byte>> &made, const std::string &why, void **image,
              size_t *bytes)
{
    if (!made) return refused(made.error(), why);
    *image = std::malloc(made->size());
    if (!*image)
        return fail(-ENOMEM, "expected {} bytes for an image; found none", made->size()).code;
    std::memcpy(*image, made->data(), made->size());
    *bytes = made->size();
    return 0;
}

int check_name(const char *name)
{
    if (name && *name && std::strlen(name) < ACC_NAME_BYTES) return 0;
    return fail(-EINVAL, "expected a name of 1 to {} bytes; found {}", ACC_NAME_BYTES - 1,
                name ? name : "none")
        .code;
}

} // namespace

extern "C" {

int acc_image_of_roles(const char *const *roles, size_t count, void **image, size_t *bytes)
{
    return guarded([&] {
        ACC_CHECK_POINTER(image);
        ACC_CHECK_POINTER(bytes);
        *image = nullptr;
        ACC_CHECK_POINTER(roles);
        std::vector<std::string_view> names;
        for (size_t i = 0; i < count; i++) {
            ACC_TRY_INT(check_name(roles[i]));
            names.emplace_back(roles[i]);
        }
        std::string why;
        return hand_over(program::fpga_program(names, &why), why, image, bytes);
    });
}

int acc_image_of_matrix(const acc_image_matrix *given, void **image, size_t *bytes)
{
    return guarded([&] {
        ACC_CHECK_POINTER(image);
        ACC_CHECK_POINTER(bytes);
        *image = nullptr;
        acc_image_matrix m;
        ACC_CHECK_POINTER(given);
        ACC_TRY_INT(read_options(given, m));
        ACC_TRY_INT(check_name(m.name));
        ACC_CHECK_POINTER(m.weights);
        for (const uint32_t bits : {m.weight_bits, m.input_bits, m.output_bytes})
            if (bits > 16) return fail(-EINVAL, "expected at most 16 bits; found {}", bits).code;
        if (m.rows > program::kMaxMatrixDim || m.cols > program::kMaxMatrixDim)
            return fail(-EINVAL, "expected 1 to 2^20 rows and columns; found {} x {}", m.rows,
                        m.cols)
                .code;
        std::vector<int16_t> weights(size_t{m.rows} * m.cols);
        if (m.weight_bits <= 8) {
            const auto *from = static_cast<const int8_t *>(m.weights);
            std::copy_n(from, weights.size(), weights.begin());
        } else {
            std::memcpy(weights.data(), m.weights, weights.size() * sizeof weights[0]);
        }
        program::MatrixSpec spec;
        spec.name = m.name;
        spec.rows = m.rows;
        spec.cols = m.cols;
        spec.weights = weights;
        spec.weight_bits = static_cast<uint16_t>(m.weight_bits);
        spec.input_bits = static_cast<uint16_t>(m.input_bits);
        spec.output_bytes = static_cast<uint16_t>(m.output_bytes);
        spec.input_signed = m.input_signed != 0;
        std::string why;
        return hand_over(program::crossbar_program({&spec, 1}, &why), why, image, bytes);
    });
}

int acc_image_of_code(const acc_image_code *given, void **image, size_t *bytes)
{
    return guarded([&] {
        ACC_CHECK_POINTER(image);
        ACC_CHECK_POINTER(bytes);
        *image = nullptr;
        acc_image_code code;
        ACC_CHECK_POINTER(given);
        ACC_TRY_INT(read_options(given, code));
        ACC_TRY_INT(check_name(code.name));
        ACC_CHECK_POINTER(code.object);
        ACC_CHECK_POINTER(code.kernels);
        program::ProgramWriter writer;
        writer.set_id(code.name);
        acc_unit_desc unit = {};
        unit.target = ACC_TARGET_FPGA;
        unit.capacity = code.luts;
        program::set_name(unit.name, code.name);
        program::FpgaNative native;
        native.kind = ACC_FPGA_COMPILED;
        native.code = {static_cast<const std::byte *>(code.object), code.object_bytes};
        const uint32_t index = writer.add_unit(unit);
        for (uint32_t i = 0; i < code.kernel_count; i++) {
            const acc_image_kernel &k = code.kernels[i];
            const char *const role = k.role ? k.role : k.name;
            ACC_TRY_INT(check_name(k.name));
            ACC_TRY_INT(check_name(role));
            if (k.reserved)
                return fail(-EINVAL, "expected zero padding; found {}", k.reserved).code;
            acc_kernel_desc kernel = {};
            kernel.target = ACC_TARGET_FPGA;
            kernel.unit = index;
            kernel.kernarg_bytes = k.kernarg_bytes;
            kernel.group_bytes = k.group_bytes;
            kernel.private_bytes = k.private_bytes;
            program::set_name(kernel.name, k.name);
            writer.add_kernel(kernel);
            native.roles.emplace_back(role);
        }
        writer.set_image(ACC_TARGET_FPGA, program::encode_fpga_native(native));
        std::string why;
        return hand_over(writer.finish(&why), why, image, bytes);
    });
}

void acc_image_free(void *image)
{
    std::free(image);
}

} // extern "C"
