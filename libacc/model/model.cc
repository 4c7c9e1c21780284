// SPDX-License-Identifier: MIT
#include "libacc/model/model.h"

#include "libacc/buffer.h"
#include "libacc/device.h"
#include "libacc/error.h"
#include "libacc/program.h"
#include "libacc/queue.h"
#include "libacc/signal.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace acc
{
namespace
{

constexpr const char *engine_names[] = {"null", "crossbar", "fpga", "host"};
static_assert(std::size(engine_names) == ACC_TARGET_COUNT);
static_assert(int(ACC_TARGET_CROSSBAR) == int(DRM_ACC_ENGINE_CROSSBAR) &&
              int(ACC_TARGET_FPGA) == int(DRM_ACC_ENGINE_FPGA));

} // namespace

// ---------------------------------------------------------------------- life

Result<std::unique_ptr<Model>> Model::load(std::span<Device *const> devices,
                                           std::span<const std::byte> image, uint32_t batch)
{
    std::unique_ptr<Model> model(new Model);
    ACC_TRY(Plan plan, Plan::make(image, batch ? batch : 1));
    model->plan_ = std::make_shared<const Plan>(std::move(plan));
    model->lane_of_target_.assign(ACC_TARGET_COUNT, SIZE_MAX);
    for (uint32_t target = 0; target < ACC_TARGET_COUNT; target++) {
        if (!model->plan_->uses(target)) continue;
        if (target == ACC_TARGET_HOST) continue; // after the devices
        const auto found = std::find_if(devices.begin(), devices.end(), [&](Device *device) {
            return device->identity().engine == target;
        });
        if (found == devices.end())
            return fail(-ENODEV, "expected a device with the engine {}; found none among {}",
                        engine_names[target], devices.size());
        model->lane_of_target_[target] = model->lanes_.size();
        model->lanes_.emplace_back();
        model->lanes_.back().device = *found;
        model->devices_.push_back(*found);
    }
    if (model->plan_->uses(ACC_TARGET_HOST)) {
        model->lane_of_target_[ACC_TARGET_HOST] = model->lanes_.size();
        model->lanes_.emplace_back();
        // Memory and signals are some device's, even if it runs nothing.
        if (model->devices_.empty() && devices.empty())
            return fail(-ENODEV, "expected a device, for memory; found none");
        if (model->devices_.empty()) model->devices_.push_back(devices.front());
    }
    if (model->lanes_.empty())
        return fail(-EINVAL, "expected a model of at least one step; found none");
    if (const int error = model->load_programs(image)) return Error{error};
    if (const int error = model->prepare()) return Error{error};
    return model;
}

Result<std::unique_ptr<Model>> Model::another() const
{
    std::unique_ptr<Model> model(new Model);
    model->plan_ = plan_;
    model->devices_ = devices_;
    model->lane_of_target_ = lane_of_target_;
    model->consts_ = consts_;
    for (const Lane &lane : lanes_) {
        model->lanes_.emplace_back();
        model->lanes_.back().device = lane.device;
        model->lanes_.back().program = lane.program;
    }
    if (const int error = model->prepare()) return Error{error};
    return model;
}

// Once lanes and programs are there.
int Model::prepare()
{
    ACC_TRY_INT(place());
    ACC_TRY_INT(make_signals());
    ACC_TRY_INT(record());
    return make_queues();
}

Model::~Model()
{
    // Queues first: nothing executes when the memory goes.
    host_.reset();
    for (Lane &lane : lanes_)
        lane.queue.reset();
}

int Model::load_programs(std::span<const std::byte> image)
{
    for (Lane &lane : lanes_) {
        if (!lane.device) continue;
        auto program = Program::load(*lane.device, image);
        if (!program) return program.error();
        lane.program = std::move(*program);
        auto clock = lane.device->query(DRM_ACC_QUERY_CLOCK);
        if (!clock) return clock.error();
        model_ns_ = std::max<uint64_t>(model_ns_, clock->clock.modelled_ns);
    }
    return 0;
}

// The devices of all lanes, one lane's first.
std::vector<Device *> Model::devices_from(const Lane &first) const
{
    std::vector<Device *> devices;
    if (first.device) devices.push_back(first.device);
    for (Device *device : devices_)
        if (device != first.device) devices.push_back(device);
    return devices;
}

int Model::make_buffer(std::shared_ptr<Buffer> &buffer, uint64_t bytes, uint32_t flags) const
{
    auto made = Buffer::create(*devices_.front(), std::max<uint64_t>(bytes, 1), flags);
    if (!made) return made.error();
    buffer = std::move(*made);
    for (size_t i = 1; i < devices_.size(); i++)
        ACC_TRY_INT(buffer->attach(*devices_[i]));
    return 0;
}

int Model::place()
{
    ACC_TRY_INT(make_buffer(workspace_, plan_->workspace_bytes(), 0));
    ACC_TRY_INT(make_buffer(kernargs_, plan_->kernargs().size(), ACC_BUFFER_READ_ONLY));
    if (!consts_) { // of another model like this
        ACC_TRY_INT(make_buffer(consts_, plan_->consts().size(), ACC_BUFFER_READ_ONLY));
        std::ranges::copy(plan_->consts(), static_cast<std::byte *>(consts_->data()));
    }
    auto *kernargs = static_cast<std::byte *>(kernargs_->data());
    std::ranges::copy(plan_->kernargs(), kernargs);
    for (const PlanAddress &address : plan_->addresses()) {
        const uint64_t value =
            (address.constant ? consts_ : workspace_)->address() + address.offset;
        std::memcpy(kernargs + address.at, &value, sizeof value);
    }
    return 0;
}

int Model::make_signals()
{
    signals_.resize(plan_->steps().size());
    for (size_t i = 0; i < signals_.size(); i++) {
        const PlanStep &step = plan_->steps()[i];
        if (signals_[i] || (!step.signals && times_.empty())) continue;
        Lane &lane = lane_of(step.target);
        // The executing device first: its driver wakes the host without a relay.
        auto signal = Signal::create(devices_from(lane), 1);
        if (!signal) return signal.error();
        signals_[i] = std::move(*signal);
        if (i == plan_->last_step(step.target)) lane.last = signals_[i].get();
    }
    return 0;
}

int Model::record()
{
    for (size_t i = 0; i < plan_->steps().size(); i++) {
        const PlanStep &step = plan_->steps()[i];
        Lane &lane = lane_of(step.target);
        acc_packet packet = {};
        static_assert(ACC_TARGET_COUNT <= std::size(packet.barrier.dep_signal));
        if (!step.waits.empty()) {
            packet.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
            for (size_t k = 0; k < step.waits.size(); k++)
                packet.barrier.dep_signal[k] = signals_[step.waits[k]]->address();
            lane.packets.push_back(packet);
            lane.steps.push_back(i);
        }
        if (!lane.device) {
            packet = {};
            packet.dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, ACC_HEADER_BARRIER);
            packet.dispatch.kernel_object = i;
            packet.dispatch.kernarg_address = kernargs_->address() + step.kernarg_at;
            if (signals_[i]) packet.dispatch.completion_signal = signals_[i]->address();
            lane.packets.push_back(packet);
            lane.steps.push_back(i);
            continue;
        }
        const auto kernel = lane.program->query(step.kernel);
        if (!kernel) return kernel.error();
        if (lane.program->name(step.kernel) != step.kernel_name ||
            kernel->kernarg_bytes != step.kernarg_bytes)
            return fail(-EINVAL,
                        "step {} '{}': expected kernel '{}' of {} kernarg bytes on {}; found "
                        "'{}' of {}",
                        i, step.name, step.kernel_name, step.kernarg_bytes, lane.device->uri(),
                        lane.program->name(step.kernel), kernel->kernarg_bytes)
                .code;
        packet = {};
        acc_dispatch_packet &dispatch = packet.dispatch;
        dispatch.header = ACC_HEADER(ACC_PACKET_DISPATCH, ACC_HEADER_BARRIER);
        dispatch.setup = 1;
        dispatch.workgroup_x = dispatch.workgroup_y = dispatch.workgroup_z = 1;
        dispatch.grid_x = dispatch.grid_y = dispatch.grid_z = 1;
        dispatch.private_bytes = kernel->private_bytes;
        dispatch.group_bytes = kernel->group_bytes;
        dispatch.kernel_object = kernel->kernel_object;
        if (step.kernarg_bytes) dispatch.kernarg_address = kernargs_->address() + step.kernarg_at;
        if (signals_[i]) dispatch.completion_signal = signals_[i]->address();
        lane.packets.push_back(packet);
        lane.steps.push_back(i);
    }
    return 0;
}

