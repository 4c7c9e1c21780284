// SPDX-License-Identifier: MIT
//
// What map clauses do to a table of mapped memory, with the arrays that clang passes.
#include "libacc/interop/openmp/mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace acc::openmp
{
namespace
{

using testing::ElementsAre;
using testing::MatchesRegex;

constexpr int64_t kToFrom = kMapTo | kMapFrom;

int64_t member_of(int64_t index)
{
    return (index + 1) << 48;
}

class Maps : public testing::Test
{
protected:
    void SetUp() override
    {
        ASSERT_EQ(acc_device_open("inproc:fpga:preset=fast,regions=1", nullptr, &device), 0)
            << acc_error_text();
        memory.emplace(device);
        mapping.emplace(*memory);
    }
    void TearDown() override
    {
        mapping.reset();
        memory.reset();
        if (device) {
            EXPECT_EQ(acc_device_close(device), 0);
        }
    }

    // The arguments of a call, one more each time.
    struct Arguments {
        std::vector<void *> bases, begins;
        std::vector<int64_t> sizes, types;
        std::vector<void *> mappers;

        Arguments &add(void *base, void *begin, int64_t bytes, int64_t type, void *mapper = nullptr)
        {
            bases.push_back(base);
            begins.push_back(begin);
            sizes.push_back(bytes);
            types.push_back(type);
            mappers.push_back(mapper);
            return *this;
        }
        MapArguments get()
        {
            return {static_cast<int32_t>(bases.size()),
                    bases.data(),
                    begins.data(),
                    sizes.data(),
                    types.data(),
                    mappers.data()};
        }
    };
    static Arguments one(void *begin, int64_t bytes, int64_t type)
    {
        return Arguments().add(begin, begin, bytes, type);
    }

    std::string begin(Arguments arguments) { return mapping->begin(arguments.get()); }
    std::string end(Arguments arguments) { return mapping->end(arguments.get()); }
    std::string update(Arguments arguments) { return mapping->update(arguments.get()); }
    template <typename T>
    T *there(T *host)
    {
        return static_cast<T *>(mapping->find(host, sizeof *host));
    }

    acc_device *device = nullptr;
    std::optional<DeviceMemory> memory;
    std::optional<Mapping> mapping;
    int x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
};

TEST_F(Maps, CopyInAndOutAndGo)
{
    ASSERT_EQ(begin(one(x, sizeof x, kToFrom)), "");
    int *const device_x = there(x);
    ASSERT_NE(device_x, nullptr);
    EXPECT_EQ(there(&x[3]), device_x + 3);
    EXPECT_EQ(there(x + 8), nullptr) << "behind the end";
    EXPECT_EQ(reinterpret_cast<uintptr_t>(device_x) % 64, reinterpret_cast<uintptr_t>(x) % 64);
    EXPECT_EQ(device_x[7], 8);
    device_x[7] = 80;
    EXPECT_EQ(x[7], 8);
    ASSERT_EQ(end(one(x, sizeof x, kToFrom)), "");
    EXPECT_EQ(x[7], 80);
    EXPECT_EQ(there(x), nullptr);
}

TEST_F(Maps, AreCounted)
{
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    int *const device_x = there(x);
    x[0] = 10;
    ASSERT_EQ(begin(one(&x[0], 8, kToFrom)), "");
    EXPECT_EQ(device_x[0], 1) << "it was there";
    ASSERT_EQ(begin(one(&x[1], 4, kMapTo | kMapAlways)), "");
    device_x[0] = device_x[1] = -1;
    ASSERT_EQ(end(one(&x[0], 8, kToFrom)), "");
    EXPECT_EQ(x[0], 10) << "it is still mapped";
    ASSERT_EQ(end(one(&x[1], 4, kMapFrom | kMapAlways)), "");
    EXPECT_EQ(x[1], -1);
    ASSERT_EQ(end(one(x, sizeof x, kMapFrom)), "");
    EXPECT_EQ(x[0], -1);
    EXPECT_EQ(there(x), nullptr);
}

TEST_F(Maps, AreDeletedWhateverTheirCount)
{
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    ASSERT_EQ(end(one(x, sizeof x, kMapDelete)), "");
    EXPECT_EQ(there(x), nullptr);
    EXPECT_EQ(end(one(x, sizeof x, kMapFrom)), "") << "what is not mapped is left alone";
    EXPECT_EQ(x[0], 1);
}

TEST_F(Maps, RefuseWhatCanNotBe)
{
    EXPECT_THAT(begin(one(x, 8, kMapTo | kMapPresent)),
                MatchesRegex("expected 8 bytes at 0x[0-9a-f]+ to be mapped \\(present\\); found "
                             "them not"));
    EXPECT_THAT(end(one(x, 8, kMapFrom | kMapPresent)), MatchesRegex("expected 8 bytes .*"));
    EXPECT_THAT(update(one(x, 8, kMapTo | kMapPresent)), MatchesRegex("expected 8 bytes .*"));
    EXPECT_EQ(update(one(x, 8, kMapTo)), "");
    ASSERT_EQ(begin(one(x, 16, kMapTo)), "");
    EXPECT_THAT(begin(one(x, 32, kMapTo)),
                MatchesRegex("expected memory that is mapped as a whole or not at all; found 32 "
                             "bytes at 0x[0-9a-f]+, of which 16 are mapped"));
    EXPECT_THAT(update(one(x, 32, kMapTo | kMapPresent)), MatchesRegex("expected 32 bytes .*"));
}

TEST_F(Maps, OfNoBytesCreateNothing)
{
    ASSERT_EQ(begin(one(x, 0, kMapTo)), "");
    EXPECT_EQ(mapping->find(x, 0), nullptr);
    ASSERT_EQ(end(one(x, 0, kMapTo)), "");
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    EXPECT_NE(mapping->find(x + 8, 0), nullptr) << "its end is its own";
}

// struct { int n; int *values; }: a map of its members, and of what one points to.
TEST_F(Maps, AttachPointers)
{
    struct {
        int n = 3;
        int *values = nullptr;
    } s;
    s.values = x;
    Arguments whole;
    whole.add(&s, &s, sizeof s, kToFrom | kMapTargetParam)
        .add(&s, &s.n, sizeof s.n, kToFrom | member_of(0))
        .add(&s.values, x, sizeof x, kToFrom | kMapPtrAndObj | member_of(0));
    ASSERT_EQ(begin(whole), "");
    auto *const device_s = there(&s);
    ASSERT_NE(device_s, nullptr);
    EXPECT_EQ(device_s->n, 3);
    EXPECT_EQ(device_s->values, there(&x[0]));
    device_s->values[1] = 20;
    device_s->n = 4;
    // Neither side's pointer is copied over the other's.
    ASSERT_EQ(update(one(&s, sizeof s, kMapFrom)), "");
    EXPECT_EQ(s.n, 4);
    EXPECT_EQ(s.values, x);
    ASSERT_EQ(update(one(&s, sizeof s, kMapTo)), "");
    EXPECT_EQ(device_s->values, there(&x[0]));
    ASSERT_EQ(end(whole), "");
    EXPECT_EQ(s.values, x);
    EXPECT_EQ(x[1], 20);
    EXPECT_EQ(there(&s), nullptr);
    EXPECT_EQ(there(x), nullptr);
}

TEST_F(Maps, ReturnTheDevicesAddress)
{
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    Arguments arguments = one(&x[2], 0, kMapReturnParam);
    ASSERT_EQ(mapping->begin(arguments.get()), "");
    EXPECT_EQ(arguments.bases[0], there(&x[2]));
}

TEST_F(Maps, UpdateEveryOtherElement)
{
    struct {
        uint64_t offset, count, stride;
    } dimensions[] = {{1, 3, 8}, {0, 1, 4}}; // x[2:3:2] as clang has it: a row is two elements
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    for (int i = 0; i < 8; i++)
        there(x)[i] = -x[i];
    ASSERT_EQ(update(Arguments().add(x, dimensions, 2, kMapFrom | kMapNonContiguous)), "");
    EXPECT_THAT(x, ElementsAre(1, 2, -3, 4, -5, 6, -7, 8));
}

TEST_F(Maps, GlobalsAndAssociatedMemoryStay)
{
    int device_x[8] = {};
    EXPECT_TRUE(mapping->associate(x, device_x, sizeof x));
    EXPECT_FALSE(mapping->associate(x, device_x, sizeof x)) << "it is";
    ASSERT_EQ(begin(one(x, sizeof x, kToFrom)), "");
    EXPECT_EQ(device_x[0], 0) << "not copied: it has been there";
    ASSERT_EQ(end(one(x, sizeof x, kToFrom | kMapDelete)), "");
    EXPECT_EQ(there(x), device_x);
    ASSERT_EQ(update(one(x, 4, kMapTo)), "");
    EXPECT_EQ(device_x[0], 1);
    EXPECT_TRUE(mapping->disassociate(x));
    EXPECT_FALSE(mapping->disassociate(x));
    EXPECT_EQ(there(x), nullptr);
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    EXPECT_FALSE(mapping->disassociate(x)) << "mapped, not associated";
}

TEST_F(Maps, BecomeParameters)
{
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    int own = 5;
    void *const literal = reinterpret_cast<void *>(77);
    Arguments arguments;
    arguments.add(literal, literal, 8, kMapLiteral | kMapTargetParam)
        .add(&own, &own, sizeof own, kMapPrivate | kMapTo | kMapTargetParam)
        .add(x, &x[2], 4, kMapTo | kMapTargetParam)
        .add(x, &x[1], 4, kMapTo)
        .add(&own, &own, 0, kMapTargetParam | kMapImplicit);
    std::vector<uint64_t> list;
    std::vector<void *> temporaries;
    ASSERT_EQ(mapping->parameters(arguments.get(), list, temporaries), "");
    ASSERT_EQ(list.size(), 4u);
    EXPECT_EQ(list[0], 77u);
    auto *const copy = reinterpret_cast<int *>(list[1]);
    EXPECT_EQ(*copy, 5);
    EXPECT_NE(copy, &own);
    EXPECT_EQ(list[2], reinterpret_cast<uint64_t>(there(&x[0]))) << "the base of x[2:1]";
    EXPECT_EQ(list[3], reinterpret_cast<uint64_t>(&own)) << "not mapped: it keeps its value";
    ASSERT_EQ(temporaries.size(), 1u);
    EXPECT_TRUE(memory->free(temporaries[0]));
}

TEST_F(Maps, FindWhatAnArrayHasMapped)
{
    ASSERT_EQ(begin(Arguments().add(x, &x[4], 8, kMapTo)), "");
    std::vector<uint64_t> list;
    std::vector<void *> temporaries;
    Arguments implicit = one(x, 0, kMapTargetParam | kMapImplicit);
    ASSERT_EQ(mapping->parameters(implicit.get(), list, temporaries), "");
    EXPECT_EQ(list[0], reinterpret_cast<uint64_t>(there(&x[4])) - 16) << "x, with x[4:2] mapped";
    // An implicit map of all of it takes what there is.
    EXPECT_EQ(begin(one(x, sizeof x, kToFrom | kMapImplicit)), "");
    EXPECT_EQ(end(one(x, sizeof x, kToFrom | kMapImplicit)), "");
    EXPECT_EQ(there(&x[0]), nullptr);
    EXPECT_NE(there(&x[5]), nullptr);
}

TEST_F(Maps, SetWhatALambdaHasCaptured)
{
    struct {
        int *captured;
    } lambda = {x};
    ASSERT_EQ(begin(one(x, sizeof x, kMapTo)), "");
    Arguments arguments;
    arguments.add(&lambda, &lambda, sizeof lambda, kMapTo | kMapPrivate | kMapTargetParam)
        .add(&lambda.captured, x, 8, kMapPtrAndObj | kMapLiteral | kMapImplicit | member_of(0));
    std::vector<uint64_t> list;
    std::vector<void *> temporaries;
    ASSERT_EQ(mapping->parameters(arguments.get(), list, temporaries), "");
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(reinterpret_cast<decltype(lambda) *>(list[0])->captured, there(&x[0]));
}

// As clang's mappers do, for a pointer's two halves.
void map_in_halves(void *handle, void *base, void *begin, int64_t, int64_t type, void *)
{
    auto *to = static_cast<Mapping::Components *>(handle);
    for (int i = 0; i < 2; i++) {
        to->bases.push_back(base);
        to->begins.push_back(static_cast<int *>(begin) + 4 * i);
        to->sizes.push_back(16);
        to->types.push_back(type & kToFrom);
    }
}

TEST_F(Maps, AskMappers)
{
    Arguments arguments;
    arguments.add(x, x, sizeof x, kToFrom, reinterpret_cast<void *>(map_in_halves));
    ASSERT_EQ(begin(arguments), "");
    ASSERT_NE(there(&x[0]), nullptr);
    ASSERT_NE(there(&x[4]), nullptr);
    there(&x[4])[0] = 50;
    ASSERT_EQ(
        update(Arguments().add(x, x, sizeof x, kMapFrom, reinterpret_cast<void *>(map_in_halves))),
        "");
    EXPECT_EQ(x[4], 50);
    ASSERT_EQ(end(arguments), "");
    EXPECT_EQ(there(&x[4]), nullptr);
}

} // namespace
} // namespace acc::openmp
