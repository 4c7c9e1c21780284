// SPDX-License-Identifier: MIT
#include "tools/accc/emit/report.h"

#include "tools/accc/place/instructions.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace acc::accc
{
namespace
{

uint64_t bytes_of(const Value &v)
{
    return static_cast<uint64_t>(elements(v.dims)) * dtype_size(v.dtype);
}

// The forms of docs/quantisation.md.
const char *rounding_of(Kind kind)
{
    switch (kind) {
    case Kind::Requantize:
        return "multiplier of 31 bits, rounded once, ties up (TFLite, single rounding)";
    case Kind::Add:
        return "multipliers of 28 bits, rounded once, ties up";
    case Kind::Quantize:
    case Kind::Table:
        return "float division, ties to even (ONNX QuantizeLinear)";
    case Kind::AvgPool:
        return "ties away from zero (TFLite)";
    default:
        return nullptr;
    }
}

const char *rounding_of(const std::string &host_op)
{
    if (host_op == "QuantizeLinear" || host_op == "DynamicQuantizeLinear")
        return "float division, ties to even (ONNX QuantizeLinear)";
    if (host_op == "QLinearConv" || host_op == "QLinearMatMul")
        return "factor in double, ties to even (ONNX Runtime)";
    return nullptr;
}

std::string cut_text(const Dims &w, const TileCut &cut)
{
    return dims_text(w) + " in " + std::to_string(cut.row_blocks) + "x" +
           std::to_string(cut.col_blocks) + " blocks of 128x128, " + std::to_string(cut.slices) +
           " slices, pairs";
}

void add_host(const Graph &g, const Op &op, NodeReport &node)
{
    node.engine = node.engine.empty() ? "host" : node.engine + "+host";
    node.kernels.push_back(op.node.op);
    if (const char *rounding = rounding_of(op.node.op)) node.rounding = rounding;
    const std::string &why = g.source(op).host;
    node.reason = why.empty() ? "the host alone was asked for" : why;
    for (const ValueId id : op.inputs)
        if (id != kNoValue)
            (g.value(id).is_constant() ? node.weight_bytes : node.moved_bytes) +=
                bytes_of(g.value(id));
    for (const ValueId id : results(op))
        if (id != kNoValue) node.moved_bytes += bytes_of(g.value(id));
}

ProgramReport report_of(const Graph &g, std::pair<size_t, size_t> range,
                        const CrossbarProgram &program)
{
    ProgramReport report = {.node = g.source(g.ops[range.first]).name,
                            .layers = 0,
                            .tiles = program.program.tiles,
                            .units = static_cast<uint32_t>(program.program.matrices.size()),
                            .items = program.items,
                            .cost = program.cost,
                            .nodes = {}};
    for (size_t i = range.first; i < range.second; i++)
        report.layers += g.ops[i].kind == Kind::Mvm;
    for (const ProgramLayer &layer : program.layers)
        report.nodes.push_back({.node = g.sources[layer.source].name,
                                .op = g.sources[layer.source].op,
                                .tile = layer.tile,
                                .cores = static_cast<uint32_t>(layer.cores.size()),
                                .units = layer.units,
                                .busy_cycles = layer.busy_cycles});
    return report;
}

void add_operation(const Graph &g, const Op &op, NodeReport &node)
{
    if (op.kind == Kind::Host) return add_host(g, op, node);
    const Placement at = place(op.kind, g.value(op.output).dtype);
    const bool crossbar = at.target == ACC_TARGET_CROSSBAR;
    const std::string engine = crossbar || op.program ? "crossbar" : "fpga";
    const std::string kernel = op.program ? "program " + std::to_string(op.program)
                               : crossbar ? "mvm"
                                          : std::string(at.role);
    if (node.engine.empty())
        node.engine = engine;
    else if (node.engine != engine)
        node.engine = "crossbar+fpga";
    if (!op.program || node.kernels.empty() || node.kernels.back() != kernel)
        node.kernels.push_back(kernel);
    if (const char *rounding = rounding_of(op.kind)) node.rounding = rounding;
    // A product is why the node is where it is; what serves it only moves and scales.
    const bool product = op.kind == Kind::Mvm || op.kind == Kind::Gemm;
    if (node.reason.empty() || product) node.reason = at.reason;
    if (op.program && (product || node.kernels.size() == 1) &&
        node.reason.find("instructions") == std::string::npos)
        node.reason += "; in " + kernel + " of instructions";
    for (const ValueId id : op.inputs) {
        const Value &v = g.value(id);
        if (v.is_constant())
            node.weight_bytes += bytes_of(v);
        else
            node.moved_bytes += bytes_of(v);
    }
    node.moved_bytes += bytes_of(g.value(op.output));
    const RoleCost roles = op.program ? RoleCost{} : role_cost(g, op);
    node.roles.ns += roles.ns;
    node.roles.pj += roles.pj;
    if (!product) return;
    const Dims &w = g.value(op.inputs[1]).dims;
    node.macs += static_cast<uint64_t>(elements(g.value(op.output).dims)) *
                 static_cast<uint64_t>(w[w.size() - 2]);
    if (!crossbar) return;
    if (g.value(op.inputs[0]).dtype == DType::I16) node.input_bits = 16;
    const TileCut cut = cut_matrix(w[0], w[1]);
    node.arrays += cut.arrays();
    const ProductCost cost =
        product_cost(w[0], w[1], static_cast<uint64_t>(elements(g.value(op.output).dims) / w[1]),
                     static_cast<uint32_t>(node.input_bits));
    node.cost.ns += cost.ns;
    node.cost.pj += cost.pj;
    node.cost.program_ns += cost.program_ns;
    node.cost.program_pj += cost.program_pj;
    node.cost.utilisation = cost.utilisation; // a node has one product
    node.cut = cut_text(w, cut);
    if (!g.source(op).kernels.empty()) node.reason += "; no instructions: " + g.source(op).kernels;
}

// Inputs first, then the nodes, then outputs, as data flows.
int rank_of(const Source &s)
{
    return s.op == "input" ? 0 : s.op == "output" ? 2 : 1;
}

std::string row(const NodeReport &n)
{
    char text[64];
    std::snprintf(text, sizeof(text), "%7llu %10llu  ", static_cast<unsigned long long>(n.arrays),
                  static_cast<unsigned long long>(n.macs));
    return text;
}

// For a terminal: names come from the model, whatever bytes it holds.
std::string padded(std::string text, size_t width)
{
    for (char &c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    text.resize(std::max(width, text.size()), ' ');
    return text;
}

} // namespace

CompileReport make_report(const Graph &g, const MemoryPlan &memory, const arch::Arch &arch)
{
    CompileReport report;
    report.model = g.name;
    std::vector<NodeReport> nodes(g.sources.size());
    for (size_t i = 0; i < nodes.size(); i++) {
        nodes[i].node = g.sources[i].name;
        nodes[i].op = g.sources[i].op;
    }
    for (const Op &op : g.ops) {
        if (op.kind != Kind::Reshape) add_operation(g, op, nodes[op.source]);
    }
    for (const auto &range : program_ranges(g))
        if (const auto program = make_program(g, range, arch, "program", nullptr))
            report.programs.push_back(report_of(g, range, *program));
    std::vector<size_t> order(nodes.size());
    for (size_t i = 0; i < order.size(); i++)
        order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return rank_of(g.sources[a]) < rank_of(g.sources[b]);
    });
    for (const size_t i : order) {
        NodeReport &n = nodes[i];
        const std::string &fate = g.sources[i].fate;
        if (n.engine.empty()) {
            n.engine = "-";
            n.reason = fate.empty() ? "no data moves" : fate;
        }
        report.arrays += n.arrays;
        report.macs += n.macs;
        report.cost.ns += n.cost.ns;
        report.cost.pj += n.cost.pj;
        report.cost.program_ns += n.cost.program_ns;
        report.cost.program_pj += n.cost.program_pj;
        report.roles.ns += n.roles.ns;
        report.roles.pj += n.roles.pj;
        report.cost.utilisation += n.cost.utilisation * static_cast<double>(n.arrays);
        report.weight_bytes += n.weight_bytes;
        report.nodes.push_back(std::move(n));
    }
    if (report.arrays) report.cost.utilisation /= static_cast<double>(report.arrays);
    report.workspace_bytes = memory.workspace;
    report.unshared_bytes = memory.unshared;
    return report;
}

