// SPDX-License-Identifier: MIT
//
// FPGA images of version 2, which bring the code of their roles along.
#include "program/images.h"
#include "program/text.h"

#include <cstring>

namespace acc::program
{
namespace
{

constexpr uint32_t kMostEntries = 1u << 16; // of each table
constexpr uint32_t kMostArguments = 4096;   // bytes of kernargs
constexpr uint32_t kMostDepth = 1u << 16;
constexpr uint64_t kCodeAlign = 64;

std::string check_register(const acc_fpga_register &r, size_t kernels)
{
    if (r.kernel >= kernels)
        return "expected a kernel below " + std::to_string(kernels) + "; found " +
               std::to_string(r.kernel);
    if (r.bytes != 4 && r.bytes != 8)
        return "expected 4 or 8 bytes; found " + std::to_string(r.bytes);
    if (r.argument % 4 || r.argument > kMostArguments - r.bytes)
        return "expected an argument at a multiple of 4 below " + std::to_string(kMostArguments) +
               "; found " + std::to_string(r.argument);
    if (r.offset % 4 || r.offset < 0x10 || r.offset > (1u << 24))
        return "expected an offset at a multiple of 4 from 0x10 to 0x1000000; found " +
               std::to_string(r.offset);
    return {};
}

template <typename T>
void load_table(std::span<const std::byte> image, uint64_t &at, uint32_t count,
                std::vector<T> &table)
{
    for (uint32_t i = 0; i < count; i++, at += sizeof(T))
        table.push_back(load_struct<T>(image, at));
}

// Edges lie between stages of their kernel, and every stage is a kernel's that exists.
std::string check_graphs(const FpgaNative &native, size_t kernels)
{
    std::vector<uint32_t> stages(kernels);
    for (size_t i = 0; i < native.stages.size(); i++) {
        const acc_fpga_stage &s = native.stages[i];
        const std::string which = "stage " + std::to_string(i) + ": ";
        if (s.kernel >= kernels || (i && s.kernel < native.stages[i - 1].kernel))
            return which + "expected kernels below " + std::to_string(kernels) +
                   " in order; found " + std::to_string(s.kernel);
        if (s.reserved || !is_name(s.role))
            return which + "expected zero padding and a NUL-padded name; found another";
        stages[s.kernel]++;
    }
    for (size_t i = 0; i < native.edges.size(); i++) {
        const acc_fpga_edge &e = native.edges[i];
        const std::string which = "edge " + std::to_string(i) + ": ";
        if (e.kernel >= kernels || !stages[e.kernel])
            return which + "expected a kernel with stages; found " + std::to_string(e.kernel);
        for (const uint32_t end : {e.from_stage, e.to_stage})
            if (end != ACC_FPGA_MEMORY && end >= stages[e.kernel])
                return which + "expected a stage below " + std::to_string(stages[e.kernel]) +
                       ", or memory; found " + std::to_string(end);
        if (e.from_stage == ACC_FPGA_MEMORY && e.to_stage == ACC_FPGA_MEMORY)
            return which + "expected a stage at one end; found memory at both";
        if (e.depth < 1 || e.depth > kMostDepth)
            return which + "expected a depth from 1 to 65536; found " + std::to_string(e.depth);
    }
    return {};
}

} // namespace

bool is_fpga_native(std::span<const std::byte> image)
{
    if (image.size() < sizeof(acc_fpga_image)) return false;
    const auto h = load_struct<acc_fpga_image>(image);
    return h.magic == ACC_FPGA_MAGIC && h.version == 2;
}

Result<FpgaNative> parse_fpga_native(std::span<const std::byte> image, size_t kernels,
                                     std::string *why)
{
    const auto bad = [&](const std::string &text) { return refuse(why, -EINVAL, text); };
    if (image.size() < sizeof(acc_fpga_native) || !is_fpga_native(image))
        return bad("expected an FPGA image of version 2; found another");
    const auto h = load_struct<acc_fpga_native>(image);
    if (h.kernels != kernels)
        return bad("expected an entry for each of " + std::to_string(kernels) + " kernels; found " +
                   std::to_string(h.kernels));
    if (h.kind != ACC_FPGA_RTL && h.kind != ACC_FPGA_COMPILED)
        return bad("expected code of kind 1 (RTL) or 2 (compiled); found " +
                   std::to_string(h.kind));
    if (h.reserved) return bad("expected zero padding; found another");
    if (h.kernels > kMostEntries || h.registers > kMostEntries || h.stages > kMostEntries ||
        h.edges > kMostEntries)
        return bad("expected tables of at most 65536 entries; found more");
    const uint64_t tables = sizeof(h) + h.kernels * sizeof(acc_fpga_kernel) +
                            h.registers * sizeof(acc_fpga_register) +
                            h.stages * sizeof(acc_fpga_stage) + h.edges * sizeof(acc_fpga_edge);
    if (tables > image.size())
        return bad("expected tables of " + std::to_string(tables) + " bytes; found an image of " +
                   std::to_string(image.size()));
    if (h.code_offset % kCodeAlign || h.code_offset < tables || !h.code_bytes ||
        !inside(h.code_offset, h.code_bytes, image.size()))
        return bad("expected code behind the tables, inside the image of " +
                   std::to_string(image.size()) + " bytes; found " + std::to_string(h.code_bytes) +
                   " at " + std::to_string(h.code_offset));
    FpgaNative native;
    native.kind = h.kind;
    native.code = image.subspan(h.code_offset, h.code_bytes);
    uint64_t at = sizeof(h);
    for (uint32_t i = 0; i < h.kernels; i++, at += sizeof(acc_fpga_kernel)) {
        const auto kernel = load_struct<acc_fpga_kernel>(image, at);
        if (!is_name(kernel.role))
            return bad("kernel " + std::to_string(i) + ": expected a NUL-padded name; found \"" +
                       printable(kernel.role) + "\"");
        native.roles.emplace_back(reinterpret_cast<const char *>(image.data()) + at,
                                  name_of(kernel.role).size());
    }
    load_table(image, at, h.registers, native.registers);
    load_table(image, at, h.stages, native.stages);
    load_table(image, at, h.edges, native.edges);
    for (size_t i = 0; i < native.registers.size(); i++) {
        const std::string text = check_register(native.registers[i], kernels);
        if (!text.empty()) return bad("register " + std::to_string(i) + ": " + text);
    }
    if (const std::string text = check_graphs(native, kernels); !text.empty()) return bad(text);
    return native;
}

std::vector<std::byte> encode_fpga_native(const FpgaNative &native)
{
    std::vector<std::byte> bytes;
    const auto append = [&](const void *from, size_t size) {
        const auto *source = static_cast<const std::byte *>(from);
        bytes.insert(bytes.end(), source, source + size);
    };
    acc_fpga_native h = {};
    h.magic = ACC_FPGA_MAGIC;
    h.version = 2;
    h.kernels = static_cast<uint32_t>(native.roles.size());
    h.kind = native.kind;
    h.registers = static_cast<uint32_t>(native.registers.size());
    h.stages = static_cast<uint32_t>(native.stages.size());
    h.edges = static_cast<uint32_t>(native.edges.size());
    append(&h, sizeof h);
    for (const std::string_view role : native.roles) {
        acc_fpga_kernel kernel = {};
        set_name(kernel.role, role);
        append(&kernel, sizeof kernel);
    }
    const auto table = [&](const auto &entries) {
        if (!entries.empty()) append(entries.data(), entries.size() * sizeof(entries[0]));
    };
    table(native.registers);
    table(native.stages);
    table(native.edges);
    bytes.resize((bytes.size() + kCodeAlign - 1) / kCodeAlign * kCodeAlign);
    h.code_offset = bytes.size();
    h.code_bytes = native.code.size();
    append(native.code.data(), native.code.size());
    std::memcpy(bytes.data(), &h, sizeof h);
    return bytes;
}

} // namespace acc::program
