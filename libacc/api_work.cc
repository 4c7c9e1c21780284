// SPDX-License-Identifier: MIT
//
// acc.h, second half: programs, queues and models.
#include "libacc/api.h"
#include "libacc/device.h"
#include "libacc/model/model.h"
#include "libacc/program.h"
#include "libacc/queue.h"
#include "libacc/signal.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

using namespace acc;

namespace acc
{

int fill_tensor(std::span<const PlanTensor> tensors, const char *what, uint32_t index,
                acc_tensor_info *info)
{
    if (index >= tensors.size())
        return fail(-ENOENT, "expected an {} below {}; found {}", what, tensors.size(), index).code;
    const PlanTensor &tensor = tensors[index];
    acc_tensor_info out = {};
    out.dtype = tensor.dtype;
    out.rank = tensor.rank;
    static_assert(sizeof tensor.dims == sizeof out.dims);
    std::copy(std::begin(tensor.dims), std::end(tensor.dims), out.dims);
    out.sample_bytes = tensor.sample_bytes;
    tensor.name.copy(out.name, sizeof out.name - 1);
    return write_info(info, out);
}

namespace
{

std::span<const std::byte> bytes_of(const void *image, size_t bytes)
{
    return {static_cast<const std::byte *>(image), bytes};
}

int fill_kernel(const Program &program, uint32_t kernel, acc_kernel_info *info)
{
    const auto answer = program.query(kernel);
    if (!answer) return answer.error();
    acc_kernel_info out = {};
    out.kernel_object = answer->kernel_object;
    out.index = kernel;
    out.kernarg_bytes = answer->kernarg_bytes;
    out.group_bytes = answer->group_bytes;
    out.private_bytes = answer->private_bytes;
    out.slot = answer->slot;
    out.pinned = answer->pinned;
    out.loads = answer->loads;
    copy_text(out.name, answer->name);
    return write_info(info, out);
}

// A signal that packets of this queue may name; null stays null.
int check_signal(const Queue &queue, const Signal *signal)
{
    if (!signal) return 0;
    ACC_CHECK(signal);
    for (const Device *device : signal->devices())
        if (device == &queue.device()) [[likely]]
            return 0;
    return fail(-EINVAL, "expected a signal that was created for {}; found one of other devices",
                queue.device().uri())
        .code;
}

uint64_t address_of(const Signal *signal)
{
    return signal ? signal->address() : 0;
}

int submit_one(Queue &queue, const acc_packet &packet)
{
    return queue.submit(&packet, 1, ACC_FOREVER, nullptr);
}

int load_model(acc_device *const *handles, size_t count, std::span<const std::byte> image,
               const acc_model_options *given, acc_model **model)
{
    ACC_CHECK_POINTER(handles);
    std::vector<Device *> devices;
    for (size_t i = 0; i < count; i++) {
        ACC_CHECK(from_c<Device>(handles[i]));
        devices.push_back(from_c<Device>(handles[i]));
    }
    acc_model_options options;
    ACC_TRY_INT(read_options(given, options));
    if (options.reserved)
        return fail(-EINVAL, "expected reserved = 0; found {}", options.reserved).code;
    auto loaded = Model::load(devices, image, options.batch);
    if (!loaded) return loaded.error();
    *model = to_c(loaded->release());
    return 0;
}

} // namespace
} // namespace acc

extern "C" {

// ------------------------------------------------------------------- programs

int acc_program_load(acc_device *handle, const void *image, size_t bytes, acc_program **program)
{
    return acc_program_load_with(handle, image, bytes, nullptr, program);
}

int acc_program_load_with(acc_device *handle, const void *image, size_t bytes,
                          const acc_program_options *given, acc_program **program)
{
    return guarded([&] {
        ACC_CHECK_POINTER(program);
        *program = nullptr;
        ACC_CHECK_POINTER(image);
        ACC_CHECK(from_c<Device>(handle));
        acc_program_options options;
        ACC_TRY_INT(read_options(given, options));
        if (options.reserved)
            return fail(-EINVAL, "expected reserved = 0; found {}", options.reserved).code;
        auto loaded = Program::load(*from_c<Device>(handle), bytes_of(image, bytes), options.flags);
        if (!loaded) return loaded.error();
        *program = to_c(loaded->release());
        return 0;
    });
}

int acc_program_load_file(acc_device *handle, const char *path, acc_program **program)
{
    return guarded([&] {
        ACC_CHECK_POINTER(program);
        *program = nullptr;
        ACC_CHECK_POINTER(path);
        ACC_CHECK(from_c<Device>(handle));
        const auto image = read_image_file(path);
        if (!image) return image.error();
        auto loaded = Program::load(*from_c<Device>(handle), *image);
        if (!loaded) return loaded.error();
        *program = to_c(loaded->release());
        return 0;
    });
}

int acc_program_unload(acc_program *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Program>(handle));
        std::unique_ptr<Program> program(from_c<Program>(handle));
        const int error = Program::unload(program);
        (void)program.release(); // null, or still the caller's
        return error;
    });
}