std::string CompileReport::json() const
{
    using nlohmann::json;
    const auto predicted = [](const ProductCost &c) {
        return json{{"crossbar_ns", c.ns},
                    {"crossbar_pj", c.pj},
                    {"program_ns", c.program_ns},
                    {"program_pj", c.program_pj},
                    {"utilisation", c.utilisation}};
    };
    json all;
    all["model"] = model;
    all["nodes"] = json::array();
    for (const NodeReport &n : nodes) {
        json node = {{"node", n.node},
                     {"op", n.op},
                     {"engine", n.engine},
                     {"kernels", n.kernels},
                     {"reason", n.reason},
                     {"macs", n.macs},
                     {"weight_bytes", n.weight_bytes},
                     {"moved_bytes", n.moved_bytes}};
        if (!n.rounding.empty()) node["rounding"] = n.rounding;
        if (n.arrays) {
            node["arrays"] = n.arrays;
            node["cut"] = n.cut;
            node["input_bits"] = n.input_bits;
            node["predicted"] = predicted(n.cost);
        }
        if (n.roles.ns > 0) {
            node["predicted"]["fpga_ns"] = n.roles.ns;
            node["predicted"]["fpga_pj"] = n.roles.pj;
        }
        all["nodes"].push_back(std::move(node));
    }
    all["totals"] = {{"arrays", arrays}, {"macs", macs},         {"weight_bytes", weight_bytes},
                     {"steps", steps},   {"dependencies", deps}, {"const_bytes", const_bytes}};
    if (arrays) all["totals"]["predicted"] = predicted(cost);
    if (roles.ns > 0) {
        all["totals"]["predicted"]["fpga_ns"] = roles.ns;
        all["totals"]["predicted"]["fpga_pj"] = roles.pj;
    }
    for (const ProgramReport &p : programs) {
        json layers = json::array();
        for (const LayerReport &l : p.nodes)
            layers.push_back({{"node", l.node},
                              {"op", l.op},
                              {"tile", l.tile},
                              {"cores", l.cores},
                              {"mvm_units", l.units},
                              {"predicted_busy_cycles", l.busy_cycles}});
        all["programs"].push_back({{"node", p.node},
                                   {"layers", p.layers},
                                   {"tiles", p.tiles},
                                   {"mvm_units", p.units},
                                   {"items", p.items},
                                   {"predicted_first_ns", p.cost.first_ns},
                                   {"predicted_interval_ns", p.cost.interval_ns},
                                   {"nodes", std::move(layers)}});
    }
    all["memory"] = {{"workspace_bytes", workspace_bytes},
                     {"without_sharing_bytes", unshared_bytes}};
    all["calibration"] = {{"items", items}, {"random", made_up_items}};
    if (precision.narrow_db != 0)
        all["precision"] = {{"inputs_of_16_bits", precision.values},
                            {"estimated_sqnr_db_8_bits", precision.narrow_db},
                            {"estimated_sqnr_db", precision.chosen_db}};
    all["accuracy"] = json::array();
    for (const OutputReport &o : outputs)
        all["accuracy"].push_back({{"output", o.name},
                                   {"max_error", o.max_error},
                                   {"mean_error", o.mean_error},
                                   {"sqnr_db", o.sqnr_db},
                                   {"argmax_agreement", o.agreement}});
    // Names come from the model, whatever bytes it holds.
    return all.dump(1, ' ', false, json::error_handler_t::replace);
}

