// SPDX-License-Identifier: MIT
//
// Programs: of source, of binaries, of built-in kernels; and what a build makes of them.
//
// Thread safety: `mutex` guards what a build changes.
#pragma once

#include "libacc/interop/opencl/context.h"
#include "libacc/interop/opencl/signature.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace acc::ocl
{

// Kernels that can be enqueued: an image for the device, or the built-in ones.
class Module
{
public:
    // Built-in kernels, by index in BuiltIns.
    explicit Module(std::vector<size_t> built_ins);
    // Of an .accx image with what write_signatures() wrote. Null, and `why`.
    static std::shared_ptr<Module> of_image(std::vector<char> image, std::string &why);
    ~Module();
    Module(const Module &) = delete;
    Module &operator=(const Module &) = delete;

    const std::vector<Signature> &kernels() const { return kernels_; }
    bool is_built_in() const { return !built_ins_.empty(); }
    size_t built_in(size_t kernel) const { return built_ins_[kernel]; }
    std::span<const char> image() const { return image_; }
    bool is_model() const { return model_; }

    // Loads the image at the first call. None, and `why`: the device doesn't take it.
    std::optional<uint64_t> kernel_object(size_t kernel, std::string &why);
    // Of a compiled network, loaded at the first call. Null, and `why`.
    acc_model *model(std::string &why);

private:
    Module() = default;
    bool load(std::string &why);

    std::vector<Signature> kernels_;
    std::vector<size_t> built_ins_;
    std::vector<char> image_;
    bool model_ = false;
    std::mutex mutex_;
    acc_program *program_ = nullptr;
    acc_model *loaded_model_ = nullptr;
    std::vector<uint64_t> objects_;
};

// What a program is for one device.
struct Build {
    cl_build_status status = CL_BUILD_NONE;
    std::string options, log;
    cl_program_binary_type type = CL_PROGRAM_BINARY_TYPE_NONE;
    std::vector<char> object;       // compiled, or a library: bitcode
    std::shared_ptr<Module> module; // executable
};

} // namespace acc::ocl

struct _cl_program final : acc::ocl::Object<_cl_program> {
    static constexpr uint32_t kMagic = 0x50524f47;

    _cl_program(_cl_context *context, std::vector<_cl_device_id *> devices);
    ~_cl_program();

    bool has(const _cl_device_id *device) const { return builds.count(device) != 0; }
    // Of the first device that has one; null.
    std::shared_ptr<acc::ocl::Module> module() const;

    const acc::ocl::Ref<_cl_context> context;
    const std::vector<_cl_device_id *> devices;
    std::string source;
    bool has_source = false, is_built_in = false;

    mutable std::mutex mutex;
    std::map<const _cl_device_id *, acc::ocl::Build> builds;
    std::atomic<unsigned> kernels{0}; // attached: then it can't be built
};
