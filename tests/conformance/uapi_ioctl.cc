// SPDX-License-Identifier: MIT
//
// The ioctl call itself: numbers, directions, sizes, pointers; and DRM's own calls.
#include "tests/conformance/suite.h"

#include <cstring>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace acc::conformance
{

namespace
{

class UapiIoctl : public DeviceTest
{
};
class UapiDrm : public DeviceTest
{
};
class UapiFork : public DeviceTest
{
};

constexpr unsigned long all_requests[] = {
    DRM_IOCTL_ACC_DEV_QUERY,      DRM_IOCTL_ACC_BO_CREATE,     DRM_IOCTL_ACC_BO_INFO,
    DRM_IOCTL_ACC_VM_BIND,        DRM_IOCTL_ACC_QUEUE_CREATE,  DRM_IOCTL_ACC_QUEUE_DESTROY,
    DRM_IOCTL_ACC_QUEUE_QUERY,    DRM_IOCTL_ACC_EVENT_SET,     DRM_IOCTL_ACC_WAIT,
    DRM_IOCTL_ACC_SIGNAL_WAKE,    DRM_IOCTL_ACC_PROGRAM_LOAD,  DRM_IOCTL_ACC_PROGRAM_UNLOAD,
    DRM_IOCTL_ACC_PROGRAM_QUERY,  DRM_IOCTL_ACC_PROGRAM_PIN,   DRM_IOCTL_ACC_PROGRAM_PREFETCH,
    DRM_IOCTL_ACC_RESET,          DRM_IOCTL_GEM_CLOSE,         DRM_IOCTL_GET_CAP,
    DRM_IOCTL_PRIME_HANDLE_TO_FD, DRM_IOCTL_PRIME_FD_TO_HANDLE};

TEST_F(UapiIoctl, UnknownNumbersAreInvalid)
{
    char args[256] = {};
    for (unsigned number = DRM_ACC_NUM_IOCTLS; number < 0x60; number++)
        EXPECT_EQ(
            accel().transport().ioctl(
                _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE, DRM_COMMAND_BASE + number, 64), args),
            -EINVAL)
            << number;
    EXPECT_EQ(accel().transport().ioctl(_IOC(_IOC_WRITE, DRM_IOCTL_BASE, 0xff, 8), args), -EINVAL);
}

TEST_F(UapiIoctl, OtherTypeIsNotOurs)
{
    drm_acc_dev_query args = {};
    const unsigned long request =
        _IOC(_IOC_READ | _IOC_WRITE, 'x', _IOC_NR(DRM_IOCTL_ACC_DEV_QUERY), sizeof args);
    EXPECT_EQ(accel().call(request, args), -ENOTTY);
}

TEST_F(UapiIoctl, NoPointerIsAFault)
{
    for (const unsigned long request : all_requests)
        EXPECT_EQ(accel().transport().ioctl(request, nullptr), -EFAULT) << _IOC_NR(request);
}

// A client built before the struct grew: what it doesn't give is zero.
TEST_F(UapiIoctl, ShorterStructsAreZeroExtended)
{
    drm_acc_bo_create args;
    std::memset(&args, 0xff, sizeof args);
    args.size = page_bytes;
    args.flags = 0;
    args.handle = 0;
    // Up to the handle: padded_size and mmap_offset are neither read nor written.
    const unsigned long request =
        _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE, _IOC_NR(DRM_IOCTL_ACC_BO_CREATE), 16);
    ASSERT_EQ(accel().call(request, args), 0);
    EXPECT_NE(args.handle, 0u);
    EXPECT_EQ(args.padded_size, ~0ull);
    EXPECT_EQ(args.mmap_offset, ~0ull);
    EXPECT_EQ(accel().close(args.handle), 0);

    // Less than the fields that are needed: zeros, so a size of 0.
    args.handle = 0;
    EXPECT_EQ(accel().call(
                  _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE, _IOC_NR(DRM_IOCTL_ACC_BO_CREATE), 0),
                  args),
              -EINVAL);
}

