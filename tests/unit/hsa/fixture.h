// SPDX-License-Identifier: MIT
//
// What the tests of the HSA facade share: a runtime over the null engine, its agents and
// regions, and packets written as a program would write them.
#pragma once

#include "acc/abi.h"
#include "program/samples.h"
#include "tests/sanitizers.h"

#include <gtest/gtest.h>
#include <hsa/hsa.h>
#include <hsa/hsa_ext_amd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace acc::test
{

#define ASSERT_HSA(call) ASSERT_EQ(int(call), int(HSA_STATUS_SUCCESS))
#define EXPECT_HSA(call) EXPECT_EQ(int(call), int(HSA_STATUS_SUCCESS))
#define EXPECT_STATUS(call, status) EXPECT_EQ(int(call), int(status))

// Long enough for a loaded machine under a sanitizer, in ticks of the system clock; a test
// that reaches it has failed.
uint64_t patience_ticks();

// A device with the null engine: the embedded one, or that of --device=URI.
const std::string &null_device();
// Names the devices of the next hsa_init().
inline void use_devices(const std::string &uris)
{
    setenv("ACC_DEVICE", uris.c_str(), 1);
}

std::vector<hsa_agent_t> agents();
// Those that execute kernels.
std::vector<hsa_agent_t> kernel_agents();
hsa_agent_t host_agent();
// A region of the agent's that allocates and has these flags, or {0}.
hsa_region_t region_of(hsa_agent_t agent, uint32_t flags);
hsa_amd_memory_pool_t pool_of(hsa_agent_t agent, uint32_t flags);

// A header with system scopes.
uint16_t header_of(hsa_packet_type_t type, bool barrier = false);
// Publishes a packet as the specification's producer does, and rings. Its index.
uint64_t submit(hsa_queue_t *queue, const void *packet);
acc_packet barrier_and(std::vector<hsa_signal_t> on, hsa_signal_t completion, bool barrier = false);
acc_packet barrier_or(std::vector<hsa_signal_t> on, hsa_signal_t completion, bool barrier = false);
acc_packet dispatch_of(uint64_t kernel_object, const void *kernargs, hsa_signal_t completion);

// True when the value came down to 0 in time.
bool wait_zero(hsa_signal_t signal);

// For tests whose children open a runtime of their own.
#define NEEDS_RUNTIME_IN_CHILDREN()                                                                \
    if (!children_may_allocate) GTEST_SKIP() << "a sanitizer's locks do not survive a fork"

// A runtime, from set-up to tear-down.
class HsaTest : public testing::Test
{
protected:
    void SetUp() override;
    void TearDown() override;

    hsa_agent_t agent_ = {0}; // the first that executes kernels
    hsa_agent_t host_ = {0};

    hsa_signal_t signal(hsa_signal_value_t initial);
    hsa_queue_t *queue(uint32_t size = 256, uint32_t type = HSA_QUEUE_TYPE_MULTI);
};

// The null engine's kernels, loaded and frozen.
class HsaKernelTest : public HsaTest
{
protected:
    void SetUp() override;
    void TearDown() override;
    uint64_t kernel(const char *name) const;

    hsa_executable_t executable_ = {0};
};

} // namespace acc::test
