// SPDX-License-Identifier: MIT
//
// Designs as roles, in processes and in the device's: results against references, and graphs
// against the recurrence that predicts every firing.
#include "roles.h"

#include "program/images.h"
#include "program/program_file.h"
#include "program/program_writer.h"
#include "program/signature.h"
#include "program/text.h"

#include <gmock/gmock.h>

#include <bit>
#include <random>
#include <sodium.h>
#include <unistd.h>

namespace acc::test
{
namespace
{

using testing::HasSubstr;

const std::string kFolder = ROLES_FOLDER;

// By what has a process of its own: `native`, so do they; `untrusted`, they run in this one.
class Rtl : public testing::TestWithParam<const char *>
{
protected:
    void SetUp() override
    {
        if (access((kFolder + "/roles.stamp").c_str(), R_OK))
            GTEST_SKIP() << "no roles in this build: it has no accctl, or there is no verilator";
        if (GetParam() == std::string("native")) {
            NEEDS_REGION_PROCESS();
        }
        client = std::make_unique<RoleClient>(uri());
    }
    void TearDown() override
    {
        EXPECT_TRUE(GetParam() == std::string("native") || region_processes() == 0);
    }
    static std::string uri()
    {
        return "inproc:fpga:preset=fast,keys=" + kFolder + "/keys,isolation=" + GetParam();
    }

    // With any arguments.
    Completion run(const char *kernel, std::vector<uint64_t> words)
    {
        return client->run(kernel, std::move(words));
    }

