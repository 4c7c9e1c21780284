// SPDX-License-Identifier: MIT
//
// Random calls and mappings on a node. A child process per round opens it and lets three threads
// loose on what they share: handles, addresses and ids from pools so small that calls meet. Half
// of the children are killed at some moment. What counts is what is left: each child ends as it
// should, every errno is one that docs/uapi.md names, a fresh client works, and the
// kernel's log (which the lab reads) says nothing.
#include "tests/kernel/guest/guest.h"

#include <xf86drm.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace acc::guest
{

using namespace conformance;

namespace
{

constexpr unsigned threads = 3, calls = 400, window_pages = 64, nobody = 65534;
constexpr int exit_errno = 3;

// Ids that calls gave out; any thread's, the newest few.
class Pool
{
public:
    void put(uint32_t id) { ids_[next_++ % ids_.size()].store(id, std::memory_order_relaxed); }
    uint32_t get(uint64_t choice) const
    {
        return ids_[choice % ids_.size()].load(std::memory_order_relaxed);
    }

private:
    std::array<std::atomic<uint32_t>, 8> ids_ = {};
    std::atomic<unsigned> next_{0};
};

struct Shared {
    std::vector<int> nodes; // the first is what is fuzzed, others for dma-bufs
    uint64_t va_start = 0;
    uint32_t engine = 0;
    Pool handles, queues, programs, descriptors;
    std::atomic<int> odd{0}; // an errno that nobody promised
};

bool is_known(int error)
{
    switch (error) {
    case EINVAL:
    case ENOENT:
    case EFAULT:
    case EBUSY:
    case ENOSPC:
    case EACCES:
    case ETIME:
    case EIO:
    case ENODEV:
    case E2BIG:
    case ENOMEM:
    case EEXIST:
    case EDQUOT:
    case EBADF:
    case EMFILE:
    case ENOTTY:
    case EOPNOTSUPP:
    case EINTR:
        return true;
    default:
        return false;
    }
}

class Fuzzer
{
public:
    Fuzzer(Shared &shared, uint64_t seed) : shared_(shared), random_(seed) {}
    ~Fuzzer()
    {
        for (const Mapping &one : mappings_)
            munmap(one.at, one.bytes);
    }
    void run()
    {
        for (unsigned i = 0; i < calls && !lost_; i++)
            step();
    }

private:
    struct Mapping {
        std::byte *at;
        size_t bytes;
        bool writable;
    };

    uint64_t any() { return random_(); }
    bool one_in(unsigned n) { return any() % n == 0; }
    template <typename T>
    T of(std::initializer_list<T> values)
    {
        return values.begin()[any() % values.size()];
    }
    uint64_t pages(unsigned most) { return any() % most * page_bytes; }
    uint64_t address() { return shared_.va_start + pages(window_pages); }

    // The call, at times with what no client of good will would send.
    template <typename T>
    int call(unsigned long request, T &args)
    {
        if (one_in(8)) {
            auto *bytes = reinterpret_cast<unsigned char *>(&args);
            bytes[any() % sizeof(args)] = static_cast<unsigned char>(any());
        }
        void *at = &args;
        std::byte longer[512] = {};
        if (one_in(32)) { // another size: shorter ones are zero-extended, a longer tail is ignored
            std::memcpy(longer, &args, sizeof(args));
            at = longer;
            request = _IOC(_IOC_DIR(request), _IOC_TYPE(request), _IOC_NR(request), any() % 512);
        }
        if (one_in(64)) at = of<void *>({nullptr, reinterpret_cast<void *>(~0ull - 8)});
        if (one_in(64)) request ^= any() % 4 << _IOC_DIRSHIFT;
        const int result = ioctl(shared_.nodes[0], request, at) ? -errno : 0;
        if (at == longer) std::memcpy(&args, longer, sizeof(args));
        if (result && !is_known(-result)) shared_.odd = -result;
        if (result == -EIO || result == -ENODEV) lost_ = one_in(16); // goes on for a while
        return result;
    }

    void buffers()
    {
        drm_acc_bo_create args = {};
        args.size = of<uint64_t>({0, 1, page_bytes, 4 * page_bytes, 4 * page_bytes, 64 * page_bytes,
                                  1 << 20, 1ull << 50});
        args.flags = one_in(8);
        if (call(DRM_IOCTL_ACC_BO_CREATE, args)) return;
        shared_.handles.put(args.handle);
        if (args.mmap_offset && args.size <= 1 << 20) map(args.mmap_offset, args.padded_size);
    }
    void map(uint64_t offset, size_t bytes)
    {
        const int prot = of<int>({PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
                                  PROT_READ | PROT_WRITE | PROT_EXEC, PROT_NONE});
        const int flags = one_in(8) ? MAP_PRIVATE : MAP_SHARED;
        void *at = mmap(nullptr, bytes, prot, flags, shared_.nodes[0], static_cast<off_t>(offset));
        if (at == MAP_FAILED) {
            if (!is_known(errno)) shared_.odd = errno;
            return;
        }
        mappings_.push_back({static_cast<std::byte *>(at), bytes, (prot & PROT_WRITE) != 0});
        if (mappings_.size() > 32) {
            munmap(mappings_[0].at, mappings_[0].bytes);
            mappings_.erase(mappings_.begin());
        }
    }
    void store()
    {
        if (mappings_.empty()) return;
        const Mapping &one = mappings_[any() % mappings_.size()];
        if (!one.writable) return;
        if (one_in(4)) { // an image: PROGRAM_LOAD has something to load
            const auto image = Work::image(shared_.engine, any() % 2);
            if (image.size() <= one.bytes) std::memcpy(one.at, image.data(), image.size());
            return;
        }
        for (unsigned i = 0; i < 64; i++) {
            auto *word = reinterpret_cast<uint64_t *>(one.at + any() % (one.bytes / 8) * 8);
            std::atomic_ref(*word).store(of<uint64_t>({0, 1, any(), any() % 16, address()}),
                                         std::memory_order_release);
        }
    }
    void bindings()
    {
        drm_acc_vm_bind args = {};
        args.op = of<uint32_t>({DRM_ACC_VM_MAP, DRM_ACC_VM_MAP, DRM_ACC_VM_UNMAP});
        args.address = address();
        args.range = pages(8);
        if (args.op == DRM_ACC_VM_MAP) {
            args.handle = shared_.handles.get(any());
            args.flags = of<uint32_t>({3, 3, 3, 1, 2, 0});
            args.bo_offset = one_in(2) ? 0 : pages(4);
        }
        call(DRM_IOCTL_ACC_VM_BIND, args);
    }
    void queues()
    {
        drm_acc_queue_create args = {};
        args.handle = shared_.handles.get(any());
        args.packets = of<uint32_t>({64, 64, 128, 0, 3, 1 << 20});
        args.ring_offset = page_bytes * of<uint64_t>({1, 1, 2, 0});
        args.control_offset = one_in(4) ? any() % 8192 : 0;
        args.timeout_ns = of<uint64_t>({0, 1, millisecond_ns, 100 * millisecond_ns});
        args.priority = of<uint32_t>({0, 1, 1, 2, 3});
        if (!call(DRM_IOCTL_ACC_QUEUE_CREATE, args)) shared_.queues.put(args.queue);
    }
    void of_a_queue()
    {
        const uint32_t id = shared_.queues.get(any());
        drm_acc_queue_destroy destroy = {};
        drm_acc_queue_query query = {};
        drm_acc_reset reset = {};
        destroy.queue = query.queue = reset.id = id;
        switch (any() % 3) {
        case 0:
            call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy);
            break;
        case 1:
            call(DRM_IOCTL_ACC_QUEUE_QUERY, query);
            break;
        default:
            reset.what = of<uint32_t>({DRM_ACC_RESET_QUEUE, DRM_ACC_RESET_SLOT, 3});
            if (one_in(500)) reset = {DRM_ACC_RESET_DEVICE, 0, 0, 0};
            call(DRM_IOCTL_ACC_RESET, reset);
        }
    }
    void programs()
    {
        drm_acc_program_load load = {};
        load.handle = shared_.handles.get(any());
        load.offset = one_in(4) ? any() % 8192 : 0;
        load.size = one_in(2) ? Work::image(shared_.engine, 0).size() : any() % (1 << 17);
        if (!call(DRM_IOCTL_ACC_PROGRAM_LOAD, load)) shared_.programs.put(load.program);
    }
    void of_a_program()
    {
        const uint32_t id = shared_.programs.get(any());
        const uint32_t kernel = of<uint32_t>({0, 0, 1, DRM_ACC_ALL_KERNELS});
        drm_acc_program_unload unload = {};
        drm_acc_program_query query = {};
        drm_acc_program_prefetch prefetch = {};
        drm_acc_program_pin pin = {};
        unload.program = query.program = prefetch.program = pin.program = id;
        query.kernel = prefetch.kernel = pin.kernel = kernel;
        pin.pin = any() % 3;
        switch (any() % 4) {
        case 0:
            call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, unload);
            break;
        case 1:
            call(DRM_IOCTL_ACC_PROGRAM_QUERY, query);
            break;
        case 2:
            call(DRM_IOCTL_ACC_PROGRAM_PREFETCH, prefetch);
            break;
        default:
            call(DRM_IOCTL_ACC_PROGRAM_PIN, pin);
        }
    }
    void signals()
    {
        drm_acc_wait wait = {};
        wait.address = address() + (one_in(4) ? any() % page_bytes : 0);
        wait.timeout_ns = one_in(8) ? any() : ~0ull;
        wait.condition = any() % 5;
        drm_acc_signal_wake wake = {};
        wake.address = wait.address;
        wake.range = one_in(2) ? 0 : any() % (1 << 20);
        drm_acc_event_set event = {};
        event.fd = of<int>({-1, event_, event_, 0, 999});
        switch (any() % 3) {
        case 0:
            wait.timeout_ns = std::min<uint64_t>(wait.timeout_ns, now_ns() + 20 * millisecond_ns);
            call(DRM_IOCTL_ACC_WAIT, wait);
            break;
        case 1:
            call(DRM_IOCTL_ACC_SIGNAL_WAKE, wake);
            break;
        default:
            call(DRM_IOCTL_ACC_EVENT_SET, event);
        }
    }
    // Buffers of this and of other devices, out and in.
    void prime()
    {
        drm_prime_handle args = {};
        if (one_in(2)) {
            args.handle = shared_.handles.get(any());
            args.flags = of<uint32_t>({DRM_CLOEXEC, DRM_RDWR, DRM_CLOEXEC | DRM_RDWR, 1});
            if (call(DRM_IOCTL_PRIME_HANDLE_TO_FD, args)) return;
        } else {
            drm_acc_bo_create bo = {};
            bo.size = 4 * page_bytes;
            const int other = shared_.nodes[any() % shared_.nodes.size()];
            if (ioctl(other, DRM_IOCTL_ACC_BO_CREATE, &bo)) return;
            args.handle = bo.handle;
            args.flags = DRM_RDWR;
            const int result = ioctl(other, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);
            drm_gem_close close_args = {};
            close_args.handle = bo.handle;
            (void)ioctl(other, DRM_IOCTL_GEM_CLOSE, &close_args);
            if (result) return;
        }
        const int fd = args.fd;
        args.handle = 0;
        if (!call(DRM_IOCTL_PRIME_FD_TO_HANDLE, args)) shared_.handles.put(args.handle);
        close(fd);
    }
    void rest()
    {
        drm_acc_dev_query query = {};
        query.type = any() % 10;
        query.index = one_in(2) ? 0 : any() % 4;
        drm_acc_bo_info info = {};
        info.handle = shared_.handles.get(any());
        drm_gem_close close_args = {};
        close_args.handle = info.handle;
        std::array<std::byte, 64> bytes = {};
        switch (any() % 6) {
        case 0:
            call(DRM_IOCTL_ACC_DEV_QUERY, query);
            break;
        case 1:
            call(DRM_IOCTL_ACC_BO_INFO, info);
            break;
        case 2:
            call(DRM_IOCTL_GEM_CLOSE, close_args);
            break;
        case 3: // no call of ours has such a number
            call(_IOC(any() % 4, 'd', DRM_COMMAND_BASE + 0x10 + any() % 64, 64), bytes);
            break;
        case 4:
            read_fdinfo();
            break;
        default:
            map(one_in(2) ? page_bytes * (any() >> 20)
                          : of<uint64_t>({0x10000000, 0x20000000, 0x10001000}),
                page_bytes * (1 + any() % 3));
        }
    }
    void read_fdinfo()
    {
        char text[1024];
        const std::string path = "/proc/self/fdinfo/" + std::to_string(shared_.nodes[0]);
        const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
        while (file && read(file.get(), text, sizeof(text)) > 0) {
        }
    }
    void step()
    {
        static constexpr void (Fuzzer::*what[])() = {
            &Fuzzer::buffers,      &Fuzzer::store,   &Fuzzer::store,      &Fuzzer::bindings,
            &Fuzzer::bindings,     &Fuzzer::queues,  &Fuzzer::of_a_queue, &Fuzzer::programs,
            &Fuzzer::of_a_program, &Fuzzer::signals, &Fuzzer::prime,      &Fuzzer::rest,
        };
        (this->*what[any() % std::size(what)])();
    }

    Shared &shared_;
    std::mt19937_64 random_;
    std::vector<Mapping> mappings_;
    UniqueFd event_fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    const int event_ = event_fd_.get();
    bool lost_ = false;
};

