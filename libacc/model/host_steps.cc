// SPDX-License-Identifier: MIT
#include "libacc/model/host_steps.h"

#include "libacc/error.h"
#include "program/program_file.h"
#include "program/text.h"

#include <cstring>

namespace acc
{
namespace
{

// Checks one step and says how its operands go from item to item.
Result<HostStep> check_step(const program::ProgramFile &file, const acc_model_step &step,
                            const host::Kernel &kernel)
{
    const program::ModelView model = file.model();
    const size_t operands = kernel.in.size() + kernel.out.size();
    const auto bad = [&](const std::string &text) {
        return fail(-EINVAL, "step '{}' ({}): {}", program::name_of(step.name), kernel.node.op,
                    text);
    };
    if (step.kernarg_bytes != operands * sizeof(acc_u64))
        return bad("expected an address for each operand; found another number of them");
    std::vector<const acc_model_reloc *> relocs(operands);
    for (const acc_model_reloc &r : model.relocs_of(step)) {
        const bool address = r.kind == ACC_RELOC_TENSOR || r.kind == ACC_RELOC_CONST;
        if (!address) return bad("expected addresses alone; found a count");
        relocs[r.field / sizeof(acc_u64)] = &r;
    }
    HostStep out;
    out.kernel = &kernel;
    std::vector<host::View> in;
    for (size_t i = 0; i < operands; i++) {
        const bool input = i < kernel.in.size();
        host::View view;
        static_cast<host::Desc &>(view) = input ? kernel.in[i] : kernel.out[i - kernel.in.size()];
        const uint64_t bytes = host::bytes_of(view);
        const acc_model_reloc *r = relocs[i];
        if (!r != !view.dtype) return bad("expected an address for what is there; found another");
        out.stride.push_back(0);
        if (r && r->kind == ACC_RELOC_TENSOR) {
            if (model.tensors[r->index].bytes != bytes || r->addend)
                return bad("expected tensors of its operands' sizes; found another");
            out.stride.back() = bytes;
        } else if (r) {
            if (!input || bytes > file.consts().size() - r->addend)
                return bad("expected constants inside their section, as inputs; found another");
            view.data = const_cast<std::byte *>(file.consts().data() + r->addend);
        }
        if (input) in.push_back(view);
    }
    // Constants are where the file lies: their elements may not be aligned as they will be.
    std::vector<std::vector<std::byte>> copies;
    for (host::View &view : in)
        if (view.data) {
            const auto *from = static_cast<const std::byte *>(view.data);
            copies.emplace_back(from, from + host::bytes_of(view)).resize(host::bytes_of(view) + 1);
            view.data = copies.back().data();
        }
    std::vector<host::Desc> made;
    std::string why;
    const int error = host::infer(kernel.node, in, kernel.out.size(), made, why);
    if (error && error != -EAGAIN) return bad(why);
    for (size_t i = 0; !error && i < kernel.out.size(); i++)
        if (kernel.out[i].dtype && !(kernel.out[i] == made[i]))
            return bad("expected results of the operator's shapes; found others");
    return out;
}

} // namespace

Result<HostSteps> HostSteps::make(const program::ProgramFile &file)
{
    HostSteps all;
    const auto kernels = file.kernels(ACC_TARGET_HOST);
    const program::ModelView model = file.model();
    all.steps_.resize(model.steps.size());
    if (kernels.empty()) return all;
    std::string why;
    auto parsed = host::parse_image(file.image(ACC_TARGET_HOST), kernels.size(), why);
    if (!parsed) return fail(-EINVAL, "host operators: {}", why);
    all.kernels_ = std::move(*parsed);
    for (size_t i = 0; i < model.steps.size(); i++) {
        const acc_model_step &step = model.steps[i];
        if (step.target != ACC_TARGET_HOST) continue;
        ACC_TRY(all.steps_[i], check_step(file, step, all.kernels_[step.kernel]));
    }
    return all;
}

int HostSteps::run(size_t index, const void *arguments, uint32_t batch) const
{
    const HostStep &step = steps_[index];
    const host::Kernel &kernel = *step.kernel;
    std::vector<host::View> in(kernel.in.size()), out(kernel.out.size());
    for (uint32_t item = 0; item < batch; item++) {
        for (size_t i = 0; i < step.stride.size(); i++) {
            host::View &view = i < in.size() ? in[i] : out[i - in.size()];
            static_cast<host::Desc &>(view) =
                i < in.size() ? kernel.in[i] : kernel.out[i - in.size()];
            uint64_t address = 0;
            std::memcpy(&address, static_cast<const std::byte *>(arguments) + i * sizeof(address),
                        sizeof(address));
            view.data =
                view.dtype ? reinterpret_cast<void *>(address + item * step.stride[i]) : nullptr;
        }
        std::string why;
        if (const int error = host::run(kernel.node, in, out, why, true))
            return fail(error, "{}: {}", kernel.node.op, why).code;
    }
    return 0;
}

} // namespace acc
