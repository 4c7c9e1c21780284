// SPDX-License-Identifier: MIT
#include "explore_child.h"

#include "accctl.h"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <unistd.h>

extern char **environ;

namespace acc::ctl
{

bool start(const std::vector<std::string> &command, Child &child)
{
    std::vector<char *> argv;
    for (const std::string &word : command)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, child.output.c_str(), flags, 0600);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, child.errors.c_str(), flags, 0600);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    if (child.apart) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP); // of its own
    const int error = posix_spawnp(&child.pid, argv[0], &files, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (!error) return true;
    fail(command[0] + ": cannot be started: " + std::strerror(error));
    return false;
}

std::string contents_of(const std::string &path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

Scratch::Scratch()
{
    std::string name = (std::filesystem::temp_directory_path() / "accctl-explore-XXXXXX").string();
    if (mkdtemp(name.data())) path_ = name;
}

Scratch::~Scratch()
{
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

} // namespace acc::ctl
