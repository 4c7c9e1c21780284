// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/builtins.h"

#include "acc/image.h"
#include "acc/kernels.h"
#include "libacc/interop/opencl/crossbar.h"
#include "libacc/interop/opencl/memory.h"

#include <algorithm>

namespace acc::ocl
{
namespace
{

// Arguments in the order of the role's struct (acc/kernels.h): `name:r:type` memory that it
// reads, `w` that it writes, `name:type` a value, `=n` bytes that are zero.
struct BuiltInEntry {
    const char *name;
    const char *role; // null: a product on the crossbar
    const char *arguments;
};

#define WINDOW                                                                                     \
    "batch:uint h:uint w:uint c:uint kernel_h:uint kernel_w:uint stride_h:uint stride_w:uint "     \
    "pad_top:uint pad_left:uint dilation_h:uint dilation_w:uint out_h:uint out_w:uint "
#define ELEMENTWISE "a:r:float b:r:float dst:w:float count:ulong b_count:ulong =8"

constexpr BuiltInEntry kEntries[] = {
    {"acc_noop", ACC_ROLE_NOOP, ""},
    {"acc_add_f32", ACC_ROLE_ADD_F32, ELEMENTWISE},
    {"acc_mul_f32", ACC_ROLE_MUL_F32, ELEMENTWISE},
    {"acc_relu_f32", ACC_ROLE_RELU_F32, "src:r:float =8 dst:w:float count:ulong =16"},
    {"acc_clip_f32", ACC_ROLE_CLIP_F32,
     "src:r:float =8 dst:w:float count:ulong =8 min:float max:float"},
    {"acc_softmax_f32", ACC_ROLE_SOFTMAX_F32,
     "src:r:float dst:w:float rows:ulong cols:uint =4 scale:float =4"},
    {"acc_softmax_i8_f32", ACC_ROLE_SOFTMAX_I8_F32,
     "src:r:char dst:w:float rows:ulong cols:uint zero_point:int scale:float =4"},
    {"acc_quantize_f32_i8", ACC_ROLE_QUANTIZE_F32_I8,
     "src:r:float dst:w:char count:ulong scale:float zero_point:int"},
    {"acc_dequantize_i8_f32", ACC_ROLE_DEQUANTIZE_I8_F32,
     "src:r:char dst:w:float count:ulong scale:float zero_point:int"},
    {"acc_requantize_i32_i8", ACC_ROLE_REQUANTIZE_I32_I8,
     "src:r:int dst:w:char bias:r:int multiplier:r:int shift:r:int rows:ulong channels:uint "
     "zero_point:int min:int max:int"},
    {"acc_im2col_i8", ACC_ROLE_IM2COL_I8, "src:r:char dst:w:char " WINDOW "pad_value:int =4"},
    {"acc_maxpool_i8", ACC_ROLE_MAXPOOL_I8, "src:r:char dst:w:char " WINDOW "zero_point:int =4"},
    {"acc_avgpool_i8", ACC_ROLE_AVGPOOL_I8,
     "src:r:char dst:w:char " WINDOW "zero_point:int count_include_pad:uint"},
    {"acc_add_i8", ACC_ROLE_ADD_I8,
     "a:r:char b:r:char dst:w:char count:ulong b_count:ulong a_zero:int b_zero:int a_mul:int "
     "b_mul:int shift:int zero_point:int min:int max:int"},
    {"acc_clip_i8", ACC_ROLE_CLIP_I8, "src:r:char dst:w:char count:ulong min:int max:int"},
    {"acc_table_i8", ACC_ROLE_TABLE_I8, "src:r:char dst:w:char count:ulong table:r:char"},
    {"acc_permute_i8", ACC_ROLE_PERMUTE_I8, "src:r:char dst:w:char dims:uint4 perm:uint4"},
    {"acc_matmul_i8", ACC_ROLE_GEMM_I8,
     "a:r:char b:r:char out:w:int m:uint n:uint k:uint a_zero:int b_zero:int batch:uint"},
    {"acc_fft_f32", ACC_ROLE_FFT_F32,
     "src:r:float2 dst:w:float2 log2_points:uint batch:uint inverse:uint =4"},
    {"acc_sha256", ACC_ROLE_SHA256, "src:r:uchar dst:w:uchar bytes:ulong =8"},
    {"acc_sort_i32", ACC_ROLE_SORT_I32, "src:r:int dst:w:int count:ulong =8"},
    {"acc_histogram_u8", ACC_ROLE_HISTOGRAM_U8, "src:r:uchar dst:w:uint count:ulong =8"},
    {"acc_fir_i32", ACC_ROLE_FIR_I32,
     "src:r:int dst:w:int taps:r:int count:ulong tap_count:uint =4"},
    {"acc_aes_ctr", ACC_ROLE_AES_CTR,
     "src:r:uchar dst:w:uchar bytes:ulong key_bytes:uint =4 key:uchar16 key_end:uchar16 "
     "iv:uchar16"},
    {"acc_mvm_i8", nullptr, "weights:r:char x:r:char y:w:int rows:uint cols:uint"},
    {"acc_gemm_i8", nullptr, "a:r:char b:r:char out:w:int m:uint n:uint k:uint"},
};

size_t size_of(std::string_view type)
{
    static constexpr struct {
        std::string_view name;
        size_t bytes;
    } sizes[] = {{"int", 4},   {"uint", 4},   {"float", 4},
                 {"ulong", 8}, {"uint4", 16}, {"uchar16", 16}};
    for (const auto &one : sizes)
        if (one.name == type) return one.bytes;
    return 0;
}

void add_argument(Signature &to, std::string_view text)
{
    if (text.front() == '=') {
        to.bytes += static_cast<size_t>(std::stoul(std::string(text.substr(1))));
        return;
    }
    Argument argument;
    const size_t colon = text.find(':');
    argument.name = text.substr(0, colon);
    std::string_view type = text.substr(colon + 1);
    argument.offset = to.bytes;
    if (type.size() > 2 && type[1] == ':') {
        argument.kind = Argument::Kind::Memory;
        argument.space = CL_KERNEL_ARG_ADDRESS_GLOBAL;
        if (type[0] == 'r') argument.qualifiers = CL_KERNEL_ARG_TYPE_CONST;
        argument.type = std::string(type.substr(2)) + "*";
        argument.bytes = sizeof(uint64_t);
    } else {
        argument.type = type;
        argument.bytes = size_of(type);
    }
    to.bytes += argument.bytes;
    to.arguments.push_back(std::move(argument));
}

Signature parse(const BuiltInEntry &entry)
{
    Signature out;
    out.name = entry.name;
    const std::string_view text(entry.arguments);
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(' ', at), text.size());
        if (end > at) add_argument(out, text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

} // namespace

BuiltIns::BuiltIns(const Hardware &hardware) : hardware_(hardware)
{
    if (hardware.crossbar) crossbar_ = std::make_unique<Crossbar>(hardware.crossbar);
    for (const BuiltInEntry &entry : kEntries)
        if (entry.role ? hardware.fpga != nullptr : crossbar_ != nullptr) {
            signatures_.push_back(parse(entry));
            roles_.push_back(entry.role);
        }
}

BuiltIns::~BuiltIns() = default;

size_t BuiltIns::find(std::string_view name) const
{
    const auto found = std::find_if(signatures_.begin(), signatures_.end(),
                                    [&](const Signature &s) { return s.name == name; });
    return static_cast<size_t>(found - signatures_.begin());
}

std::string BuiltIns::names(const _cl_device_id &) const
{
    std::string out;
    for (const Signature &s : signatures_)
        out += (out.empty() ? "" : ";") + s.name;
    return out;
}

std::vector<cl_name_version> BuiltIns::versions(const _cl_device_id &) const
{
    std::vector<cl_name_version> out;
    for (const Signature &s : signatures_) {
        cl_name_version one = {};
        one.version = CL_MAKE_VERSION(1, 0, 0);
        s.name.copy(one.name, sizeof one.name - 1);
        out.push_back(one);
    }
    return out;
}

std::optional<uint64_t> BuiltIns::kernel_object(size_t index, std::string &why)
{
    std::lock_guard lock(mutex_);
    if (!program_) {
        std::vector<const char *> names;
        for (const char *role : roles_)
            if (role) names.push_back(role);
        void *image = nullptr;
        size_t bytes = 0;
        const bool loaded = acc_image_of_roles(names.data(), names.size(), &image, &bytes) == 0 &&
                            acc_program_load(hardware_.fpga, image, bytes, &program_) == 0;
        if (!loaded) why = acc_error_text();
        acc_image_free(image);
        if (!loaded) return {};
        objects_.assign(roles_.size(), 0);
        for (size_t i = 0; i < roles_.size(); i++) {
            auto info = acc_init<acc_kernel_info>();
            if (roles_[i] && acc_program_find(program_, roles_[i], &info) == 0)
                objects_[i] = info.kernel_object;
        }
    }
    if (!objects_[index]) return {};
    return objects_[index];
}

std::unique_ptr<Work> BuiltIns::product(size_t index, std::vector<char> arguments,
                                        std::vector<Ref<_cl_mem>> memory)
{
    if (roles_[index]) return nullptr;
    return crossbar_->work(signatures_[index].name, std::move(arguments), std::move(memory));
}

} // namespace acc::ocl
