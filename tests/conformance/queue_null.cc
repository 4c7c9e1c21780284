// SPDX-License-Identifier: MIT
//
// Dispatches that last, fail and hang: faults of execution, and what waits for them.
#include "tests/conformance/queue_null.h"
#include "tests/conformance/suite.h"

#include <cstring>
#include <thread>

namespace acc::conformance
{

namespace
{

// Longer than any test: such a kernel runs until it is stopped.
constexpr uint64_t for_ever_ns = 50 * second_ns;

class QueueNull : public DeviceTest
{
protected:
    // True once a kernel of this program executes.
    bool executing(Program &program)
    {
        return eventually([&] {
            const uint32_t slot = program.query().slot;
            return slot != ~0u &&
                   accel().query(DRM_ACC_QUERY_SLOT, slot).slot.state == DRM_ACC_SLOT_BUSY;
        });
    }
    void expect_error(Queue &queue, uint32_t code, const char *kernel, uint64_t address = 0)
    {
        const drm_acc_queue_query query = queue.query();
        EXPECT_EQ(query.state, uint32_t(DRM_ACC_QUEUE_ERROR));
        EXPECT_EQ(query.fault_code, code);
        EXPECT_EQ(query.fault_address, address);
        const drm_acc_fault fault = accel().query(DRM_ACC_QUERY_FAULT, 0).fault;
        EXPECT_EQ(fault.queue, queue.id());
        EXPECT_EQ(fault.code, code);
        EXPECT_STREQ(fault.kernel, kernel);
        EXPECT_EQ(fault.kernel_object, query.fault_kernel);
        EXPECT_NE(fault.text[0], 0);
    }
};

TEST_F(QueueNull, EngineErrorIsAFault)
{
    Signals signals(accel());
    NullWork work(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make(), *behind = signals.make();
    queue.submit({work.fail(done), work.noop(behind)});
    ASSERT_EQ(wait_for(accel(), behind), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_ENGINE_ERROR));
    EXPECT_EQ(status_of(behind), uint32_t(ACC_STATUS_CANCELLED));
    expect_error(queue, ACC_STATUS_ENGINE_ERROR, "fail");
    EXPECT_EQ(queue.query().fault_kernel, work.kernel(null_fail));
    // The slot is given back: others go on.
    Queue other(accel());
    acc_signal_memory *fine = signals.make();
    other.submit(work.noop(fine));
    ASSERT_EQ(wait_for(accel(), fine), 0);
    EXPECT_EQ(status_of(fine), uint32_t(ACC_STATUS_OK));
}

TEST_F(QueueNull, TimeoutIsAFault)
{
    Signals signals(accel());
    NullWork work(accel());
    for (const bool hang : {true, false}) {
        Queue queue(accel(), {.timeout_ns = 2 * millisecond_ns});
        acc_signal_memory *done = signals.make(), *behind = signals.make();
        queue.submit({hang ? work.hang(done) : work.spin(for_ever_ns, done), work.noop(behind)});
        ASSERT_EQ(wait_for(accel(), behind), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_TIMEOUT));
        EXPECT_EQ(status_of(behind), uint32_t(ACC_STATUS_CANCELLED));
        EXPECT_GE(done->end_ns - done->start_ns, 2 * millisecond_ns) << "not before its time";
        expect_error(queue, ACC_STATUS_TIMEOUT, hang ? "hang" : "spin");
    }
}

TEST_F(QueueNull, ResetStopsWhatRuns)
{
    Signals signals(accel());
    NullWork work(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make(), *behind = signals.make();
    queue.submit({work.hang(done), work.noop(behind)});
    ASSERT_TRUE(executing(work.program()));
    ASSERT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
    ASSERT_EQ(wait_for(accel(), behind), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_RESET));
    EXPECT_EQ(status_of(behind), uint32_t(ACC_STATUS_CANCELLED));
    expect_error(queue, ACC_STATUS_RESET, "hang");
}

TEST_F(QueueNull, ArgumentsThatAKernelRefuses)
{
    Signals signals(accel());
    NullWork work(accel());
    Queue queue(accel());
    acc_null_args args = {};
    args.reserved = 1;
    acc_signal_memory *done = signals.make();
    queue.submit(dispatch(work.kernel(null_spin), work.put(args), done));
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_INVALID_KERNARG));
    EXPECT_TRUE(queue.drained());
    expect_error(queue, ACC_STATUS_INVALID_KERNARG, "spin");
}

