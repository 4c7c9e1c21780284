// SPDX-License-Identifier: MIT
#include "tests/fuzz/ioctl.h"

#include "tests/fuzz/device_input.h"
#include "tests/unit/emulator/card.h"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

namespace acc::fuzz
{

using namespace conformance;

namespace
{

constexpr unsigned long requests[] = {
    DRM_IOCTL_VERSION,
    DRM_IOCTL_GET_CAP,
    DRM_IOCTL_GEM_CLOSE,
    DRM_IOCTL_PRIME_HANDLE_TO_FD,
    DRM_IOCTL_PRIME_FD_TO_HANDLE,
    DRM_IOCTL_ACC_DEV_QUERY,
    DRM_IOCTL_ACC_BO_CREATE,
    DRM_IOCTL_ACC_BO_INFO,
    DRM_IOCTL_ACC_VM_BIND,
    DRM_IOCTL_ACC_QUEUE_CREATE,
    DRM_IOCTL_ACC_QUEUE_DESTROY,
    DRM_IOCTL_ACC_QUEUE_QUERY,
    DRM_IOCTL_ACC_EVENT_SET,
    DRM_IOCTL_ACC_WAIT,
    DRM_IOCTL_ACC_SIGNAL_WAKE,
    DRM_IOCTL_ACC_PROGRAM_LOAD,
    DRM_IOCTL_ACC_PROGRAM_UNLOAD,
    DRM_IOCTL_ACC_PROGRAM_QUERY,
    DRM_IOCTL_ACC_PROGRAM_PREFETCH,
    DRM_IOCTL_ACC_PROGRAM_PIN,
    DRM_IOCTL_ACC_RESET,
};

union Args {
    std::byte bytes[512];
    uint32_t words[128];
    drm_version version;
    drm_gem_close gem_close;
    drm_prime_handle prime;
    drm_acc_bo_create create;
    drm_acc_vm_bind bind;
    drm_acc_queue_create queue;
    drm_acc_event_set event;
    drm_acc_wait wait;
    drm_acc_program_load load;
    drm_acc_reset reset;
};

class Clients
{
public:
    explicit Clients(emu::Card &card) : clients_{card.open(), card.open()}
    {
        event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    }

