// SPDX-License-Identifier: MIT
#include "libacc/program.h"

#include "libacc/device.h"
#include "libacc/error.h"
#include "libacc/log.h"

#include "common/unique_fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

namespace acc
{
namespace
{

constexpr Log program_log("program");

// The image on its way to the device: a buffer that nothing is bound to.
class ImageBuffer
{
public:
    explicit ImageBuffer(Device &device) : device_(device) {}
    ~ImageBuffer()
    {
        if (data_) munmap(data_, bytes_);
        if (handle_) device_.release_bo(handle_);
    }
    ImageBuffer(const ImageBuffer &) = delete;
    ImageBuffer &operator=(const ImageBuffer &) = delete;

    int fill(std::span<const std::byte> image)
    {
        drm_acc_bo_create create = {};
        create.size = image.size();
        const auto handle = device_.create_bo(create);
        if (!handle)
            return device_
                .refused(handle.error(),
                         fmt::format("cannot allocate {} bytes for an image", image.size()))
                .code;
        handle_ = *handle;
        bytes_ = create.padded_size;
        const auto mapped =
            device_.transport().map(create.mmap_offset, bytes_, PROT_READ | PROT_WRITE, nullptr);
        if (!mapped) return device_.refused(mapped.error(), "cannot map an image").code;
        data_ = *mapped;
        madvise(data_, bytes_, MADV_DONTFORK);
        std::memcpy(data_, image.data(), image.size());
        return 0;
    }
    uint32_t handle() const { return handle_; }

private:
    Device &device_;
    uint32_t handle_ = 0;
    void *data_ = nullptr;
    size_t bytes_ = 0;
};

} // namespace

Result<std::unique_ptr<Program>> Program::load(Device &device, std::span<const std::byte> image,
                                               uint32_t flags)
{
    if (image.empty()) return fail(-EINVAL, "expected an image of at least 1 byte; found 0");
    if (flags & ~ACC_PROGRAM_PERSISTENT)
        return fail(-EINVAL, "expected no flags but ACC_PROGRAM_PERSISTENT; found {:#x}", flags);
    if ((flags & ACC_PROGRAM_PERSISTENT) &&
        !(device.identity().features & DRM_ACC_FEATURE_PERSISTENT))
        return fail(-EINVAL,
                    "{}: expected a device with the feature persistent for a program that is to "
                    "stay; found features {:#x}",
                    device.uri(), uint64_t(device.identity().features));
    std::unique_ptr<Program> program(new Program(device));
    drm_acc_program_load request = {};
    {
        ImageBuffer buffer(device);
        if (const int error = buffer.fill(image)) return Error{error};
        request.handle = buffer.handle();
        request.size = image.size();
        if (flags & ACC_PROGRAM_PERSISTENT) request.flags = DRM_ACC_PROGRAM_PERSISTENT;
        if (const int error = device.ioctl(DRM_IOCTL_ACC_PROGRAM_LOAD, &request)) {
            request.why[sizeof request.why - 1] = '\0';
            if (const int lost = device.lost()) return device.fail_lost(lost);
            return fail(error, "{}: the program was refused: {}", device.uri(),
                        *request.why ? request.why : errno_text(error));
        }
    }
    program->id_ = request.program;
    program->base_ = request.kernel_object_base;
    program->loaded_ = true;
    device.add_child();
    program->names_.resize(request.kernels);
    for (uint32_t i = 0; i < request.kernels; i++) {
        ACC_TRY(const auto kernel, program->query(i));
        program->names_[i].assign(kernel.name, strnlen(kernel.name, sizeof kernel.name));
    }
    return program;
}

int Program::unload_now()
{
    if (!loaded_) return 0;
    drm_acc_program_unload request = {};
    request.program = id_;
    const int error = device_.ioctl(DRM_IOCTL_ACC_PROGRAM_UNLOAD, &request);
    if (error == -EBUSY) return error;
    if (error && !device_.lost())
        program_log.error("{}: PROGRAM_UNLOAD of program {}: {}", device_.uri(), id_,
                          errno_text(error));
    loaded_ = false;
    return 0;
}

int Program::unload(std::unique_ptr<Program> &program)
{
    if (const int error = program->unload_now())
        return fail(error, "{}: expected a program that no dispatch executes; found one",
                    program->device_.uri())
            .code;
    program->device_.remove_child();
    program.reset();
    return 0;
}

Program::~Program()
{
    if (!loaded_) return;
    // Only when load() failed half way, or an owner inside the library goes.
    if (const int error = unload_now())
        program_log.error("{}: program {} stays loaded: {}", device_.uri(), id_, errno_text(error));
    device_.remove_child();
}

Result<drm_acc_program_query> Program::query(uint32_t kernel) const
{
    if (kernel >= names_.size())
        return fail(-EINVAL, "expected a kernel below {}; found {}", names_.size(), kernel);
    drm_acc_program_query request = {};
    request.program = id_;
    request.kernel = kernel;
    if (const int error = device_.ioctl(DRM_IOCTL_ACC_PROGRAM_QUERY, &request))
        return device_.refused(error, fmt::format("PROGRAM_QUERY of kernel {}", kernel));
    return request;
}

Result<uint32_t> Program::find(std::string_view name) const
{
    std::string those;
    for (uint32_t i = 0; i < names_.size(); i++) {
        if (names_[i] == name) return i;
        if (i) those += ", ";
        those += names_[i];
    }
    return fail(-ENOENT, "expected a kernel of the program; found '{}'; there are: {}", name,
                those.empty() ? "none" : those);
}

int Program::prefetch(uint32_t kernel)
{
    drm_acc_program_prefetch request = {};
    request.program = id_;
    request.kernel = kernel;
    if (const int error = device_.ioctl(DRM_IOCTL_ACC_PROGRAM_PREFETCH, &request))
        return device_
            .refused(error, fmt::format("cannot prefetch kernel {} of {}", kernel, kernels()))
            .code;
    return 0;
}

int Program::pin(uint32_t kernel, bool pin)
{
    drm_acc_program_pin request = {};
    request.program = id_;
    request.kernel = kernel;
    request.pin = pin;
    const int error = device_.ioctl(DRM_IOCTL_ACC_PROGRAM_PIN, &request);
    if (!error) return 0;
    if (const int lost = device_.lost()) return device_.fail_lost(lost).code;
    const char *why = errno_text(error);
    if (error == -ENOSPC) why = "expected an unpinned slot of its class to be left; found none";
    if (error == -E2BIG) why = "expected fewer pins, the quota of one open is used up";
    if (error == -EINVAL) why = pin ? "there is no such kernel" : "expected a pinned kernel";
    return fail(error, "{}: cannot {} kernel {} of {}: {}", device_.uri(), pin ? "pin" : "unpin",
                kernel, kernels(), why)
        .code;
}

Result<std::vector<std::byte>> read_image_file(const char *path)
{
    UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(-errno, "cannot open {}: {}", path, errno_text(errno));
    struct stat status = {};
    if (fstat(fd.get(), &status))
        return fail(-errno, "cannot read {}: {}", path, errno_text(errno));
    if (!S_ISREG(status.st_mode))
        return fail(-EINVAL, "expected {} to be a regular file; found none", path);
    std::vector<std::byte> bytes(size_t(status.st_size));
    size_t at = 0;
    while (at < bytes.size()) {
        const ssize_t got = read(fd.get(), bytes.data() + at, bytes.size() - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(-errno, "cannot read {}: {}", path, errno_text(errno));
        if (got == 0) break; // it shrank
        at += size_t(got);
    }
    bytes.resize(at);
    return bytes;
}

} // namespace acc
