// SPDX-License-Identifier: MIT
//
// From a folder to a program: Verilator, the compiler, the container, the signature.
#include "acc/kernels.h"
#include "program/images.h"
#include "program/program_writer.h"
#include "program/signature.h"
#include "program/text.h"
#include "tools/accrole/manifest.h"
#include "tools/accrole/role_tool.h"
#include "tools/accrole/runtime.h"
#include "tools/accrole/shell.h"
#include "tools/accrole/tar.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

namespace acc::role
{
namespace
{

namespace fs = std::filesystem;

// The shell that designs are made for, as emulator/fpga has it.
constexpr uint8_t kShell[16] = {0xc8, 0x31, 0x7e, 0x05, 0x1b, 0x92, 0x4d, 0x6a,
                                0xa4, 0x70, 0x2e, 0xf9, 0x84, 0x63, 0x0c, 0xd5};
// The Verilated class of each design.
std::string model_of(size_t design)
{
    return "Vrole" + std::to_string(design);
}

constexpr uint32_t kStreamRegisters = 0x8000; // of acc/role_rtl.hpp

double seconds_since(std::chrono::steady_clock::time_point start)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool read_all(const std::string &path, std::vector<std::byte> &bytes)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) return false;
    const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
    const auto *from = reinterpret_cast<const std::byte *>(text.data());
    bytes.assign(from, from + text.size());
    return true;
}

