// SPDX-License-Identifier: MIT
//
// What the tests of roles share: clients of an FPGA through libacc, and programs of roles.
#pragma once

#include "acc/acc.hpp"
#include "acc/kernels.h"
#include "acc/program.h"
#include "common/sanitizers.h"
#include "emulator/server/server.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace acc::test
{

// For tests in which a role runs in a process of its own.
#define NEEDS_REGION_PROCESS()                                                                     \
    if (has_address_sanitizer || has_thread_sanitizer)                                             \
    GTEST_SKIP() << "the filter of a region's process leaves no sanitizer the calls it makes"

// A service of one FPGA, so that several clients share it.
class RoleService
{
public:
    explicit RoleService(const char *spec);
    ~RoleService();
    RoleService(const RoleService &) = delete;
    RoleService &operator=(const RoleService &) = delete;
    const std::string &uri() const { return uri_; }

private:
    std::string folder_, uri_;
    std::unique_ptr<emu::Server> server_;
    std::thread thread_;
};

// A file of the test's folder in the build, as bytes.
std::vector<std::byte> read_file(const std::string &path);

// A program of machine code: kernels of these roles, each with four 64-bit arguments in
// registers 0x10 to 0x2c.
std::vector<std::byte> native_image(std::span<const std::byte> code,
                                    std::vector<std::string_view> roles,
                                    uint32_t kind = ACC_FPGA_COMPILED);

struct Completion {
    uint32_t status = ~0u;
    std::string text; // of the fault
    uint64_t address = 0;
    uint64_t ns = 0; // modelled end
};

// One open of a device.
class RoleClient
{
public:
    explicit RoleClient(const std::string &uri, uint64_t timeout_ns = 0);

    // Kernels are found by name in all that was loaded.
    void load(std::span<const std::byte> image);
    // -errno of a load that must fail, with libacc's text.
    int refused(std::span<const std::byte> image, std::string &text);

    // Waits for it. Up to 16 words of arguments. A queue is made anew after a fault.
    Completion run(const char *kernel, std::vector<uint64_t> arguments);
    // Starts it and does not wait.
    void start(const char *kernel, std::vector<uint64_t> arguments);
    Completion finish();

    uint64_t buffer(size_t bytes);
    void free_buffer(uint64_t address);
    template <typename T>
    static T *at(uint64_t address)
    {
        return reinterpret_cast<T *>(address);
    }
    acc_device *device() { return device_.get(); }

private:
    Device device_;
    std::vector<Program> programs_;
    std::vector<Buffer> buffers_;
    Buffer kernargs_;
    Signal done_;
    Queue queue_;
    uint64_t timeout_ns_;
};

} // namespace acc::test