// A client built after the struct grew: what the driver doesn't know it ignores.
TEST_F(UapiIoctl, LongerTailsAreIgnored)
{
    struct {
        drm_acc_bo_create args;
        uint64_t tail[4];
        uint64_t guard;
    } longer = {};
    longer.args.size = page_bytes;
    longer.tail[0] = longer.tail[3] = 0x1122334455667788;
    longer.guard = 0x99;
    const unsigned long request =
        _IOC(_IOC_READ | _IOC_WRITE, DRM_IOCTL_BASE, _IOC_NR(DRM_IOCTL_ACC_BO_CREATE),
             sizeof longer.args + sizeof longer.tail);
    ASSERT_EQ(accel().call(request, longer), 0);
    EXPECT_NE(longer.args.handle, 0u);
    EXPECT_EQ(longer.args.padded_size, page_bytes);
    EXPECT_EQ(longer.tail[0], 0x1122334455667788u) << "copied in, so copied back";
    EXPECT_EQ(longer.tail[3], 0x1122334455667788u);
    EXPECT_EQ(longer.guard, 0x99u);
    EXPECT_EQ(accel().close(longer.args.handle), 0);
}

// Of a struct that is only answered, the tail that the driver does not know is zero.
TEST_F(UapiIoctl, LongerTailsOfWhatIsOnlyAnsweredAreZero)
{
    struct {
        drm_acc_dev_query args;
        uint64_t tail[2];
        uint64_t guard;
    } longer = {};
    longer.tail[0] = longer.tail[1] = longer.guard = 0x1122334455667788;
    const unsigned long request = _IOC(_IOC_READ, DRM_IOCTL_BASE, _IOC_NR(DRM_IOCTL_ACC_DEV_QUERY),
                                       sizeof longer.args + sizeof longer.tail);
    ASSERT_EQ(accel().call(request, longer), 0);
    EXPECT_STREQ(longer.args.identity.name, accel().identity().name);
    EXPECT_EQ(longer.tail[0] | longer.tail[1], 0u);
    EXPECT_EQ(longer.guard, 0x1122334455667788u);
}

TEST_F(UapiIoctl, DirectionBitsAreHonoured)
{
    const auto request = [](unsigned direction) -> unsigned long {
        return _IOC(direction, DRM_IOCTL_BASE, _IOC_NR(DRM_IOCTL_ACC_DEV_QUERY),
                    sizeof(drm_acc_dev_query));
    };
    drm_acc_dev_query args;
    const auto prepare = [&] {
        std::memset(&args, 0xee, sizeof args);
        args.type = DRM_ACC_QUERY_LIMITS;
        args.index = 0;
    };
    prepare();
    ASSERT_EQ(accel().call(request(_IOC_READ | _IOC_WRITE), args), 0);
    EXPECT_EQ(args.limits.max_queues, accel().limits().max_queues);
    prepare(); // in only: it is asked, and not answered
    ASSERT_EQ(accel().call(request(_IOC_WRITE), args), 0);
    EXPECT_EQ(args.limits.max_queues, 0xeeeeeeeeu);
    prepare(); // out only: it asks zeros, which is IDENTITY
    ASSERT_EQ(accel().call(request(_IOC_READ), args), 0);
    EXPECT_EQ(args.type, uint32_t(DRM_ACC_QUERY_IDENTITY));
    EXPECT_STREQ(args.identity.name, accel().identity().name);
    prepare(); // neither
    ASSERT_EQ(accel().call(request(_IOC_NONE), args), 0);
    EXPECT_EQ(args.type, uint32_t(DRM_ACC_QUERY_LIMITS));
    EXPECT_EQ(args.limits.max_queues, 0xeeeeeeeeu);
}

// ----------------------------------------------------------------- DRM's own