// A child: its exit status.
int round_of(size_t node, uint64_t seed)
{
    Shared shared;
    for (size_t i = 0; i < nodes().size(); i++) {
        const int fd = open(nodes()[(node + i) % nodes().size()].c_str(), O_RDWR | O_CLOEXEC);
        if (fd >= 0)
            shared.nodes.push_back(fd);
        else if (i == 0)
            return errno == EIO || errno == ENODEV ? 0 : 1;
    }
    drm_acc_dev_query query = {};
    query.type = DRM_ACC_QUERY_IDENTITY;
    if (ioctl(shared.nodes[0], DRM_IOCTL_ACC_DEV_QUERY, &query)) return errno == EIO ? 0 : 1;
    shared.engine = query.identity.engine;
    query = {};
    query.type = DRM_ACC_QUERY_MEMORY;
    if (ioctl(shared.nodes[0], DRM_IOCTL_ACC_DEV_QUERY, &query)) return errno == EIO ? 0 : 1;
    shared.va_start = query.memory.va_start;
    if (seed % 2 && setuid(nobody)) return 1;
    struct sigaction interrupt = {};
    interrupt.sa_handler = [](int) {}; // without SA_RESTART: the call ends with EINTR
    sigaction(SIGUSR1, &interrupt, nullptr);
    {
        std::atomic<unsigned> ended{0};
        std::vector<std::thread> running;
        for (unsigned i = 0; i < threads; i++)
            running.emplace_back([&, i] {
                Fuzzer(shared, seed * threads + i).run();
                ended++;
            });
        // A WAIT whose timeout a random byte has put off by years is right to last: what sleeps
        // interruptibly is interrupted, whatever else lasts is a fault.
        while (ended < threads) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            for (auto &thread : running)
                pthread_kill(thread.native_handle(), SIGUSR1);
        }
        for (auto &thread : running)
            thread.join();
    }
    if (const int odd = shared.odd) {
        std::fprintf(stderr, "errno %d (%s) is not among those of docs/uapi.md\n", odd,
                     std::strerror(odd));
        return exit_errno;
    }
    return 0;
}

