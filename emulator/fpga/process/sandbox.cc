// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/sandbox.h"

#include "common/sanitizers.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace acc::emu::fpga
{
namespace
{

// What the handlers need, set once before foreign code runs.
Control *control_page;
Windows *client_windows;
std::atomic<int> image_fd{-1};
std::atomic<uint64_t> guard_start{0}, guard_end{0};

constexpr size_t kFaultStackBytes = 64u << 10;

// A role's threads share one conversation with the device. A spinlock, since this is a handler: a
// thread that has it is in no handler of its own, for all signals are blocked here.
std::atomic_flag asking = ATOMIC_FLAG_INIT;

// Another thread may have had it mapped meanwhile.
bool map_window(uint64_t address, bool write)
{
    while (asking.test_and_set(std::memory_order_acquire))
        sched_yield();
    const bool mapped =
        client_windows->holds(address, write) || client_windows->request(address, write);
    asking.clear(std::memory_order_release);
    return mapped;
}

// The arena's addresses are mapped when they are touched; all else is a fault.
void on_memory_fault(int, siginfo_t *info, void *context)
{
    const auto address = reinterpret_cast<uint64_t>(info->si_addr);
    const auto *registers = static_cast<const ucontext_t *>(context)->uc_mcontext.gregs;
    // x86's page fault code. Nothing that a client's memory holds is executed.
    const bool write = registers[REG_ERR] & 2, fetch = registers[REG_ERR] & 16;
    const int error = errno;
    // A role's own page in the middle of them that it may not write to is no window's.
    if (!fetch && !client_windows->keeps(address) && map_window(address, write)) {
        errno = error;
        return; // the access is tried again
    }
    const bool stack = address >= guard_start.load(std::memory_order_relaxed) &&
                       address < guard_end.load(std::memory_order_relaxed);
    end_with_fault(stack ? Fault::Stack : Fault::Memory, write, address);
}

void on_illegal(int signal, siginfo_t *info, void *)
{
    end_with_fault(Fault::Illegal, signal, reinterpret_cast<uint64_t>(info->si_addr));
}

// System calls that the filter doesn't know arrive here instead of in the kernel. The loader
// opens one path; nothing is opened, it gets the image's descriptor.
void on_system_call(int, siginfo_t *info, void *context)
{
    auto *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
    const int fd = image_fd.load(std::memory_order_relaxed);
    if (info->si_syscall == SYS_openat && fd >= 0 &&
        std::strcmp(reinterpret_cast<const char *>(registers[REG_RSI]), kImagePath) == 0) {
        registers[REG_RAX] = dup(fd);
        return;
    }
    // How many processors there are, which libraries ask when they start: glibc does without.
    const auto asks_for = [&](const char *path) {
        return std::strcmp(reinterpret_cast<const char *>(registers[REG_RSI]), path) == 0;
    };
    if (info->si_syscall == SYS_openat &&
        (asks_for("/sys/devices/system/cpu/online") || asks_for("/proc/stat"))) {
        registers[REG_RAX] = -ENOENT;
        return;
    }
    end_with_fault(Fault::System, info->si_syscall, 0);
}

int handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigfillset(&action.sa_mask);
    return sigaction(signal, &action, nullptr) ? -errno : 0;
}

// A filter is written as a list: each allowed call jumps to the end that allows.
class Filter
{
public:
    Filter()
    {
        load(offsetof(seccomp_data, arch));
        add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
        result(SECCOMP_RET_KILL_PROCESS);
        load(offsetof(seccomp_data, nr));
        add(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1); // the x32 calls
        result(SECCOMP_RET_KILL_PROCESS);
    }
    void allow(uint32_t call)
    {
        add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
        result(SECCOMP_RET_ALLOW);
    }
    // Answered with an error, in the kernel: glibc makes the call with all signals blocked,
    // when a trap would be the end, and does without it.
    void refuse(uint32_t call, uint32_t error)
    {
        add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
        result(SECCOMP_RET_ERRNO | error);
    }
    // Allowed when the low word of an argument, masked, is `value`; otherwise trapped.
    void allow_if(uint32_t call, unsigned argument, uint32_t mask, uint32_t value)
    {
        add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 5);
        load(static_cast<uint32_t>(offsetof(seccomp_data, args) + argument * 8));
        add(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
        add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        result(SECCOMP_RET_ALLOW);
        result(SECCOMP_RET_TRAP);
    }
    int install()
    {
        result(SECCOMP_RET_TRAP);
        const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
        // prctl, not seccomp(): services that filter their own calls allow this one.
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ? -errno : 0;
    }

private:
    void add(uint32_t code, uint32_t k, unsigned yes, unsigned no)
    {
        code_.push_back(
            {static_cast<uint16_t>(code), static_cast<uint8_t>(yes), static_cast<uint8_t>(no), k});
    }
    void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
    void result(uint32_t value) { add(BPF_RET | BPF_K, value, 0, 0); }

    std::vector<sock_filter> code_;
};

int install_filter()
{
    Filter filter;
    // The most frequent first: a filter is searched from the top.
    for (const long call : {SYS_read,
                            SYS_write,
                            SYS_futex,
                            SYS_recvmsg,
                            SYS_rt_sigreturn,
                            SYS_mmap,
                            SYS_munmap,
                            SYS_mprotect,
                            SYS_madvise,
                            SYS_mremap,
                            SYS_brk,
                            SYS_close,
                            SYS_pread64,
                            SYS_lseek,
                            SYS_dup,
                            SYS_fstat,
                            SYS_rt_sigaction,
                            SYS_rt_sigprocmask,
                            SYS_sigaltstack,
                            SYS_clock_gettime,
                            SYS_clock_getres,
                            SYS_clock_nanosleep,
                            SYS_nanosleep,
                            SYS_gettimeofday,
                            SYS_sched_yield,
                            SYS_sched_getaffinity,
                            SYS_getpid,
                            SYS_gettid,
                            SYS_getcpu,
                            SYS_getrandom,
                            SYS_set_robust_list,
                            SYS_set_tid_address,
                            SYS_restart_syscall,
                            SYS_membarrier,
                            SYS_exit,
                            SYS_exit_group})
        filter.allow(static_cast<uint32_t>(call));
    filter.refuse(SYS_clone3, ENOSYS);
    filter.allow(SYS_rseq); // every thread registers, as the first did
    const auto self = static_cast<uint32_t>(getpid());
    filter.allow_if(SYS_tgkill, 0, ~0u, self); // abort()
    // Threads, and nothing that is a process of its own.
    filter.allow_if(SYS_clone, 0, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND,
                    CLONE_THREAD | CLONE_VM | CLONE_SIGHAND);
    filter.allow_if(SYS_newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH); // glibc's fstat
    filter.allow_if(SYS_prlimit64, 2, ~0u, 0);                        // reading, low word
    return filter.install();
}

int limit(int what, rlim_t value)
{
    const rlimit limits{value, value};
    return setrlimit(static_cast<__rlimit_resource>(what), &limits) ? -errno : 0;
}

} // namespace

