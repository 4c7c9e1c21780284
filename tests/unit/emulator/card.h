// SPDX-License-Identifier: MIT
//
// An emulated device with any number of opens: what a transport can't show, because it opens
// one. Clients look to the tests like transports.
#pragma once

#include "emulator/emulator.h"
#include "tests/conformance/queue_null.h"

#include <fcntl.h>
#include <sys/mman.h>

namespace acc::emu
{

class ClientTransport final : public Transport
{
public:
    explicit ClientTransport(std::unique_ptr<Client> client) : client_(std::move(client)) {}
    int ioctl(unsigned long request, void *arg) override { return client_->ioctl(request, arg); }
    Result<void *> map(uint64_t offset, size_t size, int prot, void *address) override
    {
        ACC_TRY(const auto source, client_->map(offset, size, prot));
        void *at = mmap(address, size, prot, MAP_SHARED | (address ? MAP_FIXED : 0),
                        source.fd.get(), off_t(source.offset));
        if (at == MAP_FAILED) return Error{-errno};
        return at;
    }

private:
    std::unique_ptr<Client> client_;
};

class Card
{
public:
    explicit Card(std::string_view spec = "null", LogFunction log = {})
    {
        std::string why;
        auto made = Emulator::create(spec, why, std::move(log));
        if (!made) conformance::give_up(why, made.error());
        emulator_ = std::move(*made);
    }
    std::unique_ptr<conformance::Accel> open(const ClientOptions &options = {})
    {
        auto client = emulator_->open(options);
        if (!client) conformance::give_up("open", client.error());
        return std::make_unique<conformance::Accel>(
            std::make_unique<ClientTransport>(std::move(*client)));
    }
    Emulator &emulator() { return *emulator_; }

private:
    std::shared_ptr<Emulator> emulator_;
};

// Shares a buffer of one open with another, at the same address; undone at the end.
class Shared
{
public:
    Shared(conformance::Accel &from, const conformance::Buffer &buffer, conformance::Accel &to)
        : to_(to), address_(buffer.address()), bytes_(buffer.bytes())
    {
        drm_prime_handle prime = {};
        prime.handle = buffer.handle();
        prime.flags = uint32_t(O_CLOEXEC | O_RDWR);
        if (const int error = from.call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime))
            conformance::give_up("PRIME_HANDLE_TO_FD", error);
        const UniqueFd fd(prime.fd);
        if (const int error = to.call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime))
            conformance::give_up("PRIME_FD_TO_HANDLE", error);
        handle_ = prime.handle;
        if (const int error = to.bind(handle_, 0, bytes_, address_))
            conformance::give_up("VM_BIND", error);
    }
    ~Shared()
    {
        (void)to_.unbind(address_, bytes_);
        (void)to_.close(handle_);
    }
    Shared(const Shared &) = delete;
    Shared &operator=(const Shared &) = delete;

private:
    conformance::Accel &to_;
    uint64_t address_, bytes_;
    uint32_t handle_ = 0;
};

} // namespace acc::emu