TEST_F(UapiDrm, VersionNamesTheDriver)
{
    char name[32] = {}, date[32] = {}, description[64] = {};
    drm_version args = {};
    args.name = name;
    args.name_len = sizeof name;
    args.date = date;
    args.date_len = sizeof date;
    args.desc = description;
    args.desc_len = sizeof description;
    ASSERT_EQ(accel().call(DRM_IOCTL_VERSION, args), 0);
    EXPECT_EQ(args.version_major, DRM_ACC_VERSION_MAJOR);
    EXPECT_EQ(args.version_minor, DRM_ACC_VERSION_MINOR);
    EXPECT_STREQ(name, DRM_ACC_DRIVER_NAME);
    EXPECT_EQ(args.name_len, std::strlen(DRM_ACC_DRIVER_NAME));
    EXPECT_EQ(args.desc_len, std::strlen(description));
    EXPECT_NE(args.desc_len, 0u);
}

TEST_F(UapiDrm, VersionWritesNoMoreThanThereIsRoomFor)
{
    char name[8] = {'?', '?', '?', '?'};
    drm_version args = {};
    args.name = name;
    args.name_len = 2;
    ASSERT_EQ(accel().call(DRM_IOCTL_VERSION, args), 0);
    EXPECT_EQ(args.name_len, std::strlen(DRM_ACC_DRIVER_NAME)) << "the real length";
    EXPECT_EQ(std::string(name, 4), "ac??");
}

TEST_F(UapiDrm, CapabilitiesAreThoseOfAnAcceleratorNode)
{
    drm_get_cap args = {};
    args.capability = DRM_CAP_PRIME;
    ASSERT_EQ(accel().call(DRM_IOCTL_GET_CAP, args), 0);
    EXPECT_EQ(args.value, uint64_t(DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT));
    args.capability = DRM_CAP_TIMESTAMP_MONOTONIC;
    ASSERT_EQ(accel().call(DRM_IOCTL_GET_CAP, args), 0);
    EXPECT_EQ(args.value, 1u);
    for (const uint64_t none : {DRM_CAP_SYNCOBJ, DRM_CAP_SYNCOBJ_TIMELINE}) {
        args.capability = none;
        args.value = 7;
        ASSERT_EQ(accel().call(DRM_IOCTL_GET_CAP, args), 0);
        EXPECT_EQ(args.value, 0u);
    }
    args.capability = DRM_CAP_DUMB_BUFFER; // a display's
    EXPECT_EQ(accel().call(DRM_IOCTL_GET_CAP, args), -EOPNOTSUPP);
    args.capability = 0xdead;
    EXPECT_EQ(accel().call(DRM_IOCTL_GET_CAP, args), -EOPNOTSUPP);
}

// ----------------------------------------------------------------------- fork

// Runs f in a child of fork and gives its exit status.
template <typename F>
int in_child(F f)
{
    const pid_t child = fork();
    if (!child) _exit(f());
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

TEST_F(UapiFork, ChildHasNoDevice)
{
    Signals signals(accel());
    acc_signal_memory *signal = signals.make(0);
    EXPECT_EQ(in_child([&] {
                  int wrong = 0;
                  char args[512] = {};
                  for (const unsigned long request : all_requests)
                      wrong += accel().transport().ioctl(request, args) != -ENODEV;
                  wrong += accel().transport().ioctl(DRM_IOCTL_VERSION, args) != -ENODEV;
                  const auto mapped = accel().transport().map(accel().memory().status_mmap_offset,
                                                              page_bytes, 1, nullptr);
                  wrong += mapped.error() != -ENODEV;
                  return wrong;
              }),
              0);
    // And the parent is undisturbed.
    EXPECT_EQ(wait_for(accel(), signal), 0);
}

TEST_F(UapiFork, ParentGoesOnWithQueuesAlive)
{
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *before = signals.make(), *after = signals.make();
    queue.submit(nothing(before));
    ASSERT_EQ(wait_for(accel(), before), 0);
    EXPECT_EQ(in_child([] { return 7; }), 7);
    queue.submit(nothing(after));
    EXPECT_EQ(wait_for(accel(), after), 0);
}

} // namespace

} // namespace acc::conformance
