// SPDX-License-Identifier: MIT
//
// A region's process: one client's one image. It is started by the device with a socket and a
// control page, knows nothing else, and never comes back out of its sandbox.
#include "acc/program.h"
#include "emulator/fpga/behavioural.h"
#include "emulator/fpga/process/follow.h"
#include "emulator/fpga/process/graph.h"
#include "emulator/fpga/process/runner.h"
#include "emulator/fpga/process/sandbox.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace
{

using acc::UniqueFd;
using namespace acc::emu::fpga;

Windows windows;

class Process
{
public:
    explicit Process(Control &control) : control_(control) {}

    [[noreturn]] void serve()
    {
        while (await_turn(control_)) {
            obey();
            give_turn(control_, kTurnDevice, kAnswerFd);
        }
        _exit(0);
    }

private:
    void answer(Answer what, const std::string &text = {})
    {
        auto &out = control_.to_device;
        out.answer = what;
        const size_t bytes = std::min(text.size(), sizeof out.text - 1);
        std::memcpy(out.text, text.data(), bytes);
        out.text[bytes] = 0;
    }

    void obey()
    {
        switch (control_.to_process.order) {
        case Order::Load:
            return load();
        case Order::Run:
        case Order::Follow:
            return run();
        case Order::Forget:
            windows.forget(control_.to_process.address, control_.to_process.bytes);
            return answer(Answer::Ready);
        case Order::Reset:
            if (runner_) runner_->reset();
            return answer(Answer::Ready);
        default:
            return answer(Answer::Refused, "an order that comes out of turn");
        }
    }

    const acc_role_library *open_image(std::string &why)
    {
        std::byte byte;
        UniqueFd image = receive_descriptor({&byte, 1});
        if (!image) {
            why = "expected an image; found none";
            return nullptr;
        }
        serve_image(image.get());
        void *handle = dlopen(kImagePath, RTLD_NOW | RTLD_LOCAL);
        serve_image(-1);
        image.reset();
        const void *symbol = handle ? dlsym(handle, ACC_ROLE_SYMBOL) : nullptr;
        if (!symbol) {
            const char *text = dlerror();
            why = text ? text : "expected the symbol " ACC_ROLE_SYMBOL "; found none";
        }
        return static_cast<const acc_role_library *>(symbol);
    }

    void load()
    {
        std::string why;
        const uint32_t kind = control_.to_process.kind;
        if (runner_) return answer(Answer::Refused, "a process loads one image");
        const acc_role_library *library =
            kind == ACC_FPGA_BEHAVIOURAL ? &behavioural_library() : open_image(why);
        if (!library) return answer(Answer::Refused, why);
        const SoftCoreGuard guard = {watch_stack_guard,
                                     [] { end_with_fault(Fault::Barrier, 0, 0); }};
        auto runner = Runner::create(*library, guard, why);
        if (!runner) return answer(Answer::Refused, why);
        runner_ = std::move(*runner);
        if (control_.to_process.traced) {
            std::byte byte;
            trace_ = receive_descriptor({&byte, 1});
            if (trace_) runner_->trace_to(trace_.get());
        }
        // What takes long is done while the region loads, not at the first dispatch.
        if (kind != ACC_FPGA_BEHAVIOURAL)
            for (uint32_t i = 0; i < library->roles; i++)
                if (!runner_->role(*library->role[i], why)) return answer(Answer::Refused, why);
        answer(Answer::Ready);
    }

    void run()
    {
        auto &order = control_.to_process;
        auto &out = control_.to_device;
        if (!runner_) return answer(Answer::Refused, "nothing is loaded");
        RunRequest request;
        request.role = std::string_view(order.role, strnlen(order.role, sizeof order.role));
        request.kernargs = {order.kernargs,
                            std::min<size_t>(order.kernarg_bytes, kMaxKernargBytes)};
        request.registers = {order.map, std::min<size_t>(order.registers, kMaxRegisters)};
        request.grid = order.grid;
        request.memory = &windows;
        request.alive = [this](uint64_t cycle, const char *waits_for) {
            control_.cycle.store(cycle, std::memory_order_relaxed);
            if (waits_for) std::strncpy(control_.waits_for, waits_for, kTextBytes - 1);
            return false; // who gives up ends the process
        };
        const uint64_t read = windows.bytes_read(), written = windows.bytes_written();
        const auto dispatch = [&](const RunRequest &one) {
            return order.stages
                       ? Graph(*runner_, {order.stage, std::min<size_t>(order.stages, kMaxStages)},
                               {order.edge, std::min<size_t>(order.edges, kMaxEdges)})
                             .run(one)
                       : runner_->run(one);
        };
        if (order.order == Order::Follow) {
            answer(Answer::Followed, follow_ring(control_, windows, request, dispatch));
        } else {
            const RunResult result = dispatch(request);
            out.status = result.status;
            out.cycles = result.cycles;
            out.address = windows.fault_address();
            answer(Answer::Done, result.text);
        }
        windows.forget_staged();
        out.bytes_read = windows.bytes_read() - read;
        out.bytes_written = windows.bytes_written() - written;
    }

    Control &control_;
    UniqueFd trace_; // of the runner's waveform
    std::unique_ptr<Runner> runner_;
};

} // namespace

int main()
{
    prctl(PR_SET_NAME, "acc-region");
    close_range(kAnswerFd + 1, ~0u, 0); // the descriptor that this program came from
    // It dies with the thread that started it, whatever becomes of the device.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pollfd parent{kSocketFd, POLLIN, 0};
    if (poll(&parent, 1, 0) > 0 && (parent.revents & POLLHUP)) return 1; // gone already
    void *page = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, kControlFd, 0);
    if (page == MAP_FAILED || !windows.reserve()) return 1;
    close(kControlFd);
    auto &control = *static_cast<Control *>(page);
    windows.attach(control);
    if (use_fault_stack() || enter_sandbox(control, windows)) return 1;
    Process(control).serve();
}
