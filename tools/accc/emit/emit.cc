// SPDX-License-Identifier: MIT
#include "tools/accc/emit/emit.h"

#include "host/image.h"
#include "program/samples.h"
#include "program/text.h"
#include "tools/accc/emit/kernargs.h"
#include "tools/accc/place/instructions.h"

#include <algorithm>
#include <map>
#include <set>

namespace acc::accc
{
namespace
{

constexpr uint64_t kConstAlign = 64;
constexpr size_t kMaxName = ACC_NAME_BYTES - 1;

// A model's name may hold any bytes; a container's is text of at most 47.
std::string clean_name(const std::string &name)
{
    std::string clean = name.empty() ? "_" : name.substr(0, kMaxName);
    for (char &c : clean)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return clean;
}

// The same, but a name that nothing in `taken` has.
std::string unique_name(const std::string &name, std::set<std::string> &taken)
{
    const std::string clean = clean_name(name);
    std::string unique = clean;
    for (int i = 2; !taken.insert(unique).second; i++) {
        const std::string end = "#" + std::to_string(i);
        unique = clean.substr(0, kMaxName - end.size()) + end;
    }
    return unique;
}

class Emitter
{
public:
    Emitter(const Graph &g, const MemoryPlan &memory, const arch::Arch &arch, Diagnostics &diag)
        : g_(g), memory_(memory), arch_(arch), diag_(diag)
    {
    }

    Result<program::ProgramWriter> run()
    {
        writer_.set_id(clean_name(g_.name.empty() ? "model" : g_.name));
        ACCC_CHECK(add_kernels());
        add_edges();
        ACCC_CHECK(add_steps());
        plan_.workspace_bytes = memory_.workspace;
        writer_.set_model(std::move(plan_));
        writer_.set_consts(std::move(consts_));
        return std::move(writer_);
    }

private:
    // All of a program is one step, where its first operation is.
    bool has_step(size_t i) const
    {
        const Op &op = g_.ops[i];
        if (op.program) return i == 0 || g_.ops[i - 1].program != op.program;
        return op.kind != Kind::Reshape;
    }

    // A matrix for each product that is in no program, and the programs, in this order; a kernel
    // for each role, in the order of first use.
    Status add_kernels()
    {
        std::vector<std::string_view> roles;
        std::vector<host::Kernel> host;
        ACCC_CHECK(add_crossbar());
        uint32_t matrix = 0, program = matrices_;
        for (size_t i = 0; i < g_.ops.size(); i++) {
            const Op &op = g_.ops[i];
            if (!has_step(i)) continue;
            if (op.kind == Kind::Host) {
                kernel_.push_back(static_cast<uint32_t>(host.size()));
                host.push_back(host_kernel(op));
            } else if (op.program) {
                kernel_.push_back(program++);
            } else if (op.kind == Kind::Mvm) {
                kernel_.push_back(matrix++);
            } else {
                const Placement at = place(op.kind, g_.value(op.output).dtype);
                const auto it = std::find(roles.begin(), roles.end(), at.role);
                kernel_.push_back(static_cast<uint32_t>(it - roles.begin()));
                if (it == roles.end()) roles.push_back(at.role);
            }
        }
        std::string why;
        const int error = roles.empty() ? 0 : program::add_fpga(writer_, roles, &why);
        if (error) return diag_.error(why, error);
        if (!host.empty()) add_host(host);
        return Ok{};
    }

