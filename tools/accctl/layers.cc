// SPDX-License-Identifier: MIT
//
// accctl run --layers: what each node of a network took, beside what the compiler predicted.
#include "layers.h"

#include "acc/profile.h"
#include "acc/program.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

namespace acc::ctl
{
namespace
{

struct LayerSums {
    double crossbar_ns = 0, fpga_ns = 0, host_ns = 0, pj = 0;
    uint64_t runs = 0;
    std::string kernels;
};

// A step's name is as much of its node's as a container has room for.
std::string short_name(const std::string &node)
{
    std::string name = node.substr(0, 47);
    for (char &c : name)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return name.empty() ? "_" : name;
}

double real_at(const Json &of, const char *key)
{
    return of.is_object() && of.contains(key) && of[key].is_number() ? of[key].get<double>() : 0;
}

std::string string_at(const Json &of, const char *key)
{
    return of.is_object() && of.contains(key) && of[key].is_string() ? of[key].get<std::string>()
                                                                     : std::string();
}

// By the first node of each.
std::map<std::string, double> predicted_programs(const Json &report)
{
    std::map<std::string, double> ns;
    if (!report.is_object() || !report.contains("programs")) return ns;
    for (const Json &p : report["programs"])
        ns[short_name(string_at(p, "node"))] =
            real_at(p, "predicted_first_ns") +
            std::max(real_at(p, "items") - 1, 0.0) * real_at(p, "predicted_interval_ns");
    return ns;
}

} // namespace

bool read_layers(const acc_model *model, const Json &report, uint64_t samples, Json &layers)
{
    std::vector<std::string> order;
    std::map<std::string, LayerSums> measured;
    acc_model_step_times step = ACC_INIT(acc_model_step_times);
    uint32_t index = 0;
    for (; acc_model_get_step_times(model, index, &step) == 0; ++index) {
        const auto [it, fresh] = measured.emplace(step.name, LayerSums{});
        if (fresh) order.emplace_back(step.name);
        LayerSums &m = it->second;
        const auto each = static_cast<double>(std::max<uint64_t>(samples, 1));
        const bool host = step.target == ACC_TARGET_HOST;
        (host                                 ? m.host_ns
         : step.target == ACC_TARGET_CROSSBAR ? m.crossbar_ns
                                              : m.fpga_ns) +=
            static_cast<double>(host ? step.busy_ns : step.modelled_ns) / each;
        m.pj += static_cast<double>(step.energy_pj) / each;
        m.runs += step.runs;
        m.kernels += (m.kernels.empty() ? "" : ", ") + std::string(step.kernel);
    }
    if (index == 0) return false;
    std::map<std::string, Json> nodes;
    if (report.is_object() && report.contains("nodes"))
        for (const Json &n : report["nodes"])
            nodes.emplace(short_name(string_at(n, "node")), n);
    const std::map<std::string, double> programs = predicted_programs(report);
    layers = Json::array();
    for (const std::string &name : order) {
        const LayerSums &m = measured[name];
        const Json node = nodes.contains(name) ? nodes[name] : Json();
        const Json predicted =
            node.is_object() && node.contains("predicted") ? node["predicted"] : Json::object();
        const auto program = programs.find(name);
        Json layer = {
            {"node", name},
            {"kernels", m.kernels},
            {"runs", m.runs},
            {"measured",
             {{"crossbar_ns", m.crossbar_ns},
              {"fpga_ns", m.fpga_ns},
              {"host_ns", m.host_ns},
              {"pj", m.pj}}},
            {"predicted",
             {{"crossbar_ns",
               program == programs.end() ? real_at(predicted, "crossbar_ns") : program->second},
              {"fpga_ns", real_at(predicted, "fpga_ns")},
              {"pj", real_at(predicted, "crossbar_pj") + real_at(predicted, "fpga_pj")}}}};
        layers.push_back(std::move(layer));
    }
    return true;
}

void print_layers(const Json &layers)
{
    printf("\nan item, modelled (host: real time)%*s crossbar ns          fpga ns       host ns\n",
           5, "");
    printf("%-40s %10s %9s %9s %9s %9s\n", "node", "measured", "predicted", "measured", "predicted",
           "measured");
    for (const Json &l : layers) {
        const Json &m = l["measured"], &p = l["predicted"];
        printf("%-40s %10.0f %9.0f %9.0f %9.0f %9.0f  %s\n",
               one_line(l["node"].get<std::string>()).c_str(), m["crossbar_ns"].get<double>(),
               p["crossbar_ns"].get<double>(), m["fpga_ns"].get<double>(),
               p["fpga_ns"].get<double>(), m["host_ns"].get<double>(),
               one_line(l["kernels"].get<std::string>()).c_str());
    }
}

} // namespace acc::ctl
