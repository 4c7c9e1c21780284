// SPDX-License-Identifier: MIT
//
// accctl role: designs to programs, and who is trusted to have made them.
#include "accctl.h"

#include "tools/accrole/role_tool.h"

#include <cinttypes>
#include <cstdio>

namespace acc::ctl
{
namespace
{

struct RoleOptions {
    role::BuildOptions build;
    std::string file, key, keys;
    bool system = false;
};

int build(const Context &context, const RoleOptions &options)
{
    std::string why;
    const auto built = role::build(options.build, why);
    if (!built) {
        fprintf(stderr, "%s\n", why.c_str()); // one problem of the manifest a line
        return exit_failure;
    }
    if (context.json)
        return print_json({{"file", built->path},
                           {"role", built->name},
                           {"bytes", built->bytes},
                           {"key", built->key},
                           {"seconds", built->seconds},
                           {"verilate_seconds", built->verilate_seconds},
                           {"compile_seconds", built->compile_seconds},
                           {"runtime_seconds", built->runtime_seconds}});
    printf("%s: role %s, %s, in %.1f s (verilator %.1f, compiler %.1f", built->path.c_str(),
           built->name.c_str(), bytes_text(built->bytes).c_str(), built->seconds,
           built->verilate_seconds, built->compile_seconds);
    if (built->runtime_seconds > 0) printf(", runtime, once, %.1f", built->runtime_seconds);
    printf(")\n%s\n", built->key.empty() ? "not signed: no device will load it"
                                         : ("signed by " + built->key).c_str());
    return finish_output();
}

int sign(const Context &context, const RoleOptions &options)
{
    std::string why;
    const auto key = role::sign_file(options.file, options.key, why);
    if (!key) return fail(why);
    if (context.json) return print_json({{"file", options.file}, {"key", *key}});
    printf("%s: signed by %s\n", options.file.c_str(), key->c_str());
    return finish_output();
}

const char *verdict_text(const role::Verdict &verdict)
{
    if (!verdict.is_signed) return "expected a signature; found none";
    if (!verdict.good) return "expected a signature that fits the file; found one that doesn't";
    return verdict.trusted ? "signed by a key that is trusted"
                           : "signed by a key that is not trusted here";
}

int verify(const Context &context, const RoleOptions &options)
{
    std::string why;
    const auto verdict = role::verify_file(options.file, options.keys, why);
    if (!verdict) return fail(why);
    const int status = verdict->trusted ? exit_ok : exit_failure;
    if (context.json) {
        const int printed = print_json({{"file", options.file},
                                        {"signed", verdict->is_signed},
                                        {"good", verdict->good},
                                        {"trusted", verdict->trusted},
                                        {"key", verdict->key}});
        return printed ? printed : status;
    }
    printf("%s: %s%s%s\n", options.file.c_str(), verdict_text(*verdict),
           verdict->key.empty() ? "" : ": ", verdict->key.c_str());
    const int printed = finish_output();
    return printed ? printed : status;
}

int trust(const Context &context, const RoleOptions &options)
{
    std::string why;
    const auto where = role::trust(options.file, options.system, why);
    if (!where) return fail(why);
    if (context.json) return print_json({{"file", *where}});
    printf("trusted: %s\n", where->c_str());
    return finish_output();
}

int new_key(const Context &context, const RoleOptions &options)
{
    std::string why;
    const auto key = role::new_key(options.file, why);
    if (!key) return fail(why);
    if (context.json) return print_json({{"key", *key}});
    printf("%s.key, %s.pub: %s\n", options.file.c_str(), options.file.c_str(), key->c_str());
    return finish_output();
}

// 0 where the file doesn't say.
uint64_t taken(const Json &unit, const char *what)
{
    return unit.contains(what) ? unit[what].get<uint64_t>() : 0;
}

int show_role(const Context &context, const RoleOptions &options)
{
    std::vector<std::byte> bytes;
    Json image;
    std::string why;
    if (!read_file(options.file, bytes) || !describe_image(options.file, bytes, image))
        return exit_failure;
    const auto verdict = role::verify_file(options.file, options.keys, why);
    if (!verdict) return fail(why);
    for (const Json &target : image["targets"]) {
        if (target["target"] != "fpga") continue;
        const Json &kernel = target["kernels"][0], &unit = target["units"][0];
        if (context.json)
            return print_json({{"file", options.file},
                               {"role", kernel["name"]},
                               {"uuid", image["uuid"]},
                               {"build", image["build"]},
                               {"abi", target["abi"]},
                               {"luts", unit["capacity"]},
                               {"ffs", taken(unit, "ffs")},
                               {"brams", taken(unit, "brams")},
                               {"dsps", taken(unit, "dsps")},
                               {"class", unit["class"]},
                               {"signed", verdict->is_signed},
                               {"good", verdict->good},
                               {"trusted", verdict->trusted},
                               {"key", verdict->key}});
        printf("%-10s %s\n", "role", kernel["name"].get<std::string>().c_str());
        printf("%-10s %s\n", "uuid", image["uuid"].get<std::string>().c_str());
        printf("%-10s %s\n", "build", image["build"].get<std::string>().c_str());
        printf("%-10s %" PRIu64 " LUTs, %" PRIu64 " FFs, %" PRIu64 " BRAMs, %" PRIu64 " DSPs\n",
               "takes", unit["capacity"].get<uint64_t>(), taken(unit, "ffs"), taken(unit, "brams"),
               taken(unit, "dsps"));
        if (unit["class"] != 0)
            printf("%-10s %" PRIu64 "\n", "class", unit["class"].get<uint64_t>());
        printf("%-10s %s%s%s\n", "signature", verdict_text(*verdict),
               verdict->key.empty() ? "" : ": ", verdict->key.c_str());
        return finish_output();
    }
    return fail(options.file + ": expected a program for the FPGA; found none");
}

} // namespace

void add_role_commands(CLI::App &app, Context &context)
{
    CLI::App *noun = app.add_subcommand("role", "Build, sign and trust roles of the FPGA");
    noun->require_subcommand(1);
    auto options = std::make_shared<RoleOptions>();
    const auto add = [&](const char *name, const char *text,
                         int (*run)(const Context &, const RoleOptions &)) {
        CLI::App *command = noun->add_subcommand(name, text);
        command->callback([&context, options, run] {
            context.command = [&context, options, run] { return run(context, *options); };
        });
        return command;
    };
    CLI::App *command = add("build", "A folder of Verilog with a role.toml to a program", build);
    command->add_option("DIR", options->build.folder, "The folder")->required()->type_name("");
    command->add_option("-o,--output", options->build.output, "The program (default: NAME.accx)");
    command->add_option("--key", options->build.key_file,
                        "The signer's key (default: this user's, made at first use)");
    command->add_option("--cache", options->build.cache,
                        "Where Verilator's compiled runtime is kept (default: ~/.cache/acc)");
    command->add_flag("--trace", options->build.trace, "Able to write waveforms; slower");
    command->add_flag("--keep", options->build.keep, "Keep what was generated");
    command->add_flag("!--no-sign", options->build.sign, "Leave it unsigned");

    const auto file = [&](CLI::App *to, const char *what) {
        to->add_option("FILE", options->file, what)->required()->type_name("");
    };
    command = add("sign", "Sign a program, in place", sign);
    file(command, "A program, .accx");
    command->add_option("--key", options->key, "The signer's key (default: this user's)");
    command = add("verify", "Whether a program's signature is right and trusted", verify);
    file(command, "A program, .accx");
    command->add_option("--keys", options->keys, "A folder of trusted keys instead");
    command = add("trust", "Trust a key from now on", trust);
    file(command, "A public key, or a program whose signer it is");
    command->add_flag("--system", options->system, "For devices of all users: /etc/acc/keys");
    command = add("key", "Make a new pair of keys", new_key);
    file(command, "Where: FILE.key and FILE.pub");
    command = add("show", "What a role is and who signed it", show_role);
    file(command, "A program, .accx");
    command->add_option("--keys", options->keys, "A folder of trusted keys instead");
}

} // namespace acc::ctl