    Status add_crossbar()
    {
        std::vector<std::string> names;
        std::vector<std::vector<int16_t>> weights;
        std::vector<program::MatrixSpec> matrices;
        std::set<std::string> taken;
        std::string why;
        for (const Op &op : g_.ops) {
            if (op.kind != Kind::Mvm || op.program) continue;
            const std::vector<int8_t> &data = g_.int8s(op.inputs[1]);
            names.push_back(unique_name(g_.source(op).name, taken));
            weights.emplace_back(data.begin(), data.end());
        }
        for (const auto &range : program_ranges(g_)) {
            const std::string name = unique_name(g_.source(g_.ops[range.first]).name, taken);
            auto program = make_program(g_, range, arch_, name, &why);
            if (!program) return diag_.error("internal: " + why, program.error());
            programs_.push_back(std::move(*program));
        }
        for (const Op &op : g_.ops) {
            if (op.kind != Kind::Mvm || op.program) continue;
            const Dims &w = g_.value(op.inputs[1]).dims;
            program::MatrixSpec spec;
            spec.name = names[matrices.size()];
            spec.rows = static_cast<uint32_t>(w[0]);
            spec.cols = static_cast<uint32_t>(w[1]);
            spec.weights = weights[matrices.size()];
            if (g_.value(op.inputs[0]).dtype == DType::I16) spec.input_bits = 16;
            matrices.push_back(spec);
        }
        matrices_ = static_cast<uint32_t>(matrices.size());
        if (matrices.empty() && programs_.empty()) return Ok{};
        std::vector<isa::Program> images;
        for (CrossbarProgram &program : programs_)
            images.push_back(program.program);
        if (const int error = isa::add_crossbar(writer_, matrices, images, &why))
            return diag_.error(why, error);
        return Ok{};
    }

    host::Kernel host_kernel(const Op &op) const
    {
        host::Kernel kernel;
        kernel.node = op.node;
        const auto desc = [&](ValueId id) {
            return id == kNoValue ? host::Desc{} : static_cast<host::Desc>(g_.view(id));
        };
        for (const ValueId id : op.inputs)
            kernel.in.push_back(desc(id));
        for (const ValueId id : results(op))
            kernel.out.push_back(desc(id));
        return kernel;
    }

    void add_host(const std::vector<host::Kernel> &kernels)
    {
        acc_unit_desc unit{};
        unit.target = ACC_TARGET_HOST;
        program::set_name(unit.name, "operators");
        const uint32_t index = writer_.add_unit(unit);
        for (size_t i = 0; i < kernels.size(); i++) {
            acc_kernel_desc k{};
            k.target = ACC_TARGET_HOST;
            k.unit = index;
            k.kernarg_bytes = static_cast<uint32_t>((kernels[i].in.size() + kernels[i].out.size()) *
                                                    sizeof(acc_u64));
            program::set_name(k.name, std::to_string(i) + ":" + kernels[i].node.op);
            writer_.add_kernel(k);
        }
        writer_.set_image(ACC_TARGET_HOST, host::encode_image(kernels));
    }

    uint32_t add_tensor(ValueId id, std::string name)
    {
        const Value &v = g_.value(id);
        acc_model_tensor t{};
        program::set_name(t.name, name);
        t.dtype = dtype_code(v.dtype);
        t.rank = static_cast<uint32_t>(v.dims.size());
        for (size_t i = 0; i < v.dims.size(); i++)
            t.dims[i] = static_cast<uint32_t>(v.dims[i]);
        t.offset = memory_.offset[memory_.root[id]];
        t.bytes = static_cast<uint64_t>(elements(v.dims)) * dtype_size(v.dtype);
        if (v.dtype == DType::I8 && !(v.quant.scale > 0)) t.scale = 1;
        if (v.dtype == DType::I8 && v.quant.scale > 0) {
            t.scale = v.quant.scale;
            t.zero_point = v.quant.zero_point;
        }
        plan_.tensors.push_back(t);
        return static_cast<uint32_t>(plan_.tensors.size() - 1);
    }

    void add_edges()
    {
        std::set<std::string> inputs, outputs;
        for (const ValueId id : g_.inputs)
            tensor_[id] = add_tensor(id, unique_name(g_.value(id).name, inputs));
        for (size_t i = 0; i < g_.outputs.size(); i++) {
            const ValueId id = g_.outputs[i];
            const uint32_t index = add_tensor(id, unique_name(g_.output_names[i], outputs));
            if (memory_.root[id] == id) tensor_.emplace(id, index);
        }
        plan_.inputs = static_cast<uint32_t>(g_.inputs.size());
        plan_.outputs = static_cast<uint32_t>(g_.outputs.size());
    }

