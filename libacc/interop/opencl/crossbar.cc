// SPDX-License-Identifier: MIT
#include "libacc/interop/opencl/crossbar.h"

#include "acc/image.h"
#include "acc/kernels.h"
#include "libacc/interop/opencl/memory.h"

#include <algorithm>
#include <cstring>

namespace acc::ocl
{
namespace
{

template <typename T>
T take(const std::vector<char> &from, size_t &at)
{
    T out;
    std::memcpy(&out, from.data() + at, sizeof out);
    at += sizeof out;
    return out;
}

class ProductWork final : public Work
{
public:
    ProductWork(Crossbar &crossbar, bool vector, std::vector<char> arguments,
                std::vector<Ref<_cl_mem>> memory)
        : crossbar_(crossbar), vector_(vector), arguments_(std::move(arguments)),
          memory_(std::move(memory))
    {
    }
    cl_int run() override
    {
        size_t at = 0;
        const auto first = reinterpret_cast<const int8_t *>(take<uint64_t>(arguments_, at));
        const auto second = reinterpret_cast<const int8_t *>(take<uint64_t>(arguments_, at));
        const auto out = reinterpret_cast<int32_t *>(take<uint64_t>(arguments_, at));
        Crossbar::Product product = {};
        product.output = out;
        if (vector_) {
            product.weights = first;
            product.input = second;
            product.vectors = 1;
            product.rows = take<uint32_t>(arguments_, at);
            product.cols = take<uint32_t>(arguments_, at);
        } else {
            product.input = first;
            product.weights = second;
            product.vectors = take<uint32_t>(arguments_, at);
            product.cols = take<uint32_t>(arguments_, at);
            product.rows = take<uint32_t>(arguments_, at);
        }
        // Inside of the buffers that were given, as the device would check.
        const size_t k = product.rows, n = product.cols, m = product.vectors;
        const size_t weights = k * n, input = m * k, output = m * n * sizeof(int32_t);
        std::string why;
        cl_int error = CL_SUCCESS;
        if (!k || !n || !m || k > kMostDim || n > kMostDim || m > UINT32_MAX) {
            why = "expected sizes of 1 to 2^20; found " + std::to_string(k) + " x " +
                  std::to_string(n) + ", " + std::to_string(m) + " vectors";
            error = CL_INVALID_KERNEL_ARGS;
        } else if (!holds(product.weights, weights) || !holds(product.input, input) ||
                   !holds(product.output, output)) {
            why = "expected buffers of " + std::to_string(weights) + " and " +
                  std::to_string(input) + " elements and " + std::to_string(output) +
                  " bytes of results; found smaller ones";
            error = CL_OUT_OF_RESOURCES;
        } else {
            error = crossbar_.multiply(product, why);
        }
        if (error) memory_.front()->context->report(name() + ": " + why);
        return error;
    }
    uint64_t bytes() const override { return UINT64_MAX; } // it waits
    std::string name() const override { return vector_ ? "acc_mvm_i8" : "acc_gemm_i8"; }

private:
    static constexpr size_t kMostDim = 1u << 20;

    bool holds(const void *address, size_t bytes) const
    {
        const auto *at = static_cast<const char *>(address);
        return std::any_of(memory_.begin(), memory_.end(), [&](const Ref<_cl_mem> &one) {
            return at >= one->data && at <= one->data + one->bytes &&
                   bytes <= static_cast<size_t>(one->data + one->bytes - at);
        });
    }

