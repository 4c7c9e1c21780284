// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/ndrange.h"

#include "libacc/interop/opencl/api.h"
#include "libacc/interop/opencl/builtins.h"
#include "libacc/interop/opencl/scheduler.h"
#include "libacc/interop/opencl/softcore/launch.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace acc::ocl
{
namespace
{

static_assert(kLocalBytes == ACC_CL_LOCAL_BYTES);

using Memory = std::vector<Ref<_cl_mem>>;

// A dispatch of a role.
class RoleWork final : public Work
{
public:
    RoleWork(const _cl_kernel &kernel, uint64_t object, Memory memory)
        : module_(kernel.module), index_(kernel.index), object_(object), block_(kernel.block),
          memory_(std::move(memory))
    {
    }
    bool on_device() const override { return true; }
    void fill(acc_dispatch &out) override
    {
        out.kernel_object = object_;
        out.kernargs = block_.empty() ? nullptr : block_.data();
        out.kernarg_bytes = static_cast<uint32_t>(block_.size());
    }
    std::string name() const override { return "kernel " + module_->kernels()[index_].name; }

private:
    const std::shared_ptr<Module> module_;
    const size_t index_;
    const uint64_t object_;
    const std::vector<char> block_;
    const Memory memory_;
};

// A launch of compiled code.
class LaunchWork final : public Work
{
public:
    // `prints` is of the context's pool, or null.
    LaunchWork(_cl_context *context, Launch launch, Memory memory, acc_buffer *prints)
        : context_(context), launch_(std::move(launch)), memory_(std::move(memory)), prints_(prints)
    {
    }
    ~LaunchWork() override
    {
        // A core that went wrong may still write: what it has stays until the pool ends.
        if (prints_ && !at_large_) context_->prints.give_back(prints_);
    }
    bool on_device() const override { return true; }
    const Launch *launch() const override
    {
        at_large_ = true;
        return &launch_;
    }
    void finish() override
    {
        at_large_ = false;
        if (!prints_) return;
        const auto *const data = static_cast<const char *>(acc_buffer_data(prints_));
        uint32_t bytes;
        std::memcpy(&bytes, data, sizeof bytes);
        (void)!std::fwrite(data + sizeof bytes, 1, std::min<size_t>(bytes, kPrintfBytes), stdout);
        std::fflush(stdout);
    }
    std::string name() const override
    {
        return "kernel " + launch_.module->kernels()[launch_.header.kernel].name;
    }

private:
    const Ref<_cl_context> context_;
    const Launch launch_;
    const Memory memory_;
    acc_buffer *const prints_;
    mutable bool at_large_ = false; // a core may have it
};

// A compiled network on samples in buffers: libacc's model orders both engines.
std::unique_ptr<Work> model_work(const _cl_kernel &kernel, Memory memory)
{
    auto run = [module = kernel.module, block = kernel.block, context = kernel.program->context,
                memory = std::move(memory)] {
        std::string why;
        acc_model *const model = module->model(why);
        std::vector<const void *> inputs;
        std::vector<void *> outputs;
        uint32_t samples = 0;
        for (const Argument &a : module->kernels()[0].arguments) {
            uint64_t address = 0;
            std::memcpy(&address, block.data() + a.offset, std::min(a.bytes, sizeof address));
            if (a.kind == Argument::Kind::Value)
                samples = static_cast<uint32_t>(address);
            else if (a.qualifiers & CL_KERNEL_ARG_TYPE_CONST)
                inputs.push_back(reinterpret_cast<const void *>(address));
            else
                outputs.push_back(reinterpret_cast<void *>(address));
        }
        // As the device would check: all samples lie inside of a buffer.
        const auto holds = [&](uint64_t address, uint64_t bytes) {
            return std::any_of(memory.begin(), memory.end(), [&](const Ref<_cl_mem> &one) {
                const uint64_t at = address - one->address();
                return address >= one->address() && at <= one->bytes && bytes <= one->bytes - at;
            });
        };
        auto info = acc_init<acc_tensor_info>();
        bool inside = model != nullptr;
        for (uint32_t i = 0; inside && acc_model_input(model, i, &info) == 0; i++)
            inside = holds(reinterpret_cast<uintptr_t>(inputs[i]), samples * info.sample_bytes);
        for (uint32_t i = 0; inside && acc_model_output(model, i, &info) == 0; i++)
            inside = holds(reinterpret_cast<uintptr_t>(outputs[i]), samples * info.sample_bytes);
        if (!inside || acc_model_run(model, inputs.data(), outputs.data(), samples)) {
            context->report(std::string("acc_model: ") +
                            (inside ? acc_error_text() : "expected buffers for all samples"));
            return CL_OUT_OF_RESOURCES;
        }
        return CL_SUCCESS;
    };
    return host_work(UINT64_MAX, std::move(run));
}

size_t largest_divisor(size_t of, size_t most)
{
    for (size_t n = std::min(of, most); n > 1; n--)
        if (of % n == 0) return n;
    return 1;
}

// What nobody asked for: long rows, which the loop over items likes.
void choose_local(Range &range)
{
    size_t left = kMaxWorkGroup;
    for (cl_uint i = 0; i < 3; i++) {
        range.local[i] = i < range.dimensions ? largest_divisor(range.global[i], left) : 1;
        left /= range.local[i];
    }
}

} // namespace

cl_int check_range(const _cl_kernel &kernel, const _cl_device_id &device, cl_uint dimensions,
                   const size_t *offset, const size_t *global, const size_t *local, Range &out)
{
    const Signature &signature = kernel.signature();
    const size_t *const required = signature.required_group;
    if (dimensions < 1 || dimensions > 3) return CL_INVALID_WORK_DIMENSION;
    out = {};
    out.dimensions = dimensions;
    out.is_empty = !global;
    for (cl_uint i = 0; i < dimensions; i++) {
        if (offset) out.offset[i] = offset[i];
        if (!global) continue;
        out.global[i] = global[i];
        if (!global[i]) out.is_empty = true;
        size_t end;
        if (__builtin_add_overflow(out.offset[i], out.global[i], &end))
            return CL_INVALID_GLOBAL_OFFSET;
    }
    const bool compiled = !kernel.module->is_built_in() && device.compiles();
    if (local) {
        size_t items = 1;
        for (cl_uint i = 0; i < dimensions; i++) {
            if (!local[i]) return CL_INVALID_WORK_GROUP_SIZE;
            if (compiled && local[i] > kMaxWorkGroup) return CL_INVALID_WORK_ITEM_SIZE;
            if (!out.is_empty && out.global[i] % local[i]) return CL_INVALID_WORK_GROUP_SIZE;
            if (__builtin_mul_overflow(items, local[i], &items)) return CL_INVALID_WORK_GROUP_SIZE;
            out.local[i] = local[i];
        }
        if (compiled && items > kMaxWorkGroup) return CL_INVALID_WORK_GROUP_SIZE;
        if (required[0] && !std::equal(required, required + 3, out.local))
            return CL_INVALID_WORK_GROUP_SIZE;
    } else if (required[0]) {
        for (cl_uint i = 0; i < 3; i++) {
            if (out.global[i] % required[i]) return CL_INVALID_WORK_GROUP_SIZE;
            out.local[i] = required[i];
        }
    } else if (compiled && !out.is_empty) {
        choose_local(out);
    }
    return CL_SUCCESS;
}

cl_int check_arguments(const _cl_kernel &kernel)
{
    const Signature &signature = kernel.signature();
    uint64_t local = signature.local_bytes;
    for (size_t i = 0; i < signature.arguments.size(); i++) {
        if (!kernel.set[i]) return CL_INVALID_KERNEL_ARGS;
        if (signature.arguments[i].kind != Argument::Kind::Local) continue;
        uint64_t size = 0;
        std::memcpy(&size, kernel.block.data() + signature.arguments[i].offset, sizeof size);
        if (size > kLocalBytes) return CL_OUT_OF_RESOURCES;
        local += (size + kBaseAlign - 1) / kBaseAlign * kBaseAlign;
    }
    return local > kLocalBytes ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

cl_int check_enqueue(const _cl_command_queue &queue, const _cl_kernel *kernel, cl_uint dimensions,
                     const size_t *offset, const size_t *global, const size_t *local, Range &out)
{
    if (!valid(kernel)) return CL_INVALID_KERNEL;
    if (kernel->program->context.get() != queue.context.get()) return CL_INVALID_CONTEXT;
    if (!kernel->program->has(queue.device.get())) return CL_INVALID_PROGRAM_EXECUTABLE;
    OCL_TRY(check_range(*kernel, *queue.device, dimensions, offset, global, local, out));
    return check_arguments(*kernel);
}

std::unique_ptr<Work> kernel_work(const _cl_kernel &kernel, const Range &range, cl_int &error)
{
    Memory memory;
    for (cl_mem object : kernel.objects)
        if (object) memory.emplace_back(object);
    error = CL_SUCCESS;
    if (range.is_empty) return host_work(0, [] { return CL_SUCCESS; });
    if (kernel.module->is_model()) return model_work(kernel, std::move(memory));
    if (kernel.module->is_built_in()) {
        if (auto work =
                built_ins()->product(kernel.module->built_in(kernel.index), kernel.block, memory))
            return work;
    }
    std::string why;
    const auto object = kernel.module->kernel_object(kernel.index, why);
    if (!object) {
        kernel.program->context->report(why);
        error = CL_OUT_OF_RESOURCES;
        return nullptr;
    }
    if (kernel.module->is_built_in())
        return std::make_unique<RoleWork>(kernel, *object, std::move(memory));
    Launch whole;
    whole.module = kernel.module;
    whole.kernel_object = *object;
    whole.block = kernel.block;
    acc_cl_launch &launch = whole.header;
    launch.kernel = static_cast<uint32_t>(kernel.index);
    launch.dimensions = range.dimensions;
    for (size_t i = 0; i < 3; i++) {
        launch.offset[i] = range.offset[i];
        launch.global[i] = range.global[i];
        launch.local[i] = static_cast<uint32_t>(range.local[i]);
    }
    launch.arguments = static_cast<uint32_t>(kernel.block.size());
    acc_buffer *prints = nullptr;
    if (kernel.signature().prints) {
        prints = kernel.program->context->prints.take();
        if (!prints) {
            error = CL_OUT_OF_RESOURCES;
            return nullptr;
        }
        launch.printf_buffer = reinterpret_cast<uintptr_t>(acc_buffer_data(prints));
        launch.printf_bytes = kPrintfBytes;
    }
    return std::make_unique<LaunchWork>(kernel.program->context.get(), std::move(whole),
                                        std::move(memory), prints);
}

namespace api
{
namespace
{

cl_int enqueue_kernel(cl_command_queue queue, cl_command_type command, cl_kernel kernel,
                      cl_uint dimensions, const size_t *offset, const size_t *global,
                      const size_t *local, WaitList list, cl_event *event)
{
    OCL_TRY(check_queue(queue));
    Range range;
    OCL_TRY(check_enqueue(*queue, kernel, dimensions, offset, global, local, range));
    OCL_TRY(check_wait_list(*queue->context, list));
    cl_int error = CL_SUCCESS;
    auto work = kernel_work(*kernel, range, error);
    if (!work) return error;
    return enqueue(*queue, command, std::move(work), list, event);
}

} // namespace

cl_int EnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                            const size_t *offset, const size_t *global, const size_t *local,
                            cl_uint count, const cl_event *events, cl_event *event)
try {
    return enqueue_kernel(queue, CL_COMMAND_NDRANGE_KERNEL, kernel, dimensions, offset, global,
                          local, {count, events}, event);
}
OCL_END

cl_int EnqueueTask(cl_command_queue queue, cl_kernel kernel, cl_uint count, const cl_event *events,
                   cl_event *event)
try {
    const size_t one = 1;
    return enqueue_kernel(queue, CL_COMMAND_TASK, kernel, 1, nullptr, &one, &one, {count, events},
                          event);
}
OCL_END

} // namespace api
} // namespace acc::ocl