    std::unique_ptr<RoleClient> client;
};

TEST_P(Rtl, Sha256)
{
    client->load(read_file(kFolder + "/sha256.accx"));
    std::mt19937_64 random(1);
    for (const size_t bytes : {0, 1, 55, 56, 64, 1000, 100'000}) {
        std::vector<uint8_t> message(bytes);
        for (uint8_t &byte : message)
            byte = static_cast<uint8_t>(random());
        uint8_t expected[32];
        crypto_hash_sha256(expected, message.data(), message.size());
        std::vector<uint8_t> padded = message; // FIPS 180-4, 5.1.1
        padded.push_back(0x80);
        while (padded.size() % 64 != 56)
            padded.push_back(0);
        for (int i = 56; i >= 0; i -= 8)
            padded.push_back(static_cast<uint8_t>(uint64_t{bytes} * 8 >> i));
        const uint64_t src = client->buffer(padded.size()), dst = client->buffer(32);
        std::memcpy(RoleClient::at<uint8_t>(src), padded.data(), padded.size());
        const Completion done = run("sha256_rtl", {src, dst, padded.size() / 64});
        ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
        EXPECT_EQ(std::memcmp(RoleClient::at<uint8_t>(dst), expected, 32), 0) << bytes;
        EXPECT_GT(done.ns, 0u); // cycles at the region's clock
    }
    // The design's memory master reaches the client's memory, and no other.
    const Completion done = run("sha256_rtl", {0x5660'0000'0000, client->buffer(32), 1});
    EXPECT_EQ(done.status, ACC_STATUS_INVALID_ADDRESS) << done.text;
}

TEST_P(Rtl, Fir)
{
    client->load(read_file(kFolder + "/fir.accx"));
    std::mt19937_64 random(2);
    const size_t count = 5000;
    const uint64_t src = client->buffer(count * 4), dst = client->buffer(count * 4);
    std::vector<int32_t> taps(8);
    for (int32_t &tap : taps)
        tap = static_cast<int32_t>(random());
    for (size_t i = 0; i < count; i++)
        RoleClient::at<int32_t>(src)[i] = static_cast<int32_t>(random());
    std::vector<uint64_t> words = {src, dst, count};
    for (size_t i = 0; i < 8; i += 2)
        words.push_back(uint32_t(taps[i]) | uint64_t{uint32_t(taps[i + 1])} << 32);
    const Completion done = run("fir_rtl", words);
    ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
    for (size_t n = 0; n < count; n++) {
        uint32_t sum = 0;
        for (size_t k = 0; k < 8 && k <= n; k++)
            sum += uint32_t(taps[k]) * uint32_t(RoleClient::at<int32_t>(src)[n - k]);
        ASSERT_EQ(RoleClient::at<uint32_t>(dst)[n], sum) << n;
    }
}

TEST_P(Rtl, SystolicGemm)
{
    client->load(read_file(kFolder + "/gemm.accx"));
    std::mt19937_64 random(3);
    for (const size_t k : {1, 2, 9, 300}) {
        const uint64_t a = client->buffer(k * 8), b = client->buffer(k * 8);
        const uint64_t out = client->buffer(256);
        for (size_t i = 0; i < k * 8; i++) {
            RoleClient::at<int8_t>(a)[i] = static_cast<int8_t>(random());
            RoleClient::at<int8_t>(b)[i] = static_cast<int8_t>(random());
        }
        const Completion done = run("gemm8x8_rtl", {a, b, out, k});
        ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
        for (size_t i = 0; i < 8; i++)
            for (size_t j = 0; j < 8; j++) {
                int32_t sum = 0;
                for (size_t l = 0; l < k; l++)
                    sum +=
                        RoleClient::at<int8_t>(a)[l * 8 + i] * RoleClient::at<int8_t>(b)[l * 8 + j];
                ASSERT_EQ(RoleClient::at<int32_t>(out)[i * 8 + j], sum) << k;
            }
    }
}

// What docs/roles.md shows first, letter by letter.
TEST_P(Rtl, TheManualsExample)
{
    client->load(read_file(kFolder + "/adder.accx"));
    constexpr size_t count = 1000;
    const uint64_t src = client->buffer(count * 4), dst = client->buffer(count * 4);
    for (uint32_t i = 0; i < count; i++)
        RoleClient::at<uint32_t>(src)[i] = i * 2654435761u;
    const Completion done = run("adder", {src, dst, count});
    ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
    for (uint32_t i = 0; i < count; i++)
        ASSERT_EQ(RoleClient::at<uint32_t>(dst)[i], i * 2654435761u + 1) << i;
}

// Written from the manual alone: plain Verilog, none of our sources, no interrupt.
TEST_P(Rtl, SomebodyElsesDesign)
{
    client->load(read_file(kFolder + "/bitcount.accx"));
    std::mt19937_64 random(5);
    for (const size_t count : {0, 1, 77}) {
        const uint64_t src = client->buffer(count * 8 + 8), dst = client->buffer(8);
        uint64_t expected = 0;
        for (size_t i = 0; i < count; i++) {
            RoleClient::at<uint64_t>(src)[i] = random();
            expected += static_cast<unsigned>(std::popcount(RoleClient::at<uint64_t>(src)[i]));
        }
        const Completion done = run("bitcount", {src, dst, count});
        ASSERT_EQ(done.status, ACC_STATUS_OK) << done.text;
        EXPECT_EQ(*RoleClient::at<uint64_t>(dst), expected);
    }
}

// --------------------------------------------------------------------- graphs

// What the test's stages do: examples/roles/stage.
struct Chain {
    std::vector<uint64_t> latency;
    std::vector<uint64_t> depth; // before each stage, and behind the last
    uint64_t seed = 0;
    uint32_t stall_most = 0;
};

uint64_t stall(const Chain &chain, uint64_t stage, uint64_t item)
{
    if (!chain.stall_most) return 0;
    uint64_t z = chain.seed + (stage << 32) + item + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % (uint64_t{chain.stall_most} + 1);
}

// take[i][k] by the recurrence alone; the last row is memory's, which ends the dispatch.
std::vector<std::vector<uint64_t>> predict(const Chain &chain, size_t items)
{
    const size_t n = chain.latency.size();
    std::vector<std::vector<uint64_t>> take(n + 1, std::vector<uint64_t>(items));
    std::vector<std::vector<uint64_t>> give(n + 1, std::vector<uint64_t>(items)); // into FIFO i
    for (size_t k = 0; k < items; k++)
        for (size_t i = 0; i <= n; i++) {
            // Into FIFO i: from memory at once, from a stage after its latency; when there is room.
            uint64_t t =
                i == 0 ? (k ? give[0][k - 1] + 1 : 0) : take[i - 1][k] + chain.latency[i - 1];
            if (k >= chain.depth[i]) t = std::max(t, take[i][k - chain.depth[i]] + 1);
            give[i][k] = t;
            // The head of the FIFO, then the wait, then the stage is free.
            uint64_t head = give[i][k] + 1;
            if (k) head = std::max(head, take[i][k - 1] + 1);
            take[i][k] = head;
            if (i == n) continue;
            take[i][k] += stall(chain, i, k);
            // give(i + 1, k - 1) is known: it comes before item k.
            if (k) take[i][k] = std::max(take[i][k], give[i + 1][k - 1]);
        }
    return take;
}

class Dataflow : public Rtl
{
protected:
    // A graph of the built stages: their code, with FIFOs of these depths, as an image of their
    // own.
    std::vector<std::byte> image_of(const Chain &chain, const char *file)
    {
        const auto built = read_file(kFolder + "/" + file);
        const auto parsed = program::ProgramFile::parse(built, nullptr);
        EXPECT_TRUE(parsed);
        auto native = program::parse_fpga_native(parsed->image(ACC_TARGET_FPGA), 4, nullptr);
        EXPECT_TRUE(native);
        for (size_t e = 0; e < native->edges.size(); e++)
            native->edges[e].depth = static_cast<uint32_t>(chain.depth[e]);
        program::ProgramWriter writer;
        for (const acc_unit_desc &unit : parsed->units(ACC_TARGET_FPGA))
            writer.add_unit(unit);
        for (const acc_kernel_desc &kernel : parsed->kernels(ACC_TARGET_FPGA))
            writer.add_kernel(kernel);
        writer.set_image(ACC_TARGET_FPGA, program::encode_fpga_native(*native));
        auto image = writer.finish();
        const auto key = program::read_secret_key(kFolder + "/test.key", nullptr);
        EXPECT_TRUE(image && key);
        auto out = program::sign(*image, *key, nullptr);
        EXPECT_TRUE(out);
        return *out;
    }

    struct Run {
        Completion done;
        std::vector<std::vector<uint64_t>> take;
        std::vector<acc_graph_counters> counters;
        std::vector<uint64_t> output;
    };
    Run dispatch(const Chain &chain, const char *file, const char *kernel, size_t items)
    {
        RoleClient own(uri());
        own.load(image_of(chain, file));
        acc_graph_args args = {};
        args.input = own.buffer(items * 8);
        args.output = own.buffer(items * 8);
        args.items = items;
        args.counters = own.buffer(4 * sizeof(acc_graph_counters));
        args.log = own.buffer(3 * items * 8);
        args.stall_seed = chain.seed;
        args.stall_most = chain.stall_most;
        for (size_t k = 0; k < items; k++)
            RoleClient::at<uint64_t>(args.input)[k] = k;
        std::vector<uint64_t> words(sizeof args / 8);
        std::memcpy(words.data(), &args, sizeof args);
        Run run;
        run.done = own.run(kernel, words);
        const auto *log = RoleClient::at<uint64_t>(args.log);
        for (size_t i = 0; i < 3; i++)
            run.take.emplace_back(log + i * items, log + (i + 1) * items);
        const auto *counters = RoleClient::at<acc_graph_counters>(args.counters);
        run.counters.assign(counters, counters + 4);
        const auto *output = RoleClient::at<uint64_t>(args.output);
        run.output.assign(output, output + items);
        return run;
    }

    void expect_exact(const Chain &chain, const char *file, const char *kernel, size_t items)
    {
        const Run run = dispatch(chain, file, kernel, items);
        ASSERT_EQ(run.done.status, ACC_STATUS_OK) << run.done.text;
        const auto expected = predict(chain, items);
        for (size_t i = 0; i < 3; i++)
            ASSERT_EQ(run.take[i], expected[i]) << "stage " << i << ", depth " << chain.depth[1];
        EXPECT_EQ(run.counters[3].cycles, expected[3].back() + 1);
        for (size_t e = 0; e < 4; e++) {
            EXPECT_EQ(run.counters[e].pushed, items);
            EXPECT_EQ(run.counters[e].popped, items);
            EXPECT_LE(run.counters[e].most, chain.depth[e]);
        }
        for (size_t k = 0; k < items; k++)
            ASSERT_EQ(run.output[k], ((k * 3 + 1) * 3 + 2) * 3 + 3);
    }
};

TEST_P(Dataflow, MatchesTheRecurrence)
{
    std::mt19937_64 random(4);
    for (uint64_t depth = 1; depth <= 8; depth++)
        for (const uint32_t stall_most : {0u, 100u}) {
            const std::vector<uint64_t> depths = {depth, 1 + random() % 8, depth, 1 + random() % 8};
            expect_exact({{72, 72, 72}, depths, random(), stall_most}, "pipeline.accx", "pipeline",
                         40);
            expect_exact({{72, 36, 72}, depths, random(), stall_most}, "unequal.accx", "unequal",
                         40);
        }
}

// Against the same three stages, one dispatch after the other; modelled time at the region's clock.
TEST_P(Dataflow, BalancedStagesOverlap)
{
    const size_t items = 256;
    client->load(read_file(kFolder + "/pipeline.accx"));
    const uint64_t a = client->buffer(items * 8), b = client->buffer(items * 8);
    acc_graph_args args = {};
    args.input = a;
    args.output = b;
    args.items = items;
    std::vector<uint64_t> words(sizeof args / 8);
    std::memcpy(words.data(), &args, sizeof args);
    const uint64_t begin = client->run("first", {a, b, 1}).ns; // loaded, and a clock to begin at
    const uint64_t first = client->run("first", {a, b, items}).ns;
    client->run("second", {a, b, items});
    const uint64_t third = client->run("third", {a, b, items}).ns;
    const Completion whole = client->run("pipeline", words);
    ASSERT_EQ(whole.status, ACC_STATUS_OK) << whole.text;
    const double apart = static_cast<double>(third - begin);
    const double together = static_cast<double>(whole.ns - third);
    printf("stages of 72/72/72 cycles, 256 items: %.0f us one after the other (the first %.0f), "
           "%.0f us as a graph: %.3f times\n",
           apart / 1e3, static_cast<double>(first - begin) / 1e3, together / 1e3, apart / together);
    EXPECT_GE(apart / together, 2.8);
}

TEST_P(Dataflow, DeadlockNamesTheBlockedEdge)
{
    const Chain chain = {{72, 72, 0}, {2, 2, 3, 2}, 0, 0};
    const Run run = dispatch(chain, "stuck.accx", "stuck", 20);
    EXPECT_EQ(run.done.status, ACC_STATUS_ENGINE_ERROR);
    EXPECT_THAT(run.done.text, HasSubstr("deadlock: edge 2 second.0->third.0 full"));
}

const auto kIsolations = testing::Values("native", "untrusted");
std::string name_of(const testing::TestParamInfo<const char *> &info)
{
    return info.param;
}
INSTANTIATE_TEST_SUITE_P(By, Rtl, kIsolations, name_of);
INSTANTIATE_TEST_SUITE_P(By, Dataflow, kIsolations, name_of);

} // namespace
} // namespace acc::test