bool write_all(const std::string &path, std::span<const std::byte> bytes)
{
    // Whole or not there.
    const std::string part = path + ".part";
    std::ofstream file(part, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char *>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (file.good() && std::rename(part.c_str(), path.c_str()) == 0) return true;
    std::remove(part.c_str());
    return false;
}

bool write_text(const std::string &path, const std::string &text)
{
    return write_all(path, std::as_bytes(std::span(text)));
}

// A folder that is gone afterwards, unless somebody wants to look at it.
class WorkFolder
{
public:
    explicit WorkFolder(bool keep) : keep_(keep)
    {
        char name[] = "/tmp/acc-role-XXXXXX";
        if (mkdtemp(name)) path_ = name;
    }
    ~WorkFolder()
    {
        std::error_code error;
        if (keep_ && !path_.empty())
            fprintf(stderr, "kept %s\n", path_.c_str());
        else if (!path_.empty())
            fs::remove_all(path_, error);
    }
    WorkFolder(const WorkFolder &) = delete;
    WorkFolder &operator=(const WorkFolder &) = delete;
    const std::string &path() const { return path_; }

private:
    std::string path_;
    const bool keep_;
};

// Warnings are shown and refuse nothing; errors do.
int verilate(const Manifest &manifest, const std::string &model, const BuildOptions &options,
             const std::string &work, std::string &why)
{
    std::vector<std::string> command = {
        "verilator",   "--cc",       "-O3",  "-Wall",       "-Wno-fatal",   "-Wno-DECLFILENAME",
        "--no-timing", "--x-assign", "fast", "--x-initial", "fast",         "--top-module",
        manifest.top,  "--prefix",   model,  "--Mdir",      work + "/model"};
    if (options.trace) command.push_back("--trace");
    for (const Parameter &parameter : manifest.parameters)
        command.push_back("-G" + parameter.name + "=" + std::to_string(parameter.value));
    command.push_back("-I" + manifest.folder);
    for (const std::string &source : manifest.sources)
        command.push_back(manifest.folder + "/" + source);
    const int status = run(command);
    if (status == 0) return 0;
    why = status < 0 ? "expected verilator (the Debian package of that name); found none"
                     : "verilator refused the design; its messages are above";
    return status < 0 ? -ENOENT : -EINVAL;
}

// One translation unit: the headers, which cost most, are read once.
int compile(const Project &project, const BuildOptions &options, const Runtime &runtime,
            const std::string &work, std::string &why)
{
    std::string all = "// Made by accctl role build.\n", tables;
    for (size_t i = 0; i < project.designs.size(); i++) {
        all += wrapper_source(project.designs[i], model_of(i));
        tables += (i ? ", &" : "&") + model_of(i) + "_role::ops";
    }
    all += "static const acc_role_ops *const all_roles[] = {" + tables +
           "};\nextern \"C\" __attribute__((visibility(\"default\"))) const acc_role_library "
           "acc_role_library = {\n    sizeof(acc_role_library), ACC_ROLE_ABI, " +
           std::to_string(project.designs.size()) + ", 0, all_roles};\n";
    std::set<std::string> sources; // in one order
    for (const auto &entry : fs::directory_iterator(work + "/model"))
        if (entry.path().extension() == ".cpp") sources.insert(entry.path().filename().string());
    for (const std::string &source : sources)
        all += "#include \"" + source + "\"\n";
    if (!write_text(work + "/role.cc", all)) {
        why = work + ": could not be written";
        return -EIO;
    }
    const std::vector<std::string> command = {
        "g++", "-std=gnu++20", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-w",
        // No name of one design may meet another's.
        "-Wl,-Bsymbolic", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-Wl,-s",
        options.trace ? "-DVM_TRACE=1" : "-DVM_TRACE=0", "-DVM_TRACE_VCD=1", "-DVM_COVERAGE=0",
        "-DVM_SC=0", "-I" + work + "/model", "-I" + runtime.headers, "-I" + runtime.verilator,
        "-I" + runtime.verilator + "/vltstd", work + "/role.cc", runtime.archive, "-o",
        work + "/role.so"};
    const int status = run(command);
    if (status == 0) return 0;
    why = status < 0 ? "expected g++; found none"
                     : "the compiler refused the Verilated design: a port that role.toml names may "
                       "be missing or of another width; its messages are above";
    return status < 0 ? -ENOENT : -EINVAL;
}

Result<std::vector<std::byte>> pack(const Project &project, std::span<const std::byte> code,
                                    const std::string &folder, std::string &why)
{
    program::FpgaNative native;
    native.kind = ACC_FPGA_RTL;
    native.code = code;
    program::ProgramWriter writer;
    writer.set_id(project.name);
    writer.set_shell(kShell);
    acc_unit_desc unit = {};
    unit.target = ACC_TARGET_FPGA;
    acc_unit_resources takes = {};
    const auto amounts = project.takes();
    std::copy(amounts.begin(), amounts.end(), takes.amount);
    unit.class_id = project.region_class();
    unit.capacity = amounts[0];
    program::set_name(unit.name, project.name);
    takes.unit = writer.add_unit(unit);
    writer.add_resources(takes);
    const auto add_kernel = [&](const std::string &name, uint32_t bytes) {
        acc_kernel_desc kernel = {};
        kernel.target = ACC_TARGET_FPGA;
        kernel.kernarg_bytes = bytes;
        program::set_name(kernel.name, name);
        native.roles.push_back(name);
        return writer.add_kernel(kernel);
    };
    for (const Manifest &manifest : project.designs) {
        const uint32_t kernel = add_kernel(manifest.name, manifest.kernarg_bytes);
        for (const Argument &argument : manifest.arguments)
            if (argument.register_offset >= 0)
                native.registers.push_back({kernel, argument.at,
                                            static_cast<uint32_t>(argument.register_offset),
                                            argument.bytes});
        for (uint32_t s = 0; s < manifest.streams.size(); s++) {
            const Stream &stream = manifest.streams[s];
            const uint32_t base = kStreamRegisters + 0x20 * s;
            if (const Argument *address = manifest.find(stream.address))
                native.registers.push_back({kernel, address->at, base, address->bytes});
            if (const Argument *count = manifest.find(stream.count))
                native.registers.push_back({kernel, count->at, base + 8, count->bytes});
        }
    }
    if (!project.edges.empty()) {
        const uint32_t kernel = add_kernel(project.name, sizeof(acc_graph_args));
        for (const Manifest &manifest : project.designs) {
            acc_fpga_stage stage = {};
            stage.kernel = kernel;
            program::set_name(stage.role, manifest.name);
            native.stages.push_back(stage);
        }
        for (const Edge &edge : project.edges)
            native.edges.push_back({kernel, project.index_of(edge.from), edge.from_stream,
                                    project.index_of(edge.to), edge.to_stream, edge.depth});
    }
    writer.set_image(ACC_TARGET_FPGA, program::encode_fpga_native(native));
    std::vector<TarFile> files;
    std::set<std::string> names;
    const auto add = [&](const std::string &path, const std::string &name) {
        TarFile file{name, {}};
        if (!names.insert(name).second) return true; // stages of one folder
        if (!read_all(path, file.bytes)) {
            why = path + ": could not be read";
            return false;
        }
        files.push_back(std::move(file));
        return true;
    };
    if (!add(folder + "/role.toml", "role.toml")) return Error{-EIO};
    for (const Manifest &manifest : project.designs)
        for (const std::string &source : manifest.sources)
            if (!add(manifest.folder + "/" + source, fs::path(source).filename()))
                return Error{-EIO};
    writer.add_section(ACC_SECTION_RTL, write_tar(files));
    return writer.finish(&why);
}

Result<program::SecretKey> signer(const std::string &key_file, std::string &why)
{
    return key_file.empty() ? program::developer_key(&why)
                            : program::read_secret_key(key_file, &why);
}

} // namespace

