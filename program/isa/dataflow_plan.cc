// SPDX-License-Identifier: MIT
//
// What each node is cut into, what reads what, and where everything is.
#include "program/isa/dataflow_plan.h"

#include <algorithm>
#include <numeric>

namespace acc::isa::dataflow
{
namespace
{

uint32_t above(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

// The most groups of channels such that no output of a group has weights for another's.
uint32_t groups_of(const Shape &in, const Node &node)
{
    const uint32_t n = node.out.c;
    if (in.c == 1 || node.weights.size() != uint64_t{node.window.taps()} * in.c * n) return 1;
    std::vector<std::pair<uint32_t, uint32_t>> used(in.c, {n, 0}); // first and end of its outputs
    const int8_t *w = node.weights.data();
    for (uint32_t tap = 0; tap < node.window.taps(); tap++)
        for (uint32_t c = 0; c < in.c; c++, w += n)
            for (uint32_t k = 0; k < n; k++)
                if (w[k]) {
                    used[c].first = std::min(used[c].first, k);
                    used[c].second = std::max(used[c].second, k + 1);
                }
    for (uint32_t g = std::gcd(in.c, n); g > 1; g--) {
        if (in.c % g || n % g) continue;
        bool apart = true;
        for (uint32_t c = 0; c < in.c && apart; c++) {
            const uint32_t group = c / (in.c / g);
            apart = used[c].first >= used[c].second ||
                    (used[c].first >= group * (n / g) && used[c].second <= (group + 1) * (n / g));
        }
        if (apart) return g;
    }
    return 1;
}

class Cutter
{
public:
    Cutter(const arch::Arch &arch, Plan &plan) : arch_(arch), plan_(plan) {}

    std::string cut()
    {
        plan_.cuts.resize(plan_.nodes.size());
        for (uint32_t n = 0; n < plan_.nodes.size(); n++) {
            const std::string why = cut_node(n);
            if (!why.empty()) return plan_.nodes[n].name + ": " + why;
        }
        for (uint32_t n = 0; n < plan_.nodes.size(); n++)
            if (plan_.nodes[n].kind == NodeKind::Input) feed_directly(n);
        return {};
    }

private:
    std::string cut_node(uint32_t n)
    {
        const Node &node = plan_.nodes[n];
        NodeCut &cut = plan_.cuts[n];
        cut.in = node.kind == NodeKind::Input ? node.out : plan_.nodes[node.from].out;
        if (node.kind == NodeKind::Product) {
            cut.units = cut_product(arch_, cut.in, node);
            if (cut.units.empty())
                return "expected at most " + std::to_string(arch_.rows) +
                       " taps of a window; found " + std::to_string(node.window.taps());
            cores_of_units(cut);
        } else {
            cut.cores.emplace_back();
            cut.cores[0].c1 = node.out.c;
        }
        if (cut.cores.size() > arch_.cores)
            return "expected at most the " + std::to_string(arch_.cores) +
                   " cores of a tile; found " + std::to_string(cut.cores.size());
        for (uint32_t k = 0; k < cut.cores.size(); k++)
            if (cut.cores[k].owner()) cut.owners.push_back(k);
        if (node.kind == NodeKind::Input) return {};
        for (uint32_t k = 0; k < cut.cores.size(); k++)
            read_window(n, k);
        for (const uint32_t k : cut.owners)
            for (size_t j = 0; j < node.then.size(); j++)
                if (node.then[j].join)
                    read(n, k, node.then[j].join->other, cut.cores[k].c0, cut.cores[k].c1,
                         static_cast<int32_t>(j));
        return {};
    }

    // Units of a block side by side, a block of several from a core's first unit on if it
    // would not fit beside others.
    void cores_of_units(NodeCut &cut) const
    {
        uint32_t room = 0;
        for (size_t u = 0; u < cut.units.size(); u++) {
            UnitCut &unit = cut.units[u];
            size_t same = u;
            while (same < cut.units.size() && cut.units[same].block == unit.block)
                same++;
            const bool first = u == 0 || cut.units[u - 1].block != unit.block;
            if (room == 0 || (first && same - u > room)) {
                cut.cores.emplace_back();
                room = arch_.mvm_units;
            }
            CoreCut &core = cut.cores.back();
            unit.core = static_cast<uint32_t>(cut.cores.size() - 1);
            unit.unit = arch_.mvm_units - room--;
            core.units.push_back(static_cast<uint32_t>(u));
            if (!first) continue;
            if (!core.owner()) core.c0 = unit.n0;
            core.c1 = unit.n1;
        }
    }

    void read_window(uint32_t n, uint32_t k)
    {
        const Node &node = plan_.nodes[n];
        NodeCut &cut = plan_.cuts[n];
        if (node.kind != NodeKind::Product) return read(n, k, node.from, 0, cut.in.c, -1);
        std::vector<std::pair<uint32_t, uint32_t>> seen;
        for (const uint32_t u : cut.cores[k].units) {
            const std::pair<uint32_t, uint32_t> range{cut.units[u].c0, cut.units[u].c1};
            if (std::find(seen.begin(), seen.end(), range) != seen.end()) continue;
            seen.push_back(range);
            read(n, k, node.from, range.first, range.second, -1);
        }
    }

    void read(uint32_t n, uint32_t k, uint32_t maker, uint32_t c0, uint32_t c1, int32_t join)
    {
        const Node &node = plan_.nodes[n];
        const Shape &image = plan_.nodes[maker].out;
        for (uint32_t o = 0; o < plan_.cuts[maker].owners.size(); o++) {
            const CoreCut &owner = plan_.cuts[maker].cores[plan_.cuts[maker].owners[o]];
            Part part;
            part.maker = maker;
            part.owner = o;
            part.reader = n;
            part.core = k;
            part.join = join;
            part.c0 = std::max(c0, owner.c0);
            part.c1 = std::min(c1, owner.c1);
            if (part.c0 >= part.c1) continue;
            part.h = image.h;
            part.w = image.w;
            if (join < 0 && node.kind != NodeKind::Copy) {
                const Window &v = node.window;
                const auto beyond = [&](int axis, uint32_t out, uint32_t size) {
                    const uint64_t reach = uint64_t{out - 1} * v.stride[axis] +
                                           uint64_t{v.kernel[axis] - 1} * v.dilation[axis] + 1;
                    const uint64_t there = uint64_t{v.pad[axis]} + size;
                    return static_cast<uint32_t>(reach > there ? reach - there : 0);
                };
                part.left = v.pad[1];
                part.right = beyond(1, node.out.w, image.w);
                part.pads_rows = v.pad[0] || beyond(0, node.out.h, image.h);
                part.takes = v.taps() == 1 && v.stride[0] == 1 && v.stride[1] == 1 && !part.left &&
                             !part.right && !part.pads_rows;
                part.rows =
                    std::min(image.h, (v.kernel[0] - 1) * v.dilation[0] + 1 + 2 * v.stride[0]);
            } else {
                part.takes = true;
                part.rows = std::min(image.h, 3u);
            }
            const auto index = static_cast<uint32_t>(plan_.parts.size());
            plan_.cuts[n].cores[k].parts.push_back(index);
            plan_.cuts[maker].feeds.push_back(index);
            plan_.parts.push_back(part);
        }
    }

    // Where a port can write what is read as it comes, no core need stand between.
    void feed_directly(uint32_t n)
    {
        NodeCut &cut = plan_.cuts[n];
        const Shape &image = plan_.nodes[n].out;
        if (plan_.nodes[n].output || !plan_.nodes[n].then.empty()) return;
        for (const uint32_t p : cut.feeds) {
            const Part &part = plan_.parts[p];
            if (part.left || part.right || part.pads_rows ||
                (part.channels() != image.c && image.h * image.w > 1))
                return;
        }
        cut.direct = true;
        for (const uint32_t p : cut.feeds) {
            plan_.parts[p].direct = true;
            plan_.parts[p].rows = image.h;
        }
    }

    const arch::Arch &arch_;
    Plan &plan_;
};

class Placer
{
public:
    Placer(const arch::Arch &arch, Plan &plan) : arch_(arch), plan_(plan) {}

    std::string place()
    {
        choose_tiles();
        if (plan_.tiles > arch_.tiles)
            return "expected at most the " + std::to_string(arch_.tiles) +
                   " tiles of a slot; found " + std::to_string(plan_.tiles);
        memory_.resize(plan_.tiles);
        for (Part &part : plan_.parts)
            part.remote =
                !part.direct && plan_.cuts[part.maker].tile != plan_.cuts[part.reader].tile;
        for (uint32_t n = 0; n < plan_.nodes.size(); n++)
            lay_out(n);
        for (Part &part : plan_.parts) {
            const uint32_t tile = plan_.cuts[part.reader].tile;
            part.base = allocate(tile, uint64_t{part.rows} * part.pitch());
            if (part.pads_rows) part.pad_row = allocate(tile, part.pitch());
            if (part.remote)
                part.staged =
                    allocate(plan_.cuts[part.maker].tile, uint64_t{kStagedRows} * part.row_words());
        }
        for (uint32_t t = 0; t < plan_.tiles; t++)
            if (memory_[t] > arch_.shared_words)
                return "expected at most " + std::to_string(arch_.shared_words) +
                       " words of shared memory in tile " + std::to_string(t) + "; found " +
                       std::to_string(memory_[t]);
        return {};
    }

private:
    // Nodes in their order, as many as fit into a tile; each beside its operand where it does.
    void choose_tiles()
    {
        uint32_t tile = 0, cores = 0;
        uint64_t words = 0;
        for (uint32_t n = 0; n < plan_.nodes.size(); n++) {
            NodeCut &cut = plan_.cuts[n];
            if (cut.direct) continue;
            const auto count = static_cast<uint32_t>(cut.cores.size());
            const uint64_t more = words_of(n);
            if (cores && (cores + count > arch_.cores || words + more > arch_.shared_words)) {
                tile++;
                cores = 0;
                words = 0;
            }
            cut.tile = tile;
            for (CoreCut &core : cut.cores)
                core.core = cores++;
            words += more;
        }
        plan_.tiles = tile + 1;
    }

    // At the most: rows for other tiles among them.
    uint64_t words_of(uint32_t n) const
    {
        const Node &node = plan_.nodes[n];
        const NodeCut &cut = plan_.cuts[n];
        uint64_t words = 0;
        for (const CoreCut &core : cut.cores) {
            words += parameters(node, core).size();
            for (const uint32_t p : core.parts)
                words += uint64_t{plan_.parts[p].rows + 1} * plan_.parts[p].pitch();
        }
        for (const UnitCut &u : cut.units)
            words += 2 * uint64_t{u.n1 - u.n0};
        for (const uint32_t p : cut.feeds)
            words += uint64_t{kStagedRows} * plan_.parts[p].row_words();
        if (node.kind == NodeKind::Input) words += node.out.words();
        if (node.output) words += node.out.words();
        return words;
    }

    uint32_t allocate(uint32_t tile, uint64_t words)
    {
        const uint64_t at = memory_[tile];
        memory_[tile] += words;
        return static_cast<uint32_t>(std::min<uint64_t>(at, kMaxAddress));
    }

    void lay_out(uint32_t n)
    {
        const Node &node = plan_.nodes[n];
        NodeCut &cut = plan_.cuts[n];
        if (cut.direct) return;
        if (node.kind == NodeKind::Input) cut.port = allocate(cut.tile, node.out.words());
        for (CoreCut &core : cut.cores)
            core.parameters = allocate(cut.tile, parameters(node, core).size());
        std::map<uint32_t, uint32_t> owner; // core of a block
        for (const UnitCut &u : cut.units) {
            const uint32_t first = owner.emplace(u.block, u.core).first->second;
            if (u.core != first && !cut.partials.contains({u.block, u.core}))
                cut.partials[{u.block, u.core}] = allocate(cut.tile, 2 * uint64_t{u.n1 - u.n0});
        }
        if (!node.output) return;
        for (const uint32_t k : cut.owners) {
            const uint64_t channels = cut.cores[k].c1 - cut.cores[k].c0;
            cut.output_at.push_back(
                allocate(cut.tile, uint64_t{node.out.h} * node.out.w * channels));
        }
    }

    const arch::Arch &arch_;
    Plan &plan_;
    std::vector<uint64_t> memory_; // words used, by tile
};

} // namespace

std::vector<UnitCut> cut_product(const arch::Arch &arch, const Shape &in, const Node &node)
{
    const uint32_t taps = node.window.taps(), n = node.out.c;
    std::vector<UnitCut> units;
    if (taps > arch.rows) return units;
    const uint32_t groups = groups_of(in, node);
    const uint32_t of_in = in.c / groups, of_out = n / groups;
    const uint32_t side_by_side = of_in * taps <= arch.rows && of_out <= arch.cols
                                      ? std::min(arch.rows / (of_in * taps), arch.cols / of_out)
                                      : 0;
    uint32_t block = 0;
    for (uint32_t g = 0; g < groups; g += std::max(side_by_side, 1u)) {
        if (side_by_side) {
            const uint32_t end = std::min(g + side_by_side, groups);
            units.push_back({.c0 = g * of_in,
                             .c1 = end * of_in,
                             .n0 = g * of_out,
                             .n1 = end * of_out,
                             .block = block++});
            continue;
        }
        // Even parts: no unit is slower than it must be.
        const uint32_t across = above(of_out, arch.cols), down = above(of_in, arch.rows / taps);
        for (uint32_t j = 0; j < across; j++, block++)
            for (uint32_t i = 0; i < down; i++) {
                UnitCut u;
                u.c0 = g * of_in + static_cast<uint32_t>(uint64_t{of_in} * i / down);
                u.c1 = g * of_in + static_cast<uint32_t>(uint64_t{of_in} * (i + 1) / down);
                u.n0 = g * of_out + static_cast<uint32_t>(uint64_t{of_out} * j / across);
                u.n1 = g * of_out + static_cast<uint32_t>(uint64_t{of_out} * (j + 1) / across);
                u.block = block;
                units.push_back(u);
            }
    }
    return units;
}

uint32_t units_of(const arch::Arch &arch, const Shape &in, const Node &node)
{
    return static_cast<uint32_t>(cut_product(arch, in, node).size());
}

std::vector<int16_t> parameters(const Node &node, const CoreCut &core)
{
    std::vector<int16_t> words;
    if (!core.owner()) return words;
    const auto put = [&](int32_t pair) {
        words.push_back(static_cast<int16_t>(pair));
        words.push_back(static_cast<int16_t>(pair >> 16));
    };
    if (node.kind == NodeKind::Product)
        for (uint32_t k = core.c0; k < core.c1; k++) {
            put(node.bias[k]);
            put(node.multiplier[k]);
            words.push_back(static_cast<int16_t>(node.shift[k]));
        }
    if (node.kind == NodeKind::AveragePool) {
        // A little more than 1 / taps: what is half way then goes away from zero, on either side,
        // and nothing else is moved past a half.
        const uint32_t taps = node.window.taps();
        uint32_t bits = 0;
        while ((1u << bits) < taps)
            bits++;
        const uint32_t shift = 29 + bits;
        for (uint32_t k = 0; k < std::min(node.out.c, kAverageChannels); k++) {
            put(0);
            put(static_cast<int32_t>((uint64_t{1} << shift) / taps + 1));
            words.push_back(static_cast<int16_t>(shift));
        }
    }
    for (const Then &then : node.then)
        if (then.join) {
            put(then.join->factor);
            put(then.join->other_factor);
            words.push_back(static_cast<int16_t>(then.join->zero));
            words.push_back(static_cast<int16_t>(then.join->other_zero));
            words.push_back(static_cast<int16_t>(then.join->shift));
        }
    return words;
}

std::string cut(const arch::Arch &arch, Plan &plan)
{
    return Cutter(arch, plan).cut();
}

std::string place(const arch::Arch &arch, Plan &plan)
{
    return Placer(arch, plan).place();
}

} // namespace acc::isa::dataflow
