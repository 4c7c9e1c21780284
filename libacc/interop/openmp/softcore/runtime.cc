// SPDX-License-Identifier: MIT
#include "runtime.h"

#include <algorithm>
#include <dlfcn.h>
#include <utility>

namespace acc::openmp
{
namespace
{

int zero()
{
    return 0;
}
int one()
{
    return 1;
}

template <typename F>
F *symbol(const char *name)
{
    return reinterpret_cast<F *>(dlsym(RTLD_DEFAULT, name));
}

// The x86-64 calling convention lets a function be given more than it takes: the caller cleans up.
template <size_t... I>
void call_with(void *function, const uint64_t *list, std::index_sequence<I...>)
{
    using F = void (*)(decltype(uint64_t{I})...);
    reinterpret_cast<F>(function)(list[I]...);
}

} // namespace

const Override *overrides()
{
    // Numbers as a program sees them that has one device: the device is 0, the host 1.
    static const Override table[] = {
        {"omp_is_initial_device", reinterpret_cast<void *>(zero)},
        {"omp_is_initial_device_", reinterpret_cast<void *>(zero)},
        {"omp_get_device_num", reinterpret_cast<void *>(zero)},
        {"omp_get_device_num_", reinterpret_cast<void *>(zero)},
        {"omp_get_num_devices", reinterpret_cast<void *>(one)},
        {"omp_get_num_devices_", reinterpret_cast<void *>(one)},
        {"omp_get_initial_device", reinterpret_cast<void *>(one)},
        {"omp_get_initial_device_", reinterpret_cast<void *>(one)},
        {nullptr, nullptr},
    };
    return table;
}

void prepare_runtime()
{
    static const auto set_threads = symbol<void(int)>("omp_set_num_threads");
    static const auto set_dynamic = symbol<void(int)>("omp_set_dynamic");
    static const auto most_threads = symbol<int()>("omp_get_max_threads");
    static const int threads = most_threads ? most_threads() : 1; // as the process began
    if (set_threads) set_threads(threads);
    if (set_dynamic) set_dynamic(0);
}

void call_list(void *function, const uint64_t *list, uint32_t count)
{
    uint64_t padded[64] = {};
    std::copy_n(list, std::min<uint32_t>(count, 64), padded);
    if (count <= 6)
        call_with(function, padded, std::make_index_sequence<6>());
    else if (count <= 16)
        call_with(function, padded, std::make_index_sequence<16>());
    else
        call_with(function, padded, std::make_index_sequence<64>());
}

} // namespace acc::openmp
