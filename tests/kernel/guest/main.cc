// SPDX-License-Identifier: MIT
//
// acc-kernel-test --device=NODE [--device=NODE]: GoogleTest cases of the kernel driver;
// with --victim=ERRNO, --fuzz=SECONDS [--seed=NUMBER] or --fail-nth instead: see guest.h.
#include "tests/kernel/guest/guest.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace acc::guest
{

std::vector<std::string> &nodes()
{
    static std::vector<std::string> instance;
    return instance;
}

std::unique_ptr<conformance::Accel> open_client(size_t node)
{
    std::string why;
    auto transport = open_transport(nodes().at(node), why);
    if (!transport) conformance::give_up(nodes()[node] + " (" + why + ")", transport.error());
    return std::make_unique<conformance::Accel>(std::move(*transport));
}

std::string device()
{
    const std::string &node = nodes().at(0);
    return std::filesystem::canonical("/sys/class/accel/" + node.substr(node.rfind('/') + 1) +
                                      "/device");
}

std::string debugfs()
{
    const std::string place = device();
    return "/sys/kernel/debug/accel/" + place.substr(place.rfind('/') + 1);
}

std::string read_text(const std::string &path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// One write(2): a file of the kernel's takes a command so.
bool write_text(const std::string &path, const std::string &text)
{
    const UniqueFd file(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    return file && write(file.get(), text.data(), text.size()) == ssize_t(text.size());
}

std::vector<std::string> own_fdinfo()
{
    std::vector<std::string> texts;
    for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        const std::string target = std::filesystem::read_symlink(entry.path(), error);
        if (error || target != nodes().at(0)) continue;
        texts.push_back(read_text("/proc/self/fdinfo/" + entry.path().filename().string()));
    }
    return texts;
}

std::string field(const std::string &fdinfo, const std::string &name)
{
    const std::string key = "\n" + name + ":\t";
    const size_t at = ("\n" + fdinfo).find(key);
    if (at == std::string::npos) return "";
    const size_t from = at + key.size() - 1;
    return fdinfo.substr(from, fdinfo.find('\n', from) - from);
}

// Lines of /proc/interrupts: "NN:  count  count  chip  name".
uint64_t interrupts()
{
    std::ifstream file("/proc/interrupts");
    uint64_t sum = 0;
    for (std::string line; std::getline(file, line);) {
        if (line.find("acc-event") == std::string::npos) continue;
        std::istringstream words(line.substr(line.find(':') + 1));
        for (uint64_t count; words >> count;)
            sum += count;
    }
    return sum;
}

} // namespace acc::guest

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    int victim = 0;
    unsigned fuzz = 0;
    uint64_t seed = 1;
    bool fail_nth = false;
    for (int i = 1; i < argc; i++) {
        const std::string_view word = argv[i];
        if (word.starts_with("--device=")) {
            acc::guest::nodes().emplace_back(word.substr(9));
        } else if (word.starts_with("--victim=")) {
            victim = std::atoi(argv[i] + 9);
        } else if (word.starts_with("--fuzz=")) {
            fuzz = unsigned(std::atoi(argv[i] + 7));
        } else if (word == "--fail-nth") {
            fail_nth = true;
        } else if (word.starts_with("--seed=")) {
            seed = std::strtoull(argv[i] + 7, nullptr, 10);
        } else {
            std::fprintf(stderr,
                         "usage: %s --device=NODE… "
                         "[--victim=ERRNO | --fuzz=SECONDS --seed=N | --fail-nth]\n",
                         argv[0]);
            return 2;
        }
    }
    if (acc::guest::nodes().empty()) return 2;
    if (fail_nth) return acc::guest::run_fail_nth();
    if (fuzz) return acc::guest::run_fuzz(fuzz, seed);
    return victim ? acc::guest::run_victim(victim) : RUN_ALL_TESTS();
}
