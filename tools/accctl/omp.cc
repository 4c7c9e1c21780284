// SPDX-License-Identifier: MIT
//
// accctl omp: programs with OpenMP target regions, on our devices (docs/openmp.md).
#include "accctl.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace acc::ctl
{
namespace
{

struct OmpOptions {
    std::vector<std::string> command;
    std::string folder;
    bool quiet = false;
};

constexpr const char *kGompPlugin = "libgomp-plugin-gcn.so.1"; // and LLVM's beside it
constexpr const char *kInterposer = "libacc-omptarget.so";     // for an LLVM that loads no plugin

bool has_plugin(const std::string &folder)
{
    return access((folder + "/" + kGompPlugin).c_str(), R_OK) == 0;
}

int set_variable(const OmpOptions &options, const char *name, const std::string &value)
{
    if (setenv(name, value.c_str(), 1)) return fail(std::string(name) + ": " + strerror(errno));
    if (!options.quiet) fprintf(stderr, "accctl: %s=%s\n", name, value.c_str());
    return exit_ok;
}

int run_omp(const Context &context, const OmpOptions &options)
{
    const std::string folder = options.folder.empty()
                                   ? folder_with(kGompPlugin, {ACC_OMP_INSTALLED, ACC_OMP_BUILT})
                                   : options.folder;
    if (folder.empty() || !has_plugin(folder))
        return fail("expected " + std::string(kGompPlugin) + " in " +
                    (folder.empty() ? "the folder of acc's libraries" : folder) + "; found none");
    // libgomp and libomptarget open their plugins by name alone.
    const char *before = getenv("LD_LIBRARY_PATH");
    if (const int error =
            set_variable(options, "LD_LIBRARY_PATH",
                         folder + (before && *before ? ":" + std::string(before) : "")))
        return error;
    const char *preloaded = getenv("LD_PRELOAD");
    if (const int error =
            set_variable(options, "LD_PRELOAD",
                         folder + "/" + kInterposer +
                             (preloaded && *preloaded ? ":" + std::string(preloaded) : "")))
        return error;
    if (!context.devices.empty()) {
        std::string uris;
        for (const std::string &uri : context.devices)
            uris += (uris.empty() ? "" : ";") + uri;
        if (const int error = set_variable(options, "ACC_DEVICE", uris)) return error;
    }
    // Else a program that reaches no device runs on the host, and nobody notices.
    if (!getenv("OMP_TARGET_OFFLOAD"))
        if (const int error = set_variable(options, "OMP_TARGET_OFFLOAD", "MANDATORY"))
            return error;
    std::vector<char *> arguments;
    for (const std::string &word : options.command)
        arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    return fail(options.command[0] + ": " + strerror(errno));
}

} // namespace

void add_omp_commands(CLI::App &app, Context &context)
{
    CLI::App *omp = app.add_subcommand("omp", "Run OpenMP programs on devices");
    omp->require_subcommand(1);
    auto options = std::make_shared<OmpOptions>();
    CLI::App *command =
        omp->add_subcommand("run", "Run a program whose target regions run on a device, in "
                                   "regions of an FPGA; say which variables that takes");
    command->add_option("command", options->command, "The program and its arguments, behind --")
        ->required()
        ->type_name("PROGRAM [ARGUMENT]...");
    command->add_option("--plugins", options->folder,
                        "Folder of the OpenMP plugins (default: that of this accctl)");
    command->add_flag("-q,--quiet", options->quiet, "Don't say what is set");
    command->callback([&context, options] {
        context.command = [&context, options] { return run_omp(context, *options); };
    });
}

} // namespace acc::ctl