    uint32_t tensor(ValueId id)
    {
        const ValueId root = memory_.root[id];
        const auto it = tensor_.find(root);
        if (it != tensor_.end()) return it->second;
        return tensor_[root] = add_tensor(root, clean_name(g_.value(root).name));
    }

    uint64_t constant(ValueId id)
    {
        const uint64_t offset = (consts_.size() + kConstAlign - 1) / kConstAlign * kConstAlign;
        consts_.resize(offset);
        std::visit(
            [&](const auto &data) {
                const auto bytes = std::as_bytes(std::span(data));
                consts_.insert(consts_.end(), bytes.begin(), bytes.end());
            },
            *g_.value(id).data);
        // An address inside for lists that are empty.
        if (consts_.size() == offset) consts_.resize(offset + 1);
        return offset;
    }

    Status add_steps()
    {
        const auto deps = plan_deps(g_, memory_);
        std::vector<uint32_t> step_of(g_.ops.size());
        const Resolver resolve{[this](ValueId id) { return tensor(id); },
                               [this](ValueId id) { return constant(id); }};
        for (size_t i = 0; i < g_.ops.size(); i++) {
            const Op &op = g_.ops[i];
            if (!has_step(i)) continue;
            Kernargs args;
            if (op.program)
                program_kernargs(programs_[kernel_[plan_.steps.size()] - matrices_], resolve, args);
            else if (!make_kernargs(g_, op, resolve, args))
                return diag_.error("node '" + g_.source(op).name + "' (" + g_.source(op).op +
                                   "): expected operands of scales that are not too far apart; "
                                   "found others");
            step_of[i] = static_cast<uint32_t>(plan_.steps.size());
            acc_model_step step{};
            program::set_name(step.name, clean_name(g_.source(op).name));
            step.target = op.program ? uint32_t{ACC_TARGET_CROSSBAR} : place(op.kind).target;
            step.kernel = kernel_[plan_.steps.size()];
            step.kernarg_bytes = static_cast<uint32_t>(args.bytes.size());
            step.kernarg_offset = static_cast<uint32_t>((plan_.kernargs.size() + 15) / 16 * 16);
            step.first_reloc = static_cast<uint32_t>(plan_.relocs.size());
            step.relocs = static_cast<uint32_t>(args.relocs.size());
            step.first_dep = static_cast<uint32_t>(plan_.deps.size());
            step.deps = static_cast<uint32_t>(deps[i].size());
            plan_.kernargs.resize(step.kernarg_offset);
            plan_.kernargs.insert(plan_.kernargs.end(), args.bytes.begin(), args.bytes.end());
            plan_.relocs.insert(plan_.relocs.end(), args.relocs.begin(), args.relocs.end());
            for (const uint32_t dep : deps[i])
                plan_.deps.push_back(step_of[dep]);
            plan_.steps.push_back(step);
        }
        return Ok{};
    }

    const Graph &g_;
    const MemoryPlan &memory_;
    const arch::Arch &arch_;
    Diagnostics &diag_;
    program::ProgramWriter writer_;
    program::ModelTables plan_;
    std::vector<std::byte> consts_;
    std::vector<CrossbarProgram> programs_; // kernels of the crossbar after its matrices
    uint32_t matrices_ = 0;
    std::vector<uint32_t> kernel_; // of each step
    std::map<ValueId, uint32_t> tensor_;
};

} // namespace

Result<program::ProgramWriter> emit(const Graph &graph, const MemoryPlan &memory,
                                    const arch::Arch &arch, Diagnostics &diag)
{
    return Emitter(graph, memory, arch, diag).run();
}

} // namespace acc::accc
