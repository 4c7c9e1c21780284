// SPDX-License-Identifier: MIT
//
// Products with a matrix that the crossbar's cells hold. A matrix is programmed when it is first
// used; the newest stay, so that a second product with the same contents only multiplies.
//
// Thread safety: all calls from any thread; one product at a time.
#pragma once

#include "libacc/interop/opencl/event.h"

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct _cl_mem;

namespace acc::ocl
{

class Crossbar
{
public:
    explicit Crossbar(acc_device *device) : device_(device) {}
    ~Crossbar();
    Crossbar(const Crossbar &) = delete;
    Crossbar &operator=(const Crossbar &) = delete;

    // `arguments`: of the built-in `name`, addresses of the memory in their places.
    std::unique_ptr<Work> work(const std::string &name, std::vector<char> arguments,
                               std::vector<Ref<_cl_mem>> memory);

    struct Product {
        const int8_t *weights; // [rows][cols]
        const int8_t *input;   // [vectors][rows]
        int32_t *output;       // [vectors][cols]
        uint64_t vectors;
        uint32_t rows, cols;
    };
    // CL_SUCCESS or a command's error; `why` says more.
    cl_int multiply(const Product &product, std::string &why);

private:
    static constexpr size_t kKept = 8;
    struct Matrix {
        uint32_t rows, cols;
        std::vector<int8_t> weights;
        acc_program *program = nullptr;
        uint64_t kernel_object = 0;
    };
    Matrix *find(const Product &product, std::string &why);
    void forget(Matrix &matrix);

    acc_device *const device_;
    std::mutex mutex_;
    std::list<Matrix> matrices_; // the newest first
    acc_queue *queue_ = nullptr;
    acc_signal *signal_ = nullptr;
};

} // namespace acc::ocl