void end_with_fault(Fault fault, int number, uint64_t address)
{
    auto &answer = control_page->to_device;
    answer.answer = Answer::Fault;
    answer.fault = fault;
    answer.number = number;
    answer.address = address;
    give_turn(*control_page, kTurnDevice, kAnswerFd);
    syscall(SYS_exit_group, 1);
    __builtin_trap();
}

void serve_image(int fd)
{
    image_fd.store(fd, std::memory_order_relaxed);
}

void watch_stack_guard(uint64_t start, uint64_t end)
{
    guard_start.store(start, std::memory_order_relaxed);
    guard_end.store(end, std::memory_order_relaxed);
}

int use_fault_stack()
{
    void *stack =
        mmap(nullptr, kFaultStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) return -errno;
    stack_t alternate = {};
    alternate.ss_sp = stack;
    alternate.ss_size = kFaultStackBytes;
    return sigaltstack(&alternate, nullptr) ? -errno : 0;
}

int enter_sandbox(Control &control, Windows &windows)
{
    control_page = &control;
    client_windows = &windows;
    for (const int signal : {SIGSEGV, SIGBUS})
        if (const int error = handle(signal, on_memory_fault, SA_ONSTACK)) return error;
    for (const int signal : {SIGILL, SIGFPE})
        if (const int error = handle(signal, on_illegal, SA_ONSTACK)) return error;
    if (const int error = handle(SIGSYS, on_system_call, SA_ONSTACK)) return error;
    if (const int error = limit(RLIMIT_CORE, 0)) return error;
    if (const int error = limit(RLIMIT_NOFILE, 64)) return error;
    // Private memory; a sanitizer's shadow would count.
    if (!has_address_sanitizer && !has_thread_sanitizer)
        if (const int error = limit(RLIMIT_DATA, 4ul << 30)) return error;
    // Nobody of the same user looks into it either, or is looked at by it.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -errno;
    return install_filter();
}

} // namespace acc::emu::fpga
