// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/binary.h"

#include <string_view>

namespace acc::ocl
{
namespace
{

constexpr std::string_view kObject = "acc-opencl-object 1\n";
constexpr std::string_view kLibrary = "acc-opencl-library 1\n";
constexpr std::string_view kBitcode = "BC\xc0\xde"; // the LLVM bitstream's magic

} // namespace

bool read_binary(std::span<const unsigned char> bytes, Build &build, std::string &why)
{
    const std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    for (const auto &[head, type] : {std::pair{kObject, CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT},
                                     {kLibrary, CL_PROGRAM_BINARY_TYPE_LIBRARY}}) {
        if (!text.starts_with(head)) continue;
        const std::string_view rest = text.substr(head.size());
        if (!rest.starts_with(kBitcode)) {
            why = "expected bitcode behind the head; found another";
            return false;
        }
        build.object.assign(rest.begin(), rest.end());
        build.type = type;
        return true;
    }
    if (!text.starts_with("\x7f"
                          "ELF")) {
        why = "expected an image (.accx) or an object of this platform; found another";
        return false;
    }
    build.module = Module::of_image({text.begin(), text.end()}, why);
    build.type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    return build.module != nullptr;
}

std::vector<char> write_binary(const Build &build)
{
    if (build.module && !build.module->is_built_in()) {
        const auto image = build.module->image();
        return {image.begin(), image.end()};
    }
    if (build.object.empty()) return {};
    const std::string_view head = build.type == CL_PROGRAM_BINARY_TYPE_LIBRARY ? kLibrary : kObject;
    std::vector<char> out(head.begin(), head.end());
    out.insert(out.end(), build.object.begin(), build.object.end());
    return out;
}

} // namespace acc::ocl
