// SPDX-License-Identifier: MIT
#include "libacc/model/plan.h"

#include "libacc/error.h"

#include "program/program_file.h"
#include "program/text.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace acc
{
namespace
{

using program::ModelView;
using program::name_of;

constexpr uint64_t kernarg_align = 64;
// Beyond what any arena holds: sums below this cannot wrap.
constexpr uint64_t largest = uint64_t(1) << 46;

PlanTensor tensor_of(const acc_model_tensor &from, uint64_t batch)
{
    PlanTensor to;
    to.name = name_of(from.name);
    to.dtype = from.dtype;
    to.rank = from.rank;
    std::copy(std::begin(from.dims), std::end(from.dims), to.dims);
    to.sample_bytes = from.bytes;
    to.offset = from.offset * batch;
    return to;
}

template <typename T>
bool multiply_field(std::byte *field, uint64_t batch)
{
    T value;
    std::memcpy(&value, field, sizeof value);
    T product;
    if (__builtin_mul_overflow(value, batch, &product)) return false;
    std::memcpy(field, &product, sizeof product);
    return true;
}

// A step waits for the last step of each other target that it depends on, unless a step
// before it in its own queue did: queues run in order.
class Waits
{
public:
    std::vector<size_t> of(const ModelView &model, const acc_model_step &step)
    {
        std::array<int64_t, ACC_TARGET_COUNT> needed;
        needed.fill(-1);
        for (const uint32_t dep : model.deps_of(step)) {
            const uint32_t target = model.steps[dep].target;
            needed[target] = std::max<int64_t>(needed[target], dep);
        }
        std::vector<size_t> waits;
        for (uint32_t target = 0; target < ACC_TARGET_COUNT; target++) {
            int64_t &known = known_[step.target][target];
            if (needed[target] <= known) continue;
            known = needed[target];
            waits.push_back(size_t(known));
        }
        return waits;
    }
    Waits()
    {
        for (auto &row : known_)
            row.fill(-1);
    }

private:
    // [waiting target][other target]: the last step that is known to be complete
    std::array<std::array<int64_t, ACC_TARGET_COUNT>, ACC_TARGET_COUNT> known_;
};

} // namespace

Result<Plan> Plan::make(std::span<const std::byte> image, uint32_t batch)
{
    std::string why;
    const auto file = program::ProgramFile::parse(image, &why);
    if (!file) return fail(file.error(), "malformed program: {}", why);
    if (!file->has_model())
        return fail(-EINVAL, "expected a program with a model; found '{}' without one",
                    name_of(file->id().name));
    const ModelView model = file->model();

    Plan plan;
    plan.batch_ = batch;
    const auto consts = file->consts();
    plan.consts_.assign(consts.begin(), consts.end());
    if (model.header.workspace_bytes > largest / batch)
        return fail(-E2BIG, "expected a workspace below {} bytes; found {} for a batch of {}",
                    largest, uint64_t(model.header.workspace_bytes), batch);
    plan.workspace_bytes_ = std::max<uint64_t>(model.header.workspace_bytes * batch, 1);
    for (const acc_model_tensor &tensor : model.inputs())
        plan.inputs_.push_back(tensor_of(tensor, batch));
    for (const acc_model_tensor &tensor : model.outputs())
        plan.outputs_.push_back(tensor_of(tensor, batch));

    ACC_TRY(plan.host_, HostSteps::make(*file));

    Waits waits;
    for (const acc_model_step &from : model.steps) {
        PlanStep step;
        step.name = name_of(from.name);
        step.target = from.target;
        step.kernel = from.kernel;
        step.kernel_name = name_of(file->kernels(from.target)[from.kernel].name);
        step.kernarg_bytes = from.kernarg_bytes;
        step.kernarg_at = plan.kernargs_.size();
        step.waits = waits.of(model, from);
        const auto kernargs = model.kernargs_of(from);
        plan.kernargs_.insert(plan.kernargs_.end(), kernargs.begin(), kernargs.end());
        plan.kernargs_.resize((plan.kernargs_.size() + kernarg_align - 1) / kernarg_align *
                              kernarg_align);
        for (const acc_model_reloc &reloc : model.relocs_of(from)) {
            const size_t at = step.kernarg_at + reloc.field;
            std::byte *field = plan.kernargs_.data() + at;
            bool fits = true;
            switch (reloc.kind) {
            case ACC_RELOC_TENSOR:
                plan.addresses_.push_back(
                    {at, false, model.tensors[reloc.index].offset * batch + reloc.addend});
                break;
            case ACC_RELOC_CONST:
                plan.addresses_.push_back({at, true, reloc.addend});
                break;
            case ACC_RELOC_BATCH32:
                fits = multiply_field<uint32_t>(field, batch);
                break;
            default:
                fits = multiply_field<uint64_t>(field, batch);
            }
            if (!fits)
                return fail(-E2BIG,
                            "step {} '{}': expected a count that fits its field; found more for a "
                            "batch of {}",
                            plan.steps_.size(), step.name, batch);
        }
        plan.uses_[step.target] = true;
        plan.last_[step.target] = plan.steps_.size();
        plan.steps_.push_back(std::move(step));
    }
    for (size_t i = 0; i < plan.steps_.size(); i++)
        for (const size_t wait : plan.steps_[i].waits)
            plan.steps_[wait].signals = true;
    for (uint32_t target = 0; target < ACC_TARGET_COUNT; target++)
        if (plan.uses_[target]) plan.steps_[plan.last_[target]].signals = true;
    return plan;
}

} // namespace acc