std::string CompileReport::text() const
{
    size_t node_width = 6, op_width = 4, engine_width = 8; // two blanks between columns
    for (const NodeReport &n : nodes) {
        node_width = std::max(node_width, n.node.size() + 2);
        op_width = std::max(op_width, n.op.size() + 2);
        engine_width = std::max(engine_width, n.engine.size() + 2);
    }
    std::string out = padded("node", node_width) + padded("op", op_width) +
                      padded("engine", engine_width) + " arrays       MACs  reason\n";
    for (const NodeReport &n : nodes)
        out += padded(n.node, node_width) + padded(n.op, op_width) +
               padded(n.engine, engine_width) + row(n) + padded(n.reason, 0) + "\n";
    out += std::to_string(steps) + " steps, " + std::to_string(deps) +
           " dependencies across engines, " + std::to_string(arrays) + " arrays of 128x128, " +
           std::to_string(macs) + " MACs an item\nworkspace " + std::to_string(workspace_bytes) +
           " bytes an item (" + std::to_string(unshared_bytes) +
           " without sharing), weights and constants " + std::to_string(weight_bytes) + " bytes\n";
    if (precision.narrow_db != 0) {
        char text[96];
        std::snprintf(text, sizeof(text), "estimated SQNR %.1f dB, %.1f dB with 8 bits alone",
                      precision.chosen_db, precision.narrow_db);
        std::string names;
        for (const std::string &name : precision.values)
            names += (names.empty() ? "" : ", ") + padded(name, 0);
        out += "inputs of 16 bits: " + (names.empty() ? "none" : names) + "; " + text + "\n";
    }
    if (arrays) {
        char text[200];
        std::snprintf(text, sizeof(text),
                      "crossbar, predicted: %.4g us and %.4g uJ an item; %.4g us and %.4g uJ to "
                      "program; %.2g %% of its arrays' cells used\n",
                      cost.ns / 1e3, cost.pj / 1e6, cost.program_ns / 1e3, cost.program_pj / 1e6,
                      100 * cost.utilisation);
        out += text;
    }
    if (roles.ns > 0) {
        char text[96];
        std::snprintf(text, sizeof(text), "fpga, predicted: %.4g us and %.4g uJ an item\n",
                      roles.ns / 1e3, roles.pj / 1e6);
        out += text;
    }
    for (const ProgramReport &p : programs) {
        char text[200];
        std::snprintf(
            text, sizeof(text),
            ": %zu products, one packet, %u tiles, %u MVM units; predicted: %.4g us, then "
            "%.4g us each, %llu an item\n",
            p.layers, p.tiles, p.units, p.cost.first_ns / 1e3, p.cost.interval_ns / 1e3,
            static_cast<unsigned long long>(p.items));
        out += "program from " + padded(p.node, 0) + text;
        for (const LayerReport &l : p.nodes) {
            std::snprintf(text, sizeof(text), "tile %2u, %u cores, %2u units, %8llu cycles busy\n",
                          l.tile, l.cores, l.units, static_cast<unsigned long long>(l.busy_cycles));
            out += "  " + padded(l.node, node_width) + text;
        }
    }
    for (const OutputReport &o : outputs) {
        char text[160];
        std::snprintf(text, sizeof(text),
                      "int8 against float on %zu %s items: same largest value %.2f %%, "
                      "largest error %.4g, SQNR %.1f dB",
                      items, made_up_items ? "random" : "calibration", 100 * o.agreement,
                      o.max_error, o.sqnr_db);
        out += "output " + padded(o.name, 0) + ": " + text + "\n";
    }
    return out;
}

} // namespace acc::accc
