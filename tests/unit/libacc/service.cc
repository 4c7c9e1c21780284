// SPDX-License-Identifier: MIT
#include "service.h"

#include "emulator/server/server.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace acc::test
{

Service service;

namespace
{

emu::Server *serving = nullptr;

[[noreturn]] void serve(const std::string &path, int ready)
{
    std::string why;
    emu::ServerOptions options;
    options.devices.assign(Service::devices, "null");
    options.path = path;
    options.drain_ns = 100'000'000;
    auto server = emu::Server::create(std::move(options), why);
    if (!server) {
        fprintf(stderr, "service: %s\n", why.c_str());
        _exit(1);
    }
    serving = server.value().get();
    signal(SIGTERM, [](int) { serving->stop(); });
    if (write(ready, "r", 1) != 1) _exit(1);
    const int error = server.value()->run();
    server = Error{-ECANCELED}; // removes the socket
    _exit(error ? 1 : 0);
}

} // namespace

Service::~Service()
{
    kill();
}

bool Service::start()
{
    if (path_.empty()) {
        char folder[] = "/tmp/acc-test-XXXXXX";
        if (!mkdtemp(folder)) return false;
        folder_ = folder;
        path_ = folder_ + "/acc.sock";
        for (unsigned i = 0; i <= devices; i++)
            uris_[i] = "unix:" + path_ + "#" + std::to_string(i);
    }
    int ready[2];
    if (pipe2(ready, O_CLOEXEC)) return false;
    child_ = fork();
    if (child_ == 0) {
        close(ready[0]);
        serve(path_, ready[1]);
    }
    close(ready[1]);
    char byte = 0;
    const bool up = child_ > 0 && read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    return up;
}

int Service::reap()
{
    int status = 0;
    const bool mine = waitpid(child_, &status, 0) == child_;
    child_ = -1;
    unlink(path_.c_str());
    unlink((path_ + ".lock").c_str());
    rmdir(folder_.c_str());
    path_.clear();
    return mine ? status : -1;
}

int Service::stop()
{
    if (child_ <= 0) return -1;
    ::kill(child_, SIGTERM);
    return reap();
}

size_t Service::descriptors() const
{
    size_t count = 0;
    if (DIR *open = opendir(("/proc/" + std::to_string(child_) + "/fd").c_str())) {
        while (readdir(open))
            count++;
        closedir(open);
    }
    return count;
}

void Service::kill()
{
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    (void)reap();
}

} // namespace acc::test
