// SPDX-License-Identifier: MIT
#include "tools/accc/reference/plan_interpreter.h"

#include "program/images.h"
#include "program/text.h"
#include "tools/accc/reference/roles.h"

#include <new>

namespace acc::accc
{

using program::refuse;

Result<PlanInterpreter> PlanInterpreter::create(const program::ProgramFile &file, std::string *why)
{
    PlanInterpreter self(file);
    self.kernels_.resize(ACC_TARGET_COUNT);
    if (!file.has_model()) return refuse(why, -EINVAL, "expected a model; found none");
    const size_t matrices = file.kernels(ACC_TARGET_CROSSBAR).size();
    if (matrices) {
        ACC_TRY(const auto all,
                program::parse_xbar_image(file.image(ACC_TARGET_CROSSBAR), matrices, why));
        for (const program::XbarMatrix &m : all) {
            const bool wide = m.desc.input_bits == 16;
            if (m.desc.weight_bits > 8 || (m.desc.input_bits > 8 && !wide) ||
                m.desc.output_bytes != 4 || m.desc.flags != ACC_XBAR_INPUT_SIGNED)
                return refuse(why, -EINVAL,
                              "expected matrices of signed int8 for signed inputs of 8 or 16 bits "
                              "with int32 results; found another");
            Kernel kernel{{}, {}, m.desc.rows, m.desc.cols, wide};
            kernel.weights.resize(m.weights.size());
            std::memcpy(kernel.weights.data(), m.weights.data(), m.weights.size());
            self.kernels_[ACC_TARGET_CROSSBAR].push_back(std::move(kernel));
        }
    }
    const size_t roles = file.kernels(ACC_TARGET_FPGA).size();
    if (roles) {
        ACC_TRY(const auto all, program::parse_fpga_image(file.image(ACC_TARGET_FPGA), roles, why));
        for (const std::string_view role : all) {
            if (!program::role_kernarg_bytes(role))
                return refuse(why, -EINVAL,
                              "expected a known role; found \"" + std::string(role) + "\"");
            self.kernels_[ACC_TARGET_FPGA].push_back({std::string(role), {}, 0, 0, false});
        }
    }
    const size_t operators = file.kernels(ACC_TARGET_HOST).size();
    if (operators) {
        std::string text;
        auto all = host::parse_image(file.image(ACC_TARGET_HOST), operators, text);
        if (!all) return refuse(why, -EINVAL, text);
        self.host_ = std::move(*all);
    }
    return self;
}

namespace
{

// A step's arguments with addresses and the batch filled in.
std::vector<std::byte> patched(const program::ModelView &model, const acc_model_step &step,
                               size_t batch)
{
    const auto args = model.kernargs_of(step);
    std::vector<std::byte> out(args.begin(), args.end());
    for (const acc_model_reloc &r : model.relocs_of(step)) {
        uint64_t value = 0;
        const size_t width = r.kind == ACC_RELOC_BATCH32 ? 4 : 8;
        std::memcpy(&value, out.data() + r.field, width);
        if (r.kind == ACC_RELOC_TENSOR)
            value = RoleMemory::kWorkspace + model.tensors[r.index].offset * batch + r.addend;
        else if (r.kind == ACC_RELOC_CONST)
            value = RoleMemory::kConsts + r.addend;
        else
            value *= batch;
        std::memcpy(out.data() + r.field, &value, width);
    }
    return out;
}

// An operator of the host, item by item.
bool run_host(const host::Kernel &kernel, const acc_model_step &step,
              const program::ModelView &model, std::span<const std::byte> args, size_t batch,
              RoleMemory &memory, std::string &text)
{
    for (size_t item = 0; item < batch; item++) {
        std::vector<host::View> in, out;
        for (size_t i = 0; i < kernel.in.size() + kernel.out.size(); i++) {
            const bool input = i < kernel.in.size();
            const host::Desc &d = input ? kernel.in[i] : kernel.out[i - kernel.in.size()];
            host::View view;
            static_cast<host::Desc &>(view) = d;
            uint64_t address = 0;
            std::memcpy(&address, args.data() + i * sizeof(address), sizeof(address));
            for (const acc_model_reloc &r : model.relocs_of(step))
                if (r.field == i * sizeof(address) && r.kind == ACC_RELOC_TENSOR)
                    address += item * host::bytes_of(d);
            if (d.dtype) {
                const uint64_t bytes = host::bytes_of(d);
                view.data =
                    input ? const_cast<std::byte *>(memory.read<std::byte>(address, bytes).data())
                          : memory.write<std::byte>(address, bytes).data();
                static std::byte nothing{};
                if (!bytes) view.data = &nothing;
            }
            (input ? in : out).push_back(view);
        }
        if (memory.faulted() || host::run(kernel.node, in, out, text)) return false;
    }
    return true;
}

} // namespace

Result<std::vector<std::vector<std::byte>>>
PlanInterpreter::run(size_t batch, std::span<const std::span<const std::byte>> inputs,
                     std::string *why) const
try {
    const program::ModelView model = file_->model();
    if (batch < 1 || inputs.size() != model.header.inputs)
        return refuse(why, -EINVAL,
                      "expected " + std::to_string(model.header.inputs) + " inputs; found " +
                          std::to_string(inputs.size()));
    std::vector<std::byte> workspace(model.header.workspace_bytes * batch);
    for (size_t i = 0; i < inputs.size(); i++) {
        const acc_model_tensor &t = model.tensors[i];
        if (inputs[i].size() != t.bytes * batch)
            return refuse(why, -EINVAL,
                          "expected " + std::to_string(t.bytes * batch) + " bytes of input " +
                              std::to_string(i) + "; found " + std::to_string(inputs[i].size()));
        std::copy(inputs[i].begin(), inputs[i].end(),
                  workspace.begin() + static_cast<std::ptrdiff_t>(t.offset * batch));
    }
    // Copied, so that its address has the alignment of an allocation.
    const std::vector<std::byte> consts(file_->consts().begin(), file_->consts().end());
    for (size_t i = 0; i < model.steps.size(); i++) {
        const acc_model_step &step = model.steps[i];
        const std::vector<std::byte> args = patched(model, step, batch);
        RoleMemory memory(workspace, consts);
        bool good = false;
        std::string text;
        if (step.target == ACC_TARGET_HOST) {
            good = run_host(host_[step.kernel], step, model, args, batch, memory, text);
        } else if (step.target != ACC_TARGET_NULL) {
            const Kernel &kernel = kernels_[step.target][step.kernel];
            good = kernel.role.empty() ? run_mvm(kernel.weights, kernel.rows, kernel.cols,
                                                 kernel.wide, args, memory)
                                       : run_role(kernel.role, args, memory);
        }
        if (!good)
            return refuse(why, memory.faulted() ? -EFAULT : -EINVAL,
                          "step " + std::to_string(i) + " (" +
                              std::string(program::name_of(step.name)) + "): " +
                              (text.empty()
                                   ? "expected arguments inside their limits and the workspace; "
                                     "found others"
                                   : text));
    }
    std::vector<std::vector<std::byte>> outputs;
    for (const acc_model_tensor &t : model.outputs()) {
        const auto begin = workspace.begin() + static_cast<std::ptrdiff_t>(t.offset * batch);
        outputs.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(t.bytes * batch));
    }
    return outputs;
} catch (const std::bad_alloc &) {
    return refuse(why, -ENOMEM, "expected memory for the workspace; found none");
}

} // namespace acc::accc
