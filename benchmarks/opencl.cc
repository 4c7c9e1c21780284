// SPDX-License-Identifier: MIT
//
// acc-bench-opencl: one OpenCL platform, whichever the loader finds first, by the same program:
// launches of an empty kernel, a STREAM-like one and a product of matrices. opencl.py runs it on
// ours and on PoCL.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace
{

void check(cl_int error, const char *what)
{
    if (error == CL_SUCCESS) return;
    std::fprintf(stderr, "acc-bench-opencl: %s: error %d\n", what, error);
    std::exit(1);
}
#define CHECK(call) check(call, #call)

double seconds()
{
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

const char *const source =
    "__kernel void noop() {}\n"
    "__kernel void triad(__global float *a, __global const float *b, __global const float *c, "
    "float s)"
    " { size_t i = get_global_id(0); a[i] = b[i] + s * c[i]; }\n"
    "__kernel void gemm(__global const float *a, __global const float *b, __global float *c, int n)"
    " { int x = get_global_id(0), y = get_global_id(1); float sum = 0;\n"
    " for (int k = 0; k < n; k++) sum += a[y * n + k] * b[k * n + x]; c[y * n + x] = sum; }\n";

class Bench
{
public:
    explicit Bench(bool brief) : brief_(brief)
    {
        cl_platform_id platform;
        CHECK(clGetPlatformIDs(1, &platform, nullptr));
        CHECK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device_, nullptr));
        cl_int error;
        context_ = clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &error);
        check(error, "clCreateContext");
        queue_ = clCreateCommandQueue(context_, device_, 0, &error);
        check(error, "clCreateCommandQueue");
        const char *text = source;
        program_ = clCreateProgramWithSource(context_, 1, &text, nullptr, &error);
        check(error, "clCreateProgramWithSource");
        CHECK(clBuildProgram(program_, 1, &device_, "", nullptr, nullptr));
    }
    ~Bench()
    {
        clReleaseProgram(program_);
        clReleaseCommandQueue(queue_);
        clReleaseContext(context_);
    }
    Bench(const Bench &) = delete;
    Bench &operator=(const Bench &) = delete;

    cl_kernel compiled(const char *name)
    {
        cl_int error;
        const cl_kernel made = clCreateKernel(program_, name, &error);
        check(error, name);
        return made;
    }
    // Null: the platform has none.
    cl_kernel role(const char *name)
    {
        cl_int error;
        const cl_program program =
            clCreateProgramWithBuiltInKernels(context_, 1, &device_, name, &error);
        if (error) return nullptr;
        const cl_kernel made = clCreateKernel(program, name, &error);
        check(error, name);
        clReleaseProgram(program);
        return made;
    }

    // Enqueue and finish, one after the other: the median.
    double latency_us(cl_kernel kernel)
    {
        std::vector<double> samples;
        for (int i = 0; i < (brief_ ? 200 : 5000); i++) {
            const double start = seconds();
            enqueue(kernel, 1, nullptr);
            CHECK(clFinish(queue_));
            samples.push_back(seconds() - start);
        }
        std::nth_element(samples.begin(), samples.begin() + samples.size() / 2, samples.end());
        return samples[samples.size() / 2] * 1e6;
    }
    // Of each of many that are finished together: the best of several rounds.
    double pipelined_us(cl_kernel kernel)
    {
        const int count = brief_ ? 200 : 5000;
        return best([&] {
                   for (int i = 0; i < count; i++)
                       enqueue(kernel, 1, nullptr);
               }) /
               count * 1e6;
    }
    double triad_gbs()
    {
        const size_t n = brief_ ? 1u << 18 : 1u << 23;
        const cl_kernel kernel = compiled("triad");
        const cl_mem a = buffer(n), b = buffer(n), c = buffer(n);
        const float s = 3;
        arguments(kernel, a, b, c);
        CHECK(clSetKernelArg(kernel, 3, sizeof s, &s));
        const double time = best([&] { enqueue(kernel, 1, &n); });
        for (const cl_mem each : {a, b, c})
            clReleaseMemObject(each);
        clReleaseKernel(kernel);
        return 3.0 * 4.0 * static_cast<double>(n) / time * 1e-9;
    }
    double gemm_gflops()
    {
        const int n = brief_ ? 64 : 384;
        const size_t square = static_cast<size_t>(n) * static_cast<size_t>(n);
        const size_t global[] = {static_cast<size_t>(n), static_cast<size_t>(n)};
        const cl_kernel kernel = compiled("gemm");
        const cl_mem a = buffer(square), b = buffer(square), c = buffer(square);
        arguments(kernel, a, b, c);
        CHECK(clSetKernelArg(kernel, 3, sizeof n, &n));
        const double time = best([&] { enqueue(kernel, 2, global); });
        for (const cl_mem each : {a, b, c})
            clReleaseMemObject(each);
        clReleaseKernel(kernel);
        return 2.0 * static_cast<double>(square) * n / time * 1e-9;
    }

