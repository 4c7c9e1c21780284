// SPDX-License-Identifier: MIT
#include "program/model.h"

#include "program/text.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace acc::program
{
namespace
{

constexpr uint64_t kMaxWorkspace = uint64_t{1} << 40;
constexpr uint32_t kTensorAlign = 64;
constexpr uint32_t kTableAlign = 16;

uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}

// Copies `count` elements at `offset` of the section; false when they are not inside.
template <typename T>
bool read_table(std::span<const std::byte> section, uint64_t offset, uint64_t count,
                std::vector<T> &table)
{
    if (count > section.size() / sizeof(T) || !inside(offset, count * sizeof(T), section.size()))
        return false;
    table.resize(count);
    if (count) std::memcpy(table.data(), section.data() + offset, count * sizeof(T));
    return true;
}

std::string range_text(const char *table, uint64_t count, uint64_t size, uint64_t offset,
                       uint64_t section)
{
    return std::string("expected the ") + table + " of .acc.model inside its " +
           std::to_string(section) + " bytes; found " + std::to_string(count) + " of " +
           std::to_string(size) + " bytes at " + std::to_string(offset);
}

std::string check_tensor(const acc_model_tensor &t, uint64_t workspace)
{
    if (!is_name(t.name)) return "expected a NUL-padded name; found \"" + printable(t.name) + "\"";
    const uint32_t element = dtype_bytes(t.dtype);
    if (!element) return "expected dtype 1 to 13; found " + std::to_string(t.dtype);
    if (t.rank > ACC_MODEL_MAX_DIMS) return "expected rank 0 to 6; found " + std::to_string(t.rank);
    uint64_t bytes = element;
    for (uint32_t i = 0; i < ACC_MODEL_MAX_DIMS; i++) {
        if (i >= t.rank) {
            if (t.dims[i]) return "expected zero beyond the rank; found a dim";
            continue;
        }
        if (t.dims[i] == 0) return "expected dims of at least 1; found 0";
        if (__builtin_mul_overflow(bytes, uint64_t{t.dims[i]}, &bytes))
            return "expected a size below 2^64; found more";
    }
    if (t.bytes != bytes)
        return "expected " + std::to_string(bytes) + " bytes for its dims; found " +
               std::to_string(t.bytes);
    if (t.offset % kTensorAlign)
        return "expected an offset of a multiple of 64; found " + std::to_string(t.offset);
    if (!inside(t.offset, t.bytes, workspace))
        return "expected it inside the workspace of " + std::to_string(workspace) +
               " bytes; found " + std::to_string(t.bytes) + " bytes at " + std::to_string(t.offset);
    if (!std::isfinite(t.scale) || (t.dtype == ACC_DTYPE_I8 && t.scale <= 0))
        return "expected a finite scale, above 0 for int8; found " + std::to_string(t.scale);
    if (t.zero_point < -128 || t.zero_point > 127)
        return "expected a zero point of -128 to 127; found " + std::to_string(t.zero_point);
    return {};
}

std::string check_relocs(const ModelTables &m, const acc_model_step &step, uint64_t const_bytes)
{
    std::vector<std::pair<uint32_t, uint32_t>> fields; // [begin, end)
    for (uint32_t i = 0; i < step.relocs; i++) {
        const acc_model_reloc &r = m.relocs[step.first_reloc + i];
        const std::string which = "reloc " + std::to_string(i) + ": ";
        if (r.kind < ACC_RELOC_TENSOR || r.kind > ACC_RELOC_BATCH64)
            return which + "expected kind 1 to 4; found " + std::to_string(r.kind);
        const uint32_t width = r.kind == ACC_RELOC_BATCH32 ? 4 : 8;
        if (r.field % width || !inside(r.field, width, step.kernarg_bytes))
            return which + "expected an aligned field of " + std::to_string(width) +
                   " bytes inside " + std::to_string(step.kernarg_bytes) +
                   " bytes of kernargs; found byte " + std::to_string(r.field);
        const uint64_t indices = r.kind == ACC_RELOC_TENSOR ? m.tensors.size() : 1;
        if (r.index >= indices)
            return which + "expected an index below " + std::to_string(indices) + "; found " +
                   std::to_string(r.index);
        const uint64_t addends = r.kind == ACC_RELOC_CONST ? const_bytes
                                 : r.kind == ACC_RELOC_TENSOR
                                     ? std::max<uint64_t>(m.tensors[r.index].bytes, 1)
                                     : 1;
        if (r.addend >= addends)
            return which + "expected an addend below " + std::to_string(addends) + "; found " +
                   std::to_string(r.addend);
        if (r.reserved) return which + "expected reserved = 0; found another";
        fields.emplace_back(r.field, r.field + width);
    }
    std::sort(fields.begin(), fields.end());
    for (size_t i = 1; i < fields.size(); i++)
        if (fields[i].first < fields[i - 1].second)
            return "expected relocs that do not overlap; found two at byte " +
                   std::to_string(fields[i].first);
    return {};
}

std::string check_step(const ModelTables &m, uint32_t index, const ModelContext &context,
                       uint64_t next_reloc, uint64_t next_dep)
{
    const acc_model_step &s = m.steps[index];
    if (!is_name(s.name)) return "expected a NUL-padded name; found \"" + printable(s.name) + "\"";
    if (s.target >= ACC_TARGET_COUNT)
        return "expected a target below 4; found " + std::to_string(s.target);
    const auto &kernels = context.kernels[s.target];
    if (s.kernel >= kernels.size())
        return "expected a kernel below " + std::to_string(kernels.size()) + " of " +
               target_name(s.target) + "; found " + std::to_string(s.kernel);
    if (s.kernarg_bytes != kernels[s.kernel].kernarg_bytes)
        return "expected the " + std::to_string(kernels[s.kernel].kernarg_bytes) +
               " kernarg bytes of its kernel; found " + std::to_string(s.kernarg_bytes);
    if (s.kernarg_offset % 16 || !inside(s.kernarg_offset, s.kernarg_bytes, m.kernargs.size()))
        return "expected kernargs at a multiple of 16 inside " + std::to_string(m.kernargs.size()) +
               " bytes; found " + std::to_string(s.kernarg_bytes) + " at " +
               std::to_string(s.kernarg_offset);
    // Without gaps or sharing, checking all steps is linear in the size of the file.
    if (s.first_reloc != next_reloc || s.relocs > m.relocs.size() - next_reloc)
        return "expected its relocs from " + std::to_string(next_reloc) + " on, of " +
               std::to_string(m.relocs.size()) + "; found " + std::to_string(s.relocs) + " from " +
               std::to_string(s.first_reloc);
    if (s.first_dep != next_dep || s.deps > m.deps.size() - next_dep)
        return "expected its deps from " + std::to_string(next_dep) + " on, of " +
               std::to_string(m.deps.size()) + "; found " + std::to_string(s.deps) + " from " +
               std::to_string(s.first_dep);
    for (uint32_t i = 0; i < s.deps; i++) {
        const uint32_t dep = m.deps[s.first_dep + i];
        if (dep >= index)
            return "expected deps on earlier steps; found step " + std::to_string(dep);
        if (m.steps[dep].target == s.target)
            return "expected deps on steps of other targets; found step " + std::to_string(dep) +
                   " of the same";
    }
    return check_relocs(m, s, context.const_bytes);
}

} // namespace

