// SPDX-License-Identifier: MIT
//
// A compiled network that is replayed: packets recorded once, one submission per queue and
// batch. One queue per engine; dispatches of a queue run one after the other, engines wait
// for each other by barriers on signals.
//
// Thread safety: all calls from any thread, but destroying; runs take turns.
#pragma once

#include "acc/acc.h"
#include "libacc/handle.h"
#include "libacc/model/host_agent.h"
#include "libacc/model/plan.h"
#include "libacc/queue.h"
#include "libacc/signal.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace acc
{

class Buffer;
class Device;
class Program;

// Samples `first` … of tensors in a client's memory: inputs[i] and outputs[i] as acc_model_run().
struct ModelPiece {
    const void *const *inputs;
    void *const *outputs;
    size_t first, samples;
};

// What a step took, of all runs since it is measured.
struct StepTimes {
    uint64_t runs = 0, busy_ns = 0, modelled_ns = 0, energy_pj = 0;
};

class Model : public Handle
{
public:
    static Result<std::unique_ptr<Model>> load(std::span<Device *const> devices,
                                               std::span<const std::byte> image, uint32_t batch);
    ~Model();

    // The same network on the same devices once more, to run beside this one: with programs and
    // constants in common, and a workspace and queues of its own.
    Result<std::unique_ptr<Model>> another() const;

    const Plan &plan() const { return *plan_; }
    // inputs[i] and outputs[i] hold samples × the tensor's bytes.
    int run(const void *const *inputs, void *const *outputs, size_t samples);
    // One submission of several pieces. Precondition: no more samples than the plan's batch.
    int run_pieces(std::span<const ModelPiece> pieces);
    acc_model_stats stats() const;
    // Whether steps are measured; sums begin at 0.
    int profile(bool on);
    // -ENOENT past the last, -EINVAL when they are not measured.
    int step_times(size_t step, StepTimes &times) const;

private:
    // What one engine does.
    struct Lane {
        Device *device = nullptr; // none: the host agent
        std::shared_ptr<Program> program;
        std::unique_ptr<Queue> queue;
        std::vector<acc_packet> packets;
        std::vector<size_t> steps; // of each packet, or SIZE_MAX for a barrier
        Signal *last = nullptr;    // decremented when all is done
        uint64_t first_index = 0;  // of the submission that runs
        uint64_t clock_ns = 0;     // of its model, when it began: when steps are measured
    };

    Model() : Handle(HandleKind::Model) {}
    int load_programs(std::span<const std::byte> image);
    int place();
    int make_buffer(std::shared_ptr<Buffer> &buffer, uint64_t bytes, uint32_t flags) const;
    int prepare();
    int make_signals();
    int record();
    int make_queues();
    int run_batch(std::span<const ModelPiece> pieces);
    int submit_and_wait();
    int read_clocks();
    void add_times();
    int fail_batch(int error);
    void serve(const acc_packet &packet);
    Signal *signal_at(uint64_t address) const;
    Lane &lane_of(uint32_t target) { return lanes_[lane_of_target_[target]]; }
    std::vector<Device *> devices_from(const Lane &first) const;

    std::shared_ptr<const Plan> plan_;
    std::vector<Device *> devices_;      // whose memory and signals it has
    std::vector<Lane> lanes_;            // of the targets that are used
    std::vector<size_t> lane_of_target_; // SIZE_MAX: none
    std::shared_ptr<Buffer> workspace_, consts_, kernargs_;
    std::vector<std::unique_ptr<Signal>> signals_; // by step, null where nobody waits

    std::unique_ptr<HostAgent> host_;
    std::atomic<int> host_error_{0}; // of the submission that runs, with its text
    std::string host_text_;

    std::vector<StepTimes> times_; // by step; empty: they are not measured

    mutable std::mutex mutex_; // one run at a time
    uint64_t model_ns_ = 0;    // where the model's clock stood
    std::atomic<uint64_t> samples_{0}, submissions_{0}, wall_ns_{0}, modelled_ns_{0};
};

} // namespace acc
