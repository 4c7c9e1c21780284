// SPDX-License-Identifier: MIT
#include "accctl.h"
#include "model.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

namespace
{

using namespace acc::ctl;

// What fails is said once, by the command; the library's log is for who asked for it.
void quieten_library()
{
    if (getenv("ACC_LOG")) return;
    acc_set_log([](void *, acc_log_level, const char *) {}, nullptr);
}

int run(int argc, char **argv)
{
    quieten_library();
    Context context;
    CLI::App app("Lists, shows and tests accelerators, and runs compiled networks on them.",
                 "accctl");
    app.set_version_flag("--version", std::string("accctl ") + acc_version());
    app.set_help_all_flag("--help-all", "Print this help and that of every command");
    app.add_option("-d,--device", context.devices,
                   "URI of a device, e.g. inproc:crossbar; may be repeated for run "
                   "(default: what libacc finds)")
        ->type_name("URI")
        ->allow_extra_args(false);
    app.add_flag("-j,--json", context.json, "Print JSON");
    app.require_subcommand(1);
    app.fallthrough(); // --device and --json may follow the noun as well
    add_device_commands(app, context);
    add_client_commands(app, context);
    add_program_commands(app, context);
#ifdef ACC_CL_BUILT
    add_cl_commands(app, context);
#endif
#ifdef ACC_OMP_BUILT
    add_omp_commands(app, context);
#endif
#ifdef ACC_HAVE_ROLES
    add_role_commands(app, context);
#endif
    add_region_commands(app, context);
    add_tile_commands(app, context);
    add_replay_command(app, context);
    add_run_command(app, context);
    add_explore_command(app, context);
    add_model_command(app, context);
    add_validate_command(app, context);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
            return app.exit(error); // --help, --version
        fprintf(stderr, "accctl: %s (see accctl --help)\n", one_line(error.what()).c_str());
        return exit_usage;
    }
    return context.command();
}

} // namespace

int main(int argc, char **argv)
{
    // The parser and JSON allocate and throw; nothing else here does.
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc &) {
        return fail("out of memory");
    } catch (const std::exception &error) {
        return fail(error.what());
    }
}