uint32_t dtype_bytes(uint32_t dtype)
{
    switch (dtype) {
    case ACC_DTYPE_F32:
    case ACC_DTYPE_I32:
    case ACC_DTYPE_U32:
        return 4;
    case ACC_DTYPE_I8:
    case ACC_DTYPE_U8:
    case ACC_DTYPE_BOOL:
        return 1;
    case ACC_DTYPE_I16:
    case ACC_DTYPE_U16:
    case ACC_DTYPE_F16:
    case ACC_DTYPE_BF16:
        return 2;
    case ACC_DTYPE_I64:
    case ACC_DTYPE_U64:
    case ACC_DTYPE_F64:
        return 8;
    default:
        return 0;
    }
}

Result<ModelTables> parse_model(std::span<const std::byte> section, const ModelContext &context,
                                std::string *why)
{
    const auto bad = [&](std::string text) { return refuse(why, -EINVAL, std::move(text)); };
    if (section.size() < sizeof(acc_model_header))
        return bad("expected at least " + std::to_string(sizeof(acc_model_header)) +
                   " bytes of .acc.model; found " + std::to_string(section.size()));
    const auto h = load_struct<acc_model_header>(section);
    if (h.magic != ACC_MODEL_MAGIC)
        return bad("expected .acc.model to start with \"AMDL\"; found another magic");
    if (h.version != 1)
        return bad("expected version 1 of .acc.model; found " + std::to_string(h.version));

    ModelTables m;
    const uint64_t size = section.size();
    if (!read_table(section, h.tensor_offset, h.tensors, m.tensors))
        return bad(
            range_text("tensors", h.tensors, sizeof(acc_model_tensor), h.tensor_offset, size));
    if (!read_table(section, h.step_offset, h.steps, m.steps))
        return bad(range_text("steps", h.steps, sizeof(acc_model_step), h.step_offset, size));
    if (!read_table(section, h.reloc_offset, h.relocs, m.relocs))
        return bad(range_text("relocs", h.relocs, sizeof(acc_model_reloc), h.reloc_offset, size));
    if (!read_table(section, h.dep_offset, h.deps, m.deps))
        return bad(range_text("deps", h.deps, sizeof(uint32_t), h.dep_offset, size));
    if (!read_table(section, h.kernarg_offset, h.kernarg_bytes, m.kernargs))
        return bad(range_text("kernargs", h.kernarg_bytes, 1, h.kernarg_offset, size));

    if (h.outputs < 1 || uint64_t{h.inputs} + h.outputs > h.tensors)
        return bad("expected inputs and at least one output among " + std::to_string(h.tensors) +
                   " tensors; found " + std::to_string(h.inputs) + " and " +
                   std::to_string(h.outputs));
    if (h.workspace_bytes > kMaxWorkspace)
        return bad("expected a workspace of at most 2^40 bytes; found " +
                   std::to_string(h.workspace_bytes));
    m.inputs = h.inputs;
    m.outputs = h.outputs;
    m.workspace_bytes = h.workspace_bytes;

    std::set<std::string_view> names;
    for (uint32_t i = 0; i < h.tensors; i++) {
        const std::string text = check_tensor(m.tensors[i], h.workspace_bytes);
        if (!text.empty()) return bad("tensor " + std::to_string(i) + ": " + text);
        if (i == h.inputs) names.clear();
        if (i < h.inputs + h.outputs && !names.insert(name_of(m.tensors[i].name)).second)
            return bad("tensor " + std::to_string(i) + ": expected a name of its own; found \"" +
                       printable(m.tensors[i].name) + "\" twice");
    }
    uint64_t relocs = 0, deps = 0;
    for (uint32_t i = 0; i < h.steps; i++) {
        const std::string text = check_step(m, i, context, relocs, deps);
        if (!text.empty()) return bad("step " + std::to_string(i) + ": " + text);
        relocs += m.steps[i].relocs;
        deps += m.steps[i].deps;
    }
    if (relocs != h.relocs || deps != h.deps)
        return bad("expected every reloc and dep in a step; found " + std::to_string(relocs) +
                   " of " + std::to_string(h.relocs) + " and " + std::to_string(deps) + " of " +
                   std::to_string(h.deps));
    return m;
}

