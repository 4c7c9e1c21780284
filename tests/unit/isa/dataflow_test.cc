// SPDX-License-Identifier: MIT
//
// Networks of images on tiles, against plain loops of docs/quantisation.md.
#include "program/isa/dataflow.h"
#include "tiles.h"

#include <algorithm>
#include <deque>
#include <random>

namespace acc::emu::test
{
namespace
{

using isa::dataflow::Join;
using isa::dataflow::Limits;
using isa::dataflow::Lowered;
using isa::dataflow::Node;
using isa::dataflow::NodeKind;
using isa::dataflow::Shape;
using isa::dataflow::Then;
using isa::dataflow::Window;
using Image = std::vector<int8_t>;

int64_t requant(__int128 x, int64_t m, int32_t s)
{
    return static_cast<int64_t>((x * m + (static_cast<__int128>(1) << (s - 1))) >> s);
}
int8_t limited(int64_t value, const Limits &l)
{
    return static_cast<int8_t>(std::clamp<int64_t>(value + l.zero_point, l.min, l.max));
}

// A network with its constants, made up.
class Images
{
public:
    explicit Images(uint32_t seed) : random_(seed) {}

    uint32_t input(Shape shape)
    {
        Node node;
        node.kind = NodeKind::Input;
        node.out = shape;
        return add(std::move(node));
    }

    // `group` channels share nothing with the others; 0: all do.
    uint32_t product(uint32_t from, Shape out, Window window, uint32_t groups = 1)
    {
        Node node;
        node.kind = NodeKind::Product;
        node.from = from;
        node.out = out;
        node.window = window;
        node.pad_value = static_cast<int16_t>(random_() % 256 - 128);
        const uint32_t c = nodes[from].out.c, n = out.c;
        Image &w = weights_.emplace_back();
        for (uint32_t tap = 0; tap < window.taps(); tap++)
            for (uint32_t i = 0; i < c; i++)
                for (uint32_t o = 0; o < n; o++)
                    w.push_back(i / (c / groups) == o / (n / groups) ? number(-128, 127)
                                                                     : int8_t{0});
        std::vector<int32_t> *values[3];
        for (auto &v : values)
            v = &values_.emplace_back();
        for (uint32_t o = 0; o < n; o++) {
            values[0]->push_back(static_cast<int32_t>(random_() % 20001) - 10000);
            values[1]->push_back(static_cast<int32_t>((1u << 30) + random_() % (1u << 30)));
            values[2]->push_back(static_cast<int32_t>(38 + random_() % 3));
        }
        node.weights = w;
        node.bias = *values[0];
        node.multiplier = *values[1];
        node.shift = *values[2];
        node.limits = {number(-20, 20), -128, 120};
        return add(std::move(node));
    }

    uint32_t pool(NodeKind kind, uint32_t from, Shape out, Window window)
    {
        Node node;
        node.kind = kind;
        node.from = from;
        node.out = out;
        node.window = window;
        node.pad_value = -128;
        return add(std::move(node));
    }

    void join(uint32_t node, uint32_t other)
    {
        Then then;
        then.join = Join{.other = other,
                         .factor = 190'000'000,
                         .other_factor = -123'456'789,
                         .zero = number(-9, 9),
                         .other_zero = number(-9, 9),
                         .shift = 28};
        then.limits = {5, -100, 127};
        nodes[node].then.push_back(then);
    }
    void clip(uint32_t node, int32_t min, int32_t max)
    {
        nodes[node].then.push_back({.join = {}, .limits = {0, min, max}});
    }

    std::vector<Image> run(const std::vector<Image> &inputs) const
    {
        std::vector<Image> values;
        size_t input = 0;
        for (const Node &node : nodes) {
            Image y = node.kind == NodeKind::Input ? inputs[input++] : own(node, values[node.from]);
            for (const Then &then : node.then)
                for (size_t i = 0; i < y.size(); i++) {
                    if (!then.join) {
                        y[i] = limited(y[i], then.limits);
                        continue;
                    }
                    const Join &j = *then.join;
                    const int64_t sum = int64_t{y[i] - j.zero} * j.factor +
                                        int64_t{values[j.other][i] - j.other_zero} * j.other_factor;
                    y[i] = limited(requant(sum, 1, j.shift), then.limits);
                }
            values.push_back(std::move(y));
        }
        return values;
    }

