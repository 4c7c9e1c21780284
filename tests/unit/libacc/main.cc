// SPDX-License-Identifier: MIT
//
// libacc_test [--service]: with it the fixtures' devices are those of a service, a process of
// its own that is forked off before this one has threads; else the embedded emulator's.
#include "service.h"

#include <string_view>

namespace
{

// In place before the first test: LeakTest counts what a test leaves.
class ServiceEnvironment : public testing::Environment
{
public:
    void TearDown() override
    {
        EXPECT_EQ(acc::test::service.stop(), 0) << "the service's exit status";
    }
};

} // namespace

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    if (argc > 1 && std::string_view(argv[1]) == "--service") {
        if (!acc::test::service.start()) return 1;
        testing::AddGlobalTestEnvironment(new ServiceEnvironment);
    }
    return RUN_ALL_TESTS();
}
