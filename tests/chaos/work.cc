// SPDX-License-Identifier: MIT
#include "tests/chaos/work.h"

#include "acc/kernels.h"
#include "program/samples.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <mutex>
#include <poll.h>
#include <string_view>
#include <unistd.h>

namespace acc::chaos
{

namespace
{

constexpr size_t place_bytes = 4096, places = 32;
constexpr size_t input_offset = 256, output_offset = 2048, room = 1024; // of a place
constexpr size_t area_bytes = 64 << 10;                                 // of copies; three
constexpr size_t first_queues = 2, most_queues = 4, most_kept = 6;
constexpr uint32_t most_packets = 512;
constexpr std::byte junk{0xa5};

template <typename T>
T *at(std::byte *place, size_t offset)
{
    return reinterpret_cast<T *>(place + offset);
}
uint64_t address(const void *at)
{
    return reinterpret_cast<uintptr_t>(at);
}

void fill_random(std::mt19937_64 &random, std::byte *to, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 8) {
        const uint64_t word = random();
        std::memcpy(to + i, &word, std::min<size_t>(8, bytes - i));
    }
}

constexpr std::string_view null_ops[] = {ACC_NULL_COPY, ACC_NULL_SPIN, ACC_NULL_HANG};
constexpr std::string_view roles[] = {ACC_ROLE_RELU_F32, ACC_ROLE_ADD_F32, ACC_ROLE_MUL_F32,
                                      ACC_ROLE_CLIP_F32};

} // namespace

uint64_t now_ns()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

void give_up(const char *where, const Failure &why)
{
    if (why.code == -ENODEV) throw Lost{now_ns(), where};
    throw Wrong{std::string(where) + ": " + std::to_string(why.code) + ", " + why.text};
}

// --------------------------------------------------------------------- target

Target::Target(const char *uri, uint64_t seed, uint64_t spin_ns)
    : device(need("open", Device::open(uri, spin_ns)))
{
    engine = need("device info", device.info()).engine;
    std::string why = "no such engine";
    Result<std::vector<std::byte>> made = Error{-EINVAL};
    if (engine == ACC_ENGINE_NULL) {
        made = program::null_program(null_ops, &why);
    } else if (engine == ACC_ENGINE_FPGA) {
        made = program::fpga_program(roles, &why);
    } else {
        std::mt19937_64 random(seed);
        weights.resize(size_t(rows) * cols);
        for (int16_t &weight : weights)
            weight = int16_t(int(random() % 255) - 127);
        program::MatrixSpec matrix;
        matrix.name = "mvm";
        matrix.rows = rows;
        matrix.cols = cols;
        matrix.weights = weights;
        made = program::crossbar_program({&matrix, 1}, &why);
    }
    if (!made) throw Wrong{"an image: " + why};
    image = std::move(*made);
    program = need("program load", Program::load(device, image));
    for (uint32_t i = 0; i < program.kernels(); i++)
        kernels.push_back(need("kernel", program.kernel(i)));
}

// --------------------------------------------------------------------- worker

Worker::Worker(Target &target, uint64_t seed)
    : target_(target), random_(seed),
      memory_(need("buffer create",
                   Buffer::create(target.device, places * place_bytes + 3 * area_bytes)))
{
    for (size_t i = 0; i < first_queues; i++)
        queues_.push_back(need("queue create", Queue::create(target.device)));
    // What the library makes when it is first needed: from now on two workers hold the same.
    for (Queue &queue : queues_) {
        Place place = {memory_.span<std::byte>().data(), 0, 0};
        prepare(place);
        Signal done = signal();
        acc_dispatch what = describe(place, nullptr, done);
        what.kernarg_address = 0;
        what.kernargs = place.at;
        what.kernarg_bytes = target_.kernels[place.kernel].kernarg_bytes;
        need("dispatch", queue.dispatch(what));
        need("wait", done.wait(ACC_FOREVER));
        check(place);
    }
}

void Worker::step()
{
    using Kind = void (Worker::*)();
    static constexpr std::array<Kind, 16> kinds = {
        &Worker::dispatches, &Worker::dispatches, &Worker::dispatches, &Worker::dispatches,
        &Worker::copies,     &Worker::copies,     &Worker::fills,      &Worker::fills,
        &Worker::chain,      &Worker::chain,      &Worker::buffers,    &Worker::buffers,
        &Worker::programs,   &Worker::queues,     &Worker::timeout,    &Worker::full_ring};
    (this->*kinds[below(kinds.size())])();
    steps_++;
}