    Image made_up(Shape shape)
    {
        Image image(shape.words());
        for (int8_t &v : image)
            v = number(-128, 127);
        return image;
    }

    std::vector<Node> nodes;

private:
    int8_t number(int lo, int hi)
    {
        return static_cast<int8_t>(lo + static_cast<int>(random_() % uint32_t(hi - lo + 1)));
    }
    uint32_t add(Node node)
    {
        node.name = "node " + std::to_string(nodes.size());
        nodes.push_back(std::move(node));
        return static_cast<uint32_t>(nodes.size() - 1);
    }

    Image own(const Node &node, const Image &x) const
    {
        if (node.kind == NodeKind::Copy) return x;
        const Shape &in = nodes[node.from].out;
        const Window &v = node.window;
        Image y;
        for (uint32_t oy = 0; oy < node.out.h; oy++)
            for (uint32_t ox = 0; ox < node.out.w; ox++)
                for (uint32_t o = 0; o < node.out.c; o++) {
                    int64_t sum = 0, largest = -128;
                    for (uint32_t tap = 0; tap < v.taps(); tap++) {
                        const int64_t iy = int64_t{oy} * v.stride[0] - v.pad[0] +
                                           int64_t{tap / v.kernel[1]} * v.dilation[0];
                        const int64_t ix = int64_t{ox} * v.stride[1] - v.pad[1] +
                                           int64_t{tap % v.kernel[1]} * v.dilation[1];
                        const bool inside = iy >= 0 && iy < in.h && ix >= 0 && ix < in.w;
                        const auto at = [&](uint32_t c) -> int64_t {
                            return inside ? x[size_t((iy * in.w + ix) * in.c + c)] : node.pad_value;
                        };
                        if (node.kind != NodeKind::Product) {
                            sum += at(o);
                            largest = std::max(largest, at(o));
                            continue;
                        }
                        for (uint32_t c = 0; c < in.c; c++)
                            sum += at(c) * node.weights[(size_t{tap} * in.c + c) * node.out.c + o];
                    }
                    const auto taps = int64_t{v.taps()};
                    if (node.kind == NodeKind::Product)
                        y.push_back(limited(requant(__int128{sum} + node.bias[o],
                                                    node.multiplier[o], node.shift[o]),
                                            node.limits));
                    else if (node.kind == NodeKind::MaxPool)
                        y.push_back(static_cast<int8_t>(largest));
                    else // half way goes away from zero
                        y.push_back(static_cast<int8_t>((2 * std::abs(sum) + taps) / (2 * taps) *
                                                        (sum < 0 ? -1 : 1)));
                }
        return y;
    }

