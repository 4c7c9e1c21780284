// SPDX-License-Identifier: MIT
//
// More than one process: memory and signals between them, and fork beside an open runtime.
#include "fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace acc::test
{
namespace
{

using HsaProcess = HsaTest;

// Exit status of a child that runs f(), which returns 0 for good. No test macro may run in
// it: it must leave at once.
template <typename F>
int in_child(F f)
{
    const pid_t child = fork();
    if (!child) {
        alarm(60);
        _exit(f());
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define CHILD_HSA(call)                                                                            \
    if ((call) != HSA_STATUS_SUCCESS) return __LINE__ % 250 + 1

TEST_F(HsaProcess, AChildHasNoRuntime)
{
    hsa_queue_t *made = queue(64);
    const hsa_signal_t mine = signal(3);
    EXPECT_EQ(in_child([&] {
                  // Nothing of the parent's is touched, and nothing is followed.
                  if (hsa_signal_load_relaxed(mine) != 0) return 1;
                  hsa_signal_store_relaxed(mine, 9);
                  hsa_signal_store_relaxed(made->doorbell_signal, 0);
                  if (hsa_queue_load_write_index_relaxed(made) != 0) return 2;
                  if (hsa_signal_destroy(mine) != HSA_STATUS_ERROR_NOT_INITIALIZED) return 3;
                  if (hsa_queue_destroy(made) != HSA_STATUS_ERROR_NOT_INITIALIZED) return 4;
                  if (hsa_shut_down() != HSA_STATUS_ERROR_NOT_INITIALIZED) return 5;
                  return 0;
              }),
              0);
    EXPECT_EQ(hsa_signal_load_relaxed(mine), 3);
    const hsa_signal_t done = signal(1);
    const acc_packet packet = barrier_and({}, done);
    submit(made, &packet);
    EXPECT_TRUE(wait_zero(done));
    EXPECT_HSA(hsa_queue_destroy(made));
}

TEST_F(HsaProcess, AChildMayBeginAnew)
{
    NEEDS_RUNTIME_IN_CHILDREN();
    EXPECT_EQ(in_child([] {
                  CHILD_HSA(hsa_init());
                  hsa_signal_t own = {0};
                  CHILD_HSA(hsa_signal_create(4, 0, nullptr, &own));
                  if (hsa_signal_load_relaxed(own) != 4) return 1;
                  CHILD_HSA(hsa_shut_down());
                  return 0;
              }),
              0);
}

TEST_F(HsaProcess, MemoryIsShared)
{
    NEEDS_RUNTIME_IN_CHILDREN();
    void *block = nullptr;
    constexpr size_t bytes = 10'000;
    ASSERT_HSA(hsa_amd_memory_pool_allocate(
        pool_of(agent_, HSA_AMD_MEMORY_POOL_GLOBAL_FLAG_COARSE_GRAINED), bytes, 0, &block));
    auto *words = static_cast<uint64_t *>(block);
    words[10] = 1234;
    hsa_amd_ipc_memory_t handle;
    EXPECT_STATUS(hsa_amd_ipc_memory_create(words + 1, bytes - 8, &handle),
                  HSA_STATUS_ERROR_INVALID_ARGUMENT);
    EXPECT_STATUS(hsa_amd_ipc_memory_create(words, 100, &handle),
                  HSA_STATUS_ERROR_INVALID_ARGUMENT);
    ASSERT_HSA(hsa_amd_ipc_memory_create(words, bytes, &handle));
    EXPECT_EQ(in_child([&] {
                  CHILD_HSA(hsa_init());
                  void *mapped = nullptr;
                  if (hsa_amd_ipc_memory_attach(&handle, 100, 0, nullptr, &mapped) !=
                      HSA_STATUS_ERROR_INVALID_ARGUMENT)
                      return 1;
                  CHILD_HSA(hsa_amd_ipc_memory_attach(&handle, bytes, 0, nullptr, &mapped));
                  auto *theirs = static_cast<uint64_t *>(mapped);
                  if (theirs[10] != 1234) return 2;
                  theirs[11] = 4321;
                  hsa_amd_pointer_info_t info = {};
                  info.size = sizeof info;
                  CHILD_HSA(hsa_amd_pointer_info(mapped, &info, nullptr, nullptr, nullptr));
                  if (info.type != HSA_EXT_POINTER_TYPE_IPC) return 3;
                  CHILD_HSA(hsa_amd_ipc_memory_detach(mapped));
                  CHILD_HSA(hsa_shut_down());
                  return 0;
              }),
              0);
    EXPECT_EQ(words[11], 4321u);
    EXPECT_HSA(hsa_amd_memory_pool_free(block));
    // What was freed is given to nobody.
    EXPECT_EQ(in_child([&] {
                  CHILD_HSA(hsa_init());
                  void *mapped = nullptr;
                  return hsa_amd_ipc_memory_attach(&handle, bytes, 0, nullptr, &mapped) ==
                                 HSA_STATUS_ERROR_INVALID_ARGUMENT
                             ? 0
                             : 1;
              }),
              0);
}

TEST_F(HsaProcess, SignalsAreShared)
{
    NEEDS_RUNTIME_IN_CHILDREN();
    hsa_signal_t there = {0}, back = {0}, plain = signal(1);
    ASSERT_HSA(hsa_amd_signal_create(1, 0, nullptr, HSA_AMD_SIGNAL_IPC, &there));
    ASSERT_HSA(hsa_amd_signal_create(2, 0, nullptr, HSA_AMD_SIGNAL_IPC, &back));
    hsa_amd_ipc_signal_t handles[2];
    EXPECT_STATUS(hsa_amd_ipc_signal_create(plain, handles), HSA_STATUS_ERROR_INVALID_ARGUMENT);
    ASSERT_HSA(hsa_amd_ipc_signal_create(there, handles));
    ASSERT_HSA(hsa_amd_ipc_signal_create(back, handles + 1));
    const pid_t child = fork();
    if (!child) {
        alarm(60);
        const auto answer = [&] {
            CHILD_HSA(hsa_init());
            hsa_signal_t mine[2];
            CHILD_HSA(hsa_amd_ipc_signal_attach(handles, mine));
            CHILD_HSA(hsa_amd_ipc_signal_attach(handles + 1, mine + 1));
            if (hsa_signal_wait_scacquire(mine[0], HSA_SIGNAL_CONDITION_EQ, 0, UINT64_MAX,
                                          HSA_WAIT_STATE_BLOCKED) != 0)
                return 1;
            // By a packet of this process, whose device completes it.
            hsa_queue_t *queue = nullptr;
            CHILD_HSA(hsa_queue_create(kernel_agents().front(), 64, HSA_QUEUE_TYPE_MULTI, nullptr,
                                       nullptr, UINT32_MAX, UINT32_MAX, &queue));
            const acc_packet packet = barrier_and({mine[0]}, mine[1]);
            submit(queue, &packet);
            hsa_signal_subtract_relaxed(mine[1], 1);
            while (hsa_signal_load_scacquire(mine[1]) != 0) {
            }
            CHILD_HSA(hsa_queue_destroy(queue));
            CHILD_HSA(hsa_signal_destroy(mine[0]));
            CHILD_HSA(hsa_signal_destroy(mine[1]));
            CHILD_HSA(hsa_shut_down());
            return 0;
        };
        _exit(answer());
    }
    hsa_signal_store_screlease(there, 0);
    EXPECT_TRUE(wait_zero(back));
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_HSA(hsa_signal_destroy(there));
    EXPECT_HSA(hsa_signal_destroy(back));
    EXPECT_HSA(hsa_signal_destroy(plain));
}

} // namespace
} // namespace acc::test
