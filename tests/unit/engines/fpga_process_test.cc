// SPDX-License-Identifier: MIT
//
// The device's side of a region's process, against a thread that takes the process's part: what
// an honest one says, and what a hostile one may do with the page and the pipes that it shares.
#include "emulator/fpga/process/region_process.h"

#include "common/message.h"
#include "emulator/memory.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <sys/mman.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace acc::emu::fpga
{
namespace
{

// One window, with a file behind it; nothing else is bound.
class FileMemory final : public Memory
{
public:
    static constexpr uint64_t kStart = arena_start + 0x10000, kBytes = 8192;

    FileMemory() : file_(memfd_create("window", MFD_CLOEXEC))
    {
        EXPECT_EQ(ftruncate(file_.get(), kBytes), 0);
    }
    std::span<std::byte> span(uint64_t address, size_t, Access) override
    {
        fault_address_ = address;
        return {};
    }
    Backing backing(uint64_t address, Access access) override
    {
        Backing found;
        if (address < kStart || address >= kStart + kBytes || access == Access::Write) return found;
        found.fd.reset(fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
        found.start = kStart;
        found.bytes = kBytes;
        return found;
    }

private:
    UniqueFd file_;
};

// What the thread has of the process's: the page, and its ends.
struct Peer {
    Control *control = nullptr;
    UniqueFd order, answer, socket;

    // False: the device has let go.
    bool await()
    {
        while (control->turn.load(std::memory_order_acquire) != kTurnProcess)
            if (!take_rings(order.get())) return false;
        return true;
    }
    void give(Answer answer_is)
    {
        control->to_device.answer = answer_is;
        give_turn(*control, kTurnDevice, answer.get());
    }
};

class ProcessTest : public testing::Test
{
protected:
    ProcessTest()
    {
        Started made;
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        made.socket.reset(ends[0]);
        peer.socket.reset(ends[1]);
        EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
        made.unread.reset(ends[0]);
        made.order.reset(ends[1]);
        peer.order.reset(fcntl(ends[0], F_DUPFD_CLOEXEC, 0));
        EXPECT_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
        EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
        made.answer.reset(ends[0]);
        peer.answer.reset(ends[1]);
        EXPECT_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        // So that no thread stays in it when the test is over.
        EXPECT_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
        void *page = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        EXPECT_NE(page, MAP_FAILED);
        made.control = peer.control = new (page) Control;
        made.control->turn.store(kTurnDevice, std::memory_order_relaxed);
        process.emplace(std::move(made));
        dispatch.memory = &memory;
    }
    ~ProcessTest() override
    {
        if (!thread.joinable()) return;
        over = true;
        // As the end of the device would: its turn never comes any more.
        give_turn(*peer.control, kTurnProcess, wake.get());
        thread.join();
    }

    // The process's life: `play` is called once for each order, while the test goes on.
    void playing(std::function<void(Peer &)> play)
    {
        wake.reset(open(("/proc/self/fd/" + std::to_string(peer.order.get())).c_str(),
                        O_WRONLY | O_CLOEXEC));
        EXPECT_TRUE(wake);
        thread = std::thread([this, play = std::move(play)] {
            while (peer.await() && !over)
                play(peer);
        });
    }
    acc_status run()
    {
        cycles = 0;
        return process->run(dispatch, {"role", {}, {}, {}}, cycles);
    }

    Peer peer;
    std::optional<RegionProcess> process;
    FileMemory memory;
    Dispatch dispatch;
    uint64_t cycles = 0;
    std::atomic<bool> over{false}, silent{false}; // as long as the thread lives
    UniqueFd wake;
    std::thread thread;
};

TEST_F(ProcessTest, HandsADispatchOverAndItsResultBack)
{
    const std::array<std::byte, 3> kernargs = {std::byte{1}, std::byte{2}, std::byte{3}};
    dispatch.kernargs = kernargs;
    dispatch.grid[1] = 7;
    playing([&](Peer &it) {
        const auto &order = it.control->to_process;
        auto &out = it.control->to_device;
        const bool right = order.order == Order::Run && order.kernarg_bytes == 3 &&
                           order.kernargs[2] == std::byte{3} && order.grid[1] == 7 &&
                           std::string_view(order.role) == "role";
        out.status = right ? ACC_STATUS_OK : ACC_STATUS_INVALID_KERNEL;
        out.cycles = 1234;
        out.bytes_read = 5;
        it.give(Answer::Done);
    });
    for (int i = 0; i < 200; i++) {
        ASSERT_EQ(run(), ACC_STATUS_OK) << dispatch.text;
        ASSERT_EQ(cycles, 1234u);
    }
    EXPECT_EQ(memory.bytes_read(), 1000u);
    EXPECT_FALSE(process->broken());
}

TEST_F(ProcessTest, ServesWindowsOfItsClientAlone)
{
    int asked = 0;
    playing([&](Peer &it) {
        auto &out = it.control->to_device;
        const std::array<std::pair<uint64_t, bool>, 3> asks = {
            {{FileMemory::kStart + 5000, false},
             {FileMemory::kStart + 5000, true}, // it is bound for reading
             {FileMemory::kStart + FileMemory::kBytes, false}}};
        for (const auto &[address, write] : asks) {
            out.address = address;
            out.write = write;
            it.give(Answer::Window);
            if (!it.await() || over) return;
            const bool got = it.control->to_process.order == Order::Window;
            if (!got) continue;
            WindowMessage message = {};
            const auto got_message =
                receive_message(it.socket.get(), std::as_writable_bytes(std::span(&message, 1)), 0);
            asked += got_message && got_message->fd && message.start == FileMemory::kStart &&
                     message.bytes == FileMemory::kBytes && !message.write;
        }
        out.status = ACC_STATUS_OK;
        it.give(Answer::Done);
    });
    ASSERT_EQ(run(), ACC_STATUS_OK) << dispatch.text;
    EXPECT_EQ(asked, 1);
    EXPECT_TRUE(process->maps(FileMemory::kStart + 4096, 1));
    EXPECT_FALSE(process->maps(FileMemory::kStart + FileMemory::kBytes, 1));
}

TEST_F(ProcessTest, StopsWhenTold)
{
    std::atomic<bool> stop{false};
    dispatch.stop = &stop;
    playing([&](Peer &it) {
        it.control->cycle.store(77, std::memory_order_relaxed);
        stop = true; // and no answer
        while (!over && it.control->turn.load(std::memory_order_acquire) == kTurnProcess)
            if (!take_rings(it.order.get())) return;
    });
    EXPECT_EQ(run(), ACC_STATUS_TIMEOUT);
    EXPECT_EQ(dispatch.text, "stopped after 77 cycles");
    EXPECT_TRUE(process->broken());
}

TEST_F(ProcessTest, BytesTooManyAreNoTurn)
{
    playing([&](Peer &it) {
        for (int i = 0; i < 1000; i++)
            ring(it.answer.get());
        it.control->to_device.status = ACC_STATUS_OK;
        it.give(Answer::Done);
        for (int i = 0; i < 1000; i++)
            ring(it.answer.get());
    });
    for (int i = 0; i < 3; i++)
        ASSERT_EQ(run(), ACC_STATUS_OK) << dispatch.text;
}

TEST_F(ProcessTest, BytesForEverAreStopped)
{
    std::atomic<bool> stop{false};
    dispatch.stop = &stop;
    playing([&](Peer &it) {
        for (int i = 0; i < 5000; i++)
            ring(it.answer.get());
        stop = true;
        while (it.control->turn.load(std::memory_order_acquire) == kTurnProcess && !over)
            ring(it.answer.get());
    });
    EXPECT_EQ(run(), ACC_STATUS_TIMEOUT);
}

TEST_F(ProcessTest, AnEndInTheMiddleIsNoticed)
{
    playing([&](Peer &it) {
        it.answer.reset();
        over = true;
    });
    EXPECT_EQ(run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_EQ(dispatch.text, "the role ended its process: not known how");
    EXPECT_TRUE(process->broken());
}

TEST_F(ProcessTest, ALastWordCountsBeforeTheEnd)
{
    playing([&](Peer &it) {
        it.control->to_device.fault = Fault::Memory;
        it.control->to_device.address = 0x1230;
        it.give(Answer::Fault);
        it.answer.reset();
        over = true;
    });
    EXPECT_EQ(run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_EQ(dispatch.text, "the role crashed: segmentation fault at 0x1230");
}

TEST_F(ProcessTest, NothingItSaysIsBelieved)
{
    uint32_t status = 0;
    auto answer = Answer::Done;
    playing([&](Peer &it) {
        auto &out = it.control->to_device;
        std::memset(out.text, '\n', sizeof out.text); // and no end
        out.status = status;
        out.cycles = ~0ull;
        out.fault = static_cast<Fault>(77);
        it.give(answer);
    });
    EXPECT_EQ(run(), ACC_STATUS_OK);
    EXPECT_EQ(cycles, uint64_t{1} << 60);
    status = 999;
    EXPECT_EQ(run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_EQ(dispatch.text, std::string(kTextBytes, ' '));
    status = ACC_STATUS_CANCELLED; // not a role's to say
    EXPECT_EQ(run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_FALSE(process->broken());
    answer = Answer::Fault;
    EXPECT_EQ(run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_EQ(dispatch.text, "the role crashed");
    answer = static_cast<Answer>(4711);
    EXPECT_EQ(run(), ACC_STATUS_ENGINE_ERROR);
    EXPECT_TRUE(process->broken());
}

// Of a ring that it follows: numbers are cut, a failure is its packet's.
TEST_F(ProcessTest, NothingItSaysOfARingIsBelieved)
{
    auto why = static_cast<FollowEnd>(77);
    playing([&](Peer &it) {
        auto &out = it.control->to_device;
        EXPECT_EQ(it.control->to_process.order, Order::Follow);
        EXPECT_EQ(it.control->to_process.follow.kernel_object, 5u);
        it.control->followed = ~0ull;
        out.modelled_ns = out.energy_pj = ~0ull;
        out.notified = ~0u;
        out.status = 999;
        out.why = why;
        it.give(Answer::Followed);
    });
    std::atomic<bool> stop{false};
    const auto follow = [&] {
        Following following;
        following.kernel_object = 5;
        following.memory = &memory;
        following.stop = &stop;
        following.timeout_ns = 60'000'000'000;
        process->follow(following, {"role", {}, {}, {}}, {}, {});
        return following;
    };
    Following found = follow();
    EXPECT_TRUE(found.tried);
    EXPECT_FALSE(found.lingered);
    EXPECT_EQ(found.served, uint64_t{1} << 60);
    EXPECT_EQ(found.modelled_ns, uint64_t{1} << 60);
    EXPECT_EQ(found.energy_pj, uint64_t{1} << 60);
    EXPECT_EQ(found.notified, 0u);
    EXPECT_EQ(found.status, ACC_STATUS_OK);
    why = FollowEnd::Failed;
    found = follow();
    EXPECT_EQ(found.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_FALSE(process->broken());
    why = FollowEnd::Never;
    EXPECT_FALSE(follow().tried);
}

// A stop is asked for, and is not waited for without end.
TEST_F(ProcessTest, ARingIsLeftWhenItsQueueIsStopped)
{
    std::atomic<bool> stop{false};
    playing([&](Peer &it) {
        const bool answers = !silent;
        it.control->followed = 3;
        stop = true;
        while (answers && !it.control->leave)
            std::this_thread::yield();
        it.control->to_device.why = FollowEnd::Asked;
        if (answers) it.give(Answer::Followed);
        while (!answers && !over && take_rings(it.order.get())) {
        }
    });
    Following following;
    following.memory = &memory;
    following.stop = &stop;
    following.timeout_ns = 60'000'000'000;
    process->may_follow();
    process->follow(following, {"role", {}, {}, {}}, {}, {});
    EXPECT_EQ(following.served, 3u);
    EXPECT_EQ(following.status, ACC_STATUS_OK);
    silent = true;
    process->follow(following, {"role", {}, {}, {}}, {}, {});
    EXPECT_EQ(following.status, ACC_STATUS_TIMEOUT);
    EXPECT_TRUE(process->broken());
}

TEST_F(ProcessTest, ForgetsOnlyWhatItIsTold)
{
    uint64_t told = 0;
    playing([&](Peer &it) {
        const bool answers = !silent;
        told = it.control->to_process.order == Order::Forget ? it.control->to_process.bytes : 0;
        if (answers) it.give(Answer::Ready);
        while (!answers && !over && take_rings(it.order.get())) {
        }
    });
    EXPECT_TRUE(process->forget(FileMemory::kStart, 4096));
    EXPECT_EQ(told, 4096u);
    silent = true;
    EXPECT_FALSE(process->forget(FileMemory::kStart, 4096)); // it is to be ended
}

TEST_F(ProcessTest, ARefusedImageSaysWhy)
{
    playing([&](Peer &it) {
        std::strcpy(it.control->to_device.text, "expected a role; found none");
        it.give(Answer::Refused);
    });
    std::string why;
    EXPECT_EQ(process->load(Image{}, -1, why), -EINVAL);
    EXPECT_EQ(why, "expected a role; found none");
    EXPECT_TRUE(process->broken());
}

} // namespace
} // namespace acc::emu::fpga
