// SPDX-License-Identifier: MIT
//
// What makes images larger, compiled: transposed convolutions by phases, and nearest pixels.
#include "compile_check.h"

namespace acc::accc
{
namespace
{

struct Transposed {
    int64_t batch, in, out, kernel[2], stride[2];
    std::vector<int64_t> pads, more; // output_padding
};

OnnxBuilder transposed_conv(const Transposed &t)
{
    OnnxBuilder b;
    b.input("x", {t.batch, t.in, 4, 3}).random("w", {t.in, t.out, t.kernel[0], t.kernel[1]});
    b.random("b", {t.out}).add("ConvTranspose", {"x", "w", "b"}, "c");
    b.attr("strides", {t.stride[0], t.stride[1]});
    if (!t.pads.empty()) b.attr("pads", t.pads);
    if (!t.more.empty()) b.attr("output_padding", t.more);
    b.add("Relu", {"c"}, "y").output("y");
    return b;
}

TEST(CompileUpscale, ConvTransposeRunsOnTheCrossbar)
{
    const Transposed cases[] = {
        {-1, 3, 2, {2, 2}, {2, 2}, {}, {}},
        {-1, 3, 2, {3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}},
        {2, 2, 3, {4, 4}, {2, 2}, {1, 1, 1, 1}, {}},
        {-1, 2, 3, {3, 2}, {1, 3}, {0, 1, 2, 0}, {}},
        {-1, 2, 1, {1, 5}, {2, 1}, {}, {1, 0}}, // rows that no weight reaches
        {3, 1, 2, {5, 4}, {3, 2}, {2, 0, 1, 3}, {2, 1}},
    };
    for (const Transposed &t : cases) {
        const CompileReport report = check(transposed_conv(t), {-1, 1, 0.04});
        for (const NodeReport &n : report.nodes)
            EXPECT_EQ(n.engine.find("host"), std::string::npos) << n.node << ": " << n.reason;
        EXPECT_NE(find_node(report, "ConvTranspose_c")->engine.find("crossbar"), std::string::npos);
        // Past what moves its elements.
        const std::vector<std::string> &last = find_node(report, "Relu_y")->kernels;
        EXPECT_EQ(std::count(last.begin(), last.end(), "clip_i8"), 0);
    }
}

TEST(CompileUpscale, ConvTransposeThatStaysSaysWhy)
{
    OnnxBuilder b;
    b.input("x", {-1, 4, 4, 4}).random("w", {4, 2, 3, 3}).add("ConvTranspose", {"x", "w"}, "y");
    b.attr("group", int64_t{2}).output("y");
    const CompileReport report = check(b);
    EXPECT_EQ(find_node(report, "ConvTranspose_y")->reason,
              "expected attribute 'group' = 1; found another");
}

TEST(CompileUpscale, ResizeToTheNearest)
{
    for (const auto &[mode, nearest] :
         {std::pair{"asymmetric", "floor"}, std::pair{"half_pixel", "round_prefer_floor"}})
        for (const int64_t batch : {1, 2}) {
            OnnxBuilder b;
            b.input("x", {batch, 2, 3, 4}).random("w", {3, 2, 3, 3}).add("Conv", {"x", "w"}, "c");
            b.floats("scales", {4}, {1, 1, 2, 3}).add("Resize", {"c", "", "scales"}, "y");
            b.attr_string("coordinate_transformation_mode", mode);
            b.attr_string("nearest_mode", nearest).output("y");
            const CompileReport report = check(b);
            EXPECT_EQ(find_node(report, "Resize_y")->engine, "fpga")
                << find_node(report, "Resize_y")->reason;
        }
    OnnxBuilder b;
    b.input("x", {1, 2, 3, 4}).floats("scales", {4}, {1, 1, 1.5f, 2});
    b.add("Relu", {"x"}, "r").add("Resize", {"r", "", "scales"}, "y").output("y");
    b.attr_string("coordinate_transformation_mode", "asymmetric");
    b.attr_string("nearest_mode", "floor");
    EXPECT_NE(find_node(check(b), "Resize_y")->engine.find("host"), std::string::npos);
}

} // namespace
} // namespace acc::accc
