// SPDX-License-Identifier: MIT
//
// The offload core, with functions of this program as target regions; and its role, with launches
// that no runtime of ours would make.
#include "common/sanitizers.h"
#include "libacc/interop/openmp/offload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <elf.h>
#include <future>
#include <memory>
#include <string>
#include <vector>

extern "C" {
extern const unsigned char acc_omp_image[];
extern const unsigned char acc_omp_image_end[];

// Target regions: found by name in this program's symbols.
void acc_test_add(void *argument)
{
    auto *values = static_cast<int *>(argument);
    values[0] += values[1];
}
void acc_test_loop(void *)
{
    for (;;)
        __asm__ volatile("");
}
void acc_test_jump(void *argument)
{
    reinterpret_cast<void (*)()>(argument)();
}
}

namespace acc::openmp
{
namespace
{

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char *kUri = "inproc:fpga:preset=fast,regions=1";

#define NEEDS_REGION_PROCESS()                                                                     \
    if (has_address_sanitizer || has_thread_sanitizer)                                             \
    GTEST_SKIP() << "the filter of a region's process leaves no sanitizer the calls it makes"

class Regions : public testing::Test
{
protected:
    void SetUp() override
    {
        NEEDS_REGION_PROCESS();
        open(0);
    }
    void open(uint64_t timeout_ns)
    {
        std::string why;
        offload = Offload::open({kUri, timeout_ns}, why);
        ASSERT_TRUE(offload) << why;
        values = static_cast<int *>(offload->memory().allocate(2 * sizeof(int)));
        ASSERT_TRUE(values);
        values[0] = 1;
        values[1] = 2;
    }
    void still_works()
    {
        const int before = values[0];
        EXPECT_EQ(offload->run(reinterpret_cast<void *>(acc_test_add), values), "");
        EXPECT_EQ(values[0], before + 2);
    }
    std::unique_ptr<Offload> offload;
    int *values = nullptr;
};

TEST_F(Regions, RunAndComplete)
{
    still_works();
    std::promise<std::string> done;
    ASSERT_EQ(offload->start(
                  reinterpret_cast<void *>(acc_test_add), values, 0,
                  [](void *user, const std::string &error) {
                      static_cast<std::promise<std::string> *>(user)->set_value(error);
                  },
                  &done),
              "");
    EXPECT_EQ(done.get_future().get(), "");
    EXPECT_EQ(values[0], 5);
}

TEST_F(Regions, OneThatLoopsForEverIsNamed)
{
    open(2'000'000'000);
    EXPECT_THAT(offload->run(reinterpret_cast<void *>(acc_test_loop), nullptr),
                StartsWith("target region acc_test_loop of openmp_test: TIMEOUT"));
    still_works();
}

TEST_F(Regions, NothingOfTheClientsMemoryIsExecuted)
{
    EXPECT_THAT(offload->run(reinterpret_cast<void *>(acc_test_jump), values),
                StartsWith("target region acc_test_jump of openmp_test: INVALID_ADDRESS"));
    still_works();
}

TEST_F(Regions, WhatIsNoCodeIsRefused)
{
    static int nothing;
    EXPECT_THAT(offload->run(&nothing, nullptr), HasSubstr("expected"));
    int local = 0;
    EXPECT_EQ(offload->run(&local, nullptr),
              "expected a target region in a program or a library; found none at its address");
    still_works();
}

TEST_F(Regions, MemoryIsUsedAgain)
{
    DeviceMemory &memory = offload->memory();
    void *const first = memory.allocate(1000);
    EXPECT_EQ(reinterpret_cast<uint64_t>(first) % 64, 0u);
    EXPECT_TRUE(memory.free(first));
    EXPECT_FALSE(memory.free(first));
    EXPECT_EQ(memory.allocate(1010), first);
    EXPECT_FALSE(memory.free(&memory));
    EXPECT_EQ(memory.allocate(SIZE_MAX), nullptr);
    const uint32_t before = memory.ranges().count;
    char *const large = static_cast<char *>(memory.allocate(size_t{40} << 20));
    ASSERT_TRUE(large);
    EXPECT_GT(memory.ranges().count, before);
    large[(size_t{40} << 20) - 1] = 1;
}

TEST_F(Regions, ImagesThatAreNoneAreRefused)
{
    std::string why;
    const std::string text = "no image";
    EXPECT_EQ(offload->objects().add_image("name", text.data(), text.size(), why), nullptr);
    EXPECT_EQ(why, "name: expected an ELF file; found 8 bytes");
    std::vector<uint64_t> list(ACC_OMP_MAX_ARGUMENTS + 1);
    const Objects::Function *function =
        offload->objects().find(reinterpret_cast<void *>(acc_test_add), why);
    ASSERT_TRUE(function);
    EXPECT_EQ(offload->run_list(*function, list.data(), ACC_OMP_MAX_ARGUMENTS + 1),
              "target region acc_test_add of openmp_test: expected at most 64 arguments; found 65");
    still_works();
}

// ---- Launches of somebody else's.

class Launches : public testing::Test
{
protected:
    void SetUp() override
    {
        NEEDS_REGION_PROCESS();
        ASSERT_EQ(acc_device_open(kUri, nullptr, &device), 0) << acc_error_text();
        const auto bytes = static_cast<size_t>(acc_omp_image_end - acc_omp_image);
        ASSERT_EQ(acc_program_load(device, acc_omp_image, bytes, &program), 0) << acc_error_text();
        ASSERT_EQ(acc_program_find(program, ACC_OMP_KERNEL, &kernel), 0) << acc_error_text();
        ASSERT_EQ(acc_buffer_create(device, 1 << 16, nullptr, &buffer), 0);
        ASSERT_EQ(acc_signal_create(&device, 1, 1, &signal), 0);
        file = static_cast<unsigned char *>(acc_buffer_data(buffer));
        launch.abi = ACC_OMP_ABI;
        launch.object = reinterpret_cast<uint64_t>(file);
        launch.object_bytes = 1 << 16;
        launch.object_id = 1;
        std::memset(file, 0, 1 << 16);
        header() = {};
        std::memcpy(header().e_ident, ELFMAG, SELFMAG);
        header().e_ident[EI_CLASS] = ELFCLASS64;
        header().e_ident[EI_DATA] = ELFDATA2LSB;
        header().e_machine = EM_X86_64;
        header().e_type = ET_DYN;
        header().e_phentsize = sizeof(Elf64_Phdr);
        header().e_phnum = 2;
        header().e_phoff = sizeof(Elf64_Ehdr);
        segment(0) = {PT_LOAD, PF_R | PF_W, 0, 0, 0, 4096, 4096, 4096};
        segment(1) = {PT_DYNAMIC, PF_R, 2048, 2048, 0, 512, 512, 8};
    }
    void TearDown() override
    {
        EXPECT_EQ(signal ? acc_signal_destroy(signal) : 0, 0);
        EXPECT_EQ(buffer ? acc_buffer_destroy(buffer) : 0, 0);
        EXPECT_EQ(program ? acc_program_unload(program) : 0, 0);
        EXPECT_EQ(device ? acc_device_close(device) : 0, 0);
    }
    Elf64_Ehdr &header() { return *reinterpret_cast<Elf64_Ehdr *>(file); }
    Elf64_Phdr &segment(int index)
    {
        return reinterpret_cast<Elf64_Phdr *>(file + sizeof(Elf64_Ehdr))[index];
    }
    Elf64_Dyn &dynamic(int index) { return reinterpret_cast<Elf64_Dyn *>(file + 2048)[index]; }

    // The status; the text is the fault's.
    uint32_t run()
    {
        acc_queue *queue = nullptr;
        EXPECT_EQ(acc_queue_create(device, nullptr, &queue), 0) << acc_error_text();
        acc_dispatch dispatch = ACC_INIT(acc_dispatch);
        dispatch.kernel_object = kernel.kernel_object;
        dispatch.kernargs = &launch;
        dispatch.kernarg_bytes = sizeof launch;
        dispatch.completion = signal;
        acc_signal_reset(signal, 1);
        EXPECT_EQ(acc_queue_dispatch(queue, &dispatch), 0) << acc_error_text();
        EXPECT_EQ(acc_signal_wait(signal, ACC_COND_EQ, 0, acc_deadline(60'000'000'000), nullptr),
                  0);
        acc_signal_result result = ACC_INIT(acc_signal_result);
        EXPECT_EQ(acc_signal_get_result(signal, &result), 0);
        acc_fault_info fault = ACC_INIT(acc_fault_info);
        text = result.status && acc_device_get_fault(device, 0, &fault) == 0 ? fault.text : "";
        EXPECT_EQ(acc_queue_destroy(queue), 0);
        return result.status;
    }
    void refused(const char *why, uint32_t status = ACC_STATUS_INVALID_KERNARG)
    {
        EXPECT_EQ(run(), status) << text;
        EXPECT_THAT(text, StartsWith(std::string(why).substr(0, 62)));
    }

    acc_device *device = nullptr;
    acc_program *program = nullptr;
    acc_buffer *buffer = nullptr;
    acc_signal *signal = nullptr;
    acc_kernel_info kernel = ACC_INIT(acc_kernel_info);
    acc_omp_launch launch = {};
    unsigned char *file = nullptr;
    std::string text;
};

TEST_F(Launches, AreRefusedByTheirArguments)
{
    EXPECT_EQ(run(), ACC_STATUS_OK) << text; // as it is: nothing is wrong with it
    const acc_omp_launch good = launch;
    const auto with = [&](auto change, const char *why, uint32_t status) {
        launch = good;
        change(launch);
        refused(why, status);
        launch = good;
    };
    constexpr uint32_t bad = ACC_STATUS_INVALID_KERNARG, nowhere = ACC_STATUS_INVALID_ADDRESS;
    with([](auto &l) { l.abi = 2; }, "expected launches of ABI 1; found 2", bad);
    with([](auto &l) { l.call = 3; }, "expected a call of kind 0 to 2", bad);
    with([](auto &l) { l.argument_count = 65; }, "expected a call of kind 0 to 2", bad);
    with([](auto &l) { l.object_id = 0; }, "expected a call of kind 0 to 2", bad);
    with([](auto &l) { l.ranges = 4097, l.range_generation = 9; }, "expected at most 4096 ranges",
         bad);
    with([](auto &l) { l.ranges = 1, l.range_table = 64, l.range_generation = 9; },
         "expected its memory; found it unbound", nowhere);
    with([](auto &l) { l.object = 4096, l.object_id = 7; }, "expected an object's bytes", nowhere);
    with([](auto &l) { l.object_bytes = uint64_t{1} << 40, l.object_id = 7; },
         "expected an object's bytes", nowhere);
    with([](auto &l) { l.call = ACC_OMP_CALL_BLOCK, l.entry = 100; },
         "expected a function in the object's code; found entry 100", bad);
}

TEST_F(Launches, AreRefusedByTheirObjects)
{
    const auto with = [&](auto change, const char *why,
                          uint32_t status = ACC_STATUS_INVALID_KERNARG) {
        std::vector<unsigned char> kept(file, file + 8192);
        change();
        refused(why, status);
        std::memcpy(file, kept.data(), kept.size());
    };
    launch.object_bytes = 10;
    refused("expected an ELF file; found 10 bytes");
    launch.object_bytes = 1 << 16;
    with([&] { file[0] = 0; }, "expected an ELF file of 64 bits; found another");
    with([&] { header().e_machine = EM_AARCH64; }, "expected machine 62 (x86-64); found 183");
    with([&] { header().e_type = ET_REL; },
         "expected a program or a shared library; found ELF type 1");
    with([&] { header().e_phnum = 0; }, "expected 1 to 128 program headers inside the file");
    with([&] { header().e_phoff = UINT64_MAX; }, "expected 1 to 128 program headers inside");
    with([&] { segment(0).p_type = PT_NOTE; }, "expected something to load; found no segment");
    with([&] { segment(0).p_filesz = 5000; }, "expected segments inside the file");
    with([&] { segment(0).p_offset = 1 << 17; }, "expected segments inside the file");
    with([&] { segment(0).p_vaddr = UINT64_MAX; }, "expected segments below 2^47");
    with([&] { segment(0).p_memsz = uint64_t{1} << 31; }, "expected segments below 2^47");
    with([&] { segment(1).p_type = PT_TLS, segment(1).p_align = 8192; },
         "expected thread-local variables aligned to at most a page; found 8192");
    with([&] { segment(1).p_vaddr = 4090; }, "expected the dynamic section in a segment");
    with([&] { dynamic(0) = {DT_SYMTAB, {1 << 20}}; }, "expected the dynamic section's tables");
    with(
        [&] {
            dynamic(0) = {DT_RELASZ, {24}}, dynamic(1) = {DT_RELA, {4090}};
        },
        "expected the dynamic section's tables in its segments");
    with([&] { dynamic(0) = {DT_RELSZ, {16}}; }, "expected relocations with addends");
    const auto relocation = [&](Elf64_Rela r) {
        dynamic(0) = {DT_RELA, {1024}};
        dynamic(1) = {DT_RELASZ, {sizeof r}};
        std::memcpy(file + 1024, &r, sizeof r);
    };
    with(
        [&] {
            relocation({1 << 20, R_X86_64_RELATIVE, 0});
        },
        "relocation 0: expected a place in its segments; found 0x100000");
    with(
        [&] {
            relocation({0, R_X86_64_IRELATIVE, 16});
        },
        "expected no IFUNC; found an IRELATIVE relocation for 0x10");
    with(
        [&] {
            relocation({0, ELF64_R_INFO(5, R_X86_64_64), 0});
        },
        "relocation 0: expected a symbol; found number 5");
    // Placed by the client.
    launch.place = launch.object + 4096;
    launch.object_id = 7;
    EXPECT_EQ(run(), ACC_STATUS_OK) << text;
    const auto placed = [&](auto change, const char *why, uint32_t status) {
        const acc_omp_launch kept = launch;
        launch.object_id = 8;
        with([&] { change(); }, why, status);
        launch = kept;
    };
    constexpr uint32_t bad = ACC_STATUS_INVALID_KERNARG, nowhere = ACC_STATUS_INVALID_ADDRESS;
    constexpr const char *unbound =
        "expected memory that an object was placed in; found it unbound";
    placed([&] { launch.place = 4096; }, unbound, nowhere);
    placed([&] { launch.place = launch.object + 64; }, unbound, nowhere);
    placed([&] { launch.place = launch.object + (1 << 16) - 4096; }, unbound, nowhere);
    placed([&] { header().e_type = ET_EXEC; }, "expected a shared library; found a program", bad);
    placed(
        [&] {
            const Elf64_Dyn text = {DT_TEXTREL, {0}};
            std::memcpy(file + 4096 + 2048, &text, sizeof text);
        },
        "expected code without relocations; found some (DT_TEXTREL)", bad);
    launch.place = 0;
    launch.object_id = 1;
    // Fixed addresses that this process has taken: the arena of device memory.
    with(
        [&] {
            header().e_type = ET_EXEC;
            segment(0).p_vaddr = launch.object & ~uint64_t{4095};
            segment(1).p_type = PT_NULL;
        },
        "expected addresses from 0x");
    EXPECT_EQ(run(), ACC_STATUS_OK) << text;
}

} // namespace
} // namespace acc::openmp