    Crossbar &crossbar_;
    const bool vector_;
    const std::vector<char> arguments_;
    const std::vector<Ref<_cl_mem>> memory_;
};

} // namespace

Crossbar::~Crossbar()
{
    if (queue_) (void)acc_queue_destroy(queue_);
    if (signal_) (void)acc_signal_destroy(signal_);
    for (Matrix &matrix : matrices_)
        forget(matrix);
}

void Crossbar::forget(Matrix &matrix)
{
    if (matrix.program) (void)acc_program_unload(matrix.program);
}

std::unique_ptr<Work> Crossbar::work(const std::string &name, std::vector<char> arguments,
                                     std::vector<Ref<_cl_mem>> memory)
{
    return std::make_unique<ProductWork>(*this, name == "acc_mvm_i8", std::move(arguments),
                                         std::move(memory));
}

Crossbar::Matrix *Crossbar::find(const Product &product, std::string &why)
{
    const size_t bytes = size_t{product.rows} * product.cols;
    const auto found = std::find_if(matrices_.begin(), matrices_.end(), [&](const Matrix &m) {
        return m.rows == product.rows && m.cols == product.cols &&
               std::memcmp(m.weights.data(), product.weights, bytes) == 0;
    });
    if (found != matrices_.end()) {
        matrices_.splice(matrices_.begin(), matrices_, found);
        return &matrices_.front();
    }
    Matrix made;
    made.rows = product.rows;
    made.cols = product.cols;
    made.weights.assign(product.weights, product.weights + bytes);
    auto matrix = acc_init<acc_image_matrix>();
    matrix.name = "product";
    matrix.rows = product.rows;
    matrix.cols = product.cols;
    matrix.weight_bits = matrix.input_bits = 8;
    matrix.output_bytes = sizeof(int32_t);
    matrix.input_signed = 1;
    matrix.weights = made.weights.data();
    void *image = nullptr;
    size_t image_bytes = 0;
    auto info = acc_init<acc_kernel_info>();
    const bool loaded = acc_image_of_matrix(&matrix, &image, &image_bytes) == 0 &&
                        acc_program_load(device_, image, image_bytes, &made.program) == 0 &&
                        acc_program_find(made.program, "product", &info) == 0;
    if (!loaded) why = acc_error_text();
    acc_image_free(image);
    if (!loaded) {
        forget(made);
        return nullptr;
    }
    made.kernel_object = info.kernel_object;
    if (matrices_.size() == kKept) {
        forget(matrices_.back());
        matrices_.pop_back();
    }
    matrices_.push_front(std::move(made));
    return &matrices_.front();
}

cl_int Crossbar::multiply(const Product &product, std::string &why)
{
    std::lock_guard lock(mutex_);
    const Matrix *const matrix = find(product, why);
    if (!matrix) return CL_OUT_OF_RESOURCES;
    const auto failed = [&] {
        why = acc_error_text();
        return CL_OUT_OF_RESOURCES;
    };
    if (!queue_ && acc_queue_create(device_, nullptr, &queue_)) return failed();
    if (!signal_ && acc_signal_create(&device_, 1, 1, &signal_)) return failed();
    acc_signal_reset(signal_, 1);
    acc_mvm_args args = {};
    args.input = reinterpret_cast<uintptr_t>(product.input);
    args.output = reinterpret_cast<uintptr_t>(product.output);
    args.vectors = product.vectors;
    args.input_stride = product.rows;
    args.output_stride = product.cols;
    auto dispatch = acc_init<acc_dispatch>();
    dispatch.kernel_object = matrix->kernel_object;
    dispatch.kernargs = &args;
    dispatch.kernarg_bytes = sizeof args;
    dispatch.completion = signal_;
    auto result = acc_init<acc_signal_result>();
    if (acc_queue_dispatch(queue_, &dispatch) ||
        acc_signal_wait(signal_, ACC_COND_EQ, 0, ACC_FOREVER, nullptr) ||
        acc_signal_get_result(signal_, &result))
        return failed();
    if (result.status == ACC_STATUS_OK) return CL_SUCCESS;
    why = acc_status_name(result.status);
    (void)acc_queue_destroy(queue_); // in Error: the next product gets another
    queue_ = nullptr;
    return CL_OUT_OF_RESOURCES;
}

} // namespace acc::ocl
