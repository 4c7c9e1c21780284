// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/region_process.h"

#include <cerrno>
#include <chrono>
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

constexpr std::chrono::milliseconds kAhead(2);
constexpr int kProgramFd = kAnswerFd + 1; // in the child, closed by it

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

struct Ends {
    UniqueFd program, socket, control, order, answer;
};

// Its descriptors and nothing else of ours; no environment but what libgomp reads as it begins
// (docs/openmp.md): `cancel` can be had, and threads that wait leave the processor to others soon.
int start(const Ends &ends, pid_t &pid)
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
    add(posix_spawn_file_actions_adddup2(&actions, ends.socket.get(), kSocketFd));
    add(posix_spawn_file_actions_adddup2(&actions, ends.control.get(), kControlFd));
    add(posix_spawn_file_actions_adddup2(&actions, ends.order.get(), kOrderFd));
    add(posix_spawn_file_actions_adddup2(&actions, ends.answer.get(), kAnswerFd));
    add(posix_spawn_file_actions_adddup2(&actions, ends.program.get(), kProgramFd));
    add(posix_spawn_file_actions_addclosefrom_np(&actions, kProgramFd + 1));
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    add(posix_spawnattr_setsigmask(&attributes, &none));
    add(posix_spawnattr_setsigdefault(&attributes, &all));
    add(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    const std::string path = "/proc/self/fd/" + std::to_string(kProgramFd);
    char name[] = "acc-region";
    char cancellation[] = "OMP_CANCELLATION=true", spin[] = "GOMP_SPINCOUNT=1000";
    char *const arguments[] = {name, nullptr}, *const environment[] = {cancellation, spin, nullptr};
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
    Started made;
    Ends ends;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return fail("socket", errno);
    made.socket.reset(pair[0]);
    const UniqueFd socket(pair[1]);
    if (pipe2(pair, O_CLOEXEC)) return fail("pipe", errno);
    made.unread.reset(pair[0]);
    made.order.reset(pair[1]);
    if (pipe2(pair, O_CLOEXEC)) return fail("pipe", errno);
    made.answer.reset(pair[0]);
    const UniqueFd answer(pair[1]);
    if (fcntl(made.order.get(), F_SETFL, O_NONBLOCK) ||
        fcntl(made.answer.get(), F_SETFL, O_NONBLOCK))
        return fail("pipe", errno);
    const UniqueFd control(memfd_create("acc-region-control", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!control || ftruncate(control.get(), sizeof(Control)) ||
        fcntl(control.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
        return fail("control page", errno);
    void *page =
        mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, control.get(), 0);
    if (page == MAP_FAILED) return fail("control page", errno);
    made.control = new (page) Control;
    made.control->turn.store(kTurnDevice, std::memory_order_relaxed);
    ends.program = move_up(program_);
    ends.socket = move_up(socket);
    ends.control = move_up(control);
    ends.order = move_up(made.unread);
    ends.answer = move_up(answer);
    if (!ends.program || !ends.socket || !ends.control || !ends.order || !ends.answer)
        return fail("descriptors", errno);
    if (const int error = start(ends, made.pid)) return fail("exec", -error);
    made.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, made.pid, 0)));
    if (!made.pidfd) return fail("pidfd", errno);
    return std::make_unique<RegionProcess>(std::move(made), most_staged_, &turns_);
}

void ProcessPool::serve()
{
    std::unique_lock lock(mutex_);
    while (!ending_) {
        if (spare_ || (!wanted_ && !ahead_)) {
            changed_.wait(lock);
            continue;
        }
        // What is done ahead keeps out of the way of the dispatch that follows a load.
        if (!wanted_) changed_.wait_for(lock, kAhead, [&] { return wanted_ || ending_; });
        if (ending_) return;
        lock.unlock();
        std::string why;
        std::unique_ptr<RegionProcess> fresh = spawn(why);
        lock.lock();
        failed_ = !fresh;
        why_ = why;
        spare_ = std::move(fresh);
        ahead_ = false;
        if (failed_) wanted_ = 0;
        changed_.notify_all();
    }
}

// Under the lock.
void ProcessPool::begin()
{
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
}

void ProcessPool::prepare()
{
    std::lock_guard lock(mutex_);
    begin();
    ahead_ = true;
    changed_.notify_all();
}

std::unique_ptr<RegionProcess> ProcessPool::take(std::string &why)
{
    std::unique_lock lock(mutex_);
    begin();
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
