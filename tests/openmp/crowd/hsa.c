/* SPDX-License-Identifier: MIT */
/* The crowd's HSA program: two roles of the FPGA in turns. `hsa FILE`: a container that has them.
 */
#include "crowd.h"

#include "acc/kernels.h"

#include <fcntl.h>
#include <hsa/hsa.h>
#include <string.h>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        if ((call) != HSA_STATUS_SUCCESS) {                                                        \
            fprintf(stderr, "%s failed\n", #call);                                                 \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

enum { N = 256 };

static hsa_agent_t agent;
static hsa_queue_t *queue;
static hsa_signal_t done;
static uint64_t kernels[2];
static float *data; /* [3][N], and arguments behind it */

static hsa_status_t is_agent(hsa_agent_t found, void *unused)
{
    hsa_agent_feature_t feature;
    (void)unused;
    CHECK(hsa_agent_get_info(found, HSA_AGENT_INFO_FEATURE, &feature));
    if (!(feature & HSA_AGENT_FEATURE_KERNEL_DISPATCH)) return HSA_STATUS_SUCCESS;
    agent = found;
    return HSA_STATUS_INFO_BREAK;
}

static hsa_status_t is_shared(hsa_region_t region, void *found)
{
    hsa_region_segment_t segment;
    bool may = false;
    CHECK(hsa_region_get_info(region, HSA_REGION_INFO_SEGMENT, &segment));
    if (segment != HSA_REGION_SEGMENT_GLOBAL) return HSA_STATUS_SUCCESS;
    CHECK(hsa_region_get_info(region, HSA_REGION_INFO_RUNTIME_ALLOC_ALLOWED, &may));
    if (!may) return HSA_STATUS_SUCCESS;
    *(hsa_region_t *)found = region;
    return HSA_STATUS_INFO_BREAK;
}

static void load(const char *path)
{
    hsa_code_object_reader_t reader;
    hsa_executable_t executable;
    const char *const names[] = {"mul", "add"};
    const int file = open(path, O_RDONLY);
    CHECK(hsa_code_object_reader_create_from_file(file, &reader));
    CHECK(hsa_executable_create_alt(HSA_PROFILE_BASE, HSA_DEFAULT_FLOAT_ROUNDING_MODE_NEAR, NULL,
                                    &executable));
    CHECK(hsa_executable_load_agent_code_object(executable, agent, reader, NULL, NULL));
    CHECK(hsa_executable_freeze(executable, NULL));
    for (int i = 0; i < 2; i++) {
        hsa_executable_symbol_t symbol;
        CHECK(hsa_executable_get_symbol_by_name(executable, names[i], &agent, &symbol));
        CHECK(hsa_executable_symbol_get_info(symbol, HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT,
                                             &kernels[i]));
    }
}

static int step(unsigned number)
{
    struct acc_elementwise_f32_args *arguments = (void *)(data + 3 * N);
    const unsigned which = number % 2;
    for (int i = 0; i < N; i++) {
        data[i] = (float)(i + (int)number % 10);
        data[N + i] = 3;
        data[2 * N + i] = -1;
    }
    memset(arguments, 0, sizeof *arguments);
    arguments->a = (uint64_t)data;
    arguments->b = (uint64_t)(data + N);
    arguments->dst = (uint64_t)(data + 2 * N);
    arguments->count = arguments->b_count = N;

    const uint64_t at = hsa_queue_add_write_index_relaxed(queue, 1);
    hsa_kernel_dispatch_packet_t *packet =
        (hsa_kernel_dispatch_packet_t *)queue->base_address + at % queue->size;
    memset((char *)packet + 4, 0, sizeof *packet - 4);
    packet->workgroup_size_x = packet->workgroup_size_y = packet->workgroup_size_z = 1;
    packet->grid_size_x = packet->grid_size_y = packet->grid_size_z = 1;
    packet->kernel_object = kernels[which];
    packet->kernarg_address = arguments;
    packet->completion_signal = done;
    hsa_signal_store_relaxed(done, 1);
    __atomic_store_n((uint32_t *)packet,
                     HSA_PACKET_TYPE_KERNEL_DISPATCH << HSA_PACKET_HEADER_TYPE |
                         HSA_FENCE_SCOPE_SYSTEM << HSA_PACKET_HEADER_SCACQUIRE_FENCE_SCOPE |
                         HSA_FENCE_SCOPE_SYSTEM << HSA_PACKET_HEADER_SCRELEASE_FENCE_SCOPE |
                         1u << 16,
                     __ATOMIC_RELEASE);
    hsa_signal_store_screlease(queue->doorbell_signal, (hsa_signal_value_t)at);
    while (hsa_signal_wait_scacquire(done, HSA_SIGNAL_CONDITION_LT, 1, UINT64_MAX,
                                     HSA_WAIT_STATE_BLOCKED) >= 1) {
    }
    for (int i = 0; i < N; i++)
        if (data[2 * N + i] != (which ? data[i] + 3 : data[i] * 3)) return 0;
    return 1;
}

int main(int argc, char **argv)
{
    hsa_region_t region = {0};
    if (argc != 2) return 2;
    CHECK(hsa_init());
    (void)hsa_iterate_agents(is_agent, NULL);
    load(argv[1]);
    (void)hsa_agent_iterate_regions(agent, is_shared, &region);
    CHECK(hsa_memory_allocate(region, 3 * N * sizeof *data + 4096, (void **)&data));
    CHECK(hsa_queue_create(agent, 64, HSA_QUEUE_TYPE_SINGLE, NULL, NULL, UINT32_MAX, UINT32_MAX,
                           &queue));
    CHECK(hsa_signal_create(1, 0, NULL, &done));
    return crowd_run(step);
}
