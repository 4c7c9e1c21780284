// SPDX-License-Identifier: MIT
//
// Who the clients of one device are, and what each has of it.
#include "emulator/driver.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <unistd.h>

namespace acc::emu
{

drm_acc_client File::opener_of(const ClientOptions &options, uint32_t asid)
{
    drm_acc_client who = {};
    const pid_t pid = options.pid ? options.pid : getpid();
    who.pid = pid > 0 ? uint32_t(pid) : 0;
    who.uid = uint32_t(options.uid == uid_t(-1) ? getuid() : options.uid);
    who.client = asid;
    std::string name = options.name;
    if (name.empty() && pid > 0) {
        std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
        std::getline(comm, name); // empty where the process is gone or hidden
    }
    name.copy(who.name, sizeof who.name - 1);
    return who;
}

bool File::may_see(const File &other) const
{
    return &other == this || options_.privileged || other.who_.uid == who_.uid;
}

int Driver::describe_client(File &asker, uint32_t index, drm_acc_client &out)
{
    drm_acc_client who;
    {
        std::shared_lock lock(files_mutex_); // no file is closed meanwhile
        const auto found = std::find_if(files_.begin(), files_.end(), [&](const auto &entry) {
            return asker.may_see(*entry.second) && !index--;
        });
        if (found == files_.end()) return -ENOENT;
        File &file = *found->second;
        who = file.who_;
        who.bytes = file.charge_->bytes.load(std::memory_order_relaxed);
        std::lock_guard own(file.mutex_);
        who.buffers = uint32_t(file.buffers_.size());
    }
    drm_acc_client had = {};
    {
        std::lock_guard staging(asker.staging_mutex_);
        acc_admin_cmd command = {};
        command.op = ACC_ADMIN_IDENTIFY;
        command.asid = uint32_t(who.client);
        command.identify.data = asker.staging_->bus_start;
        command.identify.what = ACC_IDENTIFY_CLIENT;
        const int error = device_->admin(command).status;
        // ENOENT: closed just now, or lost: it has nothing of the device any more.
        if (error && error != -ENOENT) return error;
        if (!error) std::memcpy(&had, asker.staging_->page(0), sizeof had);
    }
    out = had;
    out.pid = who.pid;
    out.uid = who.uid;
    out.client = who.client;
    out.bytes = who.bytes;
    out.buffers = who.buffers;
    std::memcpy(out.name, who.name, sizeof out.name);
    return 0;
}

} // namespace acc::emu
