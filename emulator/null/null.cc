// SPDX-License-Identifier: MIT
//
// The null engine: the smallest engine there is, a template for a new one and a tool for
// tests. Its kernels do nothing, copy, work for a while, fail or hang.
#include "acc/kernels.h"
#include "acc/program.h"
#include "emulator/clock.h"
#include "emulator/engine.h"
#include "emulator/options.h"
#include "emulator/sync.h"
#include "program/program_file.h"

#include <cstring>
#include <drm/acc_drm.h>
#include <thread>

namespace acc::emu
{

namespace
{

enum class Op { Noop, Copy, Spin, Fail, Hang };

struct OpInfo {
    const char *name;
    Op op;
    uint32_t kernarg_bytes;
};
constexpr OpInfo ops[] = {
    {ACC_NULL_NOOP, Op::Noop, 0},
    {ACC_NULL_COPY, Op::Copy, sizeof(acc_null_args)},
    {ACC_NULL_SPIN, Op::Spin, sizeof(acc_null_args)},
    {ACC_NULL_FAIL, Op::Fail, 0},
    {ACC_NULL_HANG, Op::Hang, 0},
};

const OpInfo *find_op(std::string_view name)
{
    for (const OpInfo &info : ops)
        if (name == info.name) return &info;
    return nullptr;
}

class NullProgram final : public EngineProgram
{
public:
    std::vector<Op> ops; // by kernel
};

class NullEngine final : public Engine
{
public:
    explicit NullEngine(uint32_t slots) : slots_(slots) {}

    EngineInfo info() const override
    {
        EngineInfo info;
        info.engine = DRM_ACC_ENGINE_NULL;
        info.device_id = 0;
        info.name = "null";
        info.config = "slots=" + std::to_string(slots_);
        return info;
    }
    std::vector<SlotInfo> slots() const override
    {
        return std::vector<SlotInfo>(slots_, SlotInfo{.class_id = 1, .capacity = 1});
    }

    Result<std::unique_ptr<EngineProgram>> parse(std::span<const std::byte> image,
                                                 std::string &why) override;
    int load(uint32_t, const EngineProgram &, uint32_t) override { return 0; }
    void unload(uint32_t) override {}
    acc_status execute(const EngineProgram &program, Dispatch &dispatch) override;
    uint64_t estimate_ns(const EngineProgram &program, const Dispatch &dispatch) const override
    {
        const Op op = static_cast<const NullProgram &>(program).ops[dispatch.kernel];
        return op == Op::Noop || op == Op::Fail ? 0 : ~0ull;
    }

private:
    acc_status copy(const acc_null_args &args, Dispatch &dispatch);
    const uint32_t slots_;
};

Result<std::unique_ptr<EngineProgram>> NullEngine::parse(std::span<const std::byte> image,
                                                         std::string &why)
{
    ACC_TRY(const auto file, program::ProgramFile::parse(image, &why));
    const auto kernels = file.kernels(ACC_TARGET_NULL);
    const auto bytes = file.image(ACC_TARGET_NULL);
    if (kernels.empty() || bytes.size() != kernels.size() * sizeof(acc_null_kernel)) {
        why = "expected an image for the null engine with one entry a kernel, found " +
              std::to_string(kernels.size()) + " kernels and " + std::to_string(bytes.size()) +
              " bytes";
        return Error{-EINVAL};
    }
    auto program = std::make_unique<NullProgram>();
    for (const acc_unit_desc &desc : file.units(ACC_TARGET_NULL)) {
        Unit unit;
        unit.name = desc.name;
        unit.class_id = desc.class_id;
        unit.capacity = desc.capacity;
        std::memcpy(unit.hash, desc.hash, sizeof unit.hash);
        program->units.push_back(std::move(unit));
    }
    for (size_t i = 0; i < kernels.size(); i++) {
        acc_null_kernel entry;
        std::memcpy(&entry, bytes.data() + i * sizeof entry, sizeof entry);
        const std::string_view name(entry.op, strnlen(entry.op, sizeof entry.op));
        const OpInfo *info = find_op(name);
        if (!info || kernels[i].kernarg_bytes != info->kernarg_bytes) {
            why = "kernel " + std::string(kernels[i].name) +
                  ": expected noop, copy, spin, fail or hang with its kernarg bytes, found " +
                  std::string(name) + " with " + std::to_string(kernels[i].kernarg_bytes);
            return Error{-EINVAL};
        }
        Kernel kernel;
        kernel.name = kernels[i].name;
        kernel.unit = kernels[i].unit;
        kernel.kernarg_bytes = kernels[i].kernarg_bytes;
        kernel.group_bytes = kernels[i].group_bytes;
        kernel.private_bytes = kernels[i].private_bytes;
        program->kernels.push_back(std::move(kernel));
        program->ops.push_back(info->op);
    }
    return std::unique_ptr<EngineProgram>(std::move(program));
}

acc_status NullEngine::copy(const acc_null_args &args, Dispatch &dispatch)
{
    std::byte buffer[4096];
    for (uint64_t done = 0; done < args.size;) {
        const size_t bytes = std::min<uint64_t>(args.size - done, sizeof buffer);
        if (!dispatch.memory->read(buffer, args.source + done, bytes) ||
            !dispatch.memory->write(args.destination + done, buffer, bytes)) {
            dispatch.text = "copy touches memory that is not bound with that access";
            return ACC_STATUS_INVALID_ADDRESS;
        }
        done += bytes;
        if (dispatch.should_stop()) return ACC_STATUS_TIMEOUT;
    }
    return ACC_STATUS_OK;
}

acc_status NullEngine::execute(const EngineProgram &program, Dispatch &dispatch)
{
    acc_null_args args = {};
    if (!dispatch.kernargs.empty()) {
        std::memcpy(&args, dispatch.kernargs.data(), sizeof args);
        if (args.reserved) {
            dispatch.text = "expected reserved 0 in the kernel arguments";
            return ACC_STATUS_INVALID_KERNARG;
        }
    }
    switch (static_cast<const NullProgram &>(program).ops[dispatch.kernel]) {
    case Op::Noop:
        return ACC_STATUS_OK;
    case Op::Copy:
        return copy(args, dispatch);
    case Op::Spin:
        for (const uint64_t start = now_ns(); now_ns() - start < args.size; cpu_relax())
            if (dispatch.should_stop()) return ACC_STATUS_TIMEOUT;
        return ACC_STATUS_OK;
    case Op::Fail:
        dispatch.text = "the fail kernel fails";
        return ACC_STATUS_ENGINE_ERROR;
    case Op::Hang:
        while (!dispatch.should_stop())
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        return ACC_STATUS_TIMEOUT;
    }
    return ACC_STATUS_ENGINE_ERROR;
}

} // namespace

Result<std::unique_ptr<Engine>> create_null_engine(std::span<const Option> options,
                                                   std::string &why)
{
    uint64_t slots = 4;
    OptionReader reader(options, why);
    reader.number("slots", slots, 1, 64);
    if (!reader.finish()) return Error{-EINVAL};
    return std::unique_ptr<Engine>(std::make_unique<NullEngine>(uint32_t(slots)));
}

} // namespace acc::emu
