// SPDX-License-Identifier: MIT
//
// The embedded emulator: the same calls, answered in this process. The only file that
// knows of it.
#include "libacc/transport.h"

#include "libacc/log.h"

#include "acc/regs.h"

#include "emulator/emulator.h"

#include <cstdlib>
#include <sys/mman.h>

namespace acc
{
namespace
{

constexpr Log transport_inproc_log("emulator");

class InprocTransport final : public Transport
{
public:
    InprocTransport(std::shared_ptr<emu::Emulator> emulator, std::unique_ptr<emu::Client> client)
        : emulator_(std::move(emulator)), client_(std::move(client))
    {
    }

    int ioctl(unsigned long request, void *arg) override { return client_->ioctl(request, arg); }

    Result<void *> map(uint64_t offset, size_t size, int prot, void *address) override
    {
        ACC_TRY(const auto source, client_->map(offset, size, prot));
        void *at = mmap(address, size, prot, MAP_SHARED | (address ? MAP_FIXED : 0),
                        source.fd.get(), off_t(source.offset));
        if (at == MAP_FAILED) return Error{-errno};
        return at;
    }

    int age(uint64_t ns) override { return emulator_->inject(ACC_INJECT_AGE, 0, ns); }

private:
    std::shared_ptr<emu::Emulator> emulator_; // outlives its client
    std::unique_ptr<emu::Client> client_;
};

} // namespace

Result<std::unique_ptr<Transport>> open_inproc(std::string_view spec, std::string &why)
{
    std::string whole(spec);
    // What the URI says comes later, and wins.
    if (const char *more = std::getenv("ACC_EMU"); more && *more) {
        const size_t colon = whole.find(':');
        const std::string own = colon == whole.npos ? "" : "," + whole.substr(colon + 1);
        whole = whole.substr(0, colon) + ":" + more + own;
    }
    ACC_TRY(auto emulator, emu::Emulator::create(whole, why, [](int level, std::string_view text) {
                transport_inproc_log.line(
                    level < ACC_LOG_ERROR ? acc_log_level(level) : ACC_LOG_ERROR, text);
            }));
    auto client = emulator->open({});
    if (!client) {
        why = "the embedded emulator refused to open '" + whole + "'";
        return Error{client.error()};
    }
    return std::unique_ptr<Transport>(
        std::make_unique<InprocTransport>(std::move(emulator), std::move(*client)));
}

std::vector<std::string> list_inproc()
{
    return {"inproc:crossbar", "inproc:fpga", "inproc:null"};
}

} // namespace acc
