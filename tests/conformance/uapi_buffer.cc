// SPDX-License-Identifier: MIT
//
// BO_CREATE, BO_INFO, GEM_CLOSE, PRIME, mmap.
#include "tests/conformance/suite.h"

#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace acc::conformance
{

namespace
{

class UapiBuffer : public DeviceTest
{
};
class UapiPrime : public DeviceTest
{
};
class UapiMap : public DeviceTest
{
protected:
    // What mmap says; a mapping that succeeds is undone.
    int map(uint64_t offset, uint64_t bytes, int prot)
    {
        auto mapped = accel().transport().map(offset, bytes, prot, nullptr);
        if (mapped) munmap(*mapped, bytes);
        return mapped.error();
    }
};

TEST_F(UapiBuffer, CreateRejectsOneFieldAtATime)
{
    drm_acc_bo_create good = {};
    good.size = page_bytes;
    using R = Refusal<drm_acc_bo_create>;
    expect_refusals<drm_acc_bo_create>(
        accel(), DRM_IOCTL_ACC_BO_CREATE, good,
        {R{"size 0", EINVAL, [](auto &b) { b.size = 0; }},
         R{"a size that wraps when rounded up", EINVAL, [](auto &b) { b.size = ~0ull - 10; }},
         R{"an unknown flag", EINVAL, [](auto &b) { b.flags = DRM_ACC_BO_FLAGS + 1; }},
         R{"all flags", EINVAL, [](auto &b) { b.flags = ~0u; }},
         R{"above the limit", E2BIG, [&](auto &b) { b.size = accel().limits().max_bo_bytes + 1; }},
         R{"far above the limit", E2BIG, [](auto &b) { b.size = 1ull << 62; }}});
    good.handle = ~0u; // what is only written is not looked at
    good.padded_size = good.mmap_offset = ~0ull;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_BO_CREATE, good), 0);
    EXPECT_EQ(accel().close(good.handle), 0);
}

TEST_F(UapiBuffer, QuotaOfAClientHolds)
{
    // Nothing is touched: what is reserved counts.
    const uint64_t limit = accel().limits().max_client_bytes;
    ASSERT_NE(limit, 0u);
    const uint64_t used = accel().query(DRM_ACC_QUERY_MEMORY).memory.client_bytes;
    drm_acc_bo_create half, rest;
    ASSERT_EQ(accel().create(limit / 2, half), 0);
    EXPECT_EQ(accel().create(limit - limit / 2 - used + page_bytes, rest), -E2BIG);
    EXPECT_EQ(accel().query(DRM_ACC_QUERY_MEMORY).memory.client_bytes, used + limit / 2);
    ASSERT_EQ(accel().close(half.handle), 0);
    EXPECT_EQ(accel().query(DRM_ACC_QUERY_MEMORY).memory.client_bytes, used);
    ASSERT_EQ(accel().create(limit / 2, half), 0) << "and is given back";
    EXPECT_EQ(accel().close(half.handle), 0);
}

TEST_F(UapiBuffer, IsZeroedAndRoundedUp)
{
    drm_acc_bo_create args;
    ASSERT_EQ(accel().create(page_bytes + 1, args), 0);
    EXPECT_EQ(args.padded_size, 2 * page_bytes);
    auto mapped =
        accel().transport().map(args.mmap_offset, 2 * page_bytes, PROT_READ | PROT_WRITE, nullptr);
    ASSERT_TRUE(mapped);
    const auto *bytes = static_cast<const unsigned char *>(*mapped);
    EXPECT_EQ(std::count(bytes, bytes + 2 * page_bytes, 0), 2 * int64_t(page_bytes));
    munmap(*mapped, 2 * page_bytes);
    EXPECT_EQ(accel().close(args.handle), 0);
}

