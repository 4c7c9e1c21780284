// SPDX-License-Identifier: MIT
#include "libacc/device.h"

#include "libacc/error.h"
#include "libacc/log.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace acc
{
namespace
{

constexpr Log device_log("device");

constexpr uint64_t default_spin_ns = 20'000;
// Of a service that was killed only the sleep behind a spin hears: its end writes nothing.
constexpr uint64_t most_spin_ns = 100'000'000;
constexpr uint32_t needed_va_bits = 47;

// What ACC_DEVICE names: URIs, with ';' between them. What follows a '?' is a hint for
// runtimes of other APIs (docs/hsa.md).
std::vector<std::string> environment_uris()
{
    std::vector<std::string> uris;
    const char *value = std::getenv("ACC_DEVICE");
    std::string_view rest = value ? value : "";
    while (!rest.empty()) {
        const std::string_view uri = rest.substr(0, rest.find(';'));
        rest.remove_prefix(std::min(rest.size(), uri.size() + 1));
        if (!uri.empty()) uris.emplace_back(uri.substr(0, uri.find('?')));
    }
    return uris;
}

// The engine that a URI without a scheme names, or -1.
int engine_of(std::string_view name)
{
    if (name == "crossbar") return DRM_ACC_ENGINE_CROSSBAR;
    if (name == "fpga") return DRM_ACC_ENGINE_FPGA;
    return name == "null" ? int(DRM_ACC_ENGINE_NULL) : -1;
}

} // namespace

std::vector<std::string> device_uris()
{
    std::vector<std::string> uris = environment_uris();
    const size_t named = uris.size();
    for (std::string &uri : list_uris())
        if (std::find(uris.begin(), uris.begin() + ptrdiff_t(named), uri) ==
            uris.begin() + ptrdiff_t(named))
            uris.push_back(std::move(uri));
    return uris;
}

// Opens what was asked for: a URI, an engine wherever it is, or whatever there is.
Result<std::unique_ptr<Device>> Device::open(const char *wanted, const acc_device_options *options)
{
    const std::string_view name = wanted ? wanted : "";
    const int engine = engine_of(name);
    if (!name.empty() && engine < 0) return open_uri(std::string(name), options);

    const std::vector<std::string> named = environment_uris();
    if (name.empty() && !named.empty()) return open_uri(named.front(), options);
    std::string tried;
    int first_error = -ENODEV;
    for (const std::string &uri : device_uris()) {
        auto device = open_uri(uri, options);
        tried += tried.empty() ? "" : ", ";
        tried += uri;
        if (!device) {
            // Who names a device wants that one, not another in its place; and one of another
            // version is to be known, not passed over.
            if (device.error() == -EPROTO || device.error() == -ERANGE ||
                std::find(named.begin(), named.end(), uri) != named.end())
                return device;
            device_log.debug("{}: {}", uri, error_text());
            if (first_error == -ENODEV) first_error = device.error();
            tried += std::string(" (") + error_text() + ")";
            continue;
        }
        if (engine >= 0 && (*device)->identity_.engine != uint32_t(engine)) continue;
        device_log.info("{} was asked for: took {}", engine < 0 ? "no device" : wanted, uri);
        return device;
    }
    return fail(engine < 0 ? first_error : -ENODEV, "expected {} among {}; found none",
                engine < 0 ? "a device that can be opened"
                           : "a device with engine " + std::string(name),
                tried.empty() ? "no devices" : tried);
}

Result<std::unique_ptr<Device>> Device::open_uri(const std::string &uri,
                                                 const acc_device_options *options)
{
    std::unique_ptr<Device> device(new Device);
    device->uri_ = uri;
    device->spin_ns_ =
        options && options->spin_ns ? std::min(options->spin_ns, most_spin_ns) : default_spin_ns;
    const unsigned threads = std::thread::hardware_concurrency();
    device->max_spinners_ = threads > 2 ? threads / 2 : 1;
    std::string why;
    auto transport = open_transport(uri, why);
    if (!transport) return fail_text(transport.error(), why);
    device->transport_ = std::move(*transport);
    if (const int error = device->handshake(); error < 0) return Error{error};
    if (const int error = device->map_status(); error < 0) return Error{error};
    device->arena_.init(device->memory_.va_start, device->memory_.va_end,
                        std::max<uint64_t>(device->memory_.page_size, uint64_t(getpagesize())));
    return device;
}

// Whether the other side speaks this library's language, and what it is.
int Device::handshake()
{
    drm_version version = {};
    char driver[32] = {};
    version.name = driver;
    version.name_len = sizeof driver - 1;
    int error = ioctl(DRM_IOCTL_VERSION, &version);
    if (error) return fail(error, "{}: VERSION: {}", uri_, errno_text(error)).code;
    if (std::string_view(driver) != DRM_ACC_DRIVER_NAME)
        return fail(-ENODEV, "{}: expected the driver '" DRM_ACC_DRIVER_NAME "'; found '{}'", uri_,
                    driver)
            .code;
    if (version.version_major != DRM_ACC_VERSION_MAJOR)
        return fail(-EPROTO, "{}: expected uAPI version {}.x; found {}.{}", uri_,
                    DRM_ACC_VERSION_MAJOR, version.version_major, version.version_minor)
            .code;

    const auto ask = [&](uint32_t type, auto drm_acc_dev_query::*member, auto &to) {
        auto answer = query(type);
        if (answer) to = (*answer).*member;
        return answer.error();
    };
    ACC_TRY_INT(ask(DRM_ACC_QUERY_IDENTITY, &drm_acc_dev_query::identity, identity_));
    ACC_TRY_INT(ask(DRM_ACC_QUERY_LIMITS, &drm_acc_dev_query::limits, limits_));
    ACC_TRY_INT(ask(DRM_ACC_QUERY_MEMORY, &drm_acc_dev_query::memory, memory_));
    if (identity_.abi_major != ACC_ABI_MAJOR)
        return fail(-EPROTO, "{}: expected queue ABI {}.x; found {}.{}", uri_, ACC_ABI_MAJOR,
                    identity_.abi_major, identity_.abi_minor)
            .code;
    if (memory_.va_bits < needed_va_bits)
        return fail(-ERANGE, "{}: expected a device of at least {} address bits; found {}", uri_,
                    needed_va_bits, memory_.va_bits)
            .code;
    if (memory_.va_start >= memory_.va_end || !memory_.page_size ||
        (memory_.page_size & (memory_.page_size - 1)) ||
        memory_.va_end - memory_.va_start < memory_.page_size)
        return fail(-EPROTO, "{}: expected a range of addresses; found [{:#x}, {:#x}), pages of {}",
                    uri_, memory_.va_start, memory_.va_end, memory_.page_size)
            .code;
    identity_.name[sizeof identity_.name - 1] = '\0';
    identity_.config[sizeof identity_.config - 1] = '\0';
    return 0;
}

int Device::map_status()
{
    const auto page =
        transport_->map(memory_.status_mmap_offset, size_t(getpagesize()), PROT_READ, nullptr);
    if (!page)
        return fail(page.error(), "{}: cannot map the status page: {}", uri_,
                    errno_text(page.error()))
            .code;
    madvise(*page, size_t(getpagesize()), MADV_DONTFORK);
    status_ = static_cast<acc_status_page *>(*page);
    return 0;
}

Device::~Device()
{
    reader_.stop();
    callbacks_.stop();
    signal_pools_.clear();
    for (const auto &[offset, page] : doorbell_pages_)
        munmap(page, size_t(getpagesize()));
    if (status_) munmap(status_, size_t(getpagesize()));
}

int Device::close(std::unique_ptr<Device> &device)
{
    const uint32_t children = device->children_.load(std::memory_order_acquire);
    if (children)
        return fail(-EBUSY,
                    "expected no buffer, queue, signal, program or model of {} to be alive; found "
                    "{}",
                    device->uri_, children)
            .code;
    device.reset();
    return 0;
}

Result<drm_acc_dev_query> Device::query(uint32_t type, uint32_t index)
{
    drm_acc_dev_query request = {};
    request.type = type;
    request.index = index;
    const int error = ioctl(DRM_IOCTL_ACC_DEV_QUERY, &request);
    if (error == -ENOENT)
        return fail(error, "{}: expected an index below the number of entries; found {}", uri_,
                    index);
    if (error && !status_) return fail(error, "{}: DEV_QUERY: {}", uri_, errno_text(error));
    if (error) return refused(error, "DEV_QUERY");
    return request;
}

Error Device::fail_lost(int error) const
{
    return fail(error, "{}: the device {}", uri_,
                error == -ENODEV ? "is gone" : "was reset; close and open it again");
}

Error Device::refused(int error, std::string_view what) const
{
    if (const int lost = this->lost()) return fail_lost(lost);
    return fail(error, "{}: {}: {}", uri_, what, errno_text(error));
}

Result<std::atomic<uint64_t> *> Device::doorbell(uint64_t mmap_offset, uint32_t slot)
{
    const auto page_bytes = size_t(getpagesize());
    if (slot >= page_bytes / sizeof(uint64_t))
        return fail(-EPROTO, "{}: expected a doorbell slot below {}; found {}", uri_,
                    page_bytes / sizeof(uint64_t), slot);
    std::lock_guard lock(mutex_);
    void *&page = doorbell_pages_[mmap_offset];
    if (!page) {
        auto mapped = transport_->map(mmap_offset, page_bytes, PROT_READ | PROT_WRITE, nullptr);
        if (!mapped) {
            doorbell_pages_.erase(mmap_offset);
            return refused(mapped.error(), "cannot map a doorbell page");
        }
        madvise(*mapped, page_bytes, MADV_DONTFORK);
        page = *mapped;
    }
    static_assert(sizeof(std::atomic<uint64_t>) == 8 && std::atomic<uint64_t>::is_always_lock_free);
    return static_cast<std::atomic<uint64_t> *>(page) + slot;
}

Result<uint32_t> Device::create_bo(drm_acc_bo_create &create)
{
    std::lock_guard lock(mutex_);
    const int error = ioctl(DRM_IOCTL_ACC_BO_CREATE, &create);
    if (error) return Error{error};
    handles_[create.handle] = 1;
    return create.handle;
}

Result<uint32_t> Device::import_bo(int fd)
{
    std::lock_guard lock(mutex_); // against a close of the same handle in between
    drm_prime_handle prime = {};
    prime.fd = fd;
    const int error = ioctl(DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
    if (error) return Error{error};
    handles_[prime.handle]++;
    return prime.handle;
}

void Device::release_bo(uint32_t handle)
{
    std::lock_guard lock(mutex_);
    const auto found = handles_.find(handle);
    if (found == handles_.end() || --found->second) return;
    handles_.erase(found);
    drm_gem_close gem = {};
    gem.handle = handle;
    if (const int error = ioctl(DRM_IOCTL_GEM_CLOSE, &gem); error && !lost())
        device_log.warn("{}: GEM_CLOSE of buffer {}: {}", uri_, handle, errno_text(error));
}

} // namespace acc
