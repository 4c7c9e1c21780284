// SPDX-License-Identifier: MIT
#include "emulator/spec.h"

#include "emulator/options.h"

#include <algorithm>

namespace acc::emu
{

namespace
{

EngineFactory factory_of(std::string_view name)
{
    if (name == "null") return create_null_engine;
    if (name == "crossbar") return create_crossbar_engine;
    if (name == "fpga") return create_fpga_engine;
    return nullptr;
}

} // namespace

bool Emulator::keeps_cells(std::string_view spec)
{
    const EngineFactory factory = factory_of(spec.substr(0, spec.find(':')));
    std::string why;
    auto engine = factory ? factory({}, why) : Error{-ENODEV};
    return engine && (*engine)->info().non_volatile;
}

std::string Emulator::why_not_served(std::string_view spec)
{
    std::vector<Option> options;
    std::string why;
    spec.remove_prefix(std::min(spec.size(), spec.find(':')));
    if (!spec.empty()) spec.remove_prefix(1);
    if (!parse_options(spec, options, why)) return why;
    for (const Option &option : options)
        if (option.key == "isolation" && option.value == "untrusted")
            return "option isolation: expected native or all in a service; found untrusted";
    return {};
}

Result<DeviceParts> make_device_parts(std::string_view spec, std::string &why,
                                      const LogFunction &log)
{
    const std::string_view name = spec.substr(0, spec.find(':'));
    spec.remove_prefix(std::min(spec.size(), name.size() + 1));
    const EngineFactory factory = factory_of(name);
    if (!factory) {
        why = "expected engine crossbar, fpga or null, found '" + std::string(name) + "'";
        return Error{-ENODEV};
    }
    std::vector<Option> all, common, own;
    if (!parse_options(spec, all, why)) return Error{-EINVAL};
    for (Option &option : all) {
        const bool ours = option.key == "scatter" || option.key == "staged" ||
                          option.key == "pace" || option.key == "workers" ||
                          option.key == "memory" || option.key == "state" ||
                          option.key == "policy" || option.key == "slot_quota";
        (ours ? common : own).push_back(std::move(option));
    }
    uint64_t scatter = 0, staged = 0, workers = 0, slot_quota = 0;
    DeviceOptions options;
    std::string pace = "fast", state;
    OptionReader reader(common, why);
    reader.number("scatter", scatter, 0, 1);
    reader.number("staged", staged, 0, 1);
    reader.choice("pace", pace, {"fast", "real"});
    reader.number("workers", workers, 1, 256);
    reader.number("memory", options.memory_bytes, 1u << 20, 1ull << 40);
    reader.text("state", state);
    reader.choice("policy", options.policy, policy::policy_names());
    reader.number("slot_quota", slot_quota, 0, 1024);
    if (!reader.finish()) return Error{-EINVAL};
    options.scatter = scatter != 0;
    options.staged = staged != 0;
    options.pace_real = pace == "real";
    options.workers = unsigned(workers);
    options.slot_quota = uint32_t(slot_quota);

    auto engine = factory(own, why);
    if (!engine) return Error{engine.error()};
    std::unique_ptr<CellStore> cells;
    if (!state.empty()) {
        const EngineInfo info = (*engine)->info();
        if (!info.non_volatile) {
            why = "option state: expected none, as the slots of engine " + std::string(name) +
                  " keep nothing; found '" + state + "'";
            return Error{-EINVAL};
        }
        ACC_TRY(cells, CellStore::open(state, info, log, why));
    }
    return DeviceParts{std::move(*engine), options, std::move(cells)};
}

} // namespace acc::emu