TEST_F(UapiBuffer, InfoTellsWhatItIs)
{
    drm_acc_bo_create args;
    ASSERT_EQ(accel().create(3 * page_bytes, args), 0);
    drm_acc_bo_info info = {};
    info.handle = args.handle;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_BO_INFO, info), 0);
    EXPECT_EQ(info.padded_size, 3 * page_bytes);
    EXPECT_EQ(info.mmap_offset, args.mmap_offset);
    EXPECT_EQ(info.flags, 0u);
    EXPECT_EQ(info.bindings, 0u);
    const uint64_t at = accel().reserve(4 * page_bytes);
    ASSERT_EQ(accel().bind(args.handle, 0, 2 * page_bytes, at), 0);
    ASSERT_EQ(accel().bind(args.handle, 0, page_bytes, at + 3 * page_bytes), 0) << "twice";
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_BO_INFO, info), 0);
    EXPECT_EQ(info.bindings, 2u);
    ASSERT_EQ(accel().unbind(at, 2 * page_bytes), 0);
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_BO_INFO, info), 0);
    EXPECT_EQ(info.bindings, 1u);
    ASSERT_EQ(accel().unbind(at + 3 * page_bytes, page_bytes), 0);

    using R = Refusal<drm_acc_bo_info>;
    drm_acc_bo_info good = {};
    good.handle = args.handle;
    expect_refusals<drm_acc_bo_info>(
        accel(), DRM_IOCTL_ACC_BO_INFO, good,
        {R{"pad", EINVAL, [](auto &b) { b.pad = 1; }},
         R{"an unknown handle", ENOENT, [](auto &b) { b.handle = 0x12345; }},
         R{"handle 0", ENOENT, [](auto &b) { b.handle = 0; }}});
    Accel::release(at, 4 * page_bytes);
    EXPECT_EQ(accel().close(args.handle), 0);
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_BO_INFO, good), -ENOENT);
}

TEST_F(UapiBuffer, NoCpuIsNeverMapped)
{
    drm_acc_bo_create args;
    ASSERT_EQ(accel().create(page_bytes, args, DRM_ACC_BO_NO_CPU), 0);
    EXPECT_EQ(args.mmap_offset, 0u);
    drm_acc_bo_info info = {};
    info.handle = args.handle;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_BO_INFO, info), 0);
    EXPECT_EQ(info.mmap_offset, 0u);
    EXPECT_EQ(info.flags, DRM_ACC_BO_NO_CPU);
    EXPECT_FALSE(accel().transport().map(0, page_bytes, PROT_READ, nullptr));
    // The device uses it all the same.
    const uint64_t at = accel().reserve(page_bytes);
    ASSERT_EQ(accel().bind(args.handle, 0, page_bytes, at), 0);
    Buffer visible(accel(), page_bytes);
    Signals signals(accel());
    Queue queue(accel());
    acc_signal_memory *done = signals.make(3);
    queue.submit({fill(at, 0xc0ffee11, page_bytes, done), copy(visible.address(), at, 64, done),
                  nothing(done)});
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(*visible.at<uint32_t>(60), 0xc0ffee11u);
    EXPECT_EQ(accel().unbind(at, page_bytes), 0);
    Accel::release(at, page_bytes);
    EXPECT_EQ(accel().close(args.handle), 0);
}

TEST_F(UapiBuffer, CloseOfAnUnknownHandleIsInvalid)
{
    EXPECT_EQ(accel().close(0), -EINVAL);
    EXPECT_EQ(accel().close(0x7777), -EINVAL);
    drm_acc_bo_create args;
    ASSERT_EQ(accel().create(page_bytes, args), 0);
    EXPECT_EQ(second().close(args.handle), -EINVAL) << "another file's";
    EXPECT_EQ(accel().close(args.handle), 0);
    EXPECT_EQ(accel().close(args.handle), -EINVAL) << "twice";
}

