// SPDX-License-Identifier: MIT
//
// accasm: text of a crossbar's program to an .accx file, and back. docs/crossbar-isa.md.
#include "program/isa/assembler.h"
#include "program/program_file.h"
#include "program/text.h"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace
{

using namespace acc;

constexpr size_t largest_file = size_t{1} << 30;

int fail(const std::string &text)
{
    fprintf(stderr, "accasm: %s\n", text.c_str());
    return 1;
}

bool read_file(const std::string &path, std::string &bytes)
{
    const auto close = [](FILE *file) { fclose(file); };
    const std::unique_ptr<FILE, decltype(close)> file(fopen(path.c_str(), "re"), close);
    if (!file) return fail(path + ": " + strerror(errno)), false;
    std::vector<char> part(1 << 16);
    while (const size_t n = fread(part.data(), 1, part.size(), file.get())) {
        bytes.append(part.data(), n);
        if (bytes.size() > largest_file)
            return fail(path + ": expected at most 1 GiB; found more"), false;
    }
    if (ferror(file.get())) return fail(path + ": cannot be read"), false;
    return true;
}

bool write_file(const std::string &path, const void *bytes, size_t size)
{
    FILE *file = path == "-" ? stdout : fopen(path.c_str(), "we");
    if (!file) return fail(path + ": " + strerror(errno)), false;
    bool good = fwrite(bytes, 1, size, file) == size && fflush(file) == 0;
    if (file != stdout) good = fclose(file) == 0 && good;
    return good || (fail(path + ": " + strerror(errno)), false);
}

// The programs of a file as text, one after the other.
int disassemble(const std::string &path, const std::string &bytes, const std::string &out,
                bool weights)
{
    std::string why;
    const auto raw = std::as_bytes(std::span(bytes));
    const auto file = program::ProgramFile::parse(raw, &why);
    if (!file) return fail(path + ": " + why);
    const auto kernels = file->kernels(ACC_TARGET_CROSSBAR);
    auto parsed = isa::parse_image(file->image(ACC_TARGET_CROSSBAR), kernels.size(), &why);
    if (!parsed) return fail(path + ": " + why);
    for (size_t k = 0; k < kernels.size(); k++) {
        const isa::ImageKernel &kernel = parsed->kernels[k];
        if (kernel.kind != ACC_XBAR_KIND_ISA) continue;
        isa::Program &its = parsed->programs[kernel.program];
        its.kernels[kernel.kernel].name = program::name_of(kernels[k].name);
        its.name = program::name_of(file->units(ACC_TARGET_CROSSBAR)[kernels[k].unit].name);
    }
    std::string text;
    for (const isa::Program &program : parsed->programs)
        text += (text.empty() ? "" : "\n") + isa::disassemble(program, weights);
    return write_file(out, text.data(), text.size()) ? 0 : 1;
}

int assemble(const std::string &path, const std::string &text, const std::string &out,
             const std::string &arch_name)
{
    std::string why;
    arch::Arch arch;
    if (!arch_name.empty()) {
        auto loaded = arch::load(arch_name, why);
        if (!loaded) return fail("--arch: " + why);
        arch = std::move(*loaded);
    }
    const auto program = isa::assemble(text, path, arch, why);
    if (!program) return fprintf(stderr, "%s\n", why.c_str()), 1;
    const auto file = isa::write_file({&*program, 1}, &why);
    if (!file) return fail(path + ": " + why);
    return write_file(out, file->data(), file->size()) ? 0 : 1;
}

int run(int argc, char **argv)
{
    std::string in, out, arch;
    bool back = false, weights = false;
    CLI::App app("Assembles programs of instructions for the crossbar's tiles.", "accasm");
    app.add_option("FILE", in, "Assembly; with -d a program, .accx")->required()->type_name("");
    app.add_option("-o,--output", out, "The program to write; with -d the text (default: stdout)");
    app.add_option("--arch", arch, "A preset or an arch file: what a program without .arch is for");
    app.add_flag("-d,--disassemble", back, "The other way round");
    app.add_flag("--weights", weights, "With -d: weights too");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        return fail(error.what()), 2;
    }
    if (out.empty() && !back) return fail("expected -o FILE; found none"), 2;
    std::string bytes;
    if (!read_file(in, bytes)) return 1;
    return back ? disassemble(in, bytes, out.empty() ? "-" : out, weights)
                : assemble(in, bytes, out, arch);
}

} // namespace

int main(int argc, char **argv)
{
    try {
        return run(argc, argv);
    } catch (const std::exception &error) {
        return fail(error.what());
    }
}
