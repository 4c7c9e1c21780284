// SPDX-License-Identifier: MIT
//
// acc-conformance --device=URI: does this device keep to docs/uapi.md and docs/abi.md?
// Exit status 77, and a line that says why, when there is no such device.
#include "tests/conformance/suite.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace acc;
using namespace acc::conformance;

namespace
{

constexpr int exit_skip = 77, exit_usage = 2;

int usage(const char *program)
{
    std::fprintf(stderr,
                 "usage: %s --device=URI [--gtest_filter=SUITE.TEST …]\n"
                 "URI: inproc:ENGINE[:key=value,…], unix:PATH#INDEX or /dev/accel/accelN; without "
                 "it, $ACC_DEVICE\n",
                 program);
    return exit_usage;
}

const char *engine_name(uint32_t engine)
{
    switch (engine) {
    case DRM_ACC_ENGINE_NULL:
        return "null";
    case DRM_ACC_ENGINE_CROSSBAR:
        return "crossbar";
    case DRM_ACC_ENGINE_FPGA:
        return "fpga";
    default:
        return "unknown";
    }
}

} // namespace

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    std::string &uri = target().uri;
    if (const char *device = std::getenv("ACC_DEVICE")) uri = device;
    for (int i = 1; i < argc; i++) {
        constexpr std::string_view option = "--device=";
        const std::string_view argument = argv[i];
        if (!argument.starts_with(option)) return usage(argv[0]);
        uri = argument.substr(option.size());
    }
    if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
    if (uri.empty()) return usage(argv[0]);

    std::string why;
    auto transport = open_transport(uri, why);
    if (!transport) {
        const int error = transport.error();
        std::fprintf(stderr, "acc-conformance: %s: %s (%s)\n", uri.c_str(), why.c_str(),
                     std::strerror(-error));
        return error == -ENODEV || error == -ENOENT || error == -ENXIO || error == -ECONNREFUSED
                   ? exit_skip
                   : EXIT_FAILURE;
    }
    const std::string scheme = uri.starts_with('/') ? "node" : uri.substr(0, uri.find(':'));
    {
        Accel accel(std::move(*transport));
        target().kind = scheme + ":" + engine_name(accel.identity().engine);
        target().va_start = accel.memory().va_start;
        target().va_end = accel.memory().va_end;
        std::printf("%s: %s \"%s\" (%s), features 0x%llx\n", uri.c_str(), target().kind.c_str(),
                    accel.identity().name, accel.identity().config,
                    (unsigned long long)accel.identity().features);
    }
    watch_for_leaks();
    return RUN_ALL_TESTS();
}
