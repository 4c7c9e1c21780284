// SPDX-License-Identifier: MIT
#include "tests/fuzz/socket.h"

#include "tests/fuzz/device_input.h"
#include "tests/unit/daemon/wire_client.h"

#include <cstdio>
#include <cstdlib>
#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace acc::fuzz
{

using namespace conformance;

namespace
{

constexpr uint64_t quota_bytes = 64ull << 20;
constexpr uint32_t devices = 3;

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

// Who does nothing wrong and must not notice anything.
struct Bystander {
    explicit Bystander(const std::string &uri) : accel(emu::open_uri(uri))
    {
        signals = std::make_unique<Signals>(*accel);
        work = std::make_unique<Work>(*accel);
        queue = std::make_unique<Queue>(*accel);
        done = signals->make(0);
    }
    void check()
    {
        work->clear();
        shared(done->value).store(1);
        queue->submit(work->packet(done));
        if (wait_for(*accel, done)) fail("the bystander's dispatch did not come back");
        if (status_of(done) || !work->done_right()) fail("the bystander was disturbed");
    }
    std::unique_ptr<Accel> accel;
    std::unique_ptr<Signals> signals;
    std::unique_ptr<Work> work;
    std::unique_ptr<Queue> queue;
    acc_signal_memory *done;
};

struct Service {
    Service() : server(options())
    {
        for (uint32_t i = 0; i < devices; i++)
            bystanders.emplace_back(server.uri(i)).check();
        // The attackers have no privilege, where that can be had: what they may do to all
        // (reset the device, inject faults) would be no finding.
        if (!geteuid()) attacker = emu::nobody;
        // Descriptors to send: right ones, and many wrong ones.
        const auto memfd = [&](uint64_t bytes, int seals) {
            const int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
            if (fd < 0 || ftruncate(fd, off_t(bytes)) || fcntl(fd, F_ADD_SEALS, seals))
                fail("no memfd");
            fds.emplace_back(fd);
        };
        constexpr int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
        memfd(4 * page_bytes, sealed);
        memfd(page_bytes, sealed | F_SEAL_SEAL);
        memfd(1ull << 40, sealed);
        memfd(page_bytes, F_SEAL_SHRINK);
        memfd(page_bytes, 0);
        memfd(100, sealed);
        memfd(0, sealed);
        memfd(page_bytes, sealed | F_SEAL_WRITE);
        int pair[2];
        if (pipe2(pair, O_CLOEXEC)) fail("no pipe");
        fds.emplace_back(pair[0]);
        fds.emplace_back(pair[1]);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) fail("no sockets");
        fds.emplace_back(pair[0]);
        fds.emplace_back(pair[1]);
        fds.emplace_back(eventfd(0, EFD_CLOEXEC));
        fds.emplace_back(epoll_create1(EPOLL_CLOEXEC));
        fds.emplace_back(open("/dev/null", O_RDWR | O_CLOEXEC));
        fds.emplace_back(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        fds.emplace_back(open("/proc/self/exe", O_PATH | O_CLOEXEC));
    }
    static emu::ServerOptions options()
    {
        emu::ServerOptions options;
        options.devices = {"null:slots=3,memory=268435456", "crossbar:memory=268435456",
                           "fpga:memory=268435456,scatter=1"};
        options.mode = 0666;
        options.quota.bytes = quota_bytes;
        options.quota.buffers = 64;
        options.quota.queues = 16;
        options.quota.programs = 16;
        options.quota.pins = 4;
        options.quota.clients = 8;
        options.quota_of[geteuid() ? ~0u : 0u] = emu::Quota{}; // the bystanders are somebody else
        return options;
    }
    UniqueFd connect() { return emu::connect_to(server.path(), attacker); }
    void settle() { base = emu::Holdings::now(); }
    void check(bool all)
    {
        for (Bystander &bystander : bystanders)
            bystander.check();
        if (!eventually([&] { return emu::Holdings::now().fds <= base.fds; }))
            fail("descriptors were left");
        if (!all) return;
        // All that the user may have is there to be had.
        emu::RawClient client(connect());
        if (client.hello(0)) fail("the user can't open the device any more");
        drm_acc_bo_create create = {};
        create.size = quota_bytes;
        if (client.ioctl(DRM_IOCTL_ACC_BO_CREATE, create)) fail("bytes were left");
    }
    emu::TestServer server;
    std::deque<Bystander> bystanders;
    std::optional<uid_t> attacker;
    std::vector<UniqueFd> fds;
    emu::Holdings base;
};

Service &service()
{
    static Service instance;
    return instance;
}

union Args {
    std::byte bytes[wire::most_bytes];
    uint32_t words[128];
    drm_prime_handle prime;
    drm_acc_bo_create create;
    drm_acc_vm_bind bind;
    drm_acc_queue_create queue;
    drm_acc_wait wait;
    drm_acc_program_load load;
    drm_acc_reset reset;
};

// What a client that begins well has, to be bent afterwards.
struct Kit {
    explicit Kit(emu::RawClient &client)
        : accel(std::make_unique<emu::RawTransport>(client)), signals(accel), work(accel),
          queue(accel, {.timeout_ns = 1'000'000})
    {
        for (int i = 0; i < 8; i++)
            signals.make(i % 3);
    }
    Accel accel;
    Signals signals;
    Work work;
    Queue queue;
};

class Attacker
{
public:
    explicit Attacker(std::deque<UniqueFd> &seen) : seen_(seen) {}
    ~Attacker() { go(); }
    Attacker(const Attacker &) = delete;
    Attacker &operator=(const Attacker &) = delete;

    void act(Input &input)
    {
        if (!client_) return come(input);
        switch (input.below(16)) {
        case 0:
            return go();
        case 1:
            return wild(input);
        case 2:
            return map(input);
        case 3:
            return scribble(input);
        case 4:
        case 5:
            return publish(input);
        case 6:
            return read(input);
        default:
            return call(input);
        }
    }

private:
    void come(Input &input)
    {
        client_.emplace(service().connect());
        const uint8_t how = input.take<uint8_t>();
        if (how < 16) return wild(input); // no greeting, or a strange one
        if (client_->hello(how % devices)) return go();
        if (how & 0x80) return;
        try {
            kit_.emplace(*client_);
        } catch (const std::exception &) { // over a quota, together with the other
            kit_.reset();
        }
    }
    void go()
    {
        if (client_) client_->close(); // all at once, with whatever is in flight
        kit_.reset();
        for (const auto &[at, size] : mapped_)
            munmap(at, size);
        mapped_.clear();
        client_.reset();
    }
    // Sent, not asked: nobody may answer, and then the socket is as good as closed.
    void sent(int error)
    {
        if (error && error != -EAGAIN && error != -ETOOMANYREFS) go();
    }
    int descriptor(Input &input)
    {
        const uint8_t which = input.take<uint8_t>();
        if (which < 100) return -1;
        if (which < 130 && !seen_.empty()) return seen_[which % seen_.size()].get();
        return service().fds[which % service().fds.size()].get();
    }
    void wild(Input &input)
    {
        const uint8_t how = input.take<uint8_t>();
        wire::Request request = {input.take<uint8_t>(), 1u + input.below(5), 0, 0, 0};
        std::vector<std::byte> bytes(sizeof request + input.below(64) * (how & 1 ? 8 : 300));
        input.fill(bytes.data(), bytes.size());
        request.size = uint32_t(bytes.size() - sizeof request);
        if (how & 2) request.size ^= input.take<uint8_t>();
        if (how & 4) request.flags = input.take<uint8_t>();
        if (how & 8) request.command = input.take<uint32_t>();
        if (request.kind == wire::kind_inject && !service().attacker) request.kind = 7;
        if (request.kind == wire::kind_ioctl && !service().attacker) request.kind = 7;
        if (!(how & 16)) std::memcpy(bytes.data(), &request, sizeof request);
        if (how & 32) bytes.resize(input.take<uint8_t>() % (bytes.size() + 1));
        int fds[12];
        for (int &fd : fds)
            fd = service().fds[input.below(uint32_t(service().fds.size()))].get();
        sent(client_->send_bytes(bytes, {fds, size_t(how >> 6 ? input.below(12) : 0)}));
    }
    void map(Input &input)
    {
        constexpr uint64_t offsets[] = {0x1000'0000, 0x2000'0000, 1ull << 32, 0};
        uint64_t offset = offsets[input.below(4)] + input.below(32) * page_bytes;
        if (input.below(2)) offset = (1ull << 32) + input.below(8) * (page_bytes + page_bytes);
        const uint64_t size = input.below(8) ? page_bytes : input.take<uint32_t>();
        UniqueFd fd;
        const int error = client_->map(offset, size, input.below(16), &fd);
        if (error == -EPIPE) return go();
        if (error || !fd) return;
        void *at = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (at != MAP_FAILED) mapped_.emplace_back(at, page_bytes);
        keep(std::move(fd));
    }
    void scribble(Input &input)
    {
        if (!kit_ || input.below(4) == 0) {
            if (mapped_.empty()) return;
            auto *words = static_cast<uint64_t *>(mapped_[input.below(255) % mapped_.size()].first);
            shared(words[input.take<uint16_t>() % 512]).store(value(input));
            return;
        }
        switch (input.below(5)) {
        case 0: {
            auto *words = reinterpret_cast<uint64_t *>(kit_->queue.control());
            shared(words[input.below(32)]).store(value(input));
            break;
        }
        case 1:
            shared(kit_->queue.slot(input.below(64))->words[input.below(8)]).store(value(input));
            break;
        case 2:
            kit_->queue.store_doorbell(value(input));
            kit_->queue.kick();
            break;
        case 3:
            shared(kit_->signals[input.below(8)]->value).store(input.take<int8_t>());
            break;
        default:
            shared(reinterpret_cast<uint64_t *>(kit_->work.kernargs())[input.below(16)])
                .store(value(input));
        }
    }
    void publish(Input &input)
    {
        if (!kit_) return;
        const uint8_t how = input.take<uint8_t>();
        acc_packet packet = kit_->work.packet(kit_->signals[how % 8]);
        if (how & 16) input.fill(&packet, sizeof packet);
        for (uint32_t i = 0, n = how >> 6; i < n; i++)
            packet.words[input.below(8)] = value(input);
        const uint64_t index = shared(kit_->queue.control()->read_index).load();
        kit_->queue.publish(index + input.below(3), packet);
        kit_->queue.kick();
    }
    // Some of the replies; whoever never does is a case, too.
    void read(Input &input)
    {
        for (uint32_t n = input.below(16); n; n--) {
            auto answer = client_->receive(0);
            if (!answer) return;
            if (answer->fd) keep(std::move(answer->fd));
        }
        char byte;
        if (client_->event() >= 0) (void)!recv(client_->event(), &byte, 1, MSG_DONTWAIT);
    }
    void keep(UniqueFd fd)
    {
        seen_.push_back(std::move(fd));
        if (seen_.size() > 8) seen_.pop_front();
    }
    uint64_t value(Input &input)
    {
        const uint8_t which = input.take<uint8_t>();
        if (which & 1) return input.take<uint64_t>();
        if (which & 2) return ~0ull << (which >> 2);
        return address(input);
    }
    uint64_t address(Input &input)
    {
        const uint64_t offset = input.below(64) * 64;
        switch (kit_ ? input.below(5) : 0) {
        case 1:
            return kit_->signals.buffer().address() + offset;
        case 2:
            return kit_->queue.memory().address() + offset * 2;
        case 3:
            return kit_->work.kernargs() + offset;
        case 4:
            return kit_->work.program().kernel() + offset / 64 % 3;
        default:
            return emu_arena + input.below(32) * page_bytes + offset;
        }
    }
    void call(Input &input)
    {
        unsigned long request = requests[input.below(std::size(requests))];
        const uint8_t how = input.take<uint8_t>();
        args_ = {};
        if (how & 1)
            input.fill(args_.bytes, _IOC_SIZE(request));
        else
            good(request, input);
        for (uint32_t i = 0, n = how >> 6; i < n; i++)
            args_.words[input.below(16)] = uint32_t(value(input));
        if (how & 2) { // another size, another direction, another number
            const uint8_t kind = input.take<uint8_t>();
            const unsigned size = kind & 1 ? input.take<uint16_t>() & 0x3fff : input.below(64) * 4;
            request = _IOC(kind & 2 ? _IOC_DIR(request) : kind >> 6, DRM_IOCTL_BASE,
                           kind & 4 ? input.take<uint8_t>() : _IOC_NR(request),
                           kind & 8 ? _IOC_SIZE(request) : size);
        }
        const int fd = descriptor(input);
        const bool null = how & 4 && how & 8 && how & 16;
        const std::span payload(args_.bytes, null ? 0 : _IOC_SIZE(request));
        const bool ask = tame(request, payload.size()) && !(how & 32);
        if (!ask) {
            sent(client_->send(wire::kind_ioctl, uint32_t(request), payload, fd, null));
            return;
        }
        UniqueFd out;
        const int error =
            client_->ask(wire::kind_ioctl, uint32_t(request), payload, fd, &out, null);
        if (error == -EPIPE) return go();
        if (error > 0 || error < -4095) fail("an answer that is no errno");
        if (error && out) fail("a refusal with a descriptor");
        if (out) keep(std::move(out));
    }
    // A struct that has a chance.
    void good(unsigned long request, Input &input)
    {
        args_.words[0] = 1 + input.below(6); // a handle, an id
        switch (request) {
        case DRM_IOCTL_ACC_BO_CREATE:
            args_.create.size = input.below(16) * page_bytes;
            break;
        case DRM_IOCTL_ACC_VM_BIND:
            args_.bind.op = 1 + input.below(2);
            if (args_.bind.op == DRM_ACC_VM_MAP)
                args_.bind.flags = DRM_ACC_VM_FLAGS;
            else
                args_.bind.handle = 0;
            args_.bind.range = (1 + input.below(4)) * page_bytes;
            args_.bind.address = address(input) & ~(page_bytes - 1);
            break;
        case DRM_IOCTL_ACC_QUEUE_CREATE:
            args_.queue.packets = 64;
            args_.queue.ring_offset = page_bytes * input.below(2);
            args_.queue.control_offset = page_bytes * input.below(2);
            args_.queue.priority = input.below(3);
            break;
        case DRM_IOCTL_ACC_WAIT:
        case DRM_IOCTL_ACC_SIGNAL_WAKE:
            args_.wait.address = address(input);
            break;
        case DRM_IOCTL_ACC_PROGRAM_LOAD:
            args_.load.size = input.take<uint16_t>() * 16u;
            break;
        case DRM_IOCTL_ACC_DEV_QUERY:
        case DRM_IOCTL_ACC_RESET:
            args_.words[0] = input.below(8);
            args_.words[1] = input.below(3);
            break;
        case DRM_IOCTL_ACC_PROGRAM_PIN:
            args_.words[2] = input.below(2);
            break;
        default:
            break;
        }
    }
    // False: its reply may never come, which is the client's own doing. Ends what would last.
    bool tame(unsigned long request, size_t bytes)
    {
        if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_ACC_WAIT)) {
            const bool soon = args_.wait.timeout_ns < 1'000'000'000;
            return soon && _IOC_TYPE(request) == DRM_IOCTL_BASE;
        }
        if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_ACC_QUEUE_CREATE))
            args_.queue.timeout_ns = 1'000'000;
        if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_ACC_RESET) && !service().attacker && bytes >= 4)
            args_.reset.what %= DRM_ACC_RESET_DEVICE;
        return true;
    }

    static constexpr uint64_t emu_arena = 0x5660'0000'0000; // where a file's addresses begin

    std::deque<UniqueFd> &seen_; // descriptors that came, of both
    std::optional<emu::RawClient> client_;
    std::optional<Kit> kit_;
    std::vector<std::pair<void *, size_t>> mapped_;
    Args args_ = {};
};

} // namespace

