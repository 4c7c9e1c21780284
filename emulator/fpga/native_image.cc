// SPDX-License-Identifier: MIT
#include "emulator/fpga/native_image.h"

#include "emulator/digest.h"
#include "emulator/fpga/config.h"
#include "program/signature.h"
#include "program/text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::emu::fpga
{
namespace
{

using program::Signed;

Error refuse(std::string &why, int error, std::string text)
{
    why = std::move(text);
    return Error{error};
}

// The first digits of a key, so that two of them fit in a refusal.
std::string short_key(const program::PublicKey &key)
{
    return program::key_text(key).substr(0, 16);
}

// Empty, or why a design may not run here.
std::string check_trust(const program::ProgramFile &file, const std::string &folder)
{
    program::PublicKey key;
    const Signed state = program::check_signature(file, key);
    if (state == Signed::No) return "expected a signature; found none (accctl role sign)";
    if (state == Signed::Bad)
        return "expected a signature that fits the file; found one that doesn't";
    const auto trusted = program::trusted_keys(folder);
    if (std::find(trusted.begin(), trusted.end(), key) != trusted.end()) return {};
    return "expected a key that is trusted (" +
           (trusted.empty() ? std::string("none is")
                            : short_key(trusted.front()) + (trusted.size() > 1 ? ", ..." : "")) +
           "); found " + short_key(key);
}

// What the loader looks at before it maps anything.
std::string check_object(std::span<const std::byte> code)
{
    if (code.size() < sizeof(Elf64_Ehdr)) return "expected a shared object; found too few bytes";
    const auto h = program::load_struct<Elf64_Ehdr>(code);
    if (std::memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
        h.e_type != ET_DYN)
        return "expected a shared object of 64 bits as code; found another";
    if (h.e_machine != EM_X86_64)
        return "expected code for machine 62 (x86-64); found " + std::to_string(h.e_machine);
    return {};
}

// A copy that nobody can change any more.
int seal(std::span<const std::byte> code, UniqueFd &fd)
{
    fd.reset(memfd_create("acc-image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return -errno;
    for (size_t done = 0; done < code.size();) {
        const ssize_t part = write(fd.get(), code.data() + done, code.size() - done);
        if (part <= 0) return part < 0 ? -errno : -EIO;
        done += static_cast<size_t>(part);
    }
    constexpr int all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    return fcntl(fd.get(), F_ADD_SEALS, all) ? -errno : 0;
}

} // namespace

Result<NativeProgram> parse_native(const program::ProgramFile &file, const NativeLimits &limits,
                                   EngineProgram &out, std::string &why)
{
    const auto descs = file.kernels(ACC_TARGET_FPGA);
    const auto units = file.units(ACC_TARGET_FPGA);
    ACC_TRY(const program::FpgaNative parsed,
            program::parse_fpga_native(file.image(ACC_TARGET_FPGA), descs.size(), &why));
    if (std::string text = check_object(parsed.code); !text.empty())
        return refuse(why, -EINVAL, text);
    if (units.size() != 1)
        return refuse(why, -EINVAL,
                      "expected one unit for an image with code; found " +
                          std::to_string(units.size()));
    const acc_unit_desc &desc = units[0];
    const std::string name(program::name_of(desc.name));
    if (std::string text = limits.check_class(desc.class_id); !text.empty())
        return refuse(why, -EINVAL, "unit " + name + ": " + text);
    if (!desc.capacity)
        return refuse(why, -EINVAL, "unit " + name + ": expected its LUTs; found 0");
    if (parsed.kind == ACC_FPGA_RTL)
        if (std::string text = check_trust(file, limits.keys); !text.empty())
            return refuse(why, -EACCES, text);

    NativeProgram program;
    program.image.kind = parsed.kind;
    program.image.trusted = parsed.kind == ACC_FPGA_RTL;
    for (size_t i = 0; i < descs.size(); i++) {
        const acc_kernel_desc &kernel = descs[i];
        if (kernel.kernarg_bytes > kMaxKernargBytes)
            return refuse(why, -EINVAL,
                          "kernel " + program::printable(kernel.name) + ": expected at most " +
                              std::to_string(kMaxKernargBytes) + " bytes of arguments; found " +
                              std::to_string(kernel.kernarg_bytes));
        program.kernels.push_back({std::string(parsed.roles[i]), {}, {}, {}});
        out.kernels.push_back({.name = std::string(program::name_of(kernel.name)),
                               .unit = 0,
                               .kernarg_bytes = kernel.kernarg_bytes,
                               .group_bytes = kernel.group_bytes,
                               .private_bytes = kernel.private_bytes});
    }
    for (const acc_fpga_register &r : parsed.registers) {
        NativeKernel &kernel = program.kernels[r.kernel];
        if (r.argument + r.bytes > descs[r.kernel].kernarg_bytes)
            return refuse(why, -EINVAL,
                          "kernel " + program::printable(descs[r.kernel].name) +
                              ": expected registers of its " +
                              std::to_string(descs[r.kernel].kernarg_bytes) +
                              " bytes; found byte " + std::to_string(r.argument));
        if (kernel.registers.size() == kMaxRegisters)
            return refuse(why, -EINVAL, "expected at most 256 registers for a kernel; found more");
        kernel.registers.push_back({r.argument, r.offset, r.bytes});
    }
    for (const acc_fpga_stage &s : parsed.stages) {
        GraphStage stage;
        std::memcpy(stage.role, s.role, sizeof stage.role);
        program.kernels[s.kernel].stages.push_back(stage);
    }
    for (const acc_fpga_edge &e : parsed.edges)
        program.kernels[e.kernel].edges.push_back(
            {e.from_stage, e.from_stream, e.to_stage, e.to_stream, e.depth});
    for (const NativeKernel &kernel : program.kernels) {
        if (kernel.stages.size() > kMaxStages || kernel.edges.size() > kMaxEdges)
            return refuse(why, -EINVAL,
                          "expected at most 32 stages and 64 edges in a graph; found " +
                              std::to_string(kernel.stages.size()) + " and " +
                              std::to_string(kernel.edges.size()));
    }
    if (const int error = seal(parsed.code, program.image.fd))
        return refuse(why, error, std::string("the code could not be kept: ") + strerror(-error));

    // Equal units have equal bytes, whoever wrote the container: the digest is ours.
    Digest digest;
    digest.add(file.image(ACC_TARGET_FPGA));
    digest.finish(program.image.digest);
    Unit unit;
    unit.name = name;
    unit.class_id = desc.class_id;
    unit.capacity = desc.capacity;
    unit.resources[0] = desc.capacity;
    if (const acc_unit_resources *takes = file.resources(0))
        std::copy(takes->amount, takes->amount + ACC_RESOURCES, unit.resources.begin());
    std::memcpy(unit.hash, program.image.digest, sizeof unit.hash);
    unit.load_ns = limits.load_ns(desc.load_bytes ? desc.load_bytes : kRegionBytes);
    unit.load_pj = limits.load_pj(unit.load_ns);
    out.units.push_back(std::move(unit));
    return program;
}

} // namespace acc::emu::fpga