// How a child ended; "" is well.
std::string run_child(size_t node, uint64_t seed)
{
    const pid_t child = fork();
    if (child < 0) return "fork: " + std::string(std::strerror(errno));
    if (!child) _exit(round_of(node, seed));
    const bool kill_it = seed / 2 % 2;
    const uint64_t end = deadline(kill_it ? seed / 4 % 400 * millisecond_ns : 2 * watchdog_ns);
    int status = 0;
    pid_t ended;
    while (!(ended = waitpid(child, &status, WNOHANG)) && now_ns() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (!ended) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return kill_it ? "" : "it did not end";
    }
    if (WIFSIGNALED(status)) return "it ended by signal " + std::to_string(WTERMSIG(status));
    return WEXITSTATUS(status) ? "its exit status is " + std::to_string(WEXITSTATUS(status)) : "";
}

// A client that knows nothing of all that: what it got instead of a completion; "" is none.
std::string fresh_client(size_t node)
{
    try {
        const auto accel = open_client(node);
        Signals signals(*accel);
        Queue queue(*accel);
        acc_signal_memory *done = signals.make();
        queue.submit(nothing(done));
        const int result = wait_for(*accel, done);
        return result ? std::strerror(-result) : "";
    } catch (const std::exception &error) {
        return error.what();
    }
}

} // namespace

int run_fuzz(unsigned seconds, uint64_t seed)
{
    unsigned rounds = 0, bad = 0;
    const uint64_t end = deadline(seconds * second_ns);
    while (now_ns() < end && bad < 5) {
        const size_t node = rounds % nodes().size();
        const uint64_t one = seed + rounds++;
        std::string why = run_child(node, one);
        if (why.empty() && rounds % 16 == 0) why = fresh_client(node);
        if (why.empty()) continue;
        std::printf("fail %s, seed %llu: %s\n", nodes()[node].c_str(), (unsigned long long)one,
                    why.c_str());
        bad++;
    }
    for (size_t node = 0; node < nodes().size(); node++) {
        const std::string why = fresh_client(node);
        std::printf("%s a fresh client of %s%s\n", why.empty() ? "pass" : "fail",
                    nodes()[node].c_str(), why.empty() ? "" : (": " + why).c_str());
        bad += !why.empty();
    }
    if (!bad)
        std::printf("pass %u rounds of random calls from seed %llu\n", rounds,
                    (unsigned long long)seed);
    return bad != 0;
}

} // namespace acc::guest