int Model::make_queues()
{
    for (Lane &lane : lanes_) {
        if (!lane.device) {
            if (!host_)
                host_ = std::make_unique<HostAgent>([this](const acc_packet &p) { serve(p); });
            continue;
        }
        if (lane.queue) continue;
        const uint32_t most = lane.device->limits().max_ring_packets;
        // One more than is ever in flight: the last of a run may not be retired yet.
        if (lane.packets.size() >= most)
            return fail(-E2BIG, "expected a model of fewer than {} packets on {}; found {}", most,
                        lane.device->uri(), lane.packets.size())
                .code;
        acc_queue_options options = {};
        options.packets = std::max(std::bit_ceil(uint32_t(lane.packets.size()) + 1),
                                   uint32_t(lane.device->limits().min_ring_packets));
        options.flags = ACC_QUEUE_SINGLE_PRODUCER;
        auto queue = Queue::create(*lane.device, options);
        if (!queue) return queue.error();
        lane.queue = std::move(*queue);
    }
    return 0;
}

// ----------------------------------------------------------------------- run

int Model::run(const void *const *inputs, void *const *outputs, size_t samples)
{
    std::lock_guard lock(mutex_);
    const uint64_t start = now_ns();
    int error = 0;
    for (size_t first = 0; first < samples && !error; first += plan_->batch()) {
        const ModelPiece piece = {inputs, outputs, first,
                                  std::min<size_t>(samples - first, plan_->batch())};
        error = run_batch({&piece, 1});
    }
    wall_ns_.fetch_add(now_ns() - start, std::memory_order_relaxed);
    return error;
}