// The handle goes; bindings, mappings and queues hold on.
TEST_F(UapiBuffer, MemoryOutlivesItsHandle)
{
    Signals signals(accel());
    drm_acc_bo_create args;
    ASSERT_EQ(accel().create(page_bytes, args), 0);
    const uint64_t at = accel().reserve(page_bytes);
    auto mapped = accel().transport().map(args.mmap_offset, page_bytes, PROT_READ | PROT_WRITE,
                                          reinterpret_cast<void *>(at));
    ASSERT_TRUE(mapped);
    ASSERT_EQ(accel().bind(args.handle, 0, page_bytes, at), 0);
    ASSERT_EQ(accel().close(args.handle), 0);
    Queue queue(accel());
    acc_signal_memory *done = signals.make();
    queue.submit(fill(at, 0x5a5a5a5a, page_bytes, done));
    ASSERT_EQ(wait_for(accel(), done), 0);
    EXPECT_EQ(status_of(done), uint32_t(ACC_STATUS_OK));
    EXPECT_EQ(static_cast<uint32_t *>(*mapped)[7], 0x5a5a5a5au);
    EXPECT_EQ(accel().unbind(at, page_bytes), 0);
    Accel::release(at, page_bytes);
}

// A binding is of memory: what comes back by another handle is bound all the same.
TEST_F(UapiBuffer, BindingsAreOfMemoryNotOfHandles)
{
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(3 * page_bytes, bo), 0);
    const uint64_t at = accel().reserve(3 * page_bytes);
    ASSERT_EQ(accel().bind(bo.handle, 0, 3 * page_bytes, at), 0);
    drm_prime_handle prime = {};
    prime.handle = bo.handle;
    prime.flags = DRM_CLOEXEC | DRM_RDWR;
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
    const UniqueFd fd(prime.fd);
    ASSERT_EQ(accel().close(bo.handle), 0);
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime), 0);
    drm_acc_bo_info info = {};
    info.handle = prime.handle;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_BO_INFO, info), 0);
    EXPECT_EQ(info.bindings, 1u);
    drm_acc_queue_create queue = {};
    queue.handle = prime.handle;
    queue.packets = 64;
    queue.ring_offset = page_bytes;
    ASSERT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_CREATE, queue), 0);
    const UniqueFd kick(queue.kick_fd);
    EXPECT_EQ(accel().unbind(at, 3 * page_bytes), -EBUSY);
    drm_acc_queue_destroy destroy = {};
    destroy.queue = queue.queue;
    EXPECT_EQ(accel().call(DRM_IOCTL_ACC_QUEUE_DESTROY, destroy), 0);
    EXPECT_EQ(accel().unbind(at, 3 * page_bytes), 0);
    Accel::release(at, 3 * page_bytes);
    EXPECT_EQ(accel().close(prime.handle), 0);
}

// ---------------------------------------------------------------------- PRIME

TEST_F(UapiPrime, RejectsOneFieldAtATime)
{
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(page_bytes, bo), 0);
    drm_prime_handle good = {};
    good.handle = bo.handle;
    good.flags = DRM_CLOEXEC | DRM_RDWR;
    using R = Refusal<drm_prime_handle>;
    expect_refusals<drm_prime_handle>(
        accel(), DRM_IOCTL_PRIME_HANDLE_TO_FD, good,
        {R{"an unknown flag", EINVAL, [](auto &p) { p.flags = 0x40000000; }},
         R{"an unknown handle", ENOENT, [](auto &p) { p.handle = 0x7777; }}});
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_HANDLE_TO_FD, good), 0);
    const UniqueFd exported(good.fd);
    EXPECT_TRUE(fcntl(exported.get(), F_GETFD) & FD_CLOEXEC);

    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reader(ends[0]), writer(ends[1]);
    const int closed = dup(exported.get());
    ::close(closed);
    drm_prime_handle in = {};
    in.fd = exported.get();
    expect_refusals<drm_prime_handle>(
        accel(), DRM_IOCTL_PRIME_FD_TO_HANDLE, in,
        {R{"a closed descriptor", EBADF, [&](auto &p) { p.fd = closed; }},
         R{"descriptor -1", EBADF, [](auto &p) { p.fd = -1; }},
         R{"a pipe", EINVAL, [&](auto &p) { p.fd = reader.get(); }}});
    EXPECT_EQ(accel().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, in), 0);
    EXPECT_EQ(accel().close(bo.handle), 0);
}