private:
    void enqueue(cl_kernel kernel, cl_uint dimensions, const size_t *global)
    {
        const size_t one = 1;
        CHECK(clEnqueueNDRangeKernel(queue_, kernel, dimensions, nullptr, global ? global : &one,
                                     global ? nullptr : &one, 0, nullptr, nullptr));
    }
    template <typename F>
    double best(F work)
    {
        double least = 1e9;
        for (int round = 0; round < (brief_ ? 2 : 8); round++) {
            const double start = seconds();
            work();
            CHECK(clFinish(queue_));
            if (round) least = std::min(least, seconds() - start);
        }
        return least;
    }
    cl_mem buffer(size_t floats)
    {
        cl_int error;
        std::vector<float> values(floats, 1.5f);
        const cl_mem made = clCreateBuffer(context_, CL_MEM_COPY_HOST_PTR, floats * sizeof(float),
                                           values.data(), &error);
        check(error, "clCreateBuffer");
        return made;
    }
    static void arguments(cl_kernel kernel, cl_mem a, cl_mem b, cl_mem c)
    {
        CHECK(clSetKernelArg(kernel, 0, sizeof a, &a));
        CHECK(clSetKernelArg(kernel, 1, sizeof b, &b));
        CHECK(clSetKernelArg(kernel, 2, sizeof c, &c));
    }

    const bool brief_;
    cl_device_id device_ = nullptr;
    cl_context context_ = nullptr;
    cl_command_queue queue_ = nullptr;
    cl_program program_ = nullptr;
};

} // namespace

int main(int argc, char **argv)
{
    std::string out;
    bool brief = false;
    for (int i = 1; i < argc; i++) {
        const std::string word = argv[i];
        if (word == "--out" && i + 1 < argc) out = argv[++i];
        if (word == "--short") brief = true;
    }
    FILE *const file = std::fopen(out.c_str(), "w");
    if (!file) {
        std::fprintf(stderr, "acc-bench-opencl: expected --out FILE that can be written\n");
        return 1;
    }
    const auto put = [&](const char *name, double value) {
        std::fprintf(file, "\"%s\": %.9g,\n", name, value);
    };
    std::fputs("{\n", file);
    {
        Bench bench(brief);
        const cl_kernel noop = bench.compiled("noop");
        put("c_noop_p50_us", bench.latency_us(noop));
        put("c_pipelined_us", bench.pipelined_us(noop));
        clReleaseKernel(noop);
        if (const cl_kernel role = bench.role("acc_noop")) {
            put("role_noop_p50_us", bench.latency_us(role));
            put("role_pipelined_us", bench.pipelined_us(role));
            clReleaseKernel(role);
        }
        put("triad_gbs", bench.triad_gbs());
        std::fprintf(file, "\"gemm_gflops\": %.9g\n}\n", bench.gemm_gflops());
    }
    return std::fclose(file) ? 1 : 0;
}