int Model::run_pieces(std::span<const ModelPiece> pieces)
{
    std::lock_guard lock(mutex_);
    const uint64_t start = now_ns();
    const int error = run_batch(pieces);
    wall_ns_.fetch_add(now_ns() - start, std::memory_order_relaxed);
    return error;
}

int Model::run_batch(std::span<const ModelPiece> pieces)
{
    auto *workspace = static_cast<std::byte *>(workspace_->data());
    for (size_t i = 0; i < plan_->inputs().size(); i++) {
        const PlanTensor &tensor = plan_->inputs()[i];
        std::byte *to = workspace + tensor.offset;
        std::byte *const end = to + plan_->batch() * tensor.sample_bytes;
        for (const ModelPiece &p : pieces) {
            std::memcpy(to,
                        static_cast<const std::byte *>(p.inputs[i]) + p.first * tensor.sample_bytes,
                        p.samples * tensor.sample_bytes);
            to += p.samples * tensor.sample_bytes;
        }
        // The batch is always whole: what is missing at the end is zeros.
        std::memset(to, 0, static_cast<size_t>(end - to));
    }
    ACC_TRY_INT(make_queues()); // those that a failure took away
    if (const int error = submit_and_wait()) return fail_batch(error);
    for (size_t i = 0; i < plan_->outputs().size(); i++) {
        const PlanTensor &tensor = plan_->outputs()[i];
        const std::byte *from = workspace + tensor.offset;
        for (const ModelPiece &p : pieces) {
            std::memcpy(static_cast<std::byte *>(p.outputs[i]) + p.first * tensor.sample_bytes,
                        from, p.samples * tensor.sample_bytes);
            from += p.samples * tensor.sample_bytes;
        }
    }
    for (const ModelPiece &p : pieces)
        samples_.fetch_add(p.samples, std::memory_order_relaxed);
    return 0;
}

// 0, or -errno; -EIO with no text when a completion carries an error.
int Model::submit_and_wait()
{
    for (const auto &signal : signals_)
        if (signal) signal->reset(1);
    host_error_.store(0, std::memory_order_relaxed);
    if (!times_.empty()) ACC_TRY_INT(read_clocks());
    for (Lane &lane : lanes_) {
        if (lane.device)
            ACC_TRY_INT(lane.queue->submit(lane.packets.data(), lane.packets.size(), ACC_FOREVER,
                                           &lane.first_index));
        else
            ACC_TRY_INT(host_->submit(lane.packets));
    }
    submissions_.fetch_add(1, std::memory_order_relaxed);
    uint64_t end = 0;
    bool failed = false;
    for (Lane &lane : lanes_) {
        ACC_TRY_INT(lane.last->wait(ACC_COND_EQ, 0, ACC_FOREVER, nullptr));
        const acc_signal_result result = lane.last->result();
        failed |= result.status != ACC_STATUS_OK;
        end = std::max(end, result.modelled_ns);
    }
    // Acquire: the text was written before.
    if (const int error = host_error_.load(std::memory_order_acquire))
        return fail(error, "{}", host_text_).code;
    if (failed) return fail(-EIO, "a step of the model failed").code;
    if (!times_.empty()) add_times();
    if (end > model_ns_) {
        modelled_ns_.fetch_add(end - model_ns_, std::memory_order_relaxed);
        model_ns_ = end;
    }
    return 0;
}

int Model::profile(bool on)
{
    std::lock_guard lock(mutex_);
    times_.assign(on ? plan_->steps().size() : 0, {});
    if (!on) {
        // Those that nobody waits for go.
        for (size_t i = 0; i < signals_.size(); i++)
            if (!plan_->steps()[i].signals) signals_[i].reset();
    }
    ACC_TRY_INT(make_signals());
    for (Lane &lane : lanes_) {
        lane.packets.clear();
        lane.steps.clear();
    }
    return record();
}

