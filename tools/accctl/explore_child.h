// SPDX-License-Identifier: MIT
//
// Programs that an exploration starts, and the folder for what they write.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace acc::ctl
{

struct Child {
    pid_t pid = -1;
    size_t point = 0;
    bool apart = false;                 // from a terminal's Ctrl-C
    std::string output, errors, result; // files
};

// Starts `command` with its stdout and stderr in the child's files. False, and said why: it
// can't be. The caller waits for it.
bool start(const std::vector<std::string> &command, Child &child);

// The whole of a file; empty if there is none.
std::string contents_of(const std::string &path);

// A folder of its own, gone with this object.
class Scratch
{
public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    bool made() const { return !path_.empty(); }
    std::string file(const std::string &name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

} // namespace acc::ctl
