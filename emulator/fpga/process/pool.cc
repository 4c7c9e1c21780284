// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/region_process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// The program, as the build embedded it: it is found whatever the emulator is linked into.
extern "C" {
extern const unsigned char acc_region_program[];
extern const unsigned char acc_region_program_end[];
}

namespace acc::emu::fpga
{
namespace
{

constexpr int kProgramFd = 5; // in the child, closed by it

UniqueFd program_file()
{
    UniqueFd fd(memfd_create("acc-region", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const auto *from = acc_region_program;
    size_t left = static_cast<size_t>(acc_region_program_end - acc_region_program);
    while (fd && left) {
        const ssize_t part = write(fd.get(), from, left);
        if (part <= 0) return {};
        from += part;
        left -= static_cast<size_t>(part);
    }
    if (fd && fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)) return {};
    return fd;
}

// Above the numbers that the child's descriptors get.
UniqueFd move_up(const UniqueFd &fd)
{
    return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 16));
}

// Its descriptors and nothing else of ours, no environment.
int start(int program, int socket, int control, pid_t &pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (const int error = posix_spawn_file_actions_init(&actions)) return -error;
    if (const int error = posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return -error;
    }
    int error = 0;
    const auto add = [&](int result) { error = error ? error : result; };
    for (const int fd : {0, 1, 2})
        add(posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0));
    add(posix_spawn_file_actions_adddup2(&actions, socket, kSocketFd));
    add(posix_spawn_file_actions_adddup2(&actions, control, kControlFd));
    add(posix_spawn_file_actions_adddup2(&actions, program, kProgramFd));
    add(posix_spawn_file_actions_addclosefrom_np(&actions, kProgramFd + 1));
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    add(posix_spawnattr_setsigmask(&attributes, &none));
    add(posix_spawnattr_setsigdefault(&attributes, &all));
    add(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    const std::string path = "/proc/self/fd/" + std::to_string(kProgramFd);
    char name[] = "acc-region";
    char *const arguments[] = {name, nullptr}, *const environment[] = {nullptr};
    if (!error)
        error = posix_spawn(&pid, path.c_str(), &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -error;
}

} // namespace

std::unique_ptr<RegionProcess> ProcessPool::spawn(std::string &why)
{
    const auto fail = [&](const char *what, int error) {
        why =
            std::string("a region's process did not start: ") + what + ": " + std::strerror(error);
        return nullptr;
    };
    if (!program_ && !(program_ = program_file())) return fail("its program", errno);
    std::unique_ptr<RegionProcess> process(new (std::nothrow) RegionProcess);
    if (!process) return fail("memory", ENOMEM);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return fail("socket", errno);
    process->socket_.reset(pair[0]);
    const UniqueFd theirs(pair[1]);
    const UniqueFd control(memfd_create("acc-region-control", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!control || ftruncate(control.get(), sizeof(Control)) ||
        fcntl(control.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
        return fail("control page", errno);
    void *page =
        mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, control.get(), 0);
    if (page == MAP_FAILED) return fail("control page", errno);
    process->control_ = new (page) Control;
    process->control_->turn.store(kTurnDevice, std::memory_order_relaxed);
    const UniqueFd a = move_up(program_), b = move_up(theirs), c = move_up(control);
    if (!a || !b || !c) return fail("descriptors", errno);
    if (const int error = start(a.get(), b.get(), c.get(), process->pid_))
        return fail("exec", -error);
    process->pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, process->pid_, 0)));
    if (!process->pidfd_) return fail("pidfd", errno);
    return process;
}

void ProcessPool::serve()
{
    std::unique_lock lock(mutex_);
    while (!ending_) {
        if (spare_ || (failed_ && !wanted_)) {
            changed_.wait(lock);
            continue;
        }
        lock.unlock();
        std::string why;
        std::unique_ptr<RegionProcess> fresh = spawn(why);
        lock.lock();
        failed_ = !fresh;
        why_ = why;
        spare_ = std::move(fresh);
        if (failed_) wanted_ = 0;
        changed_.notify_all();
    }
}

std::unique_ptr<RegionProcess> ProcessPool::take(std::string &why)
{
    std::unique_lock lock(mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
    failed_ = false;
    wanted_++;
    changed_.notify_all();
    changed_.wait(lock, [&] { return spare_ || failed_; });
    if (!spare_) {
        why = why_;
        return nullptr;
    }
    wanted_ -= wanted_ ? 1 : 0;
    std::unique_ptr<RegionProcess> process = std::move(spare_);
    changed_.notify_all(); // the next one
    return process;
}

ProcessPool::~ProcessPool()
{
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

} // namespace acc::emu::fpga
