// SPDX-License-Identifier: MIT
//
// acc-kernel-test --device=NODE [--device=NODE]: GoogleTest cases of the kernel driver;
// with --victim=ERRNO instead: see guest.h.
#include "tests/kernel/guest/guest.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

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

// Lines of /proc/interrupts: "NN:  count  count  chip  name".
uint64_t interrupts()
{
    std::ifstream file("/proc/interrupts");
    uint64_t sum = 0;
    for (std::string line; std::getline(file, line);) {
        if (line.find("acc") == std::string::npos) continue;
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
    for (int i = 1; i < argc; i++) {
        const std::string_view word = argv[i];
        if (word.starts_with("--device=")) {
            acc::guest::nodes().emplace_back(word.substr(9));
        } else if (word.starts_with("--victim=")) {
            victim = std::atoi(argv[i] + 9);
        } else {
            std::fprintf(stderr, "usage: %s --device=NODE… [--victim=ERRNO]\n", argv[0]);
            return 2;
        }
    }
    if (acc::guest::nodes().empty()) return 2;
    return victim ? acc::guest::run_victim(victim) : RUN_ALL_TESTS();
}
