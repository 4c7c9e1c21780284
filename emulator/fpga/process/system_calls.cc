// SPDX-License-Identifier: MIT
#include "emulator/fpga/process/region_process.h"

#include <algorithm>
#include <iterator>
#include <sys/syscall.h>

namespace acc::emu::fpga
{

// The calls that code tries that would like to be out: others are told by number.
std::string system_call_name(int number)
{
    static constexpr struct {
        int number;
        const char *name;
    } names[] = {
        {SYS_fork, "fork"},
        {SYS_vfork, "vfork"},
        {SYS_clone, "clone (fork)"},
        {SYS_execve, "execve"},
        {SYS_execveat, "execveat"},
        {SYS_socket, "socket"},
        {SYS_socketpair, "socketpair"},
        {SYS_connect, "connect"},
        {SYS_bind, "bind"},
        {SYS_sendto, "sendto"},
        {SYS_sendmsg, "sendmsg"},
        {SYS_open, "open"},
        {SYS_openat, "openat"},
        {SYS_openat2, "openat2"},
        {SYS_creat, "creat"},
        {SYS_unlink, "unlink"},
        {SYS_stat, "stat"},
        {SYS_newfstatat, "newfstatat"},
        {SYS_readlink, "readlink"},
        {SYS_kill, "kill"},
        {SYS_tkill, "tkill"},
        {SYS_tgkill, "tgkill"},
        {SYS_ptrace, "ptrace"},
        {SYS_process_vm_readv, "process_vm_readv"},
        {SYS_process_vm_writev, "process_vm_writev"},
        {SYS_pidfd_open, "pidfd_open"},
        {SYS_prctl, "prctl"},
        {SYS_seccomp, "seccomp"},
        {SYS_ioctl, "ioctl"},
        {SYS_mount, "mount"},
        {SYS_unshare, "unshare"},
        {SYS_setns, "setns"},
        {SYS_shmget, "shmget"},
        {SYS_memfd_create, "memfd_create"},
        {SYS_pipe, "pipe"},
        {SYS_pipe2, "pipe2"},
        {SYS_io_uring_setup, "io_uring_setup"},
        {SYS_bpf, "bpf"},
    };
    const auto *found = std::find_if(std::begin(names), std::end(names),
                                     [number](const auto &one) { return one.number == number; });
    return found == std::end(names) ? "number " + std::to_string(number) : found->name;
}

} // namespace acc::emu::fpga