void try_messages(std::span<const std::byte> bytes)
{
    Service &target = service();
    target.settle(); // the fuzzer itself opens files now and then
    {
        std::deque<UniqueFd> seen;
        Attacker attackers[2] = {Attacker(seen), Attacker(seen)};
        Input input(bytes);
        for (int i = 0; i < 200 && !input.empty(); i++)
            attackers[input.below(2)].act(input);
    }
    static unsigned runs;
    target.check(runs++ % 32 == 0);
}

std::vector<std::vector<std::byte>> messages_seeds()
{
    std::vector<std::vector<std::byte>> seeds;
    const auto put = [](std::vector<std::byte> &seed, std::initializer_list<unsigned> bytes) {
        for (const unsigned byte : bytes)
            seed.push_back(std::byte(byte));
    };
    for (unsigned device = 0; device < devices; device++) {
        // Both come with a kit; every ioctl by its turn, then packets, maps and writes.
        std::vector<std::byte> calls, writes, strange;
        for (std::vector<std::byte> *seed : {&calls, &writes, &strange}) {
            put(*seed, {0, 30 + device});
            put(*seed, {1, 30 + device + (seed == &strange ? 128u : 0u)});
        }
        for (unsigned i = 0; i < std::size(requests); i++) {
            put(calls, {i & 1, 8, i, 0, i % 5, 1, 1, 0, 1, 0, 0, 100 + i});
            put(strange, {i & 1, 9, i, 2, i % 3, 2, 0, i * 12, i, 0, 0, i * 11});
            put(strange, {i & 1, 1, i * 12, i, i, i, 5, 0, 0, 7, 0, 2, 3, 9, i});
        }
        for (unsigned i = 0; i < 24; i++) {
            put(writes, {i & 1, 4, i * 11, 0, 0});
            put(writes, {i & 1, 3, 1, i % 5, i, i * 7, 2, 1, 4});
            put(writes, {i & 1, 2, i % 4, i % 3, 1, i % 8, 1, 3});
            put(writes, {i & 1, 6, 8});
        }
        put(calls, {0, 0, 1, 0});
        seeds.push_back(calls);
        seeds.push_back(writes);
        seeds.push_back(strange);
    }
    return seeds;
}

} // namespace acc::fuzz
