// SPDX-License-Identifier: MIT
//
// A loaded program image and its kernels.
//
// Thread safety: all calls from any thread, but destroy() alone.
#pragma once

#include "acc/acc.h"
#include "libacc/handle.h"

#include "common/result.h"

#include <drm/acc_drm.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace acc
{

class Device;

class Program : public Handle
{
public:
    // flags: ACC_PROGRAM_*.
    static Result<std::unique_ptr<Program>> load(Device &device, std::span<const std::byte> image,
                                                 uint32_t flags = 0);
    // -EBUSY, and nothing has changed, while a dispatch of it executes.
    static int unload(std::unique_ptr<Program> &program);
    ~Program();

    Device &device() const { return device_; }
    uint32_t kernels() const { return uint32_t(names_.size()); }
    const std::string &name(uint32_t kernel) const { return names_[kernel]; }
    uint64_t kernel_object(uint32_t kernel) const { return base_ + kernel; }

    Result<drm_acc_program_query> query(uint32_t kernel) const;
    // The index of a name; -ENOENT with a text that lists those there are.
    Result<uint32_t> find(std::string_view name) const;
    int prefetch(uint32_t kernel);
    int pin(uint32_t kernel, bool pin);

private:
    explicit Program(Device &device) : Handle(HandleKind::Program), device_(device) {}
    int unload_now();

    Device &device_;
    uint32_t id_ = 0;
    bool loaded_ = false;
    uint64_t base_ = 0;
    std::vector<std::string> names_;
};

// A whole file, for the *_load_file functions.
Result<std::vector<std::byte>> read_image_file(const char *path);

// What acc_image_describe() gives: JSON text.
Result<std::string> describe_image(std::span<const std::byte> image);

} // namespace acc
