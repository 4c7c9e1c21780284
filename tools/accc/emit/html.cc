// SPDX-License-Identifier: MIT
//
// The report as a page: pictures are SVG inside it, nothing is fetched.
#include "tools/accc/accc.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace acc::accc
{
namespace
{

// Names come from the model, whatever bytes it holds.
std::string escaped(const std::string &text)
{
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '"')
            out += "&quot;";
        else
            out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
    return out;
}

const char *color_of(const std::string &engine)
{
    if (engine.find("host") != std::string::npos) return "#c0504d";
    if (engine.find("crossbar") != std::string::npos) return "#4f81bd";
    if (engine.find("fpga") != std::string::npos) return "#9bbb59";
    return "#d0d0d0";
}

// The nodes in their order, each a box of its engine's colour.
std::string graph_picture(const std::vector<NodeReport> &nodes)
{
    const size_t shown = std::min<size_t>(nodes.size(), 400), columns = 4;
    const size_t rows = (shown + columns - 1) / columns;
    std::string svg = "<svg viewBox=\"0 0 880 " + std::to_string(rows * 44 + 8) +
                      "\" width=\"880\" role=\"img\">\n";
    for (size_t i = 0; i < shown; i++) {
        const size_t x = i % columns * 220, y = i / columns * 44;
        svg += "<rect x=\"" + std::to_string(x + 2) + "\" y=\"" + std::to_string(y + 4) +
               "\" width=\"200\" height=\"34\" rx=\"4\" fill=\"" + color_of(nodes[i].engine) +
               "\"><title>" + escaped(nodes[i].reason) + "</title></rect>\n<text x=\"" +
               std::to_string(x + 8) + "\" y=\"" + std::to_string(y + 18) + "\">" +
               escaped(nodes[i].op) + "</text><text x=\"" + std::to_string(x + 8) + "\" y=\"" +
               std::to_string(y + 32) + "\" class=\"s\">" + escaped(nodes[i].node.substr(0, 30)) +
               "</text>\n";
        if (i + 1 < shown && i % columns + 1 < columns)
            svg += "<path d=\"M" + std::to_string(x + 202) + " " + std::to_string(y + 21) +
                   "h18\" stroke=\"#555\"/>\n";
    }
    return svg + "</svg>\n";
}

// A bar for each node, of what `value` says of it.
template <typename F>
std::string bars(const std::vector<NodeReport> &nodes, F value)
{
    uint64_t most = 1;
    for (const NodeReport &n : nodes)
        most = std::max<uint64_t>(most, value(n));
    std::string rows;
    size_t y = 0;
    for (const NodeReport &n : nodes) {
        if (!value(n) || y > 400 * 18) continue;
        const auto width = static_cast<uint64_t>(
            std::ceil(500.0 * static_cast<double>(value(n)) / static_cast<double>(most)));
        rows += "<text x=\"0\" y=\"" + std::to_string(y + 13) + "\" class=\"s\">" +
                escaped(n.node.substr(0, 36)) + "</text><rect x=\"240\" y=\"" +
                std::to_string(y + 2) + "\" width=\"" + std::to_string(width) +
                "\" height=\"13\" fill=\"" + color_of(n.engine) + "\"/><text x=\"" +
                std::to_string(246 + width) + "\" y=\"" + std::to_string(y + 13) +
                "\" class=\"s\">" + std::to_string(value(n)) + "</text>\n";
        y += 18;
    }
    return "<svg viewBox=\"0 0 880 " + std::to_string(y + 4) + "\" width=\"880\" role=\"img\">\n" +
           rows + "</svg>\n";
}

} // namespace

std::string CompileReport::html() const
{
    std::string page =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
        escaped(model) +
        "</title><style>body{font:14px sans-serif;margin:2em;max-width:70em}"
        "td,th{padding:2px 10px;text-align:left;border-bottom:1px solid #ddd}"
        "text{font:12px sans-serif}text.s{font:10px sans-serif}</style></head><body>\n"
        "<h1>" +
        escaped(model) + "</h1>\n";
    page += "<p>" + std::to_string(steps) + " steps, " + std::to_string(deps) +
            " dependencies across engines, " + std::to_string(arrays) + " crossbar arrays, " +
            std::to_string(macs) + " MACs an item.</p>\n";
    page += "<h2>Placement</h2>\n" + graph_picture(nodes);
    page += "<p>blue: crossbar; green: FPGA; red: host; grey: nothing runs</p>\n";
    page += "<h2>Crossbar arrays by node</h2>\n" +
            bars(nodes, [](const NodeReport &n) { return n.arrays; });
    page += "<h2>Predicted crossbar time by node, ns an item</h2>\n" +
            bars(nodes, [](const NodeReport &n) { return static_cast<uint64_t>(n.cost.ns); });
    page += "<h2>Predicted FPGA time by node, ns an item</h2>\n" +
            bars(nodes, [](const NodeReport &n) { return static_cast<uint64_t>(n.roles.ns); });
    page += "<h2>Bytes moved by node, for an item</h2>\n" +
            bars(nodes, [](const NodeReport &n) { return n.moved_bytes; });
    const std::vector<std::pair<const char *, uint64_t>> memory = {
        {"workspace", workspace_bytes},
        {"workspace without sharing", unshared_bytes},
        {"weights and constants", weight_bytes}};
    std::vector<NodeReport> rows;
    for (const auto &[name, bytes] : memory) {
        NodeReport row;
        row.node = name;
        row.engine = "crossbar";
        row.moved_bytes = bytes;
        rows.push_back(std::move(row));
    }
    page +=
        "<h2>Memory, bytes</h2>\n" + bars(rows, [](const NodeReport &n) { return n.moved_bytes; });
    page += "<h2>Nodes</h2>\n<table><tr><th>node<th>operator<th>engine<th>kernels<th>arrays<th>cut"
            "<th>MACs<th>reason</tr>\n";
    for (const NodeReport &n : nodes) {
        std::string kernels;
        for (const std::string &k : n.kernels)
            kernels += (kernels.empty() ? "" : ", ") + k;
        page += "<tr><td>" + escaped(n.node) + "<td>" + escaped(n.op) + "<td>" + escaped(n.engine) +
                "<td>" + escaped(kernels) + "<td>" + std::to_string(n.arrays) + "<td>" +
                escaped(n.cut) + "<td>" + std::to_string(n.macs) + "<td>" + escaped(n.reason) +
                "</tr>\n";
    }
    page += "</table>\n<h2>Accuracy</h2>\n<table><tr><th>output<th>largest error<th>SQNR, dB"
            "<th>same largest value</tr>\n";
    for (const OutputReport &o : outputs) {
        char text[96];
        std::snprintf(text, sizeof(text), "<td>%.4g<td>%.1f<td>%.2f %%", o.max_error, o.sqnr_db,
                      100 * o.agreement);
        page += "<tr><td>" + escaped(o.name) + text + "</tr>\n";
    }
    page += std::string("</table>\n<p>on ") + std::to_string(items) +
            (made_up_items ? " random items" : " calibration items") + "</p>\n</body></html>\n";
    return page;
}

} // namespace acc::accc
