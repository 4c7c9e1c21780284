// SPDX-License-Identifier: MIT
//
// For each function of the API every code that the OpenCL 3.0 specification (3.0.14) lists for it:
// calls that give it, or why there are none. codes_test.cc compares the table with the list.
//
// CL_OUT_OF_RESOURCES and CL_OUT_OF_HOST_MEMORY, which are listed for nearly all, are left out: the
// first is what a child after fork gets (life_test.cc) and what faults are (work_test.cc); the
// second needs a C++ runtime without memory.
#pragma once

#include "fixture.h"

#include <functional>
#include <vector>

namespace acc::test
{

struct Code {
    std::string function;
    cl_int code;
    std::function<cl_int()> call; // none: it does not occur
    const char *why = "";
};

class OpenClCodes : public OpenCl
{
protected:
    void SetUp() override;
    void TearDown() override;

    void add_platform();
    void add_queues();
    void add_buffers();
    void add_transfers();
    void add_shared_memory();
    void add_images();
    void add_programs();
    void add_compilations(); // with a compiler
    void kernels_of(cl_program plain, cl_program roles);
    void add_kernels();
    void add_events();

    // A handle of this driver's that is none of the wanted kind.
    template <typename Wanted>
    Wanted not_a() const
    {
        const bool wants_context = std::is_same_v<Wanted, cl_context>;
        return reinterpret_cast<Wanted>(wants_context ? static_cast<void *>(queue)
                                                      : static_cast<void *>(context));
    }
    void never(std::initializer_list<const char *> functions, std::initializer_list<cl_int> codes,
               const char *why)
    {
        for (const char *function : functions)
            for (const cl_int code : codes)
                table.push_back({function, code, nullptr, why});
    }
    cl_program source(const char *text);

    std::vector<Code> table;
    cl_context other = nullptr;                                   // of the accelerator alone
    cl_command_queue foreign_queue = nullptr;                     // the same
    cl_mem memory = nullptr, second = nullptr, foreign = nullptr; // of 256 bytes
    cl_event foreign_event = nullptr, failed = nullptr, good = nullptr;
    cl_kernel noop = nullptr, add = nullptr;
    char *svm = nullptr; // 256 bytes
    char host[256] = {};
};

#define GIVES(wanted, function, ...)                                                               \
    table.push_back({#function, wanted, [=, this]() mutable {                                      \
                         (void)this; /* not all calls are about members */                         \
                         return function(__VA_ARGS__);                                             \
                     }})
// Of a function that ends with where the code goes.
#define MAKES(wanted, function, ...)                                                               \
    table.push_back({#function, wanted, [=, this]() mutable {                                      \
                         (void)this;                                                               \
                         cl_int error = CL_SUCCESS;                                                \
                         EXPECT_EQ(function(__VA_ARGS__, &error), nullptr) << #function;           \
                         return error;                                                             \
                     }})

} // namespace acc::test