TEST_F(QueueNull, KernelNamesTheByteItCouldNotTouch)
{
    Signals signals(accel());
    NullWork work(accel());
    Buffer good(accel(), 2 * page_bytes), half(accel(), 2 * page_bytes);
    half.unbind_from(page_bytes);
    Buffer read_only(accel(), page_bytes, DRM_ACC_VM_READ);
    const uint64_t edge = half.address() + page_bytes;
    const struct {
        uint64_t to, from, address;
    } cases[] = {{good.address(), edge - 24, edge},
                 {edge - 24, good.address(), edge},
                 {edge + 100, good.address(), edge + 100},
                 {read_only.address() + 16, good.address(), read_only.address() + 16},
                 {good.address(), ~0ull - 4, ~0ull - 4},
                 {8, good.address(), 8}};
    for (const auto &one : cases) {
        Queue queue(accel());
        acc_signal_memory *done = signals.make();
        queue.submit(work.copy(one.to, one.from, 64, done));
        ASSERT_EQ(wait_for(accel(), done), 0);
        EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_INVALID_ADDRESS));
        EXPECT_TRUE(queue.drained());
        expect_error(queue, ACC_STATUS_INVALID_ADDRESS, "copy", one.address);
    }
}

TEST_F(QueueNull, FailureIsPassedOnFromQueueToQueue)
{
    Signals signals(accel());
    NullWork work(accel());
    Queue bad(accel()), good(accel());
    acc_signal_memory *failed = signals.make(), *told = signals.make(), *next = signals.make();
    good.submit({barrier_and({failed}, told), work.noop(next)});
    bad.submit(work.fail(failed));
    ASSERT_EQ(wait_for(accel(), next), 0);
    EXPECT_EQ(status_of(told), uint32_t(ACC_STATUS_DEPENDENCY_FAILED));
    EXPECT_EQ(status_of(next), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(good.query().state, uint32_t(DRM_ACC_QUEUE_ACTIVE));
}

// ------------------------------------------------------- destroying and unbinding

TEST_F(QueueNull, DestroyEndsWhatRunsAndCancelsTheRest)
{
    Signals signals(accel());
    NullWork work(accel());
    acc_signal_memory *running = signals.make(), *pending = signals.make(3);
    std::atomic<int> result{1};
    Queue queue(accel());
    queue.submit({work.hang(running), work.noop(pending), barrier_and({signals.make()}, pending),
                  nothing(pending)});
    ASSERT_TRUE(executing(work.program()));
    std::thread waiter([&] { result = wait_for(accel(), pending); });
    EXPECT_EQ(queue.destroy(), 0);
    waiter.join();
    EXPECT_EQ(result.load(), 0) << "nobody waits for ever";
    EXPECT_EQ(value_of(running), 0);
    EXPECT_EQ(status_of(running), uint32_t(ACC_STATUS_CANCELLED));
    EXPECT_EQ(status_of(pending), uint32_t(ACC_STATUS_CANCELLED));
    drm_acc_dev_query fault = {};
    fault.type = DRM_ACC_QUERY_FAULT;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_DEV_QUERY, fault), -ENOENT) << "nobody's fault";
}

// UNMAP returns when nobody uses the memory any more.
TEST_F(QueueNull, UnbindWaitsForADispatch)
{
    Signals signals(accel());
    NullWork work(accel());
    acc_signal_memory *done = signals.make();
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(page_bytes, bo), 0);
    const uint64_t at = accel().reserve(page_bytes);
    ASSERT_EQ(accel().bind(bo.handle, 0, page_bytes, at), 0);
    Queue queue(accel());
    queue.submit(work.spin(100 * millisecond_ns, done));
    ASSERT_TRUE(eventually([&] { return work.program().query().slot != ~0u; }));
    EXPECT_EQ(accel().unbind(at, page_bytes), 0);
    EXPECT_EQ(value_of(done), 0) << "the dispatch in flight is over";
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    Accel::release(at, page_bytes);
    EXPECT_EQ(accel().close(bo.handle), 0);
}

TEST_F(QueueNull, UnbindFaultsWhatOutlivesItsTime)
{
    Signals signals(accel());
    NullWork work(accel());
    acc_signal_memory *done = signals.make();
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(page_bytes, bo), 0);
    const uint64_t at = accel().reserve(page_bytes);
    ASSERT_EQ(accel().bind(bo.handle, 0, page_bytes, at), 0);
    Queue queue(accel(), {.timeout_ns = 300 * millisecond_ns});
    queue.submit(work.hang(done));
    ASSERT_TRUE(executing(work.program()));
    EXPECT_EQ(accel().unbind(at, page_bytes), -ETIME);
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_TIMEOUT));
    EXPECT_EQ(queue.query().fault_code, uint32_t(ACC_STATUS_TIMEOUT));
    EXPECT_EQ(accel().unbind(at, page_bytes), -ENOENT) << "it is unbound all the same";
    Accel::release(at, page_bytes);
    EXPECT_EQ(accel().close(bo.handle), 0);
}

