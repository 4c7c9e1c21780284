// SPDX-License-Identifier: MIT
#include "tools/accrole/runtime.h"

#include "common/unique_fd.h"
#include "tools/accrole/shell.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <string_view>
#include <sys/file.h>
#include <unistd.h>

// The headers, as the build embedded them.
extern "C" {
extern const char acc_header_abi[], acc_header_abi_end[];
extern const char acc_header_role[], acc_header_role_end[];
extern const char acc_header_role_rtl[], acc_header_role_rtl_end[];
}

namespace acc::role
{
namespace
{

namespace fs = std::filesystem;

std::string default_cache()
{
    const passwd *user = getpwuid(geteuid());
    return user && *user->pw_dir ? std::string(user->pw_dir) + "/.cache/acc" : std::string();
}

uint64_t hash_of(std::string_view text, uint64_t hash = 0xcbf29ce484222325u)
{
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
}

bool write_file(const fs::path &path, std::string_view text)
{
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    file.close();
    return file.good();
}

bool build(const fs::path &folder, const std::string &verilator, std::string &why)
{
    std::string objects = folder.string();
    std::vector<std::string> archive = {"ar", "rcs", objects + "/libverilated.a"};
    for (const char *name : {"verilated", "verilated_threads", "verilated_vcd_c"}) {
        const std::string object = objects + "/" + name + ".o";
        const int status = run({"g++", "-std=gnu++20", "-O2", "-fPIC", "-fvisibility=hidden", "-w",
                                "-ffunction-sections", "-fdata-sections", "-I" + verilator,
                                "-I" + verilator + "/vltstd", "-c", verilator + "/" + name + ".cpp",
                                "-o", object});
        if (status) {
            why = "Verilator's runtime could not be compiled; the messages are above";
            return false;
        }
        archive.push_back(object);
    }
    if (run(archive)) {
        why = "Verilator's runtime could not be archived";
        return false;
    }
    return true;
}

} // namespace

Result<Runtime> prepare_runtime(const std::string &cache, std::string &why)
try {
    const std::string root = output_of({"verilator", "--getenv", "VERILATOR_ROOT"});
    const std::string version = output_of({"verilator", "--version"});
    if (root.empty() || version.empty()) {
        why = "expected verilator (the Debian package of that name); found none";
        return Error{-ENOENT};
    }
    const std::string base = cache.empty() ? default_cache() : cache;
    if (base.empty()) {
        why = "expected a folder for the runtime; found no home";
        return Error{-ENOENT};
    }
    const std::pair<const char *, std::string_view> headers[] = {
        {"abi.h", {acc_header_abi, static_cast<size_t>(acc_header_abi_end - acc_header_abi)}},
        {"role.h", {acc_header_role, static_cast<size_t>(acc_header_role_end - acc_header_role)}},
        {"role_rtl.hpp",
         {acc_header_role_rtl, static_cast<size_t>(acc_header_role_rtl_end - acc_header_role_rtl)}},
    };
    uint64_t hash = hash_of(version);
    for (const auto &[name, text] : headers)
        hash = hash_of(text, hash);
    char id[20];
    snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(hash));
    const fs::path folder = fs::path(base) / ("verilator-" + std::string(id));
    Runtime runtime;
    runtime.archive = folder / "libverilated.a";
    runtime.headers = folder / "include";
    runtime.verilator = root + "/include";
    if (fs::exists(folder / "ready")) return runtime;
    fs::create_directories(folder / "include" / "acc");
    // One builds, the others wait for it.
    const UniqueFd lock(open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock || flock(lock.get(), LOCK_EX)) {
        why = folder.string() + ": " + std::strerror(errno);
        return Error{-EIO};
    }
    if (fs::exists(folder / "ready")) return runtime;
    for (const auto &[name, text] : headers)
        if (!write_file(folder / "include" / "acc" / name, text)) {
            why = folder.string() + ": could not be written";
            return Error{-EIO};
        }
    if (!build(folder, runtime.verilator, why)) return Error{-EIO};
    if (!write_file(folder / "ready", version + "\n")) {
        why = folder.string() + ": could not be written";
        return Error{-EIO};
    }
    runtime.built = true;
    return runtime;
} catch (const std::exception &error) {
    why = error.what();
    return Error{-EIO};
}

} // namespace acc::role