void Worker::settle()
{
    for (Keep &keep : kept_) {
        check_keep(keep);
        need("buffer destroy", keep.buffer.close());
    }
    kept_.clear();
    while (queues_.size() > first_queues) {
        need("queue destroy", queues_.back().close());
        queues_.pop_back();
    }
}

// -------------------------------------------------------------------- waiting

Signal Worker::signal(int64_t initial)
{
    return need("signal create", Signal::create(target_.device, initial));
}

void Worker::wait_callback(Signal &signal)
{
    std::mutex mutex;
    std::condition_variable turn;
    bool told = false;
    int error = 0;
    need("signal on", signal.on(ACC_COND_EQ, 0, [&](int64_t, int code) {
        std::lock_guard lock(mutex);
        told = true;
        error = code;
        turn.notify_one();
    }));
    std::unique_lock lock(mutex);
    turn.wait(lock, [&] { return told; });
    if (error) give_up("callback", {error, "the callback's error"});
}

void Worker::wait_descriptor(Signal &signal)
{
    const int fd = need("signal fd", signal.fd(ACC_COND_EQ, 0));
    pollfd ready = {fd, POLLIN, 0};
    while (poll(&ready, 1, -1) < 0) {
    }
    close(fd);
    // It polls readable when the condition never will hold, too.
    need("wait behind a descriptor", signal.wait(ACC_FOREVER));
}

void Worker::wait(Signal &signal)
{
    switch (below(5)) {
    case 0:
        wait_callback(signal);
        break;
    case 1:
        wait_descriptor(signal);
        break;
    case 2: {
        const Signal never = this->signal();
        const Awaited both[] = {{&never}, {&signal}};
        if (const size_t which = need("wait any", wait_any(both)); which != 1)
            throw Wrong{"wait any: expected signal 1; found " + std::to_string(which)};
        break;
    }
    default:
        need("wait", signal.wait(ACC_FOREVER));
    }
    if (const int64_t value = signal.load(); value != 0)
        throw Wrong{"signal: expected 0; found " + std::to_string(value)};
    const auto result = need("signal result", signal.result());
    if (result.status)
        throw Wrong{std::string("status: expected OK; found ") + acc_status_name(result.status)};
}

// ----------------------------------------------------------------- dispatches

void Worker::prepare(Place &place)
{
    std::byte *const input = place.at + input_offset, *const output = place.at + output_offset;
    std::fill_n(output, room, junk);
    const uint64_t in = address(input), out = address(output);
    switch (target_.engine) {
    case ACC_ENGINE_NULL: {
        place.kernel = 0;
        place.count = uint32_t(1 + below(room));
        fill_random(random_, input, room);
        *at<acc_null_args>(place.at, 0) = {in, out, place.count, {}};
        break;
    }
    case ACC_ENGINE_CROSSBAR: {
        place.kernel = 0;
        place.count = uint32_t(1 + below(4));
        fill_random(random_, input, room);
        acc_mvm_args args = {};
        args.input = in;
        args.output = out;
        args.vectors = place.count;
        args.input_stride = Target::rows;
        args.output_stride = Target::cols;
        *at<acc_mvm_args>(place.at, 0) = args;
        break;
    }
    default: {
        place.kernel = below(std::size(roles));
        place.count = uint32_t(1 + below(room / 2 / sizeof(float)));
        for (size_t i = 0; i < room / sizeof(float); i++)
            at<float>(input, 0)[i] = float(int64_t(below(2001)) - 1000) / 8;
        acc_elementwise_f32_args args = {};
        args.a = in;
        args.dst = out;
        args.count = place.count;
        if (roles[place.kernel] == ACC_ROLE_ADD_F32 || roles[place.kernel] == ACC_ROLE_MUL_F32) {
            args.b = in + room / 2;
            args.b_count = place.count;
        }
        if (roles[place.kernel] == ACC_ROLE_CLIP_F32) {
            args.min = -20;
            args.max = 30;
        }
        *at<acc_elementwise_f32_args>(place.at, 0) = args;
    }
    }
}

