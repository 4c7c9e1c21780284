// SPDX-License-Identifier: MIT
//
// A crossbar that keeps its cells in a directory of the test, and programs for it.
#pragma once

#include "acc/regs.h"
#include "emulator/cell_store.h"
#include "emulator/residency.h"
#include "program/program_writer.h"
#include "program/text.h"
#include "tests/unit/emulator/card.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace acc::emu
{

using namespace conformance;
namespace fs = std::filesystem;

// The same matrix as Work's, in a unit that others may share.
inline std::vector<std::byte> shared_image(unsigned variant)
{
    constexpr uint32_t items = 4;
    struct {
        acc_xbar_image header;
        acc_xbar_matrix matrix;
        int8_t weights[items][items];
    } content = {};
    content.header = {ACC_XBAR_MAGIC, 1, 1, 0};
    content.matrix.rows = content.matrix.cols = items;
    content.matrix.weight_bits = content.matrix.input_bits = 8;
    content.matrix.output_bytes = 4;
    content.matrix.flags = ACC_XBAR_INPUT_SIGNED;
    content.matrix.data_offset = offsetof(decltype(content), weights);
    content.matrix.data_bytes = sizeof content.weights;
    for (uint32_t i = 0; i < items; i++)
        content.weights[i][i] = int8_t(1 + variant);
    program::ProgramWriter writer;
    acc_unit_desc unit = {};
    unit.target = ACC_TARGET_CROSSBAR;
    unit.hash[0] = 1;
    program::set_name(unit.name, "shared");
    acc_kernel_desc kernel = {};
    kernel.target = ACC_TARGET_CROSSBAR;
    kernel.unit = writer.add_unit(unit);
    kernel.kernarg_bytes = sizeof(acc_mvm_args);
    program::set_name(kernel.name, "shared");
    writer.add_kernel(kernel);
    const auto bytes = std::as_bytes(std::span(&content, 1));
    writer.set_image(ACC_TARGET_CROSSBAR, {bytes.begin(), bytes.end()});
    std::string why;
    auto image = writer.finish(&why);
    if (!image) give_up(why, image.error());
    return std::move(*image);
}

// A program of the crossbar that multiplies by a number, with arguments and memory.
class Multiplier
{
public:
    Multiplier(Accel &accel, unsigned variant, bool persistent = true, bool shared = false)
        : accel_(accel), variant_(variant), page_(accel, page_bytes), signals_(accel, 1)
    {
        const auto image =
            shared ? shared_image(variant) : Work::image(DRM_ACC_ENGINE_CROSSBAR, variant);
        Buffer memory(accel, image.size());
        std::memcpy(memory.at(), image.data(), image.size());
        load_.handle = memory.handle();
        load_.size = image.size();
        load_.flags = persistent ? DRM_ACC_PROGRAM_PERSISTENT : 0;
        if (const int error = accel.call(DRM_IOCTL_ACC_PROGRAM_LOAD, load_))
            give_up("PROGRAM_LOAD", error);
        Work::prepare(DRM_ACC_ENGINE_CROSSBAR, variant, page_.at());
        done_ = signals_.make(0);
    }
    drm_acc_program_query query()
    {
        drm_acc_program_query args = {};
        args.program = load_.program;
        EXPECT_EQ(accel_.call(DRM_IOCTL_ACC_PROGRAM_QUERY, args), 0);
        return args;
    }
    int prefetch()
    {
        drm_acc_program_prefetch args = {};
        args.program = load_.program;
        return accel_.call(DRM_IOCTL_ACC_PROGRAM_PREFETCH, args);
    }
    int pin(uint32_t pin = 1)
    {
        drm_acc_program_pin args = {};
        args.program = load_.program;
        args.pin = pin;
        return accel_.call(DRM_IOCTL_ACC_PROGRAM_PIN, args);
    }
    int unload()
    {
        drm_acc_program_unload args = {};
        args.program = load_.program;
        return accel_.call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, args);
    }
    // The status of one dispatch; its result is looked at if it is OK.
    uint32_t run(Queue &queue)
    {
        Work::clear(page_.at());
        shared(done_->value).store(1);
        done_->status = 0;
        queue.submit(dispatch(load_.kernel_object_base, page_.address(), done_));
        if (wait_for(accel_, done_)) give_up("a dispatch did not end");
        if (status_of(done_) == ACC_STATUS_OK &&
            !Work::is_right(DRM_ACC_ENGINE_CROSSBAR, variant_, page_.at()))
            give_up("a product is wrong");
        return status_of(done_);
    }
    uint32_t run()
    {
        Queue queue(accel_);
        return run(queue);
    }

private:
    Accel &accel_;
    unsigned variant_;
    Buffer page_;
    Signals signals_;
    drm_acc_program_load load_ = {};
    acc_signal_memory *done_ = nullptr;
};

class Persist : public testing::Test
{
protected:
    void SetUp() override
    {
        std::string name = testing::TempDir() + "acc-cells-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        root_ = name;
        state_ = root_ / "0";
    }
    void TearDown() override { fs::remove_all(root_); }

    std::string spec(const std::string &more = "slots=2") const
    {
        return "crossbar:" + more + ",state=" + state_.string();
    }
    LogFunction log()
    {
        return [this](int, std::string_view text) { log_ += std::string(text) + "\n"; };
    }
    // A device whose slot 0 keeps variant 7, and that is gone again.
    void keep_one(unsigned variant = 7)
    {
        Card card(spec());
        auto accel = card.open();
        Multiplier one(*accel, variant);
        ASSERT_EQ(one.run(), uint32_t(ACC_STATUS_OK));
        ASSERT_TRUE(fs::exists(state_ / "slot-0"));
    }
    std::string contents(const std::string &name) const
    {
        std::ifstream file(state_ / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void put(const std::string &name, const std::string &bytes) const
    {
        std::ofstream(state_ / name, std::ios::binary | std::ios::trunc) << bytes;
    }
    // What a slot of a device made now is; and what became of its file.
    void expect_set_aside(const std::string &with, const std::string &reason, int slot = 0)
    {
        log_.clear();
        Card card(with, log());
        auto accel = card.open();
        const std::string name = "slot-" + std::to_string(slot);
        if (uint32_t(slot) < accel->slots()) {
            EXPECT_EQ(accel->query(DRM_ACC_QUERY_SLOT, uint32_t(slot)).slot.state,
                      uint32_t(DRM_ACC_SLOT_EMPTY));
        }
        EXPECT_FALSE(fs::exists(state_ / name));
        EXPECT_TRUE(fs::exists(state_ / (name + ".damaged")));
        EXPECT_NE(log_.find(name + ":"), std::string::npos) << log_;
        EXPECT_NE(log_.find(reason), std::string::npos) << log_;
    }

    fs::path root_, state_;
    std::string log_;
};

} // namespace acc::emu
