// SPDX-License-Identifier: MIT
//
// Kernels that write to the ring of launches which their own client shares with its soft cores
// (libacc/interop/opencl/softcore/launch.h). They are wrong, and what they compute is lost; but all
// that was enqueued ends, and the queue, the client's other queues and other clients go on.
#include "fixture.h"
#include "libacc/interop/opencl/softcore/launch.h"
#include "life.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <thread>

namespace acc::test
{
namespace
{

constexpr size_t kPage = 4096;

// The ring whose first launch has `magic` for an argument. 0: not found.
uint64_t find_ring(uint64_t magic)
{
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        unsigned long begin = 0, end = 0;
        char access[5] = "";
        if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, access) != 3) continue;
        if (std::string(access) != "rw-s" || end - begin > (64 << 20)) continue;
        for (uint64_t at = begin; at + sizeof(acc_cl_ring) <= end; at += kPage) {
            const auto &ring = *reinterpret_cast<const acc_cl_ring *>(at);
            uint64_t first = 0;
            std::memcpy(&first, ring.slots[0].block, sizeof first);
            if (first == magic) return at;
        }
    }
    return 0;
}

constexpr cl_uint kAll = UINT32_MAX;

struct Spoil {
    const char *what;
    const char *kernel; // "put" writes words of the value, "add" adds it
    size_t at;
    cl_uint value, words;
    bool is_told; // its own launch has the error
};

constexpr Spoil kSpoils[] = {
    {"all, ones", "put", 0, kAll, sizeof(acc_cl_ring) / 4, true},
    {"all, zeros", "put", 0, 0, sizeof(acc_cl_ring) / 4, true},
    {"head, ones", "put", offsetof(acc_cl_ring, head), kAll, 2, true},
    {"head, back", "put", offsetof(acc_cl_ring, head), 0, 2, true},
    {"head, ahead", "add", offsetof(acc_cl_ring, head), 1, 2, false}, // as if it were over
    {"tail, ones", "put", offsetof(acc_cl_ring, tail), kAll, 2, false},
    {"tail, back", "put", offsetof(acc_cl_ring, tail), 0, 2, false},
    {"tail, ahead", "add", offsetof(acc_cl_ring, tail), 5, 2, false},
    {"tail, far ahead", "add", offsetof(acc_cl_ring, tail), 300, 2, false},
    {"attended, none", "put", offsetof(acc_cl_ring, attended), 0, 1, false},
    {"attended, ones", "put", offsetof(acc_cl_ring, attended), kAll, 1, false},
    {"leave, at once", "put", offsetof(acc_cl_ring, leave), 1, 2, false},
    {"leave, never", "put", offsetof(acc_cl_ring, leave), 0, 2, false},
    {"wake, at once", "put", offsetof(acc_cl_ring, wake), 1, 2, false},
    {"wake, never", "put", offsetof(acc_cl_ring, wake), 0, 2, false},
    {"slots, ones", "put", offsetof(acc_cl_ring, slots), kAll, sizeof(acc_cl_ring::slots) / 4,
     false},
};

class OpenClRing : public OpenCl
{
protected:
    void SetUp() override
    {
        OpenCl::SetUp();
        SKIP_WITHOUT_COMPILER();
    }
    static cl_int run(cl_command_queue on, cl_kernel kernel, cl_event *event = nullptr)
    {
        return clEnqueueNDRangeKernel(on, kernel, 1, nullptr, &one, &one, 0, nullptr, event);
    }
};

TEST_F(OpenClRing, IsItsOwnClientsToSpoil)
{
    const cl_program program = build("__kernel void mark(ulong magic) {}\n"
                                     "__kernel void put(ulong at, uint value, uint words) {\n"
                                     " volatile __global uint *to = (volatile __global uint *)at;\n"
                                     " for (uint i = 0; i < words; i++) to[i] = value; }\n"
                                     "__kernel void add(ulong at, uint value, uint words) {\n"
                                     " *(volatile __global ulong *)at += value; }\n"
                                     "__kernel void count(__global int *o) { atomic_inc(o); }\n");
    const cl_kernel mark = kernel(program, "mark"), count = kernel(program, "count");
    const cl_mem lost = buffer_of(std::vector<int>{0}), out = buffer_of(std::vector<int>{0});
    cl_ulong magic = 0x5eedf01a15e77e40;
    int other_client = -1;
    std::thread other([&] { other_client = run_self("compute"); });
    int expected = 0;
    for (const Spoil &spoil : kSpoils)
        for (const bool busy : {false, true}) {
            SCOPED_TRACE(spoil.what);
            cl_int error = CL_SUCCESS;
            const cl_command_queue victim =
                clCreateCommandQueueWithProperties(context, device, nullptr, &error);
            ASSERT_EQ(error, CL_SUCCESS);
            set_args(mark, 0, ++magic); // rings that were given up keep theirs
            ASSERT_EQ(run(victim, mark), CL_SUCCESS);
            ASSERT_EQ(clFinish(victim), CL_SUCCESS);
            const uint64_t ring = find_ring(magic);
            EXPECT_NE(ring, 0u) << "not found";
            const cl_kernel spoiler = kernel(program, spoil.kernel);
            set_args(spoiler, 0, cl_ulong{ring + spoil.at}, spoil.value, spoil.words);
            set_args(count, 0, lost);
            cl_event events[6] = {};
            if (ring) {
                ASSERT_EQ(run(victim, spoiler, &events[0]), CL_SUCCESS);
            }
            for (int i = 1; ring && busy && i < 6; i++)
                ASSERT_EQ(run(victim, count, &events[i]), CL_SUCCESS);
            (void)clFinish(victim);
            for (const cl_event event : events) {
                if (!event) continue;
                EXPECT_LE(status_of(event), CL_COMPLETE);
                if (event == events[0] && spoil.is_told) {
                    EXPECT_EQ(status_of(event), CL_OUT_OF_RESOURCES);
                }
                EXPECT_EQ(clReleaseEvent(event), CL_SUCCESS);
            }
            // The client may have taken a launch for over before its core told of the ring: what is
            // next there hears of it.
            EXPECT_EQ(run(victim, count), CL_SUCCESS);
            (void)clFinish(victim);
            for (const cl_command_queue each : {victim, queue, unordered}) {
                cl_event good = nullptr;
                set_args(count, 0, each == victim ? lost : out);
                ASSERT_EQ(run(each, count, &good), CL_SUCCESS);
                EXPECT_EQ(clWaitForEvents(1, &good), CL_SUCCESS);
                EXPECT_EQ(clReleaseEvent(good), CL_SUCCESS);
            }
            expected += 2;
            EXPECT_EQ(contents<int>(out, 1)[0], expected);
            EXPECT_EQ(clReleaseCommandQueue(victim), CL_SUCCESS);
        }
    other.join();
    EXPECT_EQ(other_client, 0);
}

} // namespace
} // namespace acc::test
