// SPDX-License-Identifier: MIT
#include "tests/kernel/logic/logic.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

int acc_shim_fail = 0;

namespace acc::fuzz
{

namespace
{

constexpr u64 page = ACC_PAGE_BYTES;
constexpr u32 pages = 64; // of the modelled address space
constexpr u32 limit = 24; // bindings
constexpr u64 base = 0x5660'0000'0000;

void expect(bool holds, const char *what)
{
    if (holds) return;
    std::fprintf(stderr, "kernel logic: %s\n", what);
    std::abort();
}

class Input
{
public:
    explicit Input(std::span<const std::byte> bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.empty(); }
    u32 next(u32 below)
    {
        if (bytes_.empty()) return 0;
        const auto value = u32(bytes_.front());
        bytes_ = bytes_.subspan(1);
        return value % below;
    }

private:
    std::span<const std::byte> bytes_;
};

// Which binding shows each page, by its number + 1; 0: none.
struct Model {
    std::array<u32, pages> shows{};
    std::array<std::unique_ptr<acc_va>, limit + 1> nodes;
    u32 count = 0;

    u32 free_number() const
    {
        for (u32 i = 0; i < nodes.size(); i++)
            if (!nodes[i]) return i;
        return u32(nodes.size());
    }
};

void insert(Model &model, acc_va_space &space, u32 first, u32 length)
{
    const u32 number = model.free_number();
    expect(number < model.nodes.size(), "the model is full before the limit");
    auto node = std::make_unique<acc_va>();
    *node = {base + first * page, length * page, 3, 0, false};
    int expected = 0;
    for (u32 i = first; i < first + length; i++)
        if (model.shows[i]) expected = -EEXIST;
    if (!expected && model.count == limit) expected = -E2BIG;
    expect(acc_va_insert(&space, node.get()) == expected, "insert");
    if (expected) return;
    for (u32 i = first; i < first + length; i++)
        model.shows[i] = number + 1;
    model.nodes[number] = std::move(node);
    model.count++;
}

// What acc_va_range() must say of [first, first + length).
int range_of(const Model &model, u32 first, u32 length, u32 &count)
{
    count = 0;
    const auto begins = [&](u32 at) {
        return model.shows[at] && (!at || model.shows[at - 1] != model.shows[at]);
    };
    if (!begins(first)) return -ENOENT;
    for (u32 i = first; i < first + length; i++) {
        if (!model.shows[i]) return -EINVAL;
        if (!begins(i)) continue;
        const acc_va &node = *model.nodes[model.shows[i] - 1];
        if (node.range > (first + length - i) * page) return -EINVAL;
        if (node.busy || node.queues) return -EBUSY;
        count++;
    }
    return 0;
}

void remove(Model &model, acc_va_space &space, u32 first, u32 length)
{
    u32 count = 0, found = 0;
    const int expected = range_of(model, first, length, count);
    const int at = acc_va_range(&space, base + first * page, length * page, &found);
    expect(expected ? at == expected : at >= 0 && found == count, "range");
    if (expected) return;
    for (u32 i = first; i < first + length; i++) {
        const u32 number = model.shows[i];
        model.shows[i] = 0;
        if (!number || !model.nodes[number - 1]) continue;
        acc_va_remove(&space, model.nodes[number - 1].get());
        model.nodes[number - 1].reset();
        model.count--;
    }
}

void look(const Model &model, const acc_va_space &space, u32 at, u32 inside)
{
    const acc_va *found = acc_va_find(&space, base + at * page + inside);
    const acc_va *expected = model.shows[at] ? model.nodes[model.shows[at] - 1].get() : nullptr;
    expect(found == expected, "find");
}

void try_extents(Input &input)
{
    acc_extents extents;
    acc_extents_init(&extents);
    std::vector<u64> buses;
    const u32 count = input.next(48);
    u64 bus = page;
    for (u32 i = 0; i < count; i++) {
        bus += input.next(3) * page; // the same again, the next, or a hole
        expect(!acc_extents_add(&extents, bus), "add a page");
        buses.push_back(bus);
    }
    expect(acc_extents_add(&extents, bus + 1) == -EINVAL, "an address within a page");
    expect(extents.pages == buses.size(), "number of pages");
    std::array<__le64, 64> list;
    const u32 first = input.next(64), length = input.next(64);
    const int error = acc_extents_fill(&extents, first, length, list.data());
    expect(error == (first + length <= count ? 0 : -EINVAL), "what is outside is refused");
    for (u32 i = 0; !error && i < length; i++)
        expect(list[i] == buses[first + i], "a page's address");
    acc_extents_fini(&extents);
}

} // namespace

void try_logic(std::span<const std::byte> bytes)
{
    Input input(bytes);
    Model model;
    acc_va_space space;
    acc_va_init(&space, limit);
    acc_shim_fail = 0;
    while (!input.empty()) {
        const u32 what = input.next(6);
        const u32 first = input.next(pages);
        const u32 length = 1 + input.next(pages - first);
        switch (what) {
        case 0:
        case 1:
            insert(model, space, first, length % 8 + 1 > pages - first ? 1 : length % 8 + 1);
            break;
        case 2:
            remove(model, space, first, length);
            break;
        case 3:
            look(model, space, first, length * 17 % page);
            break;
        case 4: // a queue comes or goes
            if (model.shows[first]) model.nodes[model.shows[first] - 1]->queues ^= 1;
            break;
        default:
            try_extents(input);
        }
        expect(acc_va_valid(&space) && space.count == model.count, "the array is in order");
    }
    acc_va_fini(&space);
}

std::vector<std::vector<std::byte>> logic_seeds()
{
    std::vector<std::vector<std::byte>> seeds;
    for (unsigned seed = 1; seed <= 8; seed++) {
        std::vector<std::byte> bytes(64 * seed);
        u32 state = seed * 2654435761u;
        for (auto &byte : bytes) {
            state = state * 1664525u + 1013904223u;
            byte = std::byte(state >> 24);
        }
        seeds.push_back(std::move(bytes));
    }
    return seeds;
}

} // namespace acc::fuzz
