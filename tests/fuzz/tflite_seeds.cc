// SPDX-License-Identifier: MIT
#include "tests/fuzz/importers.h"

#include "tflite_generated.h"

namespace acc::fuzz
{
namespace
{

using namespace accc::tflite;

// A file of a few tensors and operators.
class Builder
{
public:
    Builder() { buffers_.push_back(CreateBuffer(f_)); }

    int tensor(const std::vector<int> &dims, int8_t type, const std::vector<uint8_t> &data = {},
               float scale = 0, int64_t zero = 0)
    {
        uint32_t buffer = 0;
        if (!data.empty()) {
            buffer = static_cast<uint32_t>(buffers_.size());
            buffers_.push_back(CreateBuffer(f_, f_.CreateVector(data)));
        }
        flatbuffers::Offset<Quantization> q;
        if (scale > 0) {
            const auto scales = f_.CreateVector(std::vector<float>{scale});
            const auto zeros = f_.CreateVector(std::vector<int64_t>{zero});
            q = CreateQuantization(f_, 0, 0, scales, zeros);
        }
        const auto shape = f_.CreateVector(dims);
        const auto name = f_.CreateString("t" + std::to_string(tensors_.size()));
        tensors_.push_back(CreateTensor(f_, shape, type, buffer, name, q));
        return static_cast<int>(tensors_.size()) - 1;
    }

    template <typename T>
    void add(int code, const std::vector<int> &inputs, int output, uint8_t kind,
             flatbuffers::Offset<T> options)
    {
        const auto in = f_.CreateVector(inputs);
        const auto out = f_.CreateVector(std::vector<int>{output});
        codes_.push_back(
            CreateOperatorCode(f_, static_cast<int8_t>(std::min(code, 127)), 0, 1, code));
        operators_.push_back(CreateOperator(f_, static_cast<uint32_t>(codes_.size() - 1), in, out,
                                            kind, flatbuffers::Offset<Any>(options.o)));
    }

    flatbuffers::FlatBufferBuilder &f() { return f_; }

    std::vector<std::byte> finish(int input, int output)
    {
        const auto graph =
            CreateSubGraph(f_, f_.CreateVector(tensors_), f_.CreateVector(std::vector<int>{input}),
                           f_.CreateVector(std::vector<int>{output}), f_.CreateVector(operators_));
        const auto graphs = f_.CreateVector(std::vector<flatbuffers::Offset<SubGraph>>{graph});
        const auto model =
            CreateModel(f_, 3, f_.CreateVector(codes_), graphs, 0, f_.CreateVector(buffers_));
        FinishModelBuffer(f_, model);
        const auto *data = reinterpret_cast<const std::byte *>(f_.GetBufferPointer());
        return {data, data + f_.GetSize()};
    }

private:
    flatbuffers::FlatBufferBuilder f_;
    std::vector<flatbuffers::Offset<Buffer>> buffers_;
    std::vector<flatbuffers::Offset<accc::tflite::Tensor>> tensors_;
    std::vector<flatbuffers::Offset<OperatorCode>> codes_;
    std::vector<flatbuffers::Offset<Operator>> operators_;
};

constexpr int8_t kFloat = 0, kInt32 = 2, kInt8 = 9;

} // namespace

std::vector<std::vector<std::byte>> tflite_seeds()
{
    std::vector<std::vector<std::byte>> seeds;
    {
        Builder b;
        const int x = b.tensor({1, 5, 5, 2}, kFloat);
        const int w = b.tensor({3, 2, 2, 2}, kFloat, std::vector<uint8_t>(24 * 4, 0x3e));
        const int c = b.tensor({1, 5, 5, 3}, kFloat), p = b.tensor({1, 2, 2, 3}, kFloat);
        const int y = b.tensor({1, 2, 2, 3}, kFloat);
        b.add(3, {x, w, -1}, c, 1, CreateConvOptions(b.f(), 0, 1, 1, 1));
        b.add(17, {c}, p, 5, CreatePoolOptions(b.f(), 1, 2, 2, 2, 2));
        b.add(25, {p}, y, 9, CreateFloatOption(b.f(), 1.0f));
        seeds.push_back(b.finish(x, y));
    }
    {
        Builder b;
        const int x = b.tensor({1, 4}, kInt8, {}, 0.5f, -3);
        const int w = b.tensor({3, 4}, kInt8, std::vector<uint8_t>(12, 0x85), 0.25f);
        const int bias = b.tensor({3}, kInt32, std::vector<uint8_t>(12, 1), 0.125f);
        const int h = b.tensor({1, 3}, kInt8, {}, 1.0f, 5),
                  y = b.tensor({1, 3}, kInt8, {}, 2.0f, 1);
        b.add(9, {x, w, bias}, h, 8, CreateProductOptions(b.f(), 1));
        b.add(0, {h, h}, y, 11, CreateActivationOption(b.f(), 0));
        seeds.push_back(b.finish(x, y));
    }
    return seeds;
}

} // namespace acc::fuzz
