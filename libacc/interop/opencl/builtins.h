// SPDX-License-Identifier: MIT
//
// Built-in kernels: the roles of the FPGA, which enqueueing loads into a region, and products on
// the crossbar. docs/opencl.md lists them.
//
// Thread safety: all calls from any thread.
#pragma once

#include "libacc/interop/opencl/event.h"
#include "libacc/interop/opencl/signature.h"

#include <mutex>
#include <optional>

namespace acc::ocl
{

class Crossbar;

class BuiltIns
{
public:
    explicit BuiltIns(const Hardware &hardware);
    ~BuiltIns();
    BuiltIns(const BuiltIns &) = delete;
    BuiltIns &operator=(const BuiltIns &) = delete;

    const std::vector<Signature> &all() const { return signatures_; }
    // By name; all().size(): there is none.
    size_t find(std::string_view name) const;
    std::string names(const _cl_device_id &device) const;
    std::vector<cl_name_version> versions(const _cl_device_id &device) const;

    // Of a role: what packets name. None, and `why`: the device doesn't take it.
    std::optional<uint64_t> kernel_object(size_t index, std::string &why);
    // Of a product: the work of the host, with that block of arguments. Null: it is a role.
    std::unique_ptr<Work> product(size_t index, std::vector<char> arguments,
                                  std::vector<Ref<_cl_mem>> memory);

private:
    const Hardware &hardware_;
    std::vector<Signature> signatures_;
    std::vector<const char *> roles_; // null: a product
    std::mutex mutex_;
    acc_program *program_ = nullptr;
    std::vector<uint64_t> objects_;
    std::unique_ptr<Crossbar> crossbar_;
};

} // namespace acc::ocl