int Model::step_times(size_t step, StepTimes &times) const
{
    std::lock_guard lock(mutex_);
    if (times_.empty())
        return fail(-EINVAL, "expected a model whose steps are measured; found another").code;
    if (step >= times_.size())
        return fail(-ENOENT, "expected a step below {}; found {}", times_.size(), step).code;
    times = times_[step];
    return 0;
}

int Model::read_clocks()
{
    for (Lane &lane : lanes_) {
        if (!lane.device) continue;
        const auto clock = lane.device->query(DRM_ACC_QUERY_CLOCK);
        if (!clock) return clock.error();
        lane.clock_ns = clock->clock.modelled_ns;
    }
    return 0;
}

// A step begins when the one before it in its queue has ended, and those that it waits for.
void Model::add_times()
{
    for (size_t i = 0; i < times_.size(); i++) {
        const PlanStep &step = plan_->steps()[i];
        Lane &lane = lane_of(step.target);
        if (!lane.device) continue; // serve() has
        const acc_signal_result result = signals_[i]->result();
        uint64_t begin = lane.clock_ns;
        for (const size_t wait : step.waits)
            begin = std::max<uint64_t>(begin, signals_[wait]->result().modelled_ns);
        lane.clock_ns = std::max<uint64_t>(begin, result.modelled_ns);
        StepTimes &times = times_[i];
        times.runs++;
        times.busy_ns += result.end_ns - result.start_ns;
        times.modelled_ns += lane.clock_ns - begin;
        times.energy_pj += result.energy_pj;
    }
}

Signal *Model::signal_at(uint64_t address) const
{
    for (const auto &signal : signals_)
        if (signal && signal->address() == address) return signal.get();
    return nullptr;
}

// On the agent's thread. After an error the rest is not computed, but signals are decremented, so
// that nobody waits for ever.
void Model::serve(const acc_packet &packet)
{
    const auto failed = [&](int error, std::string text) {
        if (host_error_.load(std::memory_order_relaxed)) return;
        host_text_ = std::move(text);
        // Release: submit_and_wait() reads the text after it.
        host_error_.store(error, std::memory_order_release);
    };
    if ((packet.barrier.header & ACC_HEADER_TYPE_MASK) == ACC_PACKET_BARRIER_AND) {
        for (const acc_u64 address : packet.barrier.dep_signal) {
            Signal *signal = address ? signal_at(address) : nullptr;
            while (signal && !host_->cancelled() &&
                   signal->wait(ACC_COND_EQ, 0, now_ns() + 50'000'000, nullptr) != 0) {
                for (Lane &lane : lanes_)
                    if (lane.queue && lane.queue->check_fault())
                        failed(-EIO, "a device that the host waits for has failed");
                if (host_error_.load(std::memory_order_relaxed)) break;
            }
        }
        return;
    }
    const size_t step = packet.dispatch.kernel_object;
    if (!host_->cancelled() && !host_error_.load(std::memory_order_relaxed)) {
        const auto *arguments = reinterpret_cast<const void *>(packet.dispatch.kernarg_address);
        const uint64_t begin = times_.empty() ? 0 : now_ns();
        if (const int error = plan_->host().run(step, arguments, plan_->batch()))
            failed(error,
                   fmt::format("step {} '{}': {}", step, plan_->steps()[step].name, error_text()));
        // The run that waits for this thread's signals has the mutex.
        if (!times_.empty()) {
            times_[step].runs++;
            times_[step].busy_ns += now_ns() - begin;
        }
    }
    if (Signal *signal = signal_at(packet.dispatch.completion_signal)) signal->add(-1);
}

// Names the step that failed, and takes all queues away: what is left in them is cancelled.
int Model::fail_batch(int error)
{
    std::string text = error_text();
    if (host_) host_->cancel();
    for (Lane &lane : lanes_) {
        if (!lane.queue) continue;
        const auto state = lane.queue->query();
        if (!state || state->state != DRM_ACC_QUEUE_ERROR) continue;
        const uint64_t packet = state->fault_packet - lane.first_index;
        if (packet >= lane.steps.size()) continue;
        const size_t step = lane.steps[packet];
        (void)lane.queue->check_fault();
        error = -EIO;
        text = fmt::format("step {} '{}': {}", step, plan_->steps()[step].name, error_text());
        break;
    }
    for (Lane &lane : lanes_)
        lane.queue.reset();
    return fail_text(error, text).code;
}

acc_model_stats Model::stats() const
{
    acc_model_stats out = {};
    out.samples = samples_.load(std::memory_order_relaxed);
    out.submissions = submissions_.load(std::memory_order_relaxed);
    out.wall_ns = wall_ns_.load(std::memory_order_relaxed);
    out.modelled_ns = modelled_ns_.load(std::memory_order_relaxed);
    return out;
}

} // namespace acc
