// SPDX-License-Identifier: MIT
#include "tools/accrole/shell.h"

#include "common/unique_fd.h"

#include <cerrno>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace acc::role
{
namespace
{

int spawn(const std::vector<std::string> &command, int out, pid_t &pid)
{
    std::vector<char *> arguments;
    for (const std::string &word : command)
        arguments.push_back(const_cast<char *>(word.c_str())); // posix_spawn writes to none
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    if (const int error = posix_spawn_file_actions_init(&actions)) return error;
    int error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!error)
        error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

int run(const std::vector<std::string> &command)
{
    pid_t pid = -1;
    if (const int error = spawn(command, STDERR_FILENO, pid)) return -error;
    return wait_for(pid);
}

std::string output_of(const std::vector<std::string> &command)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return {};
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    pid_t pid = -1;
    if (spawn(command, writer.get(), pid)) return {};
    writer.reset();
    std::string text;
    char part[4096];
    for (ssize_t got; (got = read(reader.get(), part, sizeof part)) > 0;)
        text.append(part, static_cast<size_t>(got));
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    return wait_for(pid) == 0 ? text : std::string();
}

} // namespace acc::role