// While one thread unbinds, the binding is neither there nor gone.
TEST_F(QueueNull, UnbindOfWhatIsBeingUnboundIsBusy)
{
    Signals signals(accel());
    NullWork work(accel());
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(page_bytes, bo), 0);
    const uint64_t at = accel().reserve(page_bytes);
    ASSERT_EQ(accel().bind(bo.handle, 0, page_bytes, at), 0);
    Queue hanging(accel()), probe(accel());
    hanging.submit(work.hang(signals.make()));
    ASSERT_TRUE(executing(work.program()));
    int result = 1;
    std::thread unbinder([&] { result = accel().unbind(at, page_bytes); });
    // The device lost the address: the other thread is inside.
    acc_signal_memory *done = signals.make(0);
    EXPECT_TRUE(eventually([&] {
        shared(done->value).store(1);
        probe.submit(fill(at, 1, 4, done));
        EXPECT_EQ(wait_for(accel(), done), 0);
        return status_of(done) == ACC_STATUS_INVALID_ADDRESS;
    }));
    EXPECT_EQ(accel().unbind(at, page_bytes), -EBUSY);
    EXPECT_EQ(accel().bind(bo.handle, 0, page_bytes, at), -EEXIST);
    ASSERT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, hanging.id()), 0);
    unbinder.join();
    EXPECT_EQ(result, 0);
    EXPECT_EQ(accel().unbind(at, page_bytes), -ENOENT);
    Accel::release(at, page_bytes);
    EXPECT_EQ(accel().close(bo.handle), 0);
}

// Every slot is only busy: a pin that may be tried again, unlike one that can never be.
TEST_F(QueueNull, PinIsBusyWhileEverySlotIs)
{
    const uint32_t slots = accel().slots();
    if (slots < 2) GTEST_SKIP() << "one slot: nothing can be pinned";
    Signals signals(accel());
    std::vector<std::unique_ptr<NullWork>> works;
    std::vector<std::unique_ptr<Queue>> queues;
    for (uint32_t i = 0; i < slots; i++) {
        works.push_back(std::make_unique<NullWork>(accel()));
        queues.push_back(std::make_unique<Queue>(accel()));
    }
    Program more(accel(), {ACC_NULL_NOOP});
    for (uint32_t i = 0; i < slots; i++) { // from here on no unbind would end
        queues[i]->submit(works[i]->hang(signals.make()));
        ASSERT_TRUE(executing(works[i]->program())) << i;
    }
    EXPECT_EQ(more.pin(0), -EBUSY);
    EXPECT_EQ(more.query().pinned, 0u);
    EXPECT_EQ(more.prefetch(0), 0) << "a hint";
    EXPECT_EQ(more.query().slot, ~0u);
    ASSERT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queues[0]->id()), 0);
    EXPECT_TRUE(eventually([&] { return more.pin(0) == 0; }));
    EXPECT_EQ(more.query().pinned, 1u);
    for (auto &queue : queues) {
        EXPECT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue->id()), 0);
        EXPECT_TRUE(queue->drained());
    }
}

TEST_F(QueueNull, UnloadIsBusyWhileADispatchExecutes)
{
    Signals signals(accel());
    // A slot is busy from a moment before its dispatch executes: there, unloading still works.
    for (int tries = 0;; tries++) {
        ASSERT_LT(tries, 20) << "expected -EBUSY of a dispatch that executes";
        NullWork work(accel());
        acc_signal_memory *done = signals.make();
        Queue queue(accel());
        queue.submit(work.hang(done));
        ASSERT_TRUE(executing(work.program()));
        const int error = work.program().unload();
        if (!error) {
            ASSERT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
            continue;
        }
        EXPECT_EQ(error, -EBUSY);
        EXPECT_EQ(accel().reset(DRM_ACC_RESET_SLOT, work.program().query().slot), -EBUSY);
        ASSERT_EQ(accel().reset(DRM_ACC_RESET_QUEUE, queue.id()), 0);
        ASSERT_EQ(wait_for(accel(), done), 0);
        EXPECT_EQ(work.program().unload(), 0);
        break;
    }
}

// Closing the file ends all, whatever is in flight.
TEST_F(QueueNull, CloseWithEverythingInFlight)
{
    auto own = open_accel();
    Signals *signals = new Signals(*own); // as a client that is killed: nothing is undone
    auto *work = new NullWork(*own);
    auto *hanging = new Queue(*own), *waiting = new Queue(*own), *busy = new Queue(*own);
    hanging->submit(work->hang(signals->make()));
    waiting->submit(barrier_and({signals->make()}, signals->make()));
    for (int i = 0; i < 50; i++)
        busy->submit(work->spin(100'000, signals->make(1)));
    own->kill();
    delete busy;
    delete waiting;
    delete hanging;
    delete work;
    delete signals;
    SUCCEED() << "and the leak check finds nothing";
}

} // namespace

} // namespace acc::conformance