uint32_t acc_program_kernels(const acc_program *handle)
{
    const Program *program = from_c<Program>(handle);
    return check(program) ? 0 : program->kernels();
}

int acc_program_kernel(acc_program *handle, uint32_t index, acc_kernel_info *info)
{
    return guarded([&] {
        ACC_CHECK(from_c<Program>(handle));
        return fill_kernel(*from_c<Program>(handle), index, info);
    });
}

int acc_program_find(acc_program *handle, const char *name, acc_kernel_info *info)
{
    return guarded([&] {
        Program *program = from_c<Program>(handle);
        ACC_CHECK(program);
        ACC_CHECK_POINTER(name);
        const auto index = program->find(name);
        return index ? fill_kernel(*program, *index, info) : index.error();
    });
}

int acc_program_prefetch(acc_program *handle, uint32_t kernel)
{
    return guarded([&] {
        ACC_CHECK(from_c<Program>(handle));
        return from_c<Program>(handle)->prefetch(kernel);
    });
}

int acc_program_pin(acc_program *handle, uint32_t kernel)
{
    return guarded([&] {
        ACC_CHECK(from_c<Program>(handle));
        return from_c<Program>(handle)->pin(kernel, true);
    });
}

int acc_program_unpin(acc_program *handle, uint32_t kernel)
{
    return guarded([&] {
        ACC_CHECK(from_c<Program>(handle));
        return from_c<Program>(handle)->pin(kernel, false);
    });
}

int acc_image_describe(const void *image, size_t bytes, char *json, size_t *json_bytes)
{
    return guarded([&] {
        ACC_CHECK_POINTER(image);
        ACC_CHECK_POINTER(json_bytes);
        const auto text = describe_image(bytes_of(image, bytes));
        if (!text) return text.error();
        const size_t room = json ? *json_bytes : 0, needed = text->size() + 1;
        *json_bytes = needed;
        if (room < needed)
            return fail(-ENOSPC, "expected room for {} bytes of text; found {}", needed, room).code;
        std::memcpy(json, text->c_str(), needed);
        return 0;
    });
}

// --------------------------------------------------------------------- queues

int acc_queue_create(acc_device *handle, const acc_queue_options *given, acc_queue **queue)
{
    return guarded([&] {
        ACC_CHECK_POINTER(queue);
        *queue = nullptr;
        ACC_CHECK(from_c<Device>(handle));
        acc_queue_options options;
        ACC_TRY_INT(read_options(given, options));
        auto created = Queue::create(*from_c<Device>(handle), options);
        if (!created) return created.error();
        *queue = to_c(created->release());
        return 0;
    });
}

int acc_queue_destroy(acc_queue *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Queue>(handle));
        delete from_c<Queue>(handle);
        return 0;
    });
}

uint32_t acc_queue_id(const acc_queue *handle)
{
    const Queue *queue = from_c<Queue>(handle);
    return check(queue) ? 0 : queue->id();
}

int acc_queue_submit(acc_queue *handle, const acc_packet *packets, size_t count,
                     uint64_t deadline_ns, uint64_t *first_index)
{
    return guarded([&] {
        Queue *queue = from_c<Queue>(handle);
        ACC_CHECK(queue);
        if (!packets || !count) [[unlikely]]
            return fail(-EINVAL, "expected at least one packet; found none").code;
        return queue->submit(packets, count, deadline_ns, first_index);
    });
}

