// SPDX-License-Identifier: MIT
//
// What the tests of roles share: clients of an FPGA through libacc, and programs of roles.
#pragma once

#include "acc/acc.hpp"
#include "acc/kernels.h"
#include "acc/program.h"
#include "emulator/server/server.h"
#include "program/signature.h"
#include "tests/unit/needs_region_process.h"

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

struct NativeOptions {
    uint32_t kind = ACC_FPGA_COMPILED;
    uint32_t class_id = 0;
    acc_u64 takes[ACC_RESOURCES] = {1000, 0, 0, 0};
    uint8_t shell[16] = {};
};

// A program of machine code: kernels of these roles, each with four 64-bit arguments in
// registers 0x10 to 0x2c.
std::vector<std::byte> native_image(std::span<const std::byte> code,
                                    std::vector<std::string_view> roles,
                                    const NativeOptions &options = {});

// Region processes that this process has: alive, or not waited for yet.
size_t region_processes();

// A key, and a folder that makes a device trust it.
class TrustedKey
{
public:
    TrustedKey();
    ~TrustedKey();
    TrustedKey(const TrustedKey &) = delete;
    TrustedKey &operator=(const TrustedKey &) = delete;
    const std::string &folder() const { return folder_; }
    const program::SecretKey &key() const { return *key_; }
    std::vector<std::byte> sign(std::span<const std::byte> image) const;

private:
    std::string folder_;
    Result<program::SecretKey> key_;
};

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
