// SPDX-License-Identifier: MIT
#include "tests/fuzz/importers.h"
#include "tests/unit/accc/onnx_builder.h"

namespace acc::fuzz
{

std::vector<std::vector<std::byte>> onnx_seeds()
{
    std::vector<std::vector<std::byte>> seeds;
    const auto keep = [&](const accc::OnnxBuilder &b) {
        const std::string bytes = b.bytes();
        const auto *data = reinterpret_cast<const std::byte *>(bytes.data());
        seeds.emplace_back(data, data + bytes.size());
    };
    accc::OnnxBuilder image;
    image.input("x", {-1, 2, 5, 5})
        .random("w", {4, 2, 3, 3})
        .random("b", {4})
        .random("s", {4}, 0.5f, 2);
    image.random("v", {4}, 0.5f, 2).random("f", {16, 3}).ints("flat", {0, -1}).random("c", {3});
    image.add("Conv", {"x", "w", "b"}, "1").attr("pads", {1, 1, 1, 1}).attr("strides", {1, 1});
    image.add("BatchNormalization", {"1", "s", "b", "b", "v"}, "2").add("Relu", {"2"}, "3");
    image.add("MaxPool", {"3"}, "4").attr("kernel_shape", {2, 2}).attr("strides", {2, 2});
    image.add("AveragePool", {"3"}, "5").attr("kernel_shape", {2, 2}).attr("strides", {2, 2});
    image.add("Add", {"4", "5"}, "6")
        .add("Reshape", {"6", "flat"}, "7")
        .add("MatMul", {"7", "f"}, "8");
    image.add("Add", {"8", "c"}, "9").add("Softmax", {"9"}, "y").attr("axis", 1).output("y");
    keep(image);

    accc::OnnxBuilder rows(11);
    rows.input("x", {1, 6}).random("w", {4, 6}).floats("lo", {}, {-0.5f}).floats("k", {}, {2});
    rows.add("Gemm", {"x", "w"}, "1").attr("transB", 1).attr_float("alpha", 0.5f);
    rows.add("Clip", {"1", "lo"}, "2").add("Unsqueeze", {"2"}, "3").attr("axes", {2, 3});
    rows.add("GlobalAveragePool", {"3"}, "4").add("Squeeze", {"4"}, "5").attr("axes", {2, 3});
    rows.add("Mul", {"5", "k"}, "6")
        .add("Dropout", {"6"}, "7")
        .add("Identity", {"7"}, "y")
        .output("y");
    keep(rows);

    accc::OnnxBuilder turned;
    turned.input("x", {-1, 3, 4, 2})
        .input("q", {-1, 3, 4})
        .random("w", {6, 1, 2, 1})
        .random("p", {1, 3, 4});
    turned.add("Transpose", {"x"}, "1").attr("perm", {0, 3, 1, 2});
    turned.add("Conv", {"1", "w"}, "2").attr("group", 2).attr_string("auto_pad", "SAME_UPPER");
    turned.add("Flatten", {"2"}, "y").output("y").add("Add", {"q", "p"}, "3");
    turned.add("Transpose", {"3"}, "4")
        .attr("perm", {0, 2, 1})
        .add("MatMul", {"q", "4"}, "z")
        .output("z");
    keep(turned);
    return seeds;
}

} // namespace acc::fuzz
