// SPDX-License-Identifier: MIT
#include "fixture.h"

#include "program/samples.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace acc::test
{
namespace
{

using ProgramTest = NullTest;

TEST_F(ProgramTest, FindsKernelsByName)
{
    EXPECT_EQ(program_.kernels(), 5u);
    const auto copy = take(program_.find(ACC_NULL_COPY));
    EXPECT_STREQ(copy.name, ACC_NULL_COPY);
    EXPECT_EQ(copy.kernarg_bytes, sizeof(acc_null_args));
    EXPECT_EQ(take(program_.kernel(copy.index)).kernel_object, copy.kernel_object);
    auto info = acc_init<acc_kernel_info>();
    EXPECT_REFUSED(acc_program_find(program_.get(), "nope", &info), -ENOENT,
                   "found 'nope'; there are: noop, copy, spin, fail, hang");
    EXPECT_REFUSED(acc_program_kernel(program_.get(), 5, &info), -EINVAL,
                   "expected a kernel below 5");
}

TEST_F(ProgramTest, SaysWhyAnImageIsRefused)
{
    acc_program *program = nullptr;
    EXPECT_REFUSED(acc_program_load(device_.get(), "no ELF", 6, &program), -EINVAL,
                   "the program was refused: expected an ELF");
    EXPECT_REFUSED(acc_program_load(device_.get(), "", 0, &program), -EINVAL, "at least 1 byte");
    EXPECT_REFUSED(acc_program_load(device_.get(), nullptr, 5, &program), -EINVAL, "found NULL");
    const auto unknown = null_image({"frobnicate"});
    EXPECT_REFUSED(acc_program_load(device_.get(), unknown.data(), unknown.size(), &program),
                   -EINVAL, "frobnicate");
    std::vector<std::byte> cut = null_image();
    cut.resize(cut.size() / 2);
    EXPECT_EQ(acc_program_load(device_.get(), cut.data(), cut.size(), &program), -EINVAL);
    EXPECT_EQ(program, nullptr);
}

TEST_F(ProgramTest, LoadsFiles)
{
    char path[] = "/tmp/acc-program-XXXXXX";
    const int fd = mkstemp(path);
    ASSERT_GE(fd, 0);
    close(fd);
    const auto image = null_image();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(image.data()), std::streamsize(image.size()));
    EXPECT_EQ(take(Program::load_file(device_, path)).kernels(), 5u);
    unlink(path);
    acc_program *program = nullptr;
    EXPECT_REFUSED(acc_program_load_file(device_.get(), path, &program), -ENOENT, path);
    EXPECT_REFUSED(acc_program_load_file(device_.get(), "/", &program), -EINVAL, "regular file");
}

TEST_F(ProgramTest, PinsWithinTheRule)
{
    Device two = take(Device::open("inproc:null:slots=2"));
    // Programs without hashes are units of their own.
    Program first = take(Program::load(two, null_image({ACC_NULL_NOOP})));
    Program second = take(Program::load(two, null_image({ACC_NULL_NOOP, ACC_NULL_COPY})));
    check(first.prefetch(0));
    check(first.pin(0));
    const auto pinned = take(first.kernel(0));
    EXPECT_EQ(pinned.pinned, 1u);
    EXPECT_NE(pinned.slot, ~0u);
    EXPECT_REFUSED(acc_program_pin(second.get(), 0), -ENOSPC, "expected an unpinned slot");
    check(first.unpin(0));
    EXPECT_REFUSED(acc_program_unpin(first.get(), 0), -EINVAL, "expected a pinned kernel");
    check(second.pin(0));
    check(second.unpin(ACC_ALL_KERNELS));
}

TEST_F(ProgramTest, PersistsWhereTheDeviceCanKeepIt)
{
    const auto image = null_image();
    acc_program *program = nullptr;
    auto options = acc_init<acc_program_options>();
    ASSERT_ACC(
        acc_program_load_with(device_.get(), image.data(), image.size(), &options, &program));
    ASSERT_ACC(acc_program_unload(program));
    options.flags = ACC_PROGRAM_PERSISTENT;
    EXPECT_REFUSED(
        acc_program_load_with(device_.get(), image.data(), image.size(), &options, &program),
        -EINVAL, "the feature persistent");
    options.flags = 2;
    EXPECT_REFUSED(
        acc_program_load_with(device_.get(), image.data(), image.size(), &options, &program),
        -EINVAL, "found 0x2");
    options.flags = 0;
    options.reserved = 1;
    EXPECT_REFUSED(
        acc_program_load_with(device_.get(), image.data(), image.size(), &options, &program),
        -EINVAL, "reserved = 0");
    EXPECT_EQ(program, nullptr);

    const int16_t weight = 3;
    const program::MatrixSpec matrix = {
        .name = "one", .rows = 1, .cols = 1, .weights = {&weight, 1}};
    const auto matrices = program::crossbar_program({&matrix, 1});
    ASSERT_TRUE(matrices);
    std::string state = testing::TempDir() + "acc-state-XXXXXX";
    ASSERT_NE(mkdtemp(state.data()), nullptr);
    for (const uint64_t loads : {1, 0}) { // the second device finds what the first one loaded
        auto crossbar = take(Device::open(("inproc:crossbar:state=" + state).c_str()));
        auto kept = take(Program::load(crossbar, *matrices, ACC_PROGRAM_PERSISTENT));
        check(kept.prefetch(0));
        EXPECT_EQ(take(kept.kernel(0)).loads, loads);
        EXPECT_EQ(take(kept.kernel(0)).slot, 0u);
    }
    std::filesystem::remove_all(state);
}

TEST_F(ProgramTest, IsNotUnloadedWhileItExecutes)
{
    check(queue_.dispatch(kernel(ACC_NULL_HANG), &signal_));
    while (take(device_.slot(0)).state != 3) // busy
        usleep(100);
    EXPECT_REFUSED(acc_program_unload(program_.get()), -EBUSY, "no dispatch executes");
    check(queue_.reset());
    ASSERT_EQ(take(signal_.wait(soon())), 0);
}

TEST_F(ProgramTest, DescribesImages)
{
    const int16_t weights[] = {1, -2, 3, -4, 5, -6};
    const program::MatrixSpec matrices[] = {
        {.name = "layer \"one\"", .rows = 2, .cols = 3, .weights = weights}};
    const auto image = program::crossbar_program(matrices);
    ASSERT_TRUE(image);
    size_t bytes = 0;
    EXPECT_EQ(acc_image_describe(image->data(), image->size(), nullptr, &bytes), -ENOSPC);
    std::string json(bytes, 'x');
    bytes--;
    EXPECT_REFUSED(acc_image_describe(image->data(), image->size(), json.data(), &bytes), -ENOSPC,
                   "expected room");
    ASSERT_ACC(acc_image_describe(image->data(), image->size(), json.data(), &bytes));
    EXPECT_EQ(bytes, json.size());
    EXPECT_EQ(json.back(), '\0');
    for (const char *part : {R"("target":"crossbar")", R"("rows":2,"cols":3)", R"(layer \"one\")",
                             R"("model":null)", R"("report":null)", R"("input_signed":true)"})
        EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
    EXPECT_REFUSED(acc_image_describe("junk", 4, json.data(), &bytes), -EINVAL, "malformed");
}

} // namespace
} // namespace acc::test