int acc_queue_dispatch(acc_queue *handle, const acc_dispatch *given)
{
    return guarded([&] {
        Queue *queue = from_c<Queue>(handle);
        ACC_CHECK(queue);
        ACC_CHECK_POINTER(given);
        acc_dispatch dispatch;
        ACC_TRY_INT(read_options(given, dispatch));
        const Signal *completion = from_c<Signal>(dispatch.completion);
        ACC_TRY_INT(check_signal(*queue, completion));
        if (dispatch.kernarg_bytes > Queue::kernarg_slot_bytes)
            return fail(-E2BIG,
                        "expected at most {} bytes of kernel arguments; found {}: put them into a "
                        "buffer and set kernarg_address",
                        Queue::kernarg_slot_bytes, dispatch.kernarg_bytes)
                .code;
        if (dispatch.kernarg_bytes && (!dispatch.kernargs || dispatch.kernarg_address))
            return fail(-EINVAL, "expected kernargs or kernarg_address; found {}",
                        dispatch.kernargs ? "both" : "kernarg_bytes alone")
                .code;
        acc_dispatch_packet packet = {};
        packet.header = ACC_HEADER(ACC_PACKET_DISPATCH, dispatch.barrier ? ACC_HEADER_BARRIER : 0);
        uint32_t grid[3], workgroup[3];
        packet.setup = 1;
        for (unsigned i = 0; i < 3; i++) {
            grid[i] = dispatch.grid[i] ? dispatch.grid[i] : 1;
            workgroup[i] = dispatch.workgroup[i] ? dispatch.workgroup[i] : 1;
            if (workgroup[i] > UINT16_MAX)
                return fail(-EINVAL, "expected a workgroup of at most {}; found {}", UINT16_MAX,
                            workgroup[i])
                    .code;
            if (grid[i] > 1 || workgroup[i] > 1) packet.setup = uint16_t(i + 1);
        }
        packet.workgroup_x = uint16_t(workgroup[0]);
        packet.workgroup_y = uint16_t(workgroup[1]);
        packet.workgroup_z = uint16_t(workgroup[2]);
        packet.grid_x = grid[0];
        packet.grid_y = grid[1];
        packet.grid_z = grid[2];
        packet.private_bytes = dispatch.private_bytes;
        packet.group_bytes = dispatch.group_bytes;
        packet.kernel_object = dispatch.kernel_object;
        packet.kernarg_address = dispatch.kernarg_address;
        packet.completion_signal = address_of(completion);
        return queue->submit_dispatch(packet, dispatch.kernargs, dispatch.kernarg_bytes);
    });
}

int acc_queue_barrier(acc_queue *handle, acc_signal *const *signals, size_t count,
                      acc_signal *completion)
{
    return guarded([&] {
        Queue *queue = from_c<Queue>(handle);
        ACC_CHECK(queue);
        acc_packet packet = {};
        packet.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
        if (count > std::size(packet.barrier.dep_signal))
            return fail(-E2BIG, "expected at most {} signals; found {}",
                        std::size(packet.barrier.dep_signal), count)
                .code;
        if (count) ACC_CHECK_POINTER(signals);
        for (size_t i = 0; i < count; i++) {
            const Signal *signal = from_c<Signal>(signals[i]);
            ACC_CHECK(signal);
            ACC_TRY_INT(check_signal(*queue, signal));
            packet.barrier.dep_signal[i] = signal->address();
        }
        ACC_TRY_INT(check_signal(*queue, from_c<Signal>(completion)));
        packet.barrier.completion_signal = address_of(from_c<Signal>(completion));
        return submit_one(*queue, packet);
    });
}

int acc_queue_copy(acc_queue *handle, void *destination, const void *source, size_t bytes,
                   acc_signal *completion)
{
    return guarded([&] {
        Queue *queue = from_c<Queue>(handle);
        ACC_CHECK(queue);
        ACC_TRY_INT(check_signal(*queue, from_c<Signal>(completion)));
        acc_packet packet = {};
        packet.copy.header = ACC_HEADER(ACC_PACKET_VENDOR, 0);
        packet.copy.format = ACC_VENDOR_COPY;
        packet.copy.destination = reinterpret_cast<uint64_t>(destination);
        packet.copy.source = reinterpret_cast<uint64_t>(source);
        packet.copy.size = bytes;
        packet.copy.completion_signal = address_of(from_c<Signal>(completion));
        return submit_one(*queue, packet);
    });
}

int acc_queue_fill(acc_queue *handle, void *destination, uint32_t pattern, size_t bytes,
                   acc_signal *completion)
{
    return guarded([&] {
        Queue *queue = from_c<Queue>(handle);
        ACC_CHECK(queue);
        ACC_TRY_INT(check_signal(*queue, from_c<Signal>(completion)));
        const auto address = reinterpret_cast<uint64_t>(destination);
        if ((address | bytes) % sizeof pattern)
            return fail(-EINVAL,
                        "expected a destination and a size of multiples of {}; found {:#x} and {}",
                        sizeof pattern, address, bytes)
                .code;
        acc_packet packet = {};
        packet.fill.header = ACC_HEADER(ACC_PACKET_VENDOR, 0);
        packet.fill.format = ACC_VENDOR_FILL;
        packet.fill.pattern = pattern;
        packet.fill.destination = address;
        packet.fill.size = bytes;
        packet.fill.completion_signal = address_of(from_c<Signal>(completion));
        return submit_one(*queue, packet);
    });
}