// DRM asks for known flags on the way out, and for none on the way in.
TEST_F(UapiPrime, FlagsAreOfTheDescriptorThatIsMade)
{
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(page_bytes, bo), 0);
    drm_prime_handle out = {};
    out.handle = bo.handle;
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_HANDLE_TO_FD, out), 0);
    const UniqueFd fd(out.fd);
    EXPECT_FALSE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) << "nobody asked for it";
    drm_prime_handle in = {};
    in.fd = fd.get();
    in.flags = ~0u;
    in.handle = 0x7777;
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, in), 0);
    EXPECT_EQ(in.handle, bo.handle);
    EXPECT_EQ(accel().close(bo.handle), 0);
}

TEST_F(UapiPrime, ImportedTwiceIsOneHandle)
{
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(page_bytes, bo), 0);
    drm_prime_handle out = {};
    out.handle = bo.handle;
    out.flags = DRM_CLOEXEC | DRM_RDWR;
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_HANDLE_TO_FD, out), 0);
    const UniqueFd fd(out.fd), again(dup(out.fd));
    drm_prime_handle in = {};
    in.fd = fd.get();
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, in), 0);
    EXPECT_EQ(in.handle, bo.handle) << "its own";
    drm_prime_handle first = {}, twice = {};
    first.fd = fd.get();
    twice.fd = again.get();
    ASSERT_EQ(second().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, first), 0);
    ASSERT_EQ(second().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, twice), 0);
    EXPECT_EQ(first.handle, twice.handle) << "by another descriptor";
    EXPECT_EQ(second().close(first.handle), 0);
    EXPECT_EQ(second().close(first.handle), -EINVAL) << "one handle, closed once";
    EXPECT_EQ(accel().close(bo.handle), 0);
}

TEST_F(UapiPrime, ImporterSeesTheSameMemory)
{
    Buffer exporter(accel(), 2 * page_bytes);
    drm_prime_handle prime = {};
    prime.handle = exporter.handle();
    prime.flags = DRM_CLOEXEC | DRM_RDWR;
    ASSERT_EQ(accel().call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), 0);
    const UniqueFd fd(prime.fd);
    ASSERT_EQ(second().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime), 0);
    drm_acc_bo_info info = {};
    info.handle = prime.handle;
    ASSERT_EQ(second().call(DRM_IOCTL_ACC_BO_INFO, info), 0);
    EXPECT_EQ(info.padded_size, 2 * page_bytes);
    // At the exporter's address: a pointer means one thing everywhere.
    ASSERT_EQ(second().bind(prime.handle, 0, 2 * page_bytes, exporter.address()), 0);
    Signals signals(second());
    Queue queue(second());
    acc_signal_memory *done = signals.make();
    queue.submit(fill(exporter.address() + page_bytes, 0x600d600d, 256, done));
    ASSERT_EQ(wait_for(second(), done), 0);
    EXPECT_EQ(*exporter.at<uint32_t>(page_bytes + 252), 0x600d600du);
    EXPECT_EQ(second().unbind(exporter.address(), 2 * page_bytes), 0);
    EXPECT_EQ(second().close(prime.handle), 0);
}

class UapiMemfd : public DeviceTest // what an emulator takes besides its own
{
protected:
    int import(int fd)
    {
        drm_prime_handle args = {};
        args.fd = fd;
        const int error = accel().call(DRM_IOCTL_PRIME_FD_TO_HANDLE, args);
        if (!error) {
            EXPECT_EQ(accel().close(args.handle), 0);
        }
        return error;
    }
    static UniqueFd make(off_t bytes, int seals)
    {
        UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (ftruncate(fd.get(), bytes) || (seals && fcntl(fd.get(), F_ADD_SEALS, seals)))
            give_up("memfd", -errno);
        return fd;
    }
};