void Worker::check(const Place &place)
{
    std::array<std::byte, room> expected;
    expected.fill(junk);
    std::byte *const input = place.at + input_offset;
    switch (target_.engine) {
    case ACC_ENGINE_NULL:
        std::memcpy(expected.data(), input, place.count);
        break;
    case ACC_ENGINE_CROSSBAR:
        for (uint32_t v = 0; v < place.count; v++) {
            for (uint32_t n = 0; n < Target::cols; n++) {
                int32_t sum = 0;
                for (uint32_t k = 0; k < Target::rows; k++)
                    sum += at<int8_t>(input, 0)[v * Target::rows + k] *
                           target_.weights[k * Target::cols + n];
                std::memcpy(&expected[(v * Target::cols + n) * sizeof sum], &sum, sizeof sum);
            }
        }
        break;
    default:
        for (uint32_t i = 0; i < place.count; i++) {
            const float a = at<float>(input, 0)[i], b = at<float>(input, room / 2)[i];
            const float results[] = {a > 0 ? a : 0, a + b, a * b, std::clamp(a, -20.f, 30.f)};
            std::memcpy(&expected[i * sizeof a], &results[place.kernel], sizeof a);
        }
    }
    const std::byte *const found = place.at + output_offset;
    for (size_t i = 0; i < room; i++) {
        if (found[i] == expected[i]) continue;
        throw Wrong{"kernel " + std::string(target_.kernels[place.kernel].name) + " of " +
                    std::to_string(place.count) + ": expected byte " + std::to_string(i) + " " +
                    std::to_string(int(expected[i])) + "; found " + std::to_string(int(found[i]))};
    }
}

acc_dispatch Worker::describe(const Place &place, const Program *other, Signal &completion)
{
    acc_kernel_info kernel = target_.kernels[place.kernel];
    if (other) {
        kernel = acc_init<acc_kernel_info>();
        if (const int code = acc_program_kernel(other->get(), uint32_t(place.kernel), &kernel))
            give_up("kernel of another program", Failure::last(code));
    }
    auto what = acc_init<acc_dispatch>();
    what.kernel_object = kernel.kernel_object;
    what.completion = completion.get();
    what.barrier = below(2);
    // Arguments in the caller's memory, or copied into the queue's.
    if (below(2)) {
        what.kernargs = place.at;
        what.kernarg_bytes = kernel.kernarg_bytes;
    } else {
        what.kernarg_address = address(place.at);
    }
    return what;
}

void Worker::dispatches()
{
    std::vector<Place> batch(1 + below(places));
    Signal done = signal(int64_t(batch.size()));
    for (size_t i = 0; i < batch.size(); i++) {
        batch[i].at = memory_.span<std::byte>().data() + i * place_bytes;
        prepare(batch[i]);
        need("dispatch", any_queue().dispatch(describe(batch[i], nullptr, done)));
    }
    // Work that takes a slot for a while, as a real kernel would.
    if (target_.engine == ACC_ENGINE_NULL && below(4) == 0) {
        Signal spun = signal();
        const acc_null_args args = {0, 0, below(3'000'000), {}};
        need("dispatch", any_queue().dispatch(target_.kernels[1], args, &spun));
        wait(spun);
    }
    wait(done);
    for (const Place &place : batch)
        check(place);
}

void Worker::programs()
{
    Program other = need("program load", Program::load(target_.device, target_.image));
    if (below(2)) need("prefetch", other.prefetch(ACC_ALL_KERNELS));
    Place place = {memory_.span<std::byte>().data(), 0, 0};
    prepare(place);
    Signal done = signal();
    need("dispatch", any_queue().dispatch(describe(place, &other, done)));
    wait(done);
    check(place);
    need("program unload", other.close());
}

// -------------------------------------------------------------------- packets

// Random source, random range, junk around it that must stay.
void Worker::copies()
{
    std::byte *const source = memory_.span<std::byte>().data() + places * place_bytes;
    std::byte *const destination = source + area_bytes;
    const size_t begin = below(area_bytes / 2), bytes = 1 + below(area_bytes / 2);
    fill_random(random_, source, area_bytes);
    std::fill_n(destination, area_bytes, junk);
    Signal done = signal();
    need("copy", any_queue().copy(destination + begin, source, bytes, &done));
    wait(done);
    const auto is_junk = [](std::byte byte) { return byte == junk; };
    if (std::memcmp(destination + begin, source, bytes) ||
        !std::all_of(destination, destination + begin, is_junk) ||
        !std::all_of(destination + begin + bytes, destination + area_bytes, is_junk))
        throw Wrong{"copy of " + std::to_string(bytes) + " to " + std::to_string(begin)};
}

