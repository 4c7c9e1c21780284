// SPDX-License-Identifier: MIT
//
// A program of the crossbar's tiles: weights in MVM units, and kernels of instruction streams
// that share them. What the assembler and compilers build, and what the device checks and runs.
//
// Thread safety: values. Ownership: Matrix::weights may point into memory of the caller, which
// must outlive the Program; everything else is held.
#pragma once

#include "acc/program.h"
#include "arch/arch.h"
#include "arch/costs.h"
#include "common/result.h"
#include "program/isa/instruction.h"
#include "program/samples.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace acc::isa
{

inline constexpr uint32_t kControl = ACC_XISA_CONTROL;

// Weights of one MVM unit, row-major [rows][cols]; empty in a program for timing alone.
struct Matrix {
    uint32_t tile = 0, core = 0, unit = 0;
    uint32_t rows = 0, cols = 0;
    uint32_t weight_bits = 0, input_bits = 0; // 0: the arch's; at most those
    std::vector<int16_t> weights;
};

// What a product of the matrix uses on an arch.
inline arch::Arch arch_of(const arch::Arch &arch, const Matrix &m)
{
    arch::Arch its = arch;
    if (m.weight_bits) its.weight_bits = m.weight_bits;
    if (m.input_bits) its.input_bits = m.input_bits;
    return its;
}
// Of the one unit; costs are functions of it (arch/costs.h).
arch::ArrayUse use_of(const arch::Arch &arch, const Matrix &m);

struct Stream {
    uint32_t tile = 0;
    uint32_t core = 0; // or kControl
    std::vector<Instruction> code;
};

struct Data {
    uint32_t tile = 0, address = 0;
    uint32_t count = kSticky;
    std::vector<int16_t> words;
};

enum class PortKind : uint32_t {
    Input = ACC_XISA_PORT_INPUT,
    Output = ACC_XISA_PORT_OUTPUT,
    Scalar = ACC_XISA_PORT_SCALAR,
    // Whose elements are int8 in the client's memory.
    InputBytes = ACC_XISA_PORT_INPUT_I8,
    OutputBytes = ACC_XISA_PORT_OUTPUT_I8,
};

struct Port {
    std::string name;
    PortKind kind = PortKind::Input;
    uint32_t tile = 0, address = 0, words = 1;
    uint32_t count = 1; // of consumers, of an input

    bool input() const { return kind == PortKind::Input || kind == PortKind::InputBytes; }
    bool output() const { return kind == PortKind::Output || kind == PortKind::OutputBytes; }
    bool bytes() const { return kind == PortKind::InputBytes || kind == PortKind::OutputBytes; }
    // Of an element in the client's memory.
    uint32_t element() const { return bytes() ? 1 : 2; }
};

struct Kernel {
    std::string name;
    std::vector<Stream> streams;
    std::vector<Data> data;
    std::vector<Port> ports;

    uint32_t kernarg_bytes() const { return static_cast<uint32_t>(16 + 16 * ports.size()); }
};

struct Program {
    std::string name = "program";
    uint32_t tiles = 0; // that it takes
    // The arch that it was made for: rows, cols, mvm_units, frac_bits and the like.
    arch::Arch arch;
    std::vector<Matrix> matrices;
    std::vector<Kernel> kernels;
};

// Whether a program can run on an arch, each instruction and number looked at: what is left
// to run time are addresses in registers, divisors, and what streams wait for. Empty, or what
// was expected and found, and where ("kernel main, tile 0 core 1, instruction 4: …").
std::string check_program(const Program &program, const arch::Arch &arch);

// --- The container

// A crossbar image (version 2) of one or more programs, and their kernels as descriptors of
// unit `unit + index of the program`. -EINVAL for what parse_programs() would refuse.
struct Image {
    std::vector<std::byte> bytes;
    std::vector<acc_kernel_desc> kernels;
};
Result<Image> write_image(std::span<const Program> programs, std::string *why);
// The same with matrices before them, all of one unit, 0; that of program p is then p + 1.
Result<Image> write_image(std::span<const program::MatrixSpec> matrices,
                          std::span<const Program> programs, std::string *why);
// Units and kernels of such an image, and the image, to a writer that has none of the crossbar.
// Without programs as program::add_crossbar() does.
int add_crossbar(program::ProgramWriter &writer, std::span<const program::MatrixSpec> matrices,
                 std::span<const Program> programs, std::string *why);

// A whole .accx file with one unit per program.
Result<std::vector<std::byte>> write_file(std::span<const Program> programs, std::string *why);

// What one kernel of a version 2 image is. Matrix kernels: `matrix` is where its struct
// acc_xbar_matrix is. ISA kernels: kernels[kernel] of programs[program].
struct ImageKernel {
    uint32_t kind = 0; // enum acc_xbar_kind
    uint64_t matrix = 0;
    uint32_t program = 0, kernel = 0;
};
struct ImagePrograms {
    std::vector<ImageKernel> kernels; // by index
    std::vector<Program> programs;    // names are empty: the container's units have them
};
// Reads a version 2 image that may be hostile: -EINVAL and `why`. Code is decoded and every
// range inside the image checked; check_program() remains to be asked.
Result<ImagePrograms> parse_image(std::span<const std::byte> image, size_t kernels,
                                  std::string *why);

} // namespace acc::isa
