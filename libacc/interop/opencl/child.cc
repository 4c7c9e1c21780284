// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/child.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace acc::ocl
{
namespace
{

// Of the child: what it has, and where it works.
class Actions
{
public:
    Actions() : good_(posix_spawn_file_actions_init(&actions_) == 0) {}
    ~Actions()
    {
        if (good_) posix_spawn_file_actions_destroy(&actions_);
    }
    Actions(const Actions &) = delete;
    Actions &operator=(const Actions &) = delete;

    int set(const char *folder, int output)
    {
        if (!good_) return ENOMEM;
        int error = posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
        for (const int fd : {1, 2})
            if (!error) error = posix_spawn_file_actions_adddup2(&actions_, output, fd);
        if (!error) error = posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
        if (!error) error = posix_spawn_file_actions_addchdir_np(&actions_, folder);
        return error;
    }
    const posix_spawn_file_actions_t *get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_;
    const bool good_;
};

} // namespace

bool run_child(const std::vector<std::string> &arguments, const std::string &folder,
               std::string &log)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        log += std::string("error: no pipe: ") + std::strerror(errno) + '\n';
        return false;
    }
    std::vector<char *> list;
    for (const std::string &argument : arguments)
        list.push_back(const_cast<char *>(argument.c_str()));
    list.push_back(nullptr);
    char path[] = "PATH=/usr/bin:/bin", language[] = "LC_ALL=C.UTF-8";
    char *const environment[] = {path, language, nullptr};
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_t attributes;
    Actions actions;
    int error = posix_spawnattr_init(&attributes);
    pid_t pid = -1;
    if (!error) {
        error = actions.set(folder.c_str(), ends[1]);
        if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
        if (!error) error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (!error)
            error =
                posix_spawn(&pid, list[0], actions.get(), &attributes, list.data(), environment);
        posix_spawnattr_destroy(&attributes);
    }
    close(ends[1]);
    if (error) {
        close(ends[0]);
        log += std::string("error: ") + list[0] + ": " + std::strerror(error) + '\n';
        return false;
    }
    char part[4096];
    for (;;) {
        const ssize_t size = read(ends[0], part, sizeof part);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) break;
        log.append(part, static_cast<size_t>(size));
    }
    close(ends[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return true; // an application that reaps all children: as its files say
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

} // namespace acc::ocl