int acc_queue_get_info(acc_queue *handle, acc_queue_info *info)
{
    return guarded([&] {
        Queue *queue = from_c<Queue>(handle);
        ACC_CHECK(queue);
        const auto state = queue->info();
        return state ? write_info(info, *state) : state.error();
    });
}

int acc_queue_reset(acc_queue *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Queue>(handle));
        return from_c<Queue>(handle)->reset();
    });
}

int acc_queue_set_priority(acc_queue *handle, uint32_t priority)
{
    return guarded([&] {
        ACC_CHECK(from_c<Queue>(handle));
        return from_c<Queue>(handle)->set_priority(priority);
    });
}

int acc_queue_stop(acc_queue *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Queue>(handle));
        return from_c<Queue>(handle)->stop();
    });
}

int acc_queue_on_fault(acc_queue *handle, acc_queue_fault_fn fn, void *user)
{
    return guarded([&] {
        ACC_CHECK_POINTER(fn);
        ACC_CHECK(from_c<Queue>(handle));
        return from_c<Queue>(handle)->on_fault(fn, user);
    });
}

int acc_queue_get_memory(acc_queue *handle, acc_queue_memory *memory)
{
    return guarded([&] {
        ACC_CHECK(from_c<Queue>(handle));
        return write_info(memory, from_c<Queue>(handle)->memory());
    });
}

int acc_queue_ring(acc_queue *handle, uint64_t index)
{
    Queue *queue = from_c<Queue>(handle);
    ACC_CHECK(queue);
    queue->ring_published(index);
    return 0;
}

// --------------------------------------------------------------------- models

int acc_model_load(acc_device *const *devices, size_t count, const void *image, size_t bytes,
                   const acc_model_options *options, acc_model **model)
{
    return guarded([&] {
        ACC_CHECK_POINTER(model);
        *model = nullptr;
        ACC_CHECK_POINTER(image);
        return load_model(devices, count, bytes_of(image, bytes), options, model);
    });
}

int acc_model_load_file(acc_device *const *devices, size_t count, const char *path,
                        const acc_model_options *options, acc_model **model)
{
    return guarded([&] {
        ACC_CHECK_POINTER(model);
        *model = nullptr;
        ACC_CHECK_POINTER(path);
        const auto image = read_image_file(path);
        return image ? load_model(devices, count, *image, options, model) : image.error();
    });
}

int acc_model_unload(acc_model *handle)
{
    return guarded([&] {
        ACC_CHECK(from_c<Model>(handle));
        delete from_c<Model>(handle);
        return 0;
    });
}

int acc_model_input(const acc_model *handle, uint32_t index, acc_tensor_info *info)
{
    return guarded([&] {
        const Model *model = from_c<Model>(handle);
        ACC_CHECK(model);
        return fill_tensor(model->plan().inputs(), "input", index, info);
    });
}

int acc_model_output(const acc_model *handle, uint32_t index, acc_tensor_info *info)
{
    return guarded([&] {
        const Model *model = from_c<Model>(handle);
        ACC_CHECK(model);
        return fill_tensor(model->plan().outputs(), "output", index, info);
    });
}

int acc_model_run(acc_model *handle, const void *const *inputs, void *const *outputs,
                  size_t samples)
{
    return guarded([&] {
        Model *model = from_c<Model>(handle);
        ACC_CHECK(model);
        ACC_CHECK_POINTER(inputs);
        ACC_CHECK_POINTER(outputs);
        for (size_t i = 0; i < model->plan().inputs().size(); i++)
            if (!inputs[i] && samples)
                return fail(-EINVAL, "input {}: expected data; found NULL", i).code;
        for (size_t i = 0; i < model->plan().outputs().size(); i++)
            if (!outputs[i] && samples)
                return fail(-EINVAL, "output {}: expected room; found NULL", i).code;
        return model->run(inputs, outputs, samples);
    });
}

int acc_model_get_stats(const acc_model *handle, acc_model_stats *stats)
{
    return guarded([&] {
        const Model *model = from_c<Model>(handle);
        ACC_CHECK(model);
        return write_info(stats, model->stats());
    });
}

} // extern "C"