    std::mt19937 random_;
    std::deque<Image> weights_;
    std::deque<std::vector<int32_t>> values_;
};

arch::Arch small_memory()
{
    arch::Arch arch;
    arch.shared_words = 8192; // less to clear
    return arch;
}

// Every output of several items, on tiles and in loops.
Lowered check_images(Images &net, const arch::Arch &arch = small_memory(), uint64_t items = 3)
{
    std::string why;
    auto lowered = isa::dataflow::lower(arch, net.nodes, "net", &why);
    EXPECT_TRUE(lowered) << why;
    if (!lowered) return {};
    // Text and back, as accasm -d writes it.
    const auto again = isa::assemble(isa::disassemble(lowered->program, true), "again", arch, why);
    EXPECT_TRUE(again) << why;
    Tiles tiles(lowered->program, arch);
    std::vector<std::vector<Image>> wanted(items);
    std::vector<std::vector<int8_t>> buffers(net.nodes.size());
    for (uint64_t i = 0; i < items; i++) {
        std::vector<Image> inputs;
        for (size_t n = 0; n < net.nodes.size(); n++)
            if (net.nodes[n].kind == NodeKind::Input) {
                inputs.push_back(net.made_up(net.nodes[n].out));
                buffers[n].insert(buffers[n].end(), inputs.back().begin(), inputs.back().end());
            }
        wanted[i] = net.run(inputs);
    }
    std::vector<uint64_t> at(net.nodes.size());
    for (size_t n = 0; n < net.nodes.size(); n++)
        if (net.nodes[n].output)
            at[n] = tiles.memory.allocate(net.nodes[n].out.words() * items);
        else if (!buffers[n].empty())
            at[n] = tiles.memory.store(buffers[n]);
    std::vector<Arg> args;
    for (const auto &use : lowered->ports) {
        const auto copied = lowered->copied.find(use.node);
        const uint32_t n = copied == lowered->copied.end() ? use.node : copied->second;
        args.push_back({at[n] + use.offset, net.nodes[n].out.words()});
    }
    EXPECT_EQ(tiles.run(args, items), ACC_STATUS_OK) << tiles.dispatch.text;
    for (size_t n = 0; n < net.nodes.size(); n++) {
        if (!net.nodes[n].output) continue;
        const uint64_t words = net.nodes[n].out.words();
        const auto found = tiles.memory.load<int8_t>(at[n], words * items);
        for (uint64_t i = 0; i < items; i++)
            EXPECT_TRUE(std::equal(wanted[i][n].begin(), wanted[i][n].end(),
                                   found.begin() + static_cast<std::ptrdiff_t>(i * words)))
                << net.nodes[n].name << ", item " << i;
    }
    return std::move(*lowered);
}

constexpr Window square(uint32_t kernel, uint32_t stride = 1, uint32_t pad = 0, uint32_t gap = 1)
{
    return {{kernel, kernel}, {stride, stride}, {gap, gap}, {pad, pad}};
}

TEST(Dataflow, ConvolutionsFeedEachOther)
{
    Images net(1);
    const uint32_t x = net.input({6, 5, 3});
    const uint32_t a = net.product(x, {6, 5, 4}, square(3, 1, 1));
    const uint32_t b = net.product(a, {3, 3, 7}, square(3, 2, 1));
    const uint32_t c = net.product(b, {3, 3, 2}, square(1));
    net.nodes[c].output = true;
    const Lowered one = check_images(net);
    EXPECT_EQ(one.program.tiles, 1u);
    // The same with a tile each, whose rows are messages.
    arch::Arch arch = small_memory();
    arch.cores = 1;
    EXPECT_EQ(check_images(net, arch).program.tiles, 4u);
}

TEST(Dataflow, WindowsOfAllKinds)
{
    Images net(2);
    const uint32_t x = net.input({9, 8, 2});
    const uint32_t wide = net.product(x, {9, 4, 5}, {{3, 4}, {1, 2}, {1, 1}, {1, 1}});
    const uint32_t gaps = net.product(wide, {5, 4, 30}, square(3, 1, 0, 2));
    net.nodes[gaps].window.pad[1] = 2;
    const uint32_t large = net.product(gaps, {2, 2, 20}, square(2, 3));
    net.nodes[large].output = true;
    check_images(net);
    // More inputs and outputs than a unit has, and than a core.
    Images deep(3);
    const uint32_t image = deep.input({4, 3, 40});
    const uint32_t first = deep.product(image, {4, 3, 300}, square(3, 1, 1));
    const uint32_t second = deep.product(first, {4, 3, 40}, square(1));
    deep.nodes[first].output = true; // of several cores, which an output copies together
    deep.nodes[second].output = true;
    check_images(deep, {}, 2);
}

TEST(Dataflow, PoolsJoinsAndLimits)
{
    Images net(4);
    const uint32_t x = net.input({8, 8, 3});
    const uint32_t a = net.product(x, {8, 8, 16}, square(3, 1, 1));
    const uint32_t b = net.product(a, {8, 8, 16}, square(3, 1, 1));
    const uint32_t c = net.product(b, {8, 8, 16}, square(3, 1, 1));
    net.join(c, a);
    net.clip(c, -60, 90);
    // Both ways of a block that halves the image, one of them short.
    const uint32_t d = net.product(c, {4, 4, 20}, square(3, 2, 1));
    const uint32_t e = net.product(d, {4, 4, 20}, square(3, 1, 1));
    const uint32_t f = net.product(c, {4, 4, 20}, square(1, 2));
    net.join(f, e);
    const uint32_t most = net.pool(NodeKind::MaxPool, f, {2, 2, 20}, square(3, 2, 1));
    const uint32_t mean = net.pool(NodeKind::AveragePool, f, {1, 1, 20}, square(4));
    const uint32_t flat = net.product(most, {1, 1, 9}, square(2));
    const uint32_t last = net.product(mean, {1, 1, 9}, square(1));
    net.join(last, flat);
    for (const uint32_t n : {most, mean, last})
        net.nodes[n].output = true;
    check_images(net);
    arch::Arch arch = small_memory();
    arch.cores = 2;
    arch.fifo_depth = 1;
    const Lowered apart = check_images(net, arch, 5);
    EXPECT_GT(apart.program.tiles, 4u);
}

TEST(Dataflow, GroupsTakeUnitsOfTheirOwn)
{
    Images net(5);
    const uint32_t x = net.input({5, 4, 40});
    const uint32_t depth = net.product(x, {5, 4, 40}, square(3, 1, 1), 40);
    const uint32_t groups = net.product(depth, {5, 4, 20}, square(2, 1), 4);
    net.nodes[groups].out = {4, 3, 20};
    net.nodes[groups].output = true;
    const Lowered lowered = check_images(net, {});
    // 14 channels of 9 taps to 128 rows, and 3 groups of 10 channels and 4 taps.
    EXPECT_EQ(lowered.places[depth].units, 3u);
    EXPECT_EQ(lowered.places[groups].units, 2u);
    for (const isa::Matrix &m : lowered.program.matrices)
        EXPECT_LE(m.cols, 15u);
}

TEST(Dataflow, DenseLayersNeedNoCoreForTheirInput)
{
    Images net(6);
    const uint32_t x = net.input({1, 1, 640});
    const uint32_t a = net.product(x, {1, 1, 128}, square(1));
    const uint32_t b = net.product(a, {1, 1, 300}, square(1));
    net.nodes[b].output = true;
    const Lowered lowered = check_images(net);
    EXPECT_TRUE(lowered.places[x].cores.empty());
    EXPECT_EQ(lowered.places[a].units, 5u);
    EXPECT_EQ(lowered.places[b].units, 3u);
}

TEST(Dataflow, RefusesByName)
{
    const auto why = [](const Images &net, const arch::Arch &arch = small_memory()) {
        std::string text;
        EXPECT_FALSE(isa::dataflow::lower(arch, net.nodes, "net", &text));
        return text;
    };
    Images net(7);
    const uint32_t x = net.input({20, 20, 4});
    const uint32_t a = net.product(x, {20, 20, 4}, square(3, 1, 1));
    net.nodes[a].output = true;
    arch::Arch small = small_memory();
    small.shared_words = 1024;
    EXPECT_EQ(why(net, small),
              "expected at most 1024 words of shared memory in tile 0; found 1760");
    small = small_memory();
    small.registers = 256;
    EXPECT_EQ(why(net, small), "node 1: expected at least 799 registers; found 768");
    small = small_memory();
    small.core_instructions = 100;
    EXPECT_NE(why(net, small).find("expected 1 to 100 instructions"), std::string::npos);
    Images taps(8);
    taps.product(taps.input({12, 12, 1}), {1, 1, 2}, square(12));
    EXPECT_EQ(why(taps), "node 1: expected at most 128 taps of a window; found 144");
    Images means(9);
    means.pool(NodeKind::AveragePool, means.input({16, 16, 1}), {1, 1, 1}, square(16));
    EXPECT_EQ(why(means), "node 1: expected at most 255 taps to average; found 256");
    Images shapes(10);
    const uint32_t one = shapes.input({2, 2, 2}), two = shapes.input({2, 2, 3});
    shapes.join(two, one);
    EXPECT_EQ(why(shapes), "node 1: expected a node before it of its shape to add; found another");
}

} // namespace
} // namespace acc::emu::test