TEST_F(UapiMemfd, OnlySealedWholePagesAreTaken)
{
    constexpr int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
    EXPECT_EQ(import(make(page_bytes, 0).get()), -EINVAL) << "not sealed: it could shrink";
    EXPECT_EQ(import(make(page_bytes, F_SEAL_GROW).get()), -EINVAL);
    EXPECT_EQ(import(make(page_bytes, F_SEAL_SHRINK).get()), -EINVAL);
    EXPECT_EQ(import(make(page_bytes, sealed | F_SEAL_WRITE).get()), -EINVAL) << "read-only";
    EXPECT_EQ(import(make(page_bytes, sealed | F_SEAL_FUTURE_WRITE).get()), -EINVAL);
    EXPECT_EQ(import(make(page_bytes + 100, sealed).get()), -EINVAL) << "not whole pages";
    EXPECT_EQ(import(make(0, sealed).get()), -EINVAL) << "empty";
    EXPECT_EQ(import(make(page_bytes, sealed).get()), 0);
}

// A page of a hugetlb file may be missing when it is touched, however it is sealed.
TEST_F(UapiMemfd, HugePagesAreNotTaken)
{
    constexpr off_t huge_bytes = 2 << 20;
    const UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB |
                                               (21u << MAP_HUGE_SHIFT)));
    if (!fd) GTEST_SKIP() << "this kernel makes no memfd of 2 MiB pages";
    ASSERT_EQ(ftruncate(fd.get(), huge_bytes), 0);
    ASSERT_EQ(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    EXPECT_EQ(import(fd.get()), -EINVAL);
}

// ----------------------------------------------------------------------- mmap

TEST_F(UapiMap, RefusesWhatIsNoBuffer)
{
    drm_acc_bo_create bo;
    ASSERT_EQ(accel().create(2 * page_bytes, bo), 0);
    EXPECT_EQ(map(bo.mmap_offset, 2 * page_bytes, PROT_READ | PROT_WRITE), 0);
    EXPECT_EQ(map(bo.mmap_offset, page_bytes, PROT_READ), 0) << "a part from its start";
    EXPECT_EQ(map(bo.mmap_offset, 3 * page_bytes, PROT_READ), -EINVAL) << "past its end";
    EXPECT_EQ(map(bo.mmap_offset + (1ull << 40), page_bytes, PROT_READ), -EINVAL);
    EXPECT_EQ(map(bo.mmap_offset + 1, page_bytes, PROT_READ), -EINVAL);
    EXPECT_EQ(map(bo.mmap_offset, 0, PROT_READ), -EINVAL);
    EXPECT_EQ(accel().close(bo.handle), 0);
    EXPECT_EQ(map(bo.mmap_offset, page_bytes, PROT_READ), -EINVAL) << "its handle is closed";
}

TEST_F(UapiMap, DoorbellPageIsWholeAndNotExecutable)
{
    const uint64_t at = accel().memory().doorbell_mmap_offset;
    EXPECT_EQ(map(at, page_bytes, PROT_READ | PROT_WRITE), 0);
    EXPECT_EQ(map(at, 2 * page_bytes, PROT_READ | PROT_WRITE), -EINVAL);
    EXPECT_EQ(map(at + page_bytes, page_bytes, PROT_READ | PROT_WRITE), -EINVAL);
    EXPECT_EQ(map(at, page_bytes, PROT_READ | PROT_WRITE | PROT_EXEC), -EACCES);
}

TEST_F(UapiMap, StatusPageIsReadOnly)
{
    const uint64_t at = accel().memory().status_mmap_offset;
    EXPECT_EQ(map(at, page_bytes, PROT_READ | PROT_WRITE), -EACCES);
    EXPECT_EQ(map(at, page_bytes, PROT_READ | PROT_EXEC), -EACCES);
    EXPECT_EQ(map(at, 2 * page_bytes, PROT_READ), -EINVAL);
    auto mapped = accel().transport().map(at, page_bytes, PROT_READ, nullptr);
    ASSERT_TRUE(mapped);
    EXPECT_EQ(static_cast<acc_status_page *>(*mapped)->lost, 0u);
    // Nor can it be made writable afterwards.
    EXPECT_EQ(mprotect(*mapped, page_bytes, PROT_READ | PROT_WRITE), -1);
    munmap(*mapped, page_bytes);
}

} // namespace

} // namespace acc::conformance
