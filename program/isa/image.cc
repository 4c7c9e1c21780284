// SPDX-License-Identifier: MIT
//
// Programs as crossbar images of version 2, and back.
#include "program/isa/program.h"

#include "acc/kernels.h"
#include "program/program_writer.h"
#include "program/text.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace acc::isa
{
namespace
{

using program::load_struct;
using program::refuse;

// Tables and blobs one after the other, each at a multiple of 8.
class Bytes
{
public:
    uint64_t reserve(uint64_t size)
    {
        const uint64_t at = bytes_.size();
        bytes_.resize((at + size + 7) / 8 * 8);
        return at;
    }
    void put(uint64_t at, const void *source, size_t size)
    {
        if (size) std::memcpy(bytes_.data() + at, source, size);
    }
    template <typename T>
    uint64_t add(std::span<const T> values)
    {
        const uint64_t at = reserve(values.size_bytes());
        put(at, values.data(), values.size_bytes());
        return at;
    }
    std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

uint64_t add_kernel(Bytes &bytes, const Kernel &kernel)
{
    std::vector<acc_xisa_stream> streams;
    for (const Stream &s : kernel.streams) {
        std::vector<uint64_t> words;
        for (const Instruction &i : s.code)
            words.push_back(encode(i));
        streams.push_back({.tile = s.tile,
                           .core = s.core,
                           .instructions = static_cast<__u32>(words.size()),
                           .reserved = 0,
                           .offset = bytes.add<uint64_t>(words)});
    }
    std::vector<acc_xisa_data> data;
    for (const Data &d : kernel.data)
        data.push_back({.tile = d.tile,
                        .address = d.address,
                        .words = static_cast<__u32>(d.words.size()),
                        .count = d.count,
                        .offset = bytes.add<int16_t>(d.words)});
    std::vector<acc_xisa_port> ports;
    for (const Port &p : kernel.ports) {
        acc_xisa_port port{};
        (void)program::set_name(port.name, p.name);
        port.kind = static_cast<uint32_t>(p.kind);
        port.tile = p.tile;
        port.address = p.address;
        port.words = p.words;
        port.count = p.input() ? p.count : 0;
        ports.push_back(port);
    }
    acc_xisa_kernel head{};
    head.streams = static_cast<__u32>(streams.size());
    head.data = static_cast<__u32>(data.size());
    head.ports = static_cast<__u32>(ports.size());
    head.stream_offset = bytes.add<acc_xisa_stream>(streams);
    head.data_offset = bytes.add<acc_xisa_data>(data);
    head.port_offset = bytes.add<acc_xisa_port>(ports);
    return bytes.add<acc_xisa_kernel>({&head, 1});
}

acc_xisa_program describe(Bytes &bytes, const Program &program)
{
    std::vector<acc_xisa_matrix> matrices;
    for (const Matrix &m : program.matrices)
        matrices.push_back({.tile = m.tile,
                            .core = m.core,
                            .unit = m.unit,
                            .rows = m.rows,
                            .cols = m.cols,
                            .weight_bits = static_cast<__u16>(m.weight_bits),
                            .input_bits = static_cast<__u16>(m.input_bits),
                            .data_offset = bytes.add<int16_t>(m.weights),
                            .data_bytes = m.weights.size() * 2});
    const arch::Arch &a = program.arch;
    return {.isa = ACC_XISA_VERSION,
            .tiles = program.tiles,
            .cores = a.cores,
            .mvm_units = a.mvm_units,
            .rows = a.rows,
            .cols = a.cols,
            .weight_bits = a.weight_bits,
            .input_bits = a.input_bits,
            .frac_bits = a.frac_bits,
            .registers = a.registers,
            .shared_words = a.shared_words,
            .fifos = a.fifos,
            .matrices = static_cast<__u32>(matrices.size()),
            .reserved = 0,
            .matrix_offset = bytes.add<acc_xisa_matrix>(matrices)};
}

// Where the matrix's descriptor is.
uint64_t add_matrix(Bytes &bytes, const program::MatrixSpec &m)
{
    acc_xbar_matrix desc = m.describe();
    if (m.weight_bits <= 8) {
        const std::vector<int8_t> narrow(m.weights.begin(), m.weights.end());
        desc.data_offset = bytes.add<int8_t>(narrow);
    } else {
        desc.data_offset = bytes.add<int16_t>(m.weights);
    }
    return bytes.add<acc_xbar_matrix>({&desc, 1});
}

acc_unit_desc unit_of(const Program &program)
{
    acc_unit_desc unit{};
    unit.target = ACC_TARGET_CROSSBAR;
    (void)program::set_name(unit.name, program.name);
    std::vector<std::byte> cells;
    for (const Matrix &m : program.matrices) {
        const uint32_t at[] = {m.tile, m.core, m.unit, m.rows, m.cols};
        const auto where = std::as_bytes(std::span(at));
        const auto weights = std::as_bytes(std::span(m.weights));
        cells.insert(cells.end(), where.begin(), where.end());
        cells.insert(cells.end(), weights.begin(), weights.end());
    }
    program::content_hash(cells, unit.hash);
    return unit;
}

std::string text(const char *expected, uint64_t found)
{
    return std::string("expected ") + expected + "; found " + std::to_string(found);
}

class Parser
{
public:
    explicit Parser(std::span<const std::byte> image) : image_(image) {}

    // Empty, or what is wrong.
    std::string parse(size_t kernels, ImagePrograms &out)
    {
        if (image_.size() < sizeof(acc_xbar_image))
            return text("an image header of 16 bytes", image_.size());
        const auto head = load_struct<acc_xbar_image>(image_);
        if (head.magic != ACC_XBAR_MAGIC) return "expected a crossbar image; found another magic";
        if (head.version != ACC_XBAR_VERSION_KINDS) return text("image version 2", head.version);
        if (head.reserved) return "expected zero padding; found another";
        if (head.matrices != kernels)
            return "expected an entry for each of " + std::to_string(kernels) + " kernels; found " +
                   std::to_string(head.matrices);
        std::vector<acc_xbar_kernel> table;
        std::string why = read_table(sizeof(head), kernels, "kernels", table);
        if (!why.empty()) return why;
        uint32_t programs = 0;
        for (const acc_xbar_kernel &k : table) {
            if (k.kind != ACC_XBAR_KIND_ISA) continue;
            if (k.program > programs) return text("programs numbered as they appear", k.program);
            programs = std::max(programs, k.program + 1);
        }
        std::vector<acc_xisa_program> heads;
        why = read_table(sizeof(head) + kernels * sizeof(acc_xbar_kernel), programs, "programs",
                         heads);
        for (size_t p = 0; p < heads.size() && why.empty(); p++) {
            why = read_program(heads[p], out.programs.emplace_back());
            if (!why.empty()) why = "program " + std::to_string(p) + ": " + why;
        }
        for (size_t k = 0; k < table.size() && why.empty(); k++) {
            why = read_kernel(table[k], out);
            if (!why.empty()) why = "kernel " + std::to_string(k) + ": " + why;
        }
        return why;
    }

private:
    template <typename T>
    std::string read_table(uint64_t offset, uint64_t count, const char *what, std::vector<T> &out)
    {
        if (offset % 8 || !program::inside(offset, count * sizeof(T), image_.size()) ||
            count > image_.size())
            return "expected " + std::to_string(count) + " " + what + " of " +
                   std::to_string(sizeof(T)) + " bytes inside the image of " +
                   std::to_string(image_.size()) + " bytes, at a multiple of 8; found offset " +
                   std::to_string(offset);
        out.resize(count);
        if (count) std::memcpy(out.data(), image_.data() + offset, count * sizeof(T));
        return {};
    }

    std::string read_program(const acc_xisa_program &head, Program &out)
    {
        if (head.isa != ACC_XISA_VERSION) return text("ISA version 1", head.isa);
        if (head.reserved) return "expected zero padding; found another";
        if (head.tiles < 1 || head.tiles > 4096) return text("1 to 4096 tiles", head.tiles);
        // Those that sizes of registers and weights depend on; the device compares the rest.
        if (head.weight_bits < 2 || head.weight_bits > 16)
            return text("2 to 16 weight bits", head.weight_bits);
        out.tiles = head.tiles;
        arch::Arch &a = out.arch;
        a.cores = head.cores;
        a.mvm_units = head.mvm_units;
        a.rows = head.rows;
        a.cols = head.cols;
        a.weight_bits = head.weight_bits;
        a.input_bits = head.input_bits;
        a.frac_bits = head.frac_bits;
        a.registers = head.registers;
        a.shared_words = head.shared_words;
        a.fifos = head.fifos;
        std::vector<acc_xisa_matrix> matrices;
        std::string why = read_table(head.matrix_offset, head.matrices, "matrices", matrices);
        if (!why.empty()) return why;
        for (const acc_xisa_matrix &m : matrices) {
            const uint64_t weights = uint64_t{m.rows} * m.cols;
            if (m.rows > 1024 || m.cols > 1024)
                return "expected matrices of at most 1024 x 1024; found " + std::to_string(m.rows) +
                       " x " + std::to_string(m.cols);
            if (m.data_bytes != 0 && m.data_bytes != weights * 2)
                return "expected " + std::to_string(weights * 2) + " bytes of weights; found " +
                       std::to_string(m.data_bytes);
            Matrix &matrix = out.matrices.emplace_back();
            matrix.tile = m.tile;
            matrix.core = m.core;
            matrix.unit = m.unit;
            matrix.rows = m.rows;
            matrix.cols = m.cols;
            matrix.weight_bits = m.weight_bits;
            matrix.input_bits = m.input_bits;
            why = read_table(m.data_offset, m.data_bytes / 2, "weights", matrix.weights);
            if (!why.empty()) return why;
        }
        return {};
    }

    std::string read_kernel(const acc_xbar_kernel &entry, ImagePrograms &out)
    {
        ImageKernel &kernel = out.kernels.emplace_back();
        kernel.kind = entry.kind;
        if (entry.kind == ACC_XBAR_KIND_MATRIX) {
            if (entry.program) return text("program 0 of a matrix", entry.program);
            kernel.matrix = entry.offset;
            return {};
        }
        if (entry.kind != ACC_XBAR_KIND_ISA)
            return text("kind 1 (matrix) or 2 (instructions)", entry.kind);
        std::vector<acc_xisa_kernel> head;
        std::string why = read_table(entry.offset, 1, "kernel", head);
        if (!why.empty()) return why;
        if (head[0].reserved) return "expected zero padding; found another";
        Program &program = out.programs[entry.program];
        kernel.program = entry.program;
        kernel.kernel = static_cast<uint32_t>(program.kernels.size());
        return read_streams(head[0], program.kernels.emplace_back());
    }

    std::string read_streams(const acc_xisa_kernel &head, Kernel &out)
    {
        std::vector<acc_xisa_stream> streams;
        std::string why = read_table(head.stream_offset, head.streams, "streams", streams);
        for (size_t k = 0; k < streams.size() && why.empty(); k++) {
            std::vector<uint64_t> words;
            why = read_table(streams[k].offset, streams[k].instructions, "instructions", words);
            if (why.empty() && streams[k].reserved) why = "expected zero padding; found another";
            Stream &s = out.streams.emplace_back();
            s.tile = streams[k].tile;
            s.core = streams[k].core;
            s.code.resize(words.size());
            for (size_t i = 0; i < words.size() && why.empty(); i++)
                if (!decode(words[i], s.code[i], why))
                    why = "tile " + std::to_string(s.tile) +
                          (s.core == kControl ? " control" : " core " + std::to_string(s.core)) +
                          ", instruction " + std::to_string(i) + ": " + why;
        }
        if (!why.empty()) return why;
        std::vector<acc_xisa_data> data;
        why = read_table(head.data_offset, head.data, "data", data);
        for (size_t k = 0; k < data.size() && why.empty(); k++) {
            Data &d = out.data.emplace_back();
            d.tile = data[k].tile;
            d.address = data[k].address;
            d.count = data[k].count;
            why = read_table(data[k].offset, data[k].words, "words", d.words);
        }
        if (!why.empty()) return why;
        std::vector<acc_xisa_port> ports;
        why = read_table(head.port_offset, head.ports, "ports", ports);
        for (size_t k = 0; k < ports.size() && why.empty(); k++) {
            const acc_xisa_port &p = ports[k];
            if (!program::is_name(p.name))
                return "port " + std::to_string(k) + ": expected a NUL-padded name; found \"" +
                       program::printable(p.name) + "\"";
            if (p.kind < ACC_XISA_PORT_INPUT || p.kind > ACC_XISA_PORT_OUTPUT_I8 || p.reserved)
                return "port " + std::to_string(k) + ": " + text("kind 1 to 5", p.kind);
            out.ports.push_back({.name = std::string(program::name_of(p.name)),
                                 .kind = static_cast<PortKind>(p.kind),
                                 .tile = p.tile,
                                 .address = p.address,
                                 .words = p.words,
                                 .count = p.count});
        }
        return why;
    }

    const std::span<const std::byte> image_;
};

} // namespace

Result<Image> write_image(std::span<const Program> programs, std::string *why)
{
    return write_image({}, programs, why);
}

Result<Image> write_image(std::span<const program::MatrixSpec> matrices,
                          std::span<const Program> programs, std::string *why)
{
    Image image;
    Bytes bytes;
    size_t kernels = matrices.size();
    for (const Program &p : programs)
        kernels += p.kernels.size();
    const acc_xbar_image head = {ACC_XBAR_MAGIC, ACC_XBAR_VERSION_KINDS,
                                 static_cast<__u32>(kernels), 0};
    bytes.add<acc_xbar_image>({&head, 1});
    const uint64_t table = bytes.reserve(kernels * sizeof(acc_xbar_kernel));
    const uint64_t heads = bytes.reserve(programs.size() * sizeof(acc_xisa_program));
    const auto add = [&](const acc_xbar_kernel &entry, size_t unit, uint32_t kernarg_bytes,
                         std::string_view name) {
        bytes.put(table + image.kernels.size() * sizeof(entry), &entry, sizeof(entry));
        acc_kernel_desc desc{};
        desc.target = ACC_TARGET_CROSSBAR;
        desc.unit = static_cast<__u32>(unit);
        desc.kernarg_bytes = kernarg_bytes;
        if (!program::set_name(desc.name, name)) return false;
        image.kernels.push_back(desc);
        return true;
    };
    const auto bad_name = [&](std::string_view name) {
        return refuse(why, -EINVAL,
                      "kernel " + std::string(name) + ": expected a name of at most " +
                          std::to_string(ACC_NAME_BYTES - 1) + " bytes");
    };
    for (const program::MatrixSpec &m : matrices)
        if (!add({ACC_XBAR_KIND_MATRIX, 0, add_matrix(bytes, m)}, 0, sizeof(acc_mvm_args), m.name))
            return bad_name(m.name);
    const size_t first = matrices.empty() ? 0 : 1;
    for (size_t p = 0; p < programs.size(); p++) {
        std::string wrong = check_program(programs[p], programs[p].arch);
        if (!wrong.empty()) return refuse(why, -EINVAL, std::move(wrong));
        const acc_xisa_program described = describe(bytes, programs[p]);
        bytes.put(heads + p * sizeof(described), &described, sizeof(described));
        for (const Kernel &kernel : programs[p].kernels)
            if (!add({ACC_XBAR_KIND_ISA, static_cast<__u32>(p), add_kernel(bytes, kernel)},
                     first + p, kernel.kernarg_bytes(), kernel.name))
                return bad_name(kernel.name);
    }
    image.bytes = bytes.take();
    return image;
}

int add_crossbar(program::ProgramWriter &writer, std::span<const program::MatrixSpec> matrices,
                 std::span<const Program> programs, std::string *why)
{
    if (programs.empty()) return program::add_crossbar(writer, matrices, why);
    auto image = write_image(matrices, programs, why);
    if (!image) return image.error();
    if (!matrices.empty()) {
        acc_unit_desc unit{};
        unit.target = ACC_TARGET_CROSSBAR;
        (void)program::set_name(unit.name, "matrices");
        writer.add_unit(unit);
    }
    for (const Program &p : programs)
        writer.add_unit(unit_of(p));
    for (const acc_kernel_desc &kernel : image->kernels)
        writer.add_kernel(kernel);
    writer.set_image(ACC_TARGET_CROSSBAR, std::move(image->bytes));
    return 0;
}

Result<std::vector<std::byte>> write_file(std::span<const Program> programs, std::string *why)
{
    program::ProgramWriter writer;
    writer.set_id(programs.empty() ? "program" : programs[0].name);
    if (programs.empty()) return refuse(why, -EINVAL, "expected at least 1 program; found 0");
    if (const int error = add_crossbar(writer, {}, programs, why)) return Error{error};
    return writer.finish(why);
}

Result<ImagePrograms> parse_image(std::span<const std::byte> image, size_t kernels,
                                  std::string *why)
{
    ImagePrograms programs;
    std::string text = Parser(image).parse(kernels, programs);
    if (!text.empty()) return refuse(why, -EINVAL, std::move(text));
    return programs;
}

} // namespace acc::isa
