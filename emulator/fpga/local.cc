// SPDX-License-Identifier: MIT
#include "emulator/fpga/local.h"

#include "emulator/fpga/process/graph.h"

#include <algorithm>
#include <atomic>
#include <dlfcn.h>
#include <fcntl.h>

namespace acc::emu::fpga
{
namespace
{

// The file under a name that no other has had: the loader takes what has the name of a library
// that is still mapped for that library, and numbers of descriptors are used again.
std::string unique_path(int fd)
{
    static std::atomic<uint32_t> count{0};
    std::string path = "/proc/self/";
    for (uint32_t bits = count.fetch_add(1, std::memory_order_relaxed); bits; bits >>= 1)
        path += bits & 1 ? "./" : "/";
    return path + "fd/" + std::to_string(fd);
}

} // namespace

std::shared_ptr<LocalImage> LocalImage::open(const Image &image, std::string &why)
{
    std::shared_ptr<LocalImage> made(new LocalImage);
    made->handle_ = dlopen(unique_path(image.fd.get()).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (made->handle_)
        made->library_ =
            static_cast<const acc_role_library *>(dlsym(made->handle_, ACC_ROLE_SYMBOL));
    if (made->library_) return made;
    const char *text = dlerror();
    why = text ? text : "expected the symbol " ACC_ROLE_SYMBOL "; found none";
    return nullptr;
}

LocalImage::~LocalImage()
{
    if (handle_) dlclose(handle_);
}

std::shared_ptr<LocalImage> LocalImages::get(const Image &image, std::string &why)
{
    std::array<uint8_t, 32> digest;
    std::copy_n(image.digest, digest.size(), digest.begin());
    std::lock_guard lock(mutex_);
    std::weak_ptr<LocalImage> &known = images_[digest];
    std::shared_ptr<LocalImage> found = known.lock();
    if (!found) known = found = LocalImage::open(image, why);
    std::erase_if(images_, [](const auto &entry) { return entry.second.expired(); });
    return found;
}

std::unique_ptr<LocalRoles> LocalRoles::create(std::shared_ptr<LocalImage> image, UniqueFd trace,
                                               std::string &why)
{
    const acc_role_library &library = image->library();
    std::unique_ptr<LocalRoles> made(new LocalRoles(std::move(image), std::move(trace)));
    auto runner = Runner::create(library, {}, why);
    if (!runner) return nullptr;
    made->runner_ = std::move(*runner);
    if (made->trace_) made->runner_->trace_to(made->trace_.get());
    for (uint32_t i = 0; i < library.roles; i++)
        if (!made->runner_->role(*library.role[i], why)) return nullptr;
    return made;
}

acc_status LocalRoles::run(Dispatch &dispatch, const RunOrder &order, uint64_t &cycles)
{
    RunRequest request;
    std::string waits_for;
    uint64_t reached = 0;
    request.role = order.role;
    request.kernargs = dispatch.kernargs;
    request.registers = order.registers;
    request.grid = dispatch.grid;
    request.memory = dispatch.memory;
    request.alive = [&](uint64_t cycle, const char *waits) {
        reached = cycle;
        if (waits) waits_for = waits;
        return dispatch.should_stop();
    };
    RunResult result = order.stages.empty()
                           ? runner_->run(request)
                           : Graph(*runner_, order.stages, order.edges).run(request);
    cycles = std::min(result.cycles, uint64_t{1} << 60);
    dispatch.text = std::move(result.text);
    switch (result.status) {
    case ACC_STATUS_OK:
        dispatch.text.clear();
        return ACC_STATUS_OK;
    case ACC_STATUS_TIMEOUT:
        // What it waits for first: the log keeps 63 bytes.
        if (!waits_for.empty()) dispatch.text = std::move(waits_for);
        dispatch.text += (dispatch.text.empty() ? "stopped after " : "; stopped after ") +
                         std::to_string(reached) + " cycles";
        return ACC_STATUS_TIMEOUT;
    case ACC_STATUS_INVALID_ADDRESS:
        if (dispatch.text.empty())
            dispatch.text = "expected memory of this client; found another address";
        return ACC_STATUS_INVALID_ADDRESS;
    case ACC_STATUS_INVALID_KERNARG:
    case ACC_STATUS_INVALID_DIMENSIONS:
    case ACC_STATUS_MISALIGNED:
        return result.status;
    default:
        if (dispatch.text.empty()) dispatch.text = "the role failed without a reason";
        return ACC_STATUS_ENGINE_ERROR;
    }
}

} // namespace acc::emu::fpga
