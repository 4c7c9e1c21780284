// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/thunks.h"

#include "libacc/interop/opencl/softcore/launch.h"

#include <algorithm>
#include <bit>

namespace acc::ocl
{
namespace
{

constexpr size_t kMostAlign = 128;
constexpr char kAxes[] = "xyz";
constexpr const char *kBarrier = "pocl.barrier";
constexpr const char *kPrintf = "_printf_buffer";
// Of a CL3.0 without the generic address space PoCL 3.1 has no such function.
constexpr const char *kWaitEvents = "_Z21_cl_wait_group_eventsiPU9CLgeneric9ocl_event";

// Declared as if they read no memory, since an item's id never changes. But items take turns in
// one function here: a call must not be moved from one item to another.
constexpr std::string_view kIds[] = {
    "_Z13get_global_idj",       "_Z12get_local_idj",           "_Z12get_group_idj",
    "_Z14get_local_sizej",      "_Z15get_global_sizej",        "_Z14get_num_groupsj",
    "_Z17get_global_offsetj",   "_Z12get_work_dimv",           "_Z20get_global_linear_idv",
    "_Z19get_local_linear_idv", "_Z23get_enqueued_local_sizej"};

// Variables that PoCL's functions read, for each axis; where they are in struct acc_cl_group.
struct GroupVariable {
    const char *name;
    unsigned offset;
    bool narrow; // 32 bits there
};
constexpr GroupVariable kGroupVariables[] = {
    {"_local_size_", 0, true},
    {"_group_id_", 40, false},
    {"_num_groups_", 64, false},
    {"_global_offset_", 88, false},
};

std::string number(size_t n)
{
    return std::to_string(n);
}

std::string quoted(const std::string &name)
{
    return "@\"" + name + "\"";
}

const std::vector<std::string> *find(const IrKernel &kernel, std::string_view kind)
{
    const auto found = kernel.metadata.find(kind);
    return found == kernel.metadata.end() ? nullptr : &found->second;
}

std::string entry(const IrKernel &kernel, std::string_view kind, size_t index)
{
    const auto *const list = find(kernel, kind);
    return list && index < list->size() ? (*list)[index] : std::string();
}

void read_sizes(const IrKernel &kernel, std::string_view kind, const char *attribute,
                size_t (&out)[3], std::string &attributes)
{
    const auto *const list = find(kernel, kind);
    if (!list || list->size() != 3) return;
    for (size_t i = 0; i < 3; i++)
        out[i] = std::stoul((*list)[i]);
    if (!attributes.empty()) attributes += ' ';
    attributes +=
        std::string(attribute) + '(' + (*list)[0] + ',' + (*list)[1] + ',' + (*list)[2] + ')';
}

// Of `<4 x i32>` or `i32`, and whether it is signed, the name in OpenCL C.
std::string vector_hint(const IrKernel &kernel)
{
    const auto *const list = find(kernel, "vec_type_hint");
    if (!list || list->empty()) return {};
    std::string element = list->front(), count;
    if (const size_t by = element.find(" x ");
        element.starts_with('<') && by != std::string::npos) {
        count = element.substr(1, by - 1);
        element = element.substr(by + 3, element.size() - by - 4);
    }
    const bool is_unsigned = list->size() > 1 && list->back() == "0";
    for (const auto &[in_ir, name] :
         {std::pair{"i8", "char"}, {"i16", "short"}, {"i32", "int"}, {"i64", "long"}})
        if (element == in_ir) element = (is_unsigned ? "u" : "") + std::string(name);
    return "vec_type_hint(" + element + count + ")";
}

std::string given_name(std::string name, const Renames &renames)
{
    if (!name.starts_with(kRenamedBy) ||
        !renames.contains(std::string_view(name).substr(kRenamedBy.size())))
        return name;
    return name.substr(kRenamedBy.size());
}

bool make_argument(const IrKernel &kernel, size_t index, const Renames &renames, Signature &to,
                   std::string &why)
{
    const IrParameter &parameter = kernel.parameters[index];
    Argument a;
    a.name = given_name(entry(kernel, "kernel_arg_name", index), renames);
    a.type = entry(kernel, "kernel_arg_type", index);
    const std::string space = entry(kernel, "kernel_arg_addr_space", index);
    a.bytes = parameter.size.bytes;
    if (parameter.is_pointer && !parameter.by_value) {
        a.kind = space == "3" ? Argument::Kind::Local : Argument::Kind::Memory;
        a.space = space == "3"   ? CL_KERNEL_ARG_ADDRESS_LOCAL
                  : space == "2" ? CL_KERNEL_ARG_ADDRESS_CONSTANT
                                 : CL_KERNEL_ARG_ADDRESS_GLOBAL;
        a.bytes = sizeof(uint64_t);
    }
    const std::string how = ' ' + entry(kernel, "kernel_arg_type_qual", index) + ' ';
    for (const auto &[word, flag] : {std::pair{" const ", CL_KERNEL_ARG_TYPE_CONST},
                                     {" restrict ", CL_KERNEL_ARG_TYPE_RESTRICT},
                                     {" volatile ", CL_KERNEL_ARG_TYPE_VOLATILE}})
        if (how.find(word) != std::string::npos)
            a.qualifiers |= static_cast<cl_kernel_arg_type_qualifier>(flag);
    const size_t align = std::clamp<size_t>(std::bit_floor(parameter.size.align), 1, kMostAlign);
    a.offset = (to.bytes + align - 1) / align * align;
    to.bytes = a.offset + a.bytes;
    if (to.bytes > ACC_CL_MOST_ARGUMENTS) {
        why = "kernel " + kernel.name + ": expected arguments of at most " +
              number(ACC_CL_MOST_ARGUMENTS) + " bytes; found " + number(to.bytes);
        return false;
    }
    to.arguments.push_back(std::move(a));
    return true;
}

class Writer
{
public:
    explicit Writer(std::string &out) : out_(out) {}
    template <typename... T>
    void line(const T &...parts)
    {
        ((out_ += parts), ...);
        out_ += '\n';
    }

private:
    std::string &out_;
};

// Sets what all items of a group share.
void write_set_group(Writer &w)
{
    w.line("define internal void @acc.set_group(ptr %g) alwaysinline nounwind {");
    for (const GroupVariable &v : kGroupVariables)
        for (size_t axis = 0; axis < 3; axis++) {
            const std::string id = std::string("%") + v.name + kAxes[axis];
            w.line("  ", id, ".p = getelementptr i8, ptr %g, i64 ",
                   number(v.offset + axis * (v.narrow ? 4 : 8)));
            if (v.narrow) {
                w.line("  ", id, ".n = load i32, ptr ", id, ".p, align 4");
                w.line("  ", id, " = zext i32 ", id, ".n to i64");
            } else {
                w.line("  ", id, " = load i64, ptr ", id, ".p, align 8");
            }
            w.line("  store i64 ", id, ", ptr @", v.name, std::string(1, kAxes[axis]), ", align 8");
        }
    w.line("  %dp = getelementptr i8, ptr %g, i64 12");
    w.line("  %d = load i32, ptr %dp, align 4");
    w.line("  store i32 %d, ptr @_work_dim, align 4");
    w.line("  ret void\n}");
}

void write_common(Writer &w)
{
    for (size_t axis = 0; axis < 3; axis++) {
        const std::string name(1, kAxes[axis]);
        w.line("@acc.id.", name, " = internal global i64 0, align 8");
        w.line("@_local_id_", name, " = internal global i64 0, align 8");
        for (const GroupVariable &v : kGroupVariables)
            w.line("@", v.name, name, " = internal global i64 0, align 8");
    }
    w.line("@_work_dim = internal global i32 0, align 4");
    w.line("define internal i64 @acc_cl_get_global_id(i32 %d) alwaysinline nounwind {");
    w.line("  switch i32 %d, label %other [ i32 0, label %x i32 1, label %y i32 2, label %z ]");
    for (size_t axis = 0; axis < 3; axis++) {
        const std::string name(1, kAxes[axis]);
        w.line(name, ":\n  %v", name, " = load i64, ptr @acc.id.", name, ", align 8\n  ret i64 %v",
               name);
    }
    w.line("other:\n  ret i64 0\n}");
    write_set_group(w);
    // Other items run meanwhile: what is an item's own is put back.
    w.line("declare void @acc_cl_barrier(i32) convergent nounwind");
    w.line("define internal void @", kBarrier, "() noinline convergent nounwind {");
    for (const char *name : {"acc.id.", "_local_id_"})
        for (size_t axis = 0; axis < 3; axis++)
            w.line("  %", name, std::string(1, kAxes[axis]), " = load i64, ptr @", name,
                   std::string(1, kAxes[axis]), ", align 8");
    w.line("  call void @acc_cl_barrier(i32 0) convergent nounwind");
    for (const char *name : {"acc.id.", "_local_id_"})
        for (size_t axis = 0; axis < 3; axis++)
            w.line("  store i64 %", name, std::string(1, kAxes[axis]), ", ptr @", name,
                   std::string(1, kAxes[axis]), ", align 8");
    w.line("  ret void\n}");
    w.line("define internal void @", kWaitEvents, "(i32 %n, ptr %e) convergent nounwind {");
    w.line("  call void @", kBarrier, "() convergent nounwind\n  ret void\n}");
}

// Loads the arguments from %args; what the call is given.
std::string write_arguments(Writer &w, const IrKernel &kernel, const Signature &signature)
{
    std::string given;
    for (size_t i = 0; i < kernel.parameters.size(); i++) {
        const IrParameter &p = kernel.parameters[i];
        const std::string id = "%a" + number(i);
        const std::string align =
            number(std::clamp<size_t>(std::bit_floor(p.size.align), 1, kMostAlign));
        w.line("  ", id, ".p = getelementptr i8, ptr %args, i64 ",
               number(signature.arguments[i].offset));
        if (!given.empty()) given += ", ";
        if (p.by_value) {
            given += "ptr byval(" + p.type + ") align " + align + ' ' + id + ".p";
            continue;
        }
        w.line("  ", id, " = load ", p.type, ", ptr ", id, ".p, align ", align);
        given += p.type + ' ' + id;
    }
    return given;
}

// Ids of one item on one axis, of which `%i<axis>` is the local one, of 32 bits. `small`: all of
// them are 31 bits wide, so that indices computed from them stay simple.
void write_ids(Writer &w, char axis, bool small)
{
    const std::string a(1, axis);
    w.line("  %l", a, " = zext i32 %i", a, " to i64");
    w.line("  store i64 %l", a, ", ptr @_local_id_", a, ", align 8");
    if (small) {
        w.line("  %s", a, " = add nuw nsw i32 %b", a, ", %i", a);
        w.line("  %g", a, " = zext i32 %s", a, " to i64");
    } else {
        w.line("  %g", a, " = add i64 %w", a, ", %l", a);
    }
    w.line("  store i64 %g", a, ", ptr @acc.id.", a, ", align 8");
}

void write_loop(Writer &w, const IrKernel &kernel, const Signature &signature, size_t index)
{
    w.line("define internal void @acc.loop.", number(index), "(ptr %args, ptr %group) nounwind {");
    w.line("  call void @acc.set_group(ptr %group)");
    const std::string given = write_arguments(w, kernel, signature);
    for (size_t axis = 0; axis < 3; axis++) {
        const std::string a(1, kAxes[axis]);
        w.line("  %n", a, ".p = getelementptr i8, ptr %group, i64 ", number(axis * 4));
        w.line("  %n", a, " = load i32, ptr %n", a, ".p, align 4");
        w.line("  %b", a, ".p = getelementptr i8, ptr %group, i64 ", number(16 + axis * 8));
        w.line("  %w", a, " = load i64, ptr %b", a, ".p, align 8");
        w.line("  %b", a, " = trunc i64 %w", a, " to i32");
    }
    w.line("  br label %z");
    w.line("z:\n  %iz = phi i32 [ 0, %0 ], [ %jz, %endy ]");
    write_ids(w, 'z', true);
    w.line("  br label %y");
    w.line("y:\n  %iy = phi i32 [ 0, %z ], [ %jy, %endx ]");
    write_ids(w, 'y', true);
    w.line("  br label %x");
    w.line("x:\n  %ix = phi i32 [ 0, %y ], [ %jx, %x ]");
    write_ids(w, 'x', true);
    w.line("  call spir_kernel void ", quoted(kernel.name), "(", given, ") alwaysinline nounwind");
    for (const auto &[a, out] : {std::pair{"x", "endx"}, {"y", "endy"}, {"z", "end"}}) {
        w.line("  %j", a, " = add nuw nsw i32 %i", a, ", 1");
        w.line("  %c", a, " = icmp ult i32 %j", a, ", %n", a);
        w.line("  br i1 %c", a, ", label %", a, ", label %", out);
        w.line(out, ":");
    }
    w.line("  ret void\n}");
}

void write_item(Writer &w, const IrKernel &kernel, const Signature &signature, size_t index)
{
    w.line("define internal void @acc.item.", number(index), "(ptr %item, ptr %local) nounwind {");
    w.line("  %args = load ptr, ptr %item, align 8");
    w.line("  %group.p = getelementptr i8, ptr %item, i64 8");
    w.line("  %group = load ptr, ptr %group.p, align 8");
    w.line("  call void @acc.set_group(ptr %group)");
    const std::string given = write_arguments(w, kernel, signature);
    for (size_t axis = 0; axis < 3; axis++) {
        const std::string a(1, kAxes[axis]);
        w.line("  %i", a, ".p = getelementptr i8, ptr %local, i64 ", number(axis * 4));
        w.line("  %i", a, " = load i32, ptr %i", a, ".p, align 4");
        w.line("  %w", a, ".p = getelementptr i8, ptr %group, i64 ", number(16 + axis * 8));
        w.line("  %w", a, " = load i64, ptr %w", a, ".p, align 8");
        write_ids(w, kAxes[axis], false);
    }
    w.line("  call spir_kernel void ", quoted(kernel.name), "(", given, ") nounwind");
    w.line("  ret void\n}");
}

std::string escaped(std::string_view text)
{
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= ' ' && byte < 0x7f && c != '"' && c != '\\') {
            out += c;
        } else {
            out += '\\';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    return out;
}

void write_tables(Writer &w, const std::vector<Signature> &signatures)
{
    std::string table;
    for (size_t k = 0; k < signatures.size(); k++) {
        std::string offsets;
        size_t count = 0;
        for (const Argument &a : signatures[k].arguments)
            if (a.kind == Argument::Kind::Local) {
                offsets += (count++ ? ", i32 " : "i32 ") + number(a.offset);
            }
        const std::string name = "@acc.locals." + number(k);
        if (count) w.line(name, " = internal constant [", number(count), " x i32] [", offsets, "]");
        table += (k ? ", " : "");
        table += "{ ptr, ptr, i32, i32, ptr } { ptr @acc.loop." + number(k) + ", ptr @acc.item." +
                 number(k) + ", i32 " + (signatures[k].has_barriers ? "1" : "0") + ", i32 " +
                 number(count) + ", ptr " + (count ? name : "null") + " }";
    }
    w.line("@acc_cl_kernels = constant [", number(signatures.size()),
           " x { ptr, ptr, i32, i32, ptr }] [", table, "], align 8");
    w.line("@acc_cl_kernel_count = constant i32 ", number(signatures.size()), ", align 4");
    const std::string text =
        std::string(kSignaturesBegin) + write_signatures(signatures) + std::string(kSignaturesEnd);
    w.line("@acc_cl_signatures = constant [", number(text.size()), " x i8] c\"", escaped(text),
           "\", section \".acc.opencl\", align 1");
}

} // namespace

bool make_signatures(const IrModule &module, const Renames &renames, bool argument_info,
                     std::vector<Signature> &out, std::string &why)
{
    out.clear();
    for (const IrKernel &kernel : module.kernels()) {
        Signature s;
        s.name = given_name(kernel.name, renames);
        s.has_argument_info = argument_info;
        for (size_t i = 0; i < kernel.parameters.size(); i++)
            if (!make_argument(kernel, i, renames, s, why)) return false;
        read_sizes(kernel, "reqd_work_group_size", "reqd_work_group_size", s.required_group,
                   s.attributes);
        read_sizes(kernel, "work_group_size_hint", "work_group_size_hint", s.group_hint,
                   s.attributes);
        if (const std::string hint = vector_hint(kernel); !hint.empty())
            s.attributes += (s.attributes.empty() ? "" : " ") + hint;
        s.local_bytes = kernel.local_bytes;
        s.has_barriers = kernel.reaches.count(kBarrier) || kernel.reaches.count(kWaitEvents);
        s.prints = kernel.reaches.count(kPrintf) != 0;
        out.push_back(std::move(s));
    }
    return true;
}

std::string add_thunks(std::string_view text, const IrModule &module,
                       const std::vector<Signature> &signatures)
{
    std::vector<std::string> names = {kBarrier, kWaitEvents, "acc_cl_get_global_id",
                                      "acc_cl_barrier", "_work_dim"};
    for (const char axis : {'x', 'y', 'z'}) {
        names.push_back(std::string("_local_id_") + axis);
        for (const GroupVariable &v : kGroupVariables)
            names.push_back(std::string(v.name) + axis);
    }
    std::string out =
        IrModule::adapt(text, {names.begin(), names.end()}, {std::begin(kIds), std::end(kIds)});
    Writer w(out);
    write_common(w);
    for (size_t k = 0; k < signatures.size(); k++) {
        write_loop(w, module.kernels()[k], signatures[k], k);
        write_item(w, module.kernels()[k], signatures[k], k);
    }
    write_tables(w, signatures);
    return out;
}

} // namespace acc::ocl
