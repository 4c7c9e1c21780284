// SPDX-License-Identifier: MIT
#include "host/call.h"

#include <algorithm>

#ifdef ACC_HAVE_ONEDNN
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#endif

namespace acc::host
{
namespace
{

#ifdef ACC_HAVE_ONEDNN
#define ACC_TEXT_OF(x) #x
#define ACC_SONAME(major) "libdnnl.so." ACC_TEXT_OF(major)

// oneDNN's product of matrices, or null where the library is missing.
decltype(&dnnl_sgemm) onednn_gemm()
{
    static const auto function = [] {
        void *library = dlopen(ACC_SONAME(DNNL_VERSION_MAJOR), RTLD_NOW | RTLD_LOCAL);
        return library ? reinterpret_cast<decltype(&dnnl_sgemm)>(dlsym(library, "dnnl_sgemm"))
                       : nullptr;
    }();
    return function;
}
#endif

} // namespace

void gemm(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c,
          [[maybe_unused]] bool fast)
{
#ifdef ACC_HAVE_ONEDNN
    // Small ones cost more to dispatch than to compute.
    if (fast && m * n * k > 1 << 14)
        if (const auto function = onednn_gemm())
            if (function('N', 'N', m, n, k, 1, a, k, b, n, 1, c, n) == dnnl_success) return;
#endif
    // Blocks of k and n stay in the cache while the rows of a go by.
    constexpr int64_t k_block = 128, n_block = 512;
    for (int64_t k0 = 0; k0 < k; k0 += k_block)
        for (int64_t n0 = 0; n0 < n; n0 += n_block) {
            const int64_t k1 = std::min(k, k0 + k_block), n1 = std::min(n, n0 + n_block);
            for (int64_t i = 0; i < m; i++)
                for (int64_t l = k0; l < k1; l++) {
                    const float v = a[i * k + l];
                    const float *row = b + l * n;
                    float *to = c + i * n;
                    for (int64_t j = n0; j < n1; j++)
                        to[j] += v * row[j];
                }
        }
}

} // namespace acc::host