void Worker::fills()
{
    std::byte *const area = memory_.span<std::byte>().data() + places * place_bytes;
    const size_t begin = 4 * below(area_bytes / 8), bytes = 4 * (1 + below(area_bytes / 8));
    const auto pattern = uint32_t(random_());
    std::fill_n(area, area_bytes, junk);
    Signal done = signal();
    need("fill", any_queue().fill(area + begin, pattern, bytes, &done));
    wait(done);
    for (size_t i = 0; i < area_bytes; i += 4) {
        uint32_t found, expected = 0xa5a5a5a5;
        std::memcpy(&found, area + i, sizeof found);
        if (i >= begin && i < begin + bytes) expected = pattern;
        if (found != expected) throw Wrong{"fill: word at " + std::to_string(i)};
    }
}

// Copies that hand on to one another from queue to queue, by barriers.
void Worker::chain()
{
    std::byte *const source = memory_.span<std::byte>().data() + places * place_bytes;
    std::byte *const other = source + area_bytes, *const last = other + area_bytes;
    const size_t bytes = 1 + below(area_bytes);
    fill_random(random_, source, bytes);
    std::fill_n(other, 2 * area_bytes, junk);
    Signal gate = signal(), first = signal(), second = signal();
    Queue &one = any_queue(), &two = any_queue();
    need("barrier", one.barrier({gate.get()}));
    need("copy", one.copy(other, source, bytes, &first));
    need("barrier", two.barrier({first.get(), gate.get()}));
    need("copy", two.copy(last, other, bytes, &second));
    need("store", gate.store(0));
    wait(second);
    if (std::memcmp(last, source, bytes))
        throw Wrong{"chain of copies of " + std::to_string(bytes)};
}

// More than the ring holds: the producer waits for room.
void Worker::full_ring()
{
    Queue small = need("queue create",
                       Queue::create(target_.device, {.packets = 64, .single_producer = true}));
    const size_t count = 65 + below(most_packets);
    Signal done = signal(int64_t(count));
    for (size_t i = 0; i < count; i++)
        need("barrier", small.barrier({}, &done));
    wait(done);
    need("queue destroy", small.close());
}

// -------------------------------------------------------------------- objects

void Worker::check_keep(const Keep &keep)
{
    std::mt19937_64 random(keep.seed);
    for (const uint64_t word : keep.buffer.span<uint64_t>())
        if (word != random()) throw Wrong{"a buffer that nobody touches has changed"};
}

void Worker::buffers()
{
    if (kept_.size() < most_kept && below(2)) {
        const size_t bytes = 4096 * (1 + below(16));
        Keep keep = {need("buffer create", Buffer::create(target_.device, bytes)), random_()};
        for (const std::byte byte : keep.buffer.span<std::byte>())
            if (byte != std::byte(0)) throw Wrong{"a new buffer is not zeroed"};
        std::mt19937_64 random(keep.seed);
        for (uint64_t &word : keep.buffer.span<uint64_t>())
            word = random();
        kept_.push_back(std::move(keep));
    } else if (!kept_.empty()) {
        const size_t which = below(kept_.size());
        check_keep(kept_[which]);
        need("buffer destroy", kept_[which].buffer.close());
        kept_.erase(kept_.begin() + std::ptrdiff_t(which));
    }
}

void Worker::queues()
{
    if (queues_.size() < most_queues && below(2)) {
        queues_.push_back(
            need("queue create",
                 Queue::create(target_.device,
                               {.packets = 64u << below(4),
                                .priority = below(2) ? ACC_PRIORITY_NORMAL : ACC_PRIORITY_LOW})));
    } else if (queues_.size() > first_queues) {
        need("queue destroy", queues_.back().close());
        queues_.pop_back();
    }
}

void Worker::timeout()
{
    Signal never = signal();
    const uint64_t deadline = acc_deadline(below(3'000'000));
    const auto got = never.wait(deadline);
    if (!got && got.error().code == -ETIME) return;
    if (!got) give_up("wait with a deadline", got.error());
    throw Wrong{"wait with a deadline: expected -ETIME; found a value"};
}

} // namespace acc::chaos