Result<BuildResult> build(const BuildOptions &options, std::string &why)
try {
    const auto start = std::chrono::steady_clock::now();
    BuildResult result;
    ACC_TRY(const Project project, read_project(options.folder, why));
    const WorkFolder work(options.keep);
    if (work.path().empty()) {
        why = "expected a folder in /tmp; found none";
        return Error{-EIO};
    }
    auto step = std::chrono::steady_clock::now();
    for (size_t i = 0; i < project.designs.size(); i++)
        if (const int error = verilate(project.designs[i], model_of(i), options, work.path(), why))
            return Error{error};
    result.verilate_seconds = seconds_since(step);
    step = std::chrono::steady_clock::now();
    ACC_TRY(const Runtime runtime, prepare_runtime(options.cache, why));
    if (runtime.built) result.runtime_seconds = seconds_since(step);
    step = std::chrono::steady_clock::now();
    if (const int error = compile(project, options, runtime, work.path(), why)) return Error{error};
    result.compile_seconds = seconds_since(step);
    std::vector<std::byte> code;
    if (!read_all(work.path() + "/role.so", code)) {
        why = "expected the compiler's output; found none";
        return Error{-EIO};
    }
    ACC_TRY(std::vector<std::byte> file, pack(project, code, options.folder, why));
    if (options.sign) {
        ACC_TRY(const program::SecretKey key, signer(options.key_file, why));
        ACC_TRY(file, program::sign(file, key, &why));
        result.key = program::key_text(key.public_key());
    }
    result.path = options.output.empty() ? project.name + ".accx" : options.output;
    if (!write_all(result.path, file)) {
        why = result.path + ": " + std::strerror(errno);
        return Error{-EIO};
    }
    result.name = project.name;
    result.bytes = file.size();
    result.seconds = seconds_since(start);
    return result;
} catch (const std::exception &error) {
    why = error.what();
    return Error{-EIO};
}

Result<std::string> sign_file(const std::string &path, const std::string &key_file,
                              std::string &why)
{
    std::vector<std::byte> file;
    if (!read_all(path, file)) {
        why = path + ": could not be read";
        return Error{-ENOENT};
    }
    ACC_TRY(const program::SecretKey key, signer(key_file, why));
    ACC_TRY(file, program::sign(file, key, &why));
    if (!write_all(path, file)) {
        why = path + ": " + std::strerror(errno);
        return Error{-EIO};
    }
    return program::key_text(key.public_key());
}

namespace
{
Result<program::Signed> signature_of(const std::string &path, program::PublicKey &key,
                                     std::string &why)
{
    std::vector<std::byte> file;
    if (!read_all(path, file)) {
        why = path + ": could not be read";
        return Error{-ENOENT};
    }
    ACC_TRY(const auto parsed, program::ProgramFile::parse(file, &why));
    return program::check_signature(parsed, key);
}
} // namespace

Result<Verdict> verify_file(const std::string &path, const std::string &keys, std::string &why)
{
    program::PublicKey key = {};
    ACC_TRY(const program::Signed state, signature_of(path, key, why));
    Verdict verdict;
    verdict.is_signed = state != program::Signed::No;
    verdict.good = state == program::Signed::Good;
    if (verdict.is_signed) verdict.key = program::key_text(key);
    for (const program::PublicKey &one : program::trusted_keys(keys))
        verdict.trusted |= verdict.good && one == key;
    return verdict;
}

Result<std::string> trust(const std::string &path, bool system, std::string &why)
try {
    program::PublicKey key = {};
    if (path.ends_with(".accx")) {
        ACC_TRY(const program::Signed state, signature_of(path, key, why));
        if (state != program::Signed::Good) {
            why = path + ": expected a signature that is right; found " +
                  (state == program::Signed::No ? "none" : "another");
            return Error{-EINVAL};
        }
    } else {
        ACC_TRY(key, program::read_public_key(path, &why));
    }
    const std::string folder = system ? program::kSystemKeys : program::user_folder() + "/keys";
    fs::create_directories(folder);
    fs::permissions(folder, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                                fs::perms::others_read | fs::perms::others_exec);
    const std::string to = folder + "/" + program::key_text(key).substr(0, 16) + ".pub";
    const int error = program::write_public_key(to, key, &why);
    if (error && error != -EEXIST) return Error{error};
    return to;
} catch (const std::exception &error) {
    why = error.what();
    return Error{-EIO};
}

Result<std::string> new_key(const std::string &path, std::string &why)
{
    ACC_TRY(const program::SecretKey key, program::generate_key());
    if (const int error = program::write_secret_key(path + ".key", key, &why)) return Error{error};
    if (const int error = program::write_public_key(path + ".pub", key.public_key(), &why))
        return Error{error};
    return program::key_text(key.public_key());
}

} // namespace acc::role