    void call(Input &input)
    {
        Accel &accel = *clients_[input.below(2)];
        unsigned long request = requests[input.below(std::size(requests))];
        const uint8_t how = input.take<uint8_t>();
        Args args = {};
        if (how & 1)
            input.fill(args.bytes, _IOC_SIZE(request));
        else
            good(request, input, args);
        for (uint32_t i = 0, n = how >> 6; i < n; i++) // bend a few words
            args.words[input.below(16)] = bend(input);
        tame(request, args);
        if (how & 2) // another size, another direction, another number
            request = _IOC(how & 4 ? _IOC_DIR(request) : how >> 4 & 3, DRM_IOCTL_BASE,
                           how & 8 ? _IOC_NR(request) : input.take<uint8_t>(),
                           input.take<uint8_t>() * 2u);
        if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_VERSION)) args.version = {};
        tame(request, args);
        const int result = accel.call(request, args);
        if (result > 0 || result < -4095) fail("an answer that is no errno");
        if (!result) collect(request, args);
    }

private:
    uint32_t bend(Input &input)
    {
        constexpr uint32_t nasty[] = {0,          1,          2,          0x7fffffff,
                                      0x80000000, 0xffffffff, 0xfffff000, 4096};
        const uint32_t which = input.below(12);
        return which < 8 ? nasty[which] : input.take<uint32_t>();
    }
    uint64_t address(Input &input)
    {
        return clients_[0]->memory().va_start + input.below(32) * page_bytes;
    }
    // A struct that has a chance.
    void good(unsigned long request, Input &input, Args &args)
    {
        args.words[0] = 1 + input.below(8); // a handle, an id
        switch (request) {
        case DRM_IOCTL_ACC_BO_CREATE:
            args.create.size = input.below(16) * page_bytes;
            break;
        case DRM_IOCTL_ACC_VM_BIND:
            args.bind.op = 1 + input.below(2);
            if (args.bind.op == DRM_ACC_VM_MAP)
                args.bind.flags = DRM_ACC_VM_FLAGS;
            else
                args.bind.handle = 0;
            args.bind.range = (1 + input.below(8)) * page_bytes;
            args.bind.address = address(input);
            break;
        case DRM_IOCTL_ACC_QUEUE_CREATE:
            args.queue.packets = 64u << input.below(3);
            args.queue.ring_offset = page_bytes * (1 + input.below(2));
            args.queue.priority = input.below(3);
            break;
        case DRM_IOCTL_ACC_WAIT:
        case DRM_IOCTL_ACC_SIGNAL_WAKE:
            args.wait.address = address(input) + input.below(64) * 64;
            break;
        case DRM_IOCTL_ACC_PROGRAM_LOAD:
            image(input, args);
            break;
        case DRM_IOCTL_ACC_DEV_QUERY:
        case DRM_IOCTL_ACC_RESET:
            args.words[0] = input.below(8);
            args.words[1] = input.below(3);
            break;
        case DRM_IOCTL_ACC_PROGRAM_PIN:
            args.words[2] = input.below(2);
            break;
        default:
            break;
        }
    }
    // A good image in a buffer of the first client, or one with a byte changed.
    void image(Input &input, Args &args)
    {
        static const std::vector<std::byte> bytes = null_image({ACC_NULL_NOOP, ACC_NULL_COPY});
        drm_acc_bo_create create;
        if (clients_[0]->create(bytes.size(), create)) return;
        auto mapped =
            clients_[0]->transport().map(create.mmap_offset, create.padded_size, 3, nullptr);
        if (!mapped) return;
        std::memcpy(*mapped, bytes.data(), bytes.size());
        if (input.below(2))
            static_cast<uint8_t *>(*mapped)[input.take<uint16_t>() % bytes.size()] ^=
                input.take<uint8_t>();
        munmap(*mapped, create.padded_size);
        args.load.handle = create.handle;
        args.load.size = bytes.size();
    }
    // What would end the process, or never end, by the caller's own fault.
    void tame(unsigned long request, Args &args)
    {
        switch (_IOC_NR(request)) {
        case _IOC_NR(DRM_IOCTL_ACC_WAIT):
            args.wait.timeout_ns = 1; // one look
            break;
        case _IOC_NR(DRM_IOCTL_ACC_QUEUE_CREATE):
            args.queue.timeout_ns = 1'000'000;
            break;
        case _IOC_NR(DRM_IOCTL_ACC_EVENT_SET): // descriptors of this process are not fair game
            if (args.event.fd >= 0) args.event.fd = args.event.fd % 3 ? event_.get() : 100'000;
            break;
        case _IOC_NR(DRM_IOCTL_PRIME_FD_TO_HANDLE):
            args.prime.fd = exported_.empty()        ? -1
                            : args.prime.fd % 4 == 0 ? event_.get()
                                                     : exported_.front().get();
            break;
        default:
            break;
        }
    }
    void collect(unsigned long request, const Args &args)
    {
        if (!(_IOC_DIR(request) & _IOC_READ)) return; // it could not tell
        if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_PRIME_HANDLE_TO_FD) &&
            _IOC_SIZE(request) >= sizeof args.prime)
            exported_.emplace_back(args.prime.fd);
        if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_ACC_QUEUE_CREATE) &&
            _IOC_SIZE(request) >= offsetof(drm_acc_queue_create, pad))
            exported_.emplace_back(args.queue.kick_fd);
        while (exported_.size() > 8)
            exported_.pop_front();
    }

    std::unique_ptr<Accel> clients_[2];
    UniqueFd event_;
    std::deque<UniqueFd> exported_;
};

} // namespace

void try_ioctls(std::span<const std::byte> bytes)
{
    static emu::Card card("null:memory=16777216,slots=2");
    {
        Clients clients(card);
        Input input(bytes);
        for (int i = 0; i < 300 && !input.empty(); i++)
            clients.call(input);
    }
    auto accel = card.open();
    Signals signals(*accel);
    Queue queue(*accel);
    acc_signal_memory *done = signals.make();
    queue.submit(nothing(done));
    if (wait_for(*accel, done)) fail("the device does not work any more");
}

std::vector<std::vector<std::byte>> ioctl_seeds()
{
    std::vector<std::vector<std::byte>> seeds;
    for (unsigned start = 0; start < std::size(requests); start++) {
        std::vector<std::byte> seed;
        for (unsigned i = 0; i < 3 * std::size(requests); i++)
            for (const unsigned byte :
                 {i & 1, (start + i * 4) % unsigned(std::size(requests)), 0u, i % 5, i % 7, i % 3})
                seed.push_back(std::byte(byte));
        seeds.push_back(std::move(seed));
    }
    return seeds;
}

} // namespace acc::fuzz
