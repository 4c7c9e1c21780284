// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/compiler.h"

#include "acc/image.h"
#include "libacc/interop/opencl/child.h"
#include "libacc/interop/opencl/ir.h"
#include "libacc/interop/opencl/softcore/launch.h"
#include "libacc/interop/opencl/thunks.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

// What is linked to every program, and included before every source; as the build embedded it.
extern "C" {
extern const unsigned char acc_ocl_runtime[], acc_ocl_runtime_end[];
extern const unsigned char acc_ocl_prelude[], acc_ocl_prelude_end[];
}

namespace acc::ocl
{
namespace
{

constexpr const char *kClang = "/usr/bin/clang-16";
constexpr const char *kTypes = "/usr/lib/llvm-16/lib/clang/16/include/opencl-c.h";
constexpr const char *kRenames = "/usr/share/pocl/include/_builtin_renames.h";
constexpr const char *kTarget = "x86_64-pc-linux-gnu";
// What a program takes of a region: a soft core with its local memory (an estimate).
constexpr uint32_t kLuts = 24'000;

// The processor's level: what clang compiles for, and PoCL's functions for the same.
struct Level {
    const char *march, *bitcode;
};
const Level &level()
{
    static const Level found = [] {
        __builtin_cpu_init();
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            return Level{"-march=haswell", "/usr/share/pocl/kernel-x86_64-pc-linux-gnu-avx2.bc"};
        return Level{"-march=x86-64", "/usr/share/pocl/kernel-x86_64-pc-linux-gnu-sse2.bc"};
    }();
    return found;
}

std::string_view embedded(const unsigned char *start, const unsigned char *end)
{
    return {reinterpret_cast<const char *>(start), static_cast<size_t>(end - start)};
}

bool write_file(const std::filesystem::path &path, std::string_view bytes)
{
    std::ofstream out(path, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return static_cast<bool>(out.flush());
}

template <typename T>
bool read_file(const std::filesystem::path &path, T &out)
{
    std::ifstream in(path, std::ios::binary);
    out.assign(std::istreambuf_iterator<char>(in), {});
    return static_cast<bool>(in);
}

// A folder for one compilation, gone with it.
class Folder
{
public:
    Folder()
    {
        std::error_code error;
        std::string name = (std::filesystem::temp_directory_path(error) / "acc-cl-XXXXXX").string();
        if (!error && mkdtemp(name.data())) path_ = name;
    }
    ~Folder()
    {
        std::error_code error;
        if (!path_.empty()) std::filesystem::remove_all(path_, error);
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    explicit operator bool() const { return !path_.empty(); }
    std::filesystem::path operator/(const std::string &name) const { return path_ / name; }
    const std::filesystem::path &path() const { return path_; }

private:
    std::filesystem::path path_;
};

Compiled failed(std::string text)
{
    Compiled out;
    out.log = std::move(text);
    return out;
}

// Runs clang in the folder; its words are added to the log.
bool clang(const Folder &folder, std::vector<std::string> arguments, std::string &log)
{
    arguments.insert(arguments.begin(), {kClang, "-target", kTarget, level().march});
    return run_child(arguments, folder.path().string(), log);
}

std::vector<std::string> front_end(const CompileOptions &options)
{
    std::vector<std::string> out = {"-x",
                                    "cl",
                                    "-fPIC",
                                    "-O2",
                                    "-Xclang",
                                    "-disable-llvm-passes",
                                    "-cl-kernel-arg-info",
                                    "-D__OPENCL_VERSION__=300",
                                    "-Xclang",
                                    "-cl-ext=-all,+cl_khr_byte_addressable_store,"
                                    "+cl_khr_global_int32_base_atomics,"
                                    "+cl_khr_global_int32_extended_atomics,"
                                    "+cl_khr_local_int32_base_atomics,"
                                    "+cl_khr_local_int32_extended_atomics,+cl_khr_fp64,"
                                    "+__opencl_c_fp64,+__opencl_c_int64,+__opencl_c_images",
                                    "-include",
                                    kRenames,
                                    "-include",
                                    kTypes,
                                    "-include",
                                    "prelude.h",
                                    "-emit-llvm"};
    out.insert(out.end(), options.clang.begin(), options.clang.end());
    return out;
}

// Lines `#define NAME _cl_NAME` of PoCL's header.
const Renames &renames()
{
    static const Renames found = [] {
        Renames out;
        std::ifstream in(kRenames);
        for (std::string line; std::getline(in, line);) {
            std::istringstream words(line);
            std::string define, name, other;
            if (words >> define >> name >> other && define == "#define" &&
                other == std::string(kRenamedBy) + name)
                out.insert(std::move(name));
        }
        return out;
    }();
    return found;
}

void add_builtins(std::vector<std::string> &to)
{
    for (const char *word : {"-Xclang", "-mlink-builtin-bitcode", "-Xclang", level().bitcode})
        to.emplace_back(word);
}

bool write_inputs(const Folder &folder, const std::string &source, std::span<const Header> headers)
{
    if (!folder || !write_file(folder / "kernel.cl", source) ||
        !write_file(folder / "prelude.h", embedded(acc_ocl_prelude, acc_ocl_prelude_end)))
        return false;
    for (const Header &header : headers) {
        const auto path =
            (folder / "headers") /
            std::filesystem::path("/" + header.name).lexically_normal().relative_path();
        std::error_code error;
        std::filesystem::create_directories(path.parent_path(), error);
        if (error || !write_file(path, header.text)) return false;
    }
    return true;
}

// From LLVM IR in module.ll to an image.
Compiled finish(const Folder &folder, bool argument_info, std::string log)
{
    std::string text, why;
    if (!read_file(folder / "module.ll", text)) return failed(log + "no module was written\n");
    Compiled out;
    IrModule module;
    if (!module.read(text, why) ||
        !make_signatures(module, renames(), argument_info, out.signatures, why))
        return failed(log + "error: " + why + '\n');
    if (!write_file(folder / "whole.ll", add_thunks(text, module, out.signatures)) ||
        !write_file(folder / "runtime.o", embedded(acc_ocl_runtime, acc_ocl_runtime_end)))
        return failed(log + "error: no room for temporary files\n");
    text.clear();
    if (!clang(folder,
               {"-x", "ir", "-O2", "-fPIC", "whole.ll", "-x", "none", "runtime.o", "-shared",
                "-nostartfiles", "-nodefaultlibs", "-lc", "-lm", "-Wl,-z,defs", "-Wl,-Bsymbolic",
                "-Wl,--build-id=none", "-o", "program.so"},
               log))
        return failed(std::move(log));
    std::vector<char> object;
    if (!read_file(folder / "program.so", object))
        return failed(log + "error: no object was written\n");
    std::vector<std::string> names;
    for (size_t i = 0; i < out.signatures.size(); i++) {
        std::string name = out.signatures[i].name;
        // Kernels of an image have different names of 47 bytes.
        if (name.size() >= 40) name = name.substr(0, 40) + '_' + std::to_string(i);
        names.push_back(std::move(name));
    }
    std::vector<acc_image_kernel> kernels;
    for (size_t i = 0; i < names.size(); i++) {
        acc_image_kernel kernel = {};
        kernel.name = names[i].c_str();
        kernel.role = ACC_CL_ROLE;
        kernel.kernarg_bytes = sizeof(acc_cl_order);
        kernels.push_back(kernel);
    }
    if (kernels.empty()) {
        // A program may have none; an image may not.
        acc_image_kernel kernel = {};
        kernel.name = "none";
        kernel.role = ACC_CL_ROLE;
        kernels.push_back(kernel);
    }
    auto code = acc_init<acc_image_code>();
    code.name = "opencl";
    code.object = object.data();
    code.object_bytes = object.size();
    code.kernels = kernels.data();
    code.kernel_count = static_cast<uint32_t>(kernels.size());
    code.luts = kLuts;
    void *image = nullptr;
    size_t bytes = 0;
    if (acc_image_of_code(&code, &image, &bytes))
        return failed(log + "error: " + acc_error_text() + '\n');
    out.bytes.assign(static_cast<const char *>(image), static_cast<const char *>(image) + bytes);
    acc_image_free(image);
    out.good = true;
    out.log = std::move(log);
    return out;
}

} // namespace

bool compiler_available()
{
    static const bool there = access(kClang, X_OK) == 0 && access(kTypes, R_OK) == 0 &&
                              access(kRenames, R_OK) == 0 && access(level().bitcode, R_OK) == 0;
    return there;
}

Compiled compile(const std::string &source, std::span<const Header> headers,
                 const CompileOptions &options)
{
    const Folder folder;
    if (!write_inputs(folder, source, headers))
        return failed("error: no room for temporary files\n");
    std::vector<std::string> arguments = front_end(options);
    arguments.insert(arguments.end(), {"-Iheaders", "-c", "kernel.cl", "-o", "module.bc"});
    Compiled out;
    out.good =
        clang(folder, std::move(arguments), out.log) && read_file(folder / "module.bc", out.bytes);
    return out;
}

Compiled build(const std::string &source, const CompileOptions &options)
{
    const Folder folder;
    if (!write_inputs(folder, source, {})) return failed("error: no room for temporary files\n");
    std::vector<std::string> arguments = front_end(options);
    add_builtins(arguments);
    arguments.insert(arguments.end(), {"-S", "kernel.cl", "-o", "module.ll"});
    std::string log;
    if (!clang(folder, std::move(arguments), log)) return failed(std::move(log));
    return finish(folder, true, std::move(log));
}

// clang links bitcode to what it compiles: nothing, here.
Compiled link(std::span<const std::vector<char>> objects, const CompileOptions &options)
{
    const Folder folder;
    if (!write_inputs(folder, "", {})) return failed("error: no room for temporary files\n");
    CompileOptions nothing;
    nothing.clang = {"-cl-std=CL1.2"};
    std::vector<std::string> arguments = front_end(nothing);
    for (size_t i = 0; i < objects.size(); i++) {
        const std::string name = "object" + std::to_string(i) + ".bc";
        if (!write_file(folder / name, {objects[i].data(), objects[i].size()}))
            return failed("error: no room for temporary files\n");
        for (const std::string &word : {std::string("-Xclang"), std::string("-mlink-bitcode-file"),
                                        std::string("-Xclang"), name})
            arguments.push_back(word);
    }
    std::string log;
    if (options.library) {
        arguments.insert(arguments.end(), {"-c", "kernel.cl", "-o", "module.bc"});
        Compiled out;
        out.good =
            clang(folder, std::move(arguments), log) && read_file(folder / "module.bc", out.bytes);
        out.log = std::move(log);
        return out;
    }
    add_builtins(arguments);
    arguments.insert(arguments.end(), {"-S", "kernel.cl", "-o", "module.ll"});
    if (!clang(folder, std::move(arguments), log)) return failed(std::move(log));
    return finish(folder, true, std::move(log));
}

} // namespace acc::ocl
