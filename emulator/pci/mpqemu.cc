// SPDX-License-Identifier: MIT
#include "emulator/pci/mpqemu.h"

#include <cstring>
#include <sys/socket.h>
#include <vector>

namespace acc::emu
{

namespace
{

// As QEMU lays them out on a 64-bit machine.
enum Command : int32_t {
    sync_memory = 0,
    reply = 1,
    config_write = 2,
    config_read = 3,
    bar_write = 4,
    bar_read = 5,
    set_irq = 6,
    device_reset = 7,
};

constexpr unsigned most_descriptors = 8;

struct Header {
    int32_t command;
    uint32_t pad;
    uint64_t bytes;
};
struct MemoryMap {
    uint64_t address[most_descriptors], bytes[most_descriptors], offset[most_descriptors];
};
struct ConfigAccess {
    uint32_t address, value;
    int32_t bytes;
};
struct BarAccess {
    uint64_t address, value;
    uint32_t bytes;
    uint8_t is_memory;
    uint8_t pad[3];
};
struct Reply {
    Header header;
    uint64_t value;
};
static_assert(sizeof(Header) == 16 && sizeof(MemoryMap) == 192);
static_assert(sizeof(ConfigAccess) == 12 && sizeof(BarAccess) == 24 && sizeof(Reply) == 24);

bool receive_all(int socket, void *out, size_t bytes)
{
    auto *at = static_cast<std::byte *>(out);
    while (bytes) {
        const ssize_t got = recv(socket, at, bytes, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        bytes -= size_t(got);
    }
    return true;
}

bool send_reply(int socket, uint64_t value)
{
    const Reply out = {{reply, 0, sizeof value}, value};
    const auto *at = reinterpret_cast<const std::byte *>(&out);
    for (size_t sent = 0; sent < sizeof out;) {
        const ssize_t part = send(socket, at + sent, sizeof out - sent, MSG_NOSIGNAL);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return false;
        sent += size_t(part);
    }
    return true;
}

} // namespace

struct MpqemuCard::Request {
    Header header = {};
    union {
        MemoryMap map;
        ConfigAccess config;
        BarAccess bar;
    } body = {};
    std::vector<UniqueFd> descriptors;
};

Result<std::unique_ptr<MpqemuCard>> MpqemuCard::create(std::string_view spec,
                                                       MessageInjector &messages, std::string &why,
                                                       LogFunction log)
{
    std::unique_ptr<MpqemuCard> card(new MpqemuCard(messages, log));
    ACC_TRY(card->function_, PciFunction::create(spec, *card, why, std::move(log)));
    return card;
}

void MpqemuCard::log(int level, const std::string &text) const
{
    if (log_) log_(level, text);
}

// Descriptors come with the first byte of the header.
bool MpqemuCard::receive(int socket, Request &request)
{
    iovec part = {&request.header, sizeof request.header};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_descriptors)];
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    for (const cmsghdr *head = CMSG_FIRSTHDR(&message); head;
         head = CMSG_NXTHDR(&message, const_cast<cmsghdr *>(head))) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
            request.descriptors.emplace_back(fd);
        }
    }
    auto *header = reinterpret_cast<std::byte *>(&request.header);
    if (!receive_all(socket, header + got, sizeof request.header - size_t(got))) return false;
    if (request.header.bytes <= sizeof request.body)
        return receive_all(socket, &request.body, request.header.bytes);
    log(3, "expected a message of at most " + std::to_string(sizeof request.body) +
               " bytes from the virtual machine; found " + std::to_string(request.header.bytes));
    return false;
}

bool MpqemuCard::set_memory(const Request &request)
{
    std::vector<GuestMemory::Region> regions;
    for (size_t i = 0; i < request.descriptors.size() && i < most_descriptors; i++)
        regions.push_back({request.body.map.address[i], request.body.map.bytes[i],
                           request.body.map.offset[i], request.descriptors[i].get()});
    const int error = memory_.replace(regions);
    if (!error) return true;
    log(3, std::string("cannot reach the memory of the virtual machine: ") + std::strerror(-error) +
               " (it must be shared: -object memory-backend-memfd,share=on)");
    return false;
}

bool MpqemuCard::handle(int socket, const Request &request)
{
    const auto sized = [&](size_t bytes) { return request.header.bytes == bytes; };
    const ConfigAccess &config = request.body.config;
    const BarAccess &bar = request.body.bar;
    const auto config_bytes = unsigned(config.bytes);
    uint64_t value = 0;
    switch (request.header.command) {
    case sync_memory: // no answer
        return sized(sizeof(MemoryMap)) && set_memory(request);
    case set_irq: // ditto; it would be for INTx
        return true;
    case config_read:
        if (!sized(sizeof config)) break;
        return send_reply(socket, function_->config_read(config.address, config_bytes));
    case config_write:
        if (!sized(sizeof config)) break;
        function_->config_write(config.address, config.value, config_bytes);
        return send_reply(socket, 0);
    case bar_read:
        if (!sized(sizeof bar)) break;
        value = bar.is_memory ? function_->memory_read(bar.address, bar.bytes) : ~0ull;
        return send_reply(socket, value);
    case bar_write:
        if (!sized(sizeof bar)) break;
        if (bar.is_memory) function_->memory_write(bar.address, bar.value, bar.bytes);
        return send_reply(socket, 0);
    case device_reset:
        function_->bus_reset();
        return send_reply(socket, 0);
    default:
        break;
    }
    log(3, "expected a message of x-pci-proxy-dev; found command " +
               std::to_string(request.header.command) + " of " +
               std::to_string(request.header.bytes) + " bytes");
    return false;
}

void MpqemuCard::serve(int socket)
{
    log(2, "a virtual machine has come");
    for (;;) {
        Request request;
        if (!receive(socket, request) || !handle(socket, request)) break;
    }
    function_->power_off();
    memory_.clear();
    log(2, "the virtual machine is gone");
}

} // namespace acc::emu