acc_model_header model_header(const ModelTables &t)
{
    acc_model_header h{};
    h.magic = ACC_MODEL_MAGIC;
    h.version = 1;
    h.tensors = static_cast<uint32_t>(t.tensors.size());
    h.steps = static_cast<uint32_t>(t.steps.size());
    h.relocs = static_cast<uint32_t>(t.relocs.size());
    h.deps = static_cast<uint32_t>(t.deps.size());
    h.inputs = t.inputs;
    h.outputs = t.outputs;
    h.workspace_bytes = t.workspace_bytes;
    h.tensor_offset = round_up(sizeof(h), kTableAlign);
    h.step_offset =
        round_up(h.tensor_offset + t.tensors.size() * sizeof(acc_model_tensor), kTableAlign);
    h.reloc_offset = round_up(h.step_offset + t.steps.size() * sizeof(acc_model_step), kTableAlign);
    h.dep_offset =
        round_up(h.reloc_offset + t.relocs.size() * sizeof(acc_model_reloc), kTableAlign);
    h.kernarg_offset = round_up(h.dep_offset + t.deps.size() * sizeof(uint32_t), kTableAlign);
    h.kernarg_bytes = t.kernargs.size();
    return h;
}

std::vector<std::byte> encode_model(const ModelTables &t)
{
    const acc_model_header h = model_header(t);
    std::vector<std::byte> bytes(h.kernarg_offset + h.kernarg_bytes);
    const auto put = [&](uint64_t offset, const void *source, size_t size) {
        if (size) std::memcpy(bytes.data() + offset, source, size);
    };
    put(0, &h, sizeof(h));
    put(h.tensor_offset, t.tensors.data(), t.tensors.size() * sizeof(acc_model_tensor));
    put(h.step_offset, t.steps.data(), t.steps.size() * sizeof(acc_model_step));
    put(h.reloc_offset, t.relocs.data(), t.relocs.size() * sizeof(acc_model_reloc));
    put(h.dep_offset, t.deps.data(), t.deps.size() * sizeof(uint32_t));
    put(h.kernarg_offset, t.kernargs.data(), t.kernargs.size());
    return bytes;
}

} // namespace acc::program
