// SPDX-License-Identifier: MIT
//
// Parts that an application doesn't see: the arena, the line for space, JSON text, relays.
#include "libacc/arena.h"
#include "libacc/clock.h"
#include "libacc/device.h"
#include "libacc/json.h"
#include "libacc/queue.h"
#include "libacc/signal.h"
#include "libacc/transport.h"
#include "libacc/turnstile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace acc
{
namespace
{

constexpr uint64_t page = 4096;

// A free range to play in.
struct Range {
    explicit Range(size_t bytes) : bytes(bytes)
    {
        at = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        munmap(at, bytes);
    }
    uint64_t start() const { return reinterpret_cast<uint64_t>(at); }
    void *at;
    size_t bytes;
};

template <typename T>
T must(Result<T> result)
{
    EXPECT_TRUE(result);
    return std::move(result).value();
}

TEST(Arena, HandsOutWhatIsFreeAndNothingElse)
{
    const Range range(64 * page);
    Arena arena;
    arena.init(range.start(), range.start() + range.bytes, page);
    // Somebody else's mapping in the middle.
    void *foreign = mmap(reinterpret_cast<void *>(range.start() + 20 * page), 4 * page, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT_NE(foreign, MAP_FAILED);
    std::vector<void *> pieces;
    for (;;) {
        auto piece = arena.reserve(page);
        if (!piece) {
            EXPECT_EQ(piece.error(), -ENOMEM);
            break;
        }
        EXPECT_TRUE(arena.contains(*piece, page));
        pieces.push_back(*piece);
    }
    EXPECT_EQ(pieces.size(), 60u);
    EXPECT_EQ(std::set<void *>(pieces.begin(), pieces.end()).size(), 60u);
    // A hole of two pages is found wherever it is.
    std::sort(pieces.begin(), pieces.end());
    Arena::release(pieces[30], page);
    Arena::release(pieces[31], page);
    EXPECT_FALSE(arena.reserve(3 * page));
    auto hole = arena.reserve(2 * page);
    ASSERT_TRUE(hole);
    EXPECT_EQ(*hole, pieces[30]);
    Arena::release(*hole, 2 * page);
    for (size_t i = 0; i < pieces.size(); i++)
        if (i != 30 && i != 31) Arena::release(pieces[i], page);
    munmap(foreign, 4 * page);
    auto all = arena.reserve(range.bytes);
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, range.at);
    Arena::release(*all, range.bytes);
}

TEST(Arena, KnowsItsBounds)
{
    Arena arena;
    arena.init(0x10000, 0x20000, page);
    const auto contains = [&](uint64_t at, size_t bytes) {
        return arena.contains(reinterpret_cast<void *>(at), bytes);
    };
    EXPECT_TRUE(contains(0x10000, 0x10000));
    EXPECT_FALSE(contains(0x10000, 0x10001));
    EXPECT_FALSE(contains(0xf000, 0x2000));
    EXPECT_FALSE(contains(0x20000, 0));
    EXPECT_FALSE(contains(0x1f000, SIZE_MAX));
}

TEST(Turnstile, ServesInOrder)
{
    Turnstile turnstile;
    std::vector<int> order;
    std::vector<std::thread> threads;
    {
        Turnstile::Place first(turnstile);
        ASSERT_TRUE(first.wait(ACC_FOREVER));
        std::atomic<int> standing{0};
        for (int i = 0; i < 8; i++) {
            threads.emplace_back([&, i] {
                Turnstile::Place place(turnstile);
                standing++;
                if (!place.wait(ACC_FOREVER)) return;
                order.push_back(i); // one at a time
            });
            while (standing != i + 1)
                std::this_thread::yield();
        }
        EXPECT_TRUE(order.empty());
        EXPECT_FALSE(turnstile.closed());
        first.close();
        EXPECT_TRUE(turnstile.closed());
    }
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_FALSE(turnstile.closed());
}

TEST(Turnstile, ADeadlineLeavesTheLineWhole)
{
    Turnstile turnstile;
    auto first = std::make_unique<Turnstile::Place>(turnstile);
    {
        Turnstile::Place second(turnstile);
        EXPECT_FALSE(second.wait(now_ns() + 1'000'000));
        EXPECT_FALSE(second.wait(ACC_NOW));
    }
    Turnstile::Place third(turnstile);
    EXPECT_FALSE(third.wait(ACC_NOW));
    first.reset();
    EXPECT_TRUE(third.wait(ACC_NOW));
}

TEST(Json, StaysValidWhateverTheNames)
{
    const auto text = [](std::string_view value) {
        JsonWriter json;
        json.value(value);
        return json.take();
    };
    EXPECT_EQ(text("a\"b\\c\n"), R"("a\"b\\c\u000a")");
    EXPECT_EQ(text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
              "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    EXPECT_EQ(text("\xff\x80"), R"("\u00ff\u0080")");           // no UTF-8
    EXPECT_EQ(text("\xc0\xaf"), R"("\u00c0\u00af")");           // longer than needed
    EXPECT_EQ(text("\xed\xa0\x80"), R"("\u00ed\u00a0\u0080")"); // a surrogate
    EXPECT_EQ(text("\xe2\x82"), R"("\u00e2\u0082")");           // cut
    EXPECT_EQ(text("\xf4\x90\x80\x80"), R"("\u00f4\u0090\u0080\u0080")");

    JsonWriter json;
    json.begin('{').member("a", 1).member("b", true).key("c").begin('[');
    json.value(0.5f).value(HUGE_VALF).null().begin('{').end('}').end(']').end('}');
    EXPECT_EQ(json.take(), R"({"a":1,"b":true,"c":[0.5,null,null,{}]})");
}

TEST(Transport, SaysWhatItExpected)
{
    std::string why;
    EXPECT_EQ(open_transport("", why).error(), -EINVAL);
    EXPECT_EQ(open_transport("inproc", why).error(), -EINVAL);
    EXPECT_EQ(why, "expected inproc:ENGINE, unix:PATH#INDEX or /dev/accel/accelN; found 'inproc'");
    EXPECT_EQ(open_transport("unix:/a#b", why).error(), -EINVAL);
    EXPECT_EQ(open_transport("/dev/accel/accel", why).error(), -EINVAL);
    EXPECT_EQ(open_transport("/dev/accel/accel0x1", why).error(), -EINVAL);
}

// A relay's own wakes must not start another: two readers would wake each other for ever.
TEST(Relay, ComesToRest)
{
    const auto open = [] { return must(Device::open("inproc:null", nullptr)); };
    auto a = open(), b = open();
    Device *const devices[] = {a.get(), b.get()};
    {
        auto signal = must(Signal::create(devices, 1));
        auto other = must(Signal::create(devices, 1));
        acc_queue_options options = {};
        auto waiting = must(Queue::create(*a, options));
        auto working = must(Queue::create(*b, options));
        for (int i = 0; i < 20; i++) {
            signal->reset(1);
            other->reset(1);
            acc_packet barrier = {};
            barrier.barrier.header = ACC_HEADER(ACC_PACKET_BARRIER_AND, 0);
            barrier.barrier.dep_signal[0] = signal->address();
            barrier.barrier.completion_signal = other->address();
            ASSERT_EQ(waiting->submit(&barrier, 1, ACC_FOREVER, nullptr), 0);
            barrier.barrier.dep_signal[0] = 0;
            barrier.barrier.completion_signal = signal->address();
            ASSERT_EQ(working->submit(&barrier, 1, ACC_FOREVER, nullptr), 0);
            ASSERT_EQ(other->wait(ACC_COND_EQ, 0, now_ns() + 60'000'000'000, nullptr), 0);
        }
        // Rest: the count of events stays where it is for a while; an endless relay never does.
        const auto events = [&] { return a->reader().events() + b->reader().events(); };
        uint32_t before = events();
        int quiet = 0;
        for (int i = 0; i < 1000 && quiet < 50; i++) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            quiet = events() == before ? quiet + 1 : 0;
            before = events();
        }
        EXPECT_GE(quiet, 50);
        ASSERT_EQ(Signal::destroy(signal), 0);
        ASSERT_EQ(Signal::destroy(other), 0);
    }
    EXPECT_EQ(Device::close(a), 0);
    EXPECT_EQ(Device::close(b), 0);
}

} // namespace
} // namespace acc
