// SPDX-License-Identifier: MIT
//
// Faults: which code, which address, who is told, and that nobody else is disturbed.
#include "tests/conformance/suite.h"

#include <algorithm>
#include <cstring>

namespace acc::conformance
{

namespace
{

struct Fault {
    uint32_t code = ACC_STATUS_OK;
    uint64_t address = 0;
    uint64_t kernel_object = 0;
    const char *kernel = "";
};

class QueueFault : public DeviceTest
{
protected:
    void SetUp() override
    {
        DeviceTest::SetUp();
        if (IsSkipped()) return;
        signals_ = std::make_unique<Signals>(accel(), 1024);
        event_ = std::make_unique<Event>(accel());
        other_ = std::make_unique<Queue>(accel());
    }
    void TearDown() override
    {
        other_.reset();
        event_.reset();
        signals_.reset();
        DeviceTest::TearDown();
    }

    // A queue of its own: a good packet, the bad one, one behind it and one later. `told`:
    // the bad one's signal is good, so its status can be seen.
    void expect_fault(const std::string &what, acc_packet bad, const Fault &fault, bool told = true,
                      uint64_t timeout_ns = 0)
    {
        SCOPED_TRACE(what);
        Signals signals(accel());
        acc_signal_memory *before = signals.make(), *done = signals.make(),
                          *behind = signals.make(2), *elsewhere = signals.make();
        if (told) bad.raw.completion_signal = address_of(done);
        Queue queue(accel(), {.timeout_ns = timeout_ns});
        (void)event_->pending();
        queue.submit({nothing(before), bad, nothing(behind)});
        ASSERT_EQ(wait_for(accel(), behind, 1), 0);
        EXPECT_EQ(value_of(before), 0);
        EXPECT_EQ(status_of(before), uint32_t(ACC_STATUS_OK));
        if (told) {
            EXPECT_EQ(value_of(done), 0);
            EXPECT_EQ(status_of(done), fault.code);
            EXPECT_LE(done->start_ns, done->end_ns);
        }
        EXPECT_EQ(status_of(behind), uint32_t(ACC_STATUS_CANCELLED));
        queue.submit(nothing(behind)); // published later
        ASSERT_EQ(wait_for(accel(), behind), 0);
        EXPECT_EQ(status_of(behind), uint32_t(ACC_STATUS_CANCELLED));
        EXPECT_TRUE(queue.drained()) << "read_index advances in Error";

        const drm_acc_queue_query query = queue.query();
        EXPECT_EQ(query.state, uint32_t(DRM_ACC_QUEUE_ERROR));
        EXPECT_EQ(query.fault_code, fault.code);
        EXPECT_EQ(query.fault_packet, 1u);
        EXPECT_EQ(query.fault_address, fault.address);
        EXPECT_EQ(query.packets, 4u);
        EXPECT_TRUE(event_->wait()) << "the event descriptor fires";

        const drm_acc_fault record = accel().query(DRM_ACC_QUERY_FAULT, 0).fault;
        EXPECT_EQ(record.sequence, ++faults_);
        EXPECT_EQ(record.queue, queue.id());
        EXPECT_EQ(record.code, fault.code);
        EXPECT_EQ(record.packet_index, 1u);
        EXPECT_EQ(record.address, fault.address);
        if ((bad.header & ACC_HEADER_TYPE_MASK) == ACC_PACKET_DISPATCH) {
            EXPECT_EQ(record.kernel_object, bad.dispatch.kernel_object);
            EXPECT_EQ(query.fault_kernel, bad.dispatch.kernel_object);
        }
        if (*fault.kernel) {
            EXPECT_STREQ(record.kernel, fault.kernel);
        }
        EXPECT_NE(record.text[0], 0) << "what was expected and what was found";
        EXPECT_NE(std::memchr(record.text, 0, sizeof record.text), nullptr);

        other_->submit(nothing(elsewhere)); // undisturbed
        ASSERT_EQ(wait_for(accel(), elsewhere), 0);
        EXPECT_EQ(status_of(elsewhere), uint32_t(ACC_STATUS_OK));
        EXPECT_EQ(other_->query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
    }

    acc_signal_memory *signal(int64_t initial = 1) { return signals_->make(initial); }
    uint64_t faults_ = 0;

private:
    std::unique_ptr<Signals> signals_;
    std::unique_ptr<Event> event_;
    std::unique_ptr<Queue> other_;
};

TEST_F(QueueFault, ReservedBitsOfEveryPacket)
{
    Work work(accel());
    Buffer memory(accel(), page_bytes);
    const struct {
        const char *name;
        acc_packet good;
        std::vector<unsigned> reserved; // bytes that must be zero
    } packets[] = {
        {"dispatch", work.packet(nullptr), {10, 11, 48, 55}},
        {"barrier-AND", nothing(), {2, 3, 4, 7, 48, 55}},
        {"barrier-OR", barrier_or({}), {2, 4, 48}},
        {"barrier on a value",
         barrier_value(signal(0), ACC_COND_EQ, 0),
         {3, 4, 7, 36, 39, 40, 47, 48, 55}},
        {"copy", copy(memory.address(), memory.address() + 64, 64), {3, 4, 7, 32, 40, 48, 55}},
        {"fill", fill(memory.address(), 1, 64), {3, 24, 32, 40, 48, 55}},
        {"prefetch", prefetch(work.program().kernel()), {3, 4, 7, 16, 24, 32, 40, 48, 55}},
        {"timestamp", timestamp(memory.address()), {3, 4, 7, 16, 24, 32, 40, 48, 55}},
    };
    for (const auto &one : packets) {
        for (const unsigned byte : one.reserved) {
            acc_packet bad = one.good;
            reinterpret_cast<uint8_t *>(&bad)[byte] = 0x10;
            expect_fault(std::string(one.name) + ", byte " + std::to_string(byte), bad,
                         {ACC_STATUS_INVALID_PACKET});
        }
        for (const unsigned bit : {13, 14, 15}) {
            acc_packet bad = one.good;
            bad.header |= uint16_t(1u << bit);
            expect_fault(std::string(one.name) + ", header bit " + std::to_string(bit), bad,
                         {ACC_STATUS_INVALID_PACKET});
        }
        for (const unsigned shift : {ACC_HEADER_ACQUIRE_SHIFT, ACC_HEADER_RELEASE_SHIFT}) {
            acc_packet bad = one.good;
            bad.header |= uint16_t(ACC_HEADER_SCOPE_MASK << shift);
            expect_fault(std::string(one.name) + ", scope 3", bad, {ACC_STATUS_INVALID_PACKET});
        }
    }
    for (const unsigned bit : {2, 7, 15}) {
        acc_packet bad = work.packet(nullptr);
        bad.dispatch.setup |= uint16_t(1u << bit);
        expect_fault("setup bit " + std::to_string(bit), bad, {ACC_STATUS_INVALID_PACKET});
    }
}

TEST_F(QueueFault, UnknownTypes)
{
    for (const unsigned type : {6, 7, 64, 128, 254, 255}) {
        acc_packet bad = nothing();
        bad.header = uint16_t((bad.header & ~ACC_HEADER_TYPE_MASK) | type);
        expect_fault("type " + std::to_string(type), bad, {ACC_STATUS_INVALID_PACKET});
    }
}

TEST_F(QueueFault, UnsupportedPackets)
{
    acc_packet agent = {};
    agent.header = ACC_HEADER(ACC_PACKET_AGENT_DISPATCH, 0);
    agent.agent.type = 0x8001;
    expect_fault("agent dispatch", agent, {ACC_STATUS_UNSUPPORTED_PACKET});
    for (const unsigned format : {0, 1, 3, 15, 20, 255}) {
        acc_packet bad = {};
        bad.header = ACC_HEADER(ACC_PACKET_VENDOR, 0);
        bad.copy.format = uint8_t(format);
        expect_fault("vendor format " + std::to_string(format), bad,
                     {ACC_STATUS_UNSUPPORTED_PACKET});
    }
    // A header alone over whatever was in the slot: all zero but the type.
    for (const unsigned type :
         {ACC_PACKET_VENDOR, ACC_PACKET_DISPATCH, ACC_PACKET_AGENT_DISPATCH}) {
        acc_packet bad = {};
        bad.header = uint16_t(type);
        expect_fault("header alone, type " + std::to_string(type), bad,
                     {type == ACC_PACKET_DISPATCH ? uint32_t(ACC_STATUS_INVALID_DIMENSIONS)
                                                  : uint32_t(ACC_STATUS_UNSUPPORTED_PACKET)});
    }
}

TEST_F(QueueFault, Dimensions)
{
    Work work(accel());
    const struct {
        const char *what;
        void (*change)(acc_dispatch_packet &);
    } cases[] = {
        {"no dimensions", [](auto &p) { p.setup = 0; }},
        {"workgroup x 0", [](auto &p) { p.workgroup_x = 0; }},
        {"workgroup y 0", [](auto &p) { p.workgroup_y = 0; }},
        {"workgroup z 0", [](auto &p) { p.workgroup_z = 0; }},
        {"grid x 0", [](auto &p) { p.grid_x = 0; }},
        {"grid y 0", [](auto &p) { p.grid_y = 0; }},
        {"grid z 0", [](auto &p) { p.grid_z = 0; }},
        {"one dimension with grid y 2", [](auto &p) { p.grid_y = 2; }},
        {"one dimension with workgroup y 2", [](auto &p) { p.workgroup_y = 2; }},
        {"one dimension with grid z 2", [](auto &p) { p.grid_z = 2; }},
        {"two dimensions with grid z 2",
         [](auto &p) {
             p.setup = 2;
             p.grid_z = 2;
         }},
        {"two dimensions with workgroup z 2",
         [](auto &p) {
             p.setup = 2;
             p.workgroup_z = 2;
         }},
    };
    for (const auto &one : cases) {
        acc_packet bad = work.packet(nullptr);
        one.change(bad.dispatch);
        expect_fault(one.what, bad, {ACC_STATUS_INVALID_DIMENSIONS});
    }
}

TEST_F(QueueFault, KernelsThatAreNot)
{
    Work work(accel());
    const uint64_t real = work.program().kernel();
    for (const uint64_t object : {uint64_t(0), real + 1, real - 1, ~uint64_t(0), real << 32}) {
        acc_packet bad = work.packet(nullptr);
        bad.dispatch.kernel_object = object;
        expect_fault("kernel object " + std::to_string(object), bad,
                     {ACC_STATUS_INVALID_KERNEL, 0, object});
        expect_fault("prefetch of " + std::to_string(object), prefetch(object),
                     {ACC_STATUS_INVALID_KERNEL, 0, object});
    }
    // One of a program that is gone: never reused, so never somebody else's.
    auto gone = std::make_unique<Work>(accel());
    const uint64_t stale = gone->program().kernel();
    gone.reset();
    Work next(accel());
    EXPECT_NE(next.program().kernel(), stale);
    acc_packet bad = next.packet(nullptr);
    bad.dispatch.kernel_object = stale;
    expect_fault("a stale kernel object", bad, {ACC_STATUS_INVALID_KERNEL, 0, stale});
}

TEST_F(QueueFault, KernelArguments)
{
    Work work(accel());
    acc_packet bad = work.packet(nullptr);
    for (const unsigned off : {1, 8, 15}) {
        bad.dispatch.kernarg_address = work.kernargs() + off;
        expect_fault("kernargs + " + std::to_string(off), bad, {ACC_STATUS_INVALID_KERNARG});
    }
    const std::string name = work.program().query().name;
    bad.dispatch.kernarg_address = 0;
    expect_fault("kernargs at 0", bad, {ACC_STATUS_INVALID_ADDRESS, 0, 0, name.c_str()});
    bad.dispatch.kernarg_address = ~15ull;
    expect_fault("kernargs at the end of everything", bad,
                 {ACC_STATUS_INVALID_ADDRESS, ~15ull, 0, name.c_str()});
    bad.dispatch.kernarg_address = accel().memory().va_end;
    expect_fault("kernargs behind the arena", bad,
                 {ACC_STATUS_INVALID_ADDRESS, accel().memory().va_end});
    // Begins in a page that is bound, ends in one that isn't: the first byte there is named.
    Buffer memory(accel(), 2 * page_bytes);
    memory.unbind_from(page_bytes);
    bad.dispatch.kernarg_address = memory.address() + page_bytes - 16;
    expect_fault("kernargs over an edge", bad,
                 {ACC_STATUS_INVALID_ADDRESS, memory.address() + page_bytes, 0, name.c_str()});
    Buffer unreadable(accel(), page_bytes, DRM_ACC_VM_WRITE);
    bad.dispatch.kernarg_address = unreadable.address();
    expect_fault("kernargs that can't be read", bad,
                 {ACC_STATUS_INVALID_ADDRESS, unreadable.address()});
}

TEST_F(QueueFault, CopyNamesTheFirstByteItCouldNotTouch)
{
    Buffer good(accel(), 4 * page_bytes), source(accel(), 2 * page_bytes);
    Buffer read_only(accel(), page_bytes, DRM_ACC_VM_READ);
    Buffer write_only(accel(), page_bytes, DRM_ACC_VM_WRITE);
    source.unbind_from(page_bytes);
    const uint64_t edge = source.address() + page_bytes;
    expect_fault("source over an edge", copy(good.address(), edge - 100, 200),
                 {ACC_STATUS_INVALID_ADDRESS, edge});
    expect_fault("destination over an edge", copy(edge - 100, good.address(), 200),
                 {ACC_STATUS_INVALID_ADDRESS, edge});
    expect_fault("source in the middle of nowhere", copy(good.address(), edge + 8, 1),
                 {ACC_STATUS_INVALID_ADDRESS, edge + 8});
    expect_fault("read-only destination", copy(read_only.address() + 5, good.address(), 9),
                 {ACC_STATUS_INVALID_ADDRESS, read_only.address() + 5});
    expect_fault("write-only source", copy(good.address(), write_only.address() + 3, 9),
                 {ACC_STATUS_INVALID_ADDRESS, write_only.address() + 3});
    expect_fault("source 0", copy(good.address(), 0, 1), {ACC_STATUS_INVALID_ADDRESS, 0});
    acc_packet wraps = copy(~0ull - 10, good.address(), 64);
    expect_fault("a destination that wraps", wraps, {ACC_STATUS_INVALID_ADDRESS, ~0ull - 10});
    wraps = copy(good.address(), ~0ull - 10, 64);
    expect_fault("a source that wraps", wraps, {ACC_STATUS_INVALID_ADDRESS, ~0ull - 10});
    expect_fault("overlapping ranges", copy(good.address() + 10, good.address(), 11),
                 {ACC_STATUS_INVALID_KERNARG});
    expect_fault("the same range", copy(good.address(), good.address(), 8),
                 {ACC_STATUS_INVALID_KERNARG});
    // What lies before the fault may have been written; nothing behind it.
    EXPECT_EQ(*good.at<uint32_t>(200), 0u);
}

TEST_F(QueueFault, FillAndTimestamp)
{
    Buffer memory(accel(), 2 * page_bytes);
    memory.unbind_from(page_bytes);
    const uint64_t edge = memory.address() + page_bytes;
    expect_fault("fill over an edge", fill(edge - 8, 1, 16), {ACC_STATUS_INVALID_ADDRESS, edge});
    expect_fault("fill of nowhere", fill(edge + 64, 1, 4), {ACC_STATUS_INVALID_ADDRESS, edge + 64});
    expect_fault("misaligned fill", fill(memory.address() + 2, 1, 4), {ACC_STATUS_MISALIGNED});
    expect_fault("fill of 3 bytes", fill(memory.address(), 1, 3), {ACC_STATUS_MISALIGNED});
    expect_fault("fill that wraps", fill(~0ull - 7, 1, 64),
                 {ACC_STATUS_INVALID_ADDRESS, ~0ull - 7});
    expect_fault("timestamp to nowhere", timestamp(edge), {ACC_STATUS_INVALID_ADDRESS, edge});
    expect_fault("timestamp to 0", timestamp(0), {ACC_STATUS_INVALID_ADDRESS, 0});
    expect_fault("misaligned timestamp", timestamp(memory.address() + 4), {ACC_STATUS_MISALIGNED});
    Buffer read_only(accel(), page_bytes, DRM_ACC_VM_READ);
    expect_fault("read-only timestamp", timestamp(read_only.address()),
                 {ACC_STATUS_INVALID_ADDRESS, read_only.address()});
}

TEST_F(QueueFault, SignalsThatAreNot)
{
    acc_signal_memory *good = signal(1), *no_kind = signal(0);
    no_kind->kind = 0;
    Buffer read_only(accel(), page_bytes, DRM_ACC_VM_READ);
    const uint64_t free_range = accel().reserve(page_bytes);
    const uint64_t no_signals[] = {
        address_of(good) + 8, address_of(good) + 32, address_of(no_kind),    read_only.address(),
        free_range,           ~uint64_t(63),         accel().memory().va_end};
    for (const uint64_t address : no_signals) {
        const std::string which = std::to_string(address);
        acc_packet bad = nothing();
        bad.raw.completion_signal = address;
        const acc_signal_memory copy_before = *good;
        expect_fault("completion at " + which, bad, {ACC_STATUS_INVALID_SIGNAL, address}, false);
        EXPECT_EQ(std::memcmp(&copy_before, good, sizeof copy_before), 0) << "nothing is written";
        for (unsigned i = 0; i < 5; i += 4) {
            bad = nothing();
            bad.barrier.dep_signal[i] = address;
            expect_fault("dependency at " + which, bad, {ACC_STATUS_INVALID_SIGNAL, address});
            bad.header = uint16_t(ACC_HEADER(ACC_PACKET_BARRIER_OR, 0));
            expect_fault("OR dependency at " + which, bad, {ACC_STATUS_INVALID_SIGNAL, address});
        }
        bad = barrier_value(good, ACC_COND_EQ, 1);
        bad.barrier_value.signal = address;
        expect_fault("value at " + which, bad, {ACC_STATUS_INVALID_SIGNAL, address});
    }
    Accel::release(free_range, page_bytes);
    // A condition that is none.
    acc_packet bad = barrier_value(good, ACC_COND_GE + 1, 1);
    expect_fault("an unknown condition", bad, {ACC_STATUS_INVALID_PACKET});
}

TEST_F(QueueFault, LogKeepsTheNewestFirst)
{
    std::vector<uint32_t> queues;
    for (int i = 0; i < 5; i++) {
        Queue queue(accel());
        acc_packet bad = nothing();
        bad.header |= 0x8000;
        queue.submit(bad);
        ASSERT_TRUE(queue.drained());
        queues.push_back(queue.id());
    }
    for (uint32_t i = 0; i < 5; i++) {
        const drm_acc_fault fault = accel().query(DRM_ACC_QUERY_FAULT, i).fault;
        EXPECT_EQ(fault.queue, queues[4 - i]);
        EXPECT_EQ(fault.sequence, 5u - i);
        EXPECT_LE(fault.time_ns, now_ns());
    }
    drm_acc_dev_query past = {};
    past.type = DRM_ACC_QUERY_FAULT;
    past.index = 5;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_DEV_QUERY, past), -ENOENT);
    past.index = 0;
    EXPECT_EQ(second().call(DRM_IOCTL_ACC_DEV_QUERY, past), -ENOENT) << "another file's faults";
}

TEST_F(QueueFault, LogKeepsAtLeastTheNewest64)
{
    constexpr uint32_t faults = 70, kept = 64;
    for (uint32_t i = 0; i < faults; i++) {
        Queue queue(accel());
        acc_packet bad = nothing();
        bad.header |= 0x8000;
        queue.submit(bad);
        ASSERT_TRUE(queue.drained());
    }
    for (uint32_t i = 0; i < kept; i++)
        EXPECT_EQ(accel().query(DRM_ACC_QUERY_FAULT, i).fault.sequence, faults - i);
}

// A packet that waits when its queue faults elsewhere is not lost: it is behind or before.
TEST_F(QueueFault, CancelledPacketsDoNotExecute)
{
    Signals signals(accel());
    Work work(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make(3);
    acc_packet bad = nothing(done);
    bad.barrier.reserved1 = 1;
    work.clear();
    queue.submit({bad, work.packet(done), barrier_and({signals.make(1)}, done)});
    ASSERT_EQ(wait_for(accel(), done), 0) << "a barrier that would wait is cancelled, too";
    EXPECT_FALSE(work.done_right());
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_CANCELLED));
}

} // namespace

} // namespace acc::conformance
