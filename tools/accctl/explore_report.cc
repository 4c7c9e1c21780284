// SPDX-License-Identifier: MIT
//
// The results of an exploration as CSV, as plots and as a page.
#include "explore.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>

namespace acc::ctl
{
namespace
{

constexpr std::array kMetrics = {"accuracy", "latency_us", "energy_nj",
                                 "tiles",    "arrays",     "saturations"};
constexpr std::array kColours = {"#1b6ca8", "#d1495b", "#2e8b57", "#8e5ea2",
                                 "#c77d0a", "#3f3f3f", "#00939c", "#a0522d"};

std::string number_text(double value)
{
    std::array<char, 40> text = {};
    snprintf(text.data(), text.size(), "%.6g", value);
    return text.data();
}

std::string cell(const Json &point, const char *key)
{
    if (!point.contains(key) || point[key].is_null()) return "";
    return point[key].is_string() ? point[key].get<std::string>()
                                  : number_text(point[key].get<double>());
}

struct Dot {
    double x = 0, y = 0;
};
struct Series {
    std::string name;
    std::vector<Dot> dots;
    bool line = true;
};
struct Plot {
    std::string title, x_name, y_name;
    std::vector<Series> series;
    bool log_x = false;
};

// Round steps, about `count` of them.
std::vector<double> ticks(double least, double most, int count)
{
    const double raw = (most - least) / count;
    const double power = std::pow(10, std::floor(std::log10(raw)));
    double step = power * 10;
    for (const double s : {1.0, 2.0, 5.0})
        if (raw <= s * power) {
            step = s * power;
            break;
        }
    std::vector<double> all;
    for (double t = std::ceil(least / step) * step; t <= most + step * 1e-6; t += step)
        all.push_back(std::abs(t) < step * 1e-6 ? 0 : t);
    return all;
}

std::string draw(const Plot &plot)
{
    constexpr double width = 640, height = 400, left = 70, right = 20, top = 40, bottom = 60;
    double x0 = 1e300, x1 = -1e300, y0 = 1e300, y1 = -1e300;
    const auto across = [&](double x) { return plot.log_x ? std::log10(std::max(x, 1e-12)) : x; };
    for (const Series &s : plot.series)
        for (const Dot &d : s.dots) {
            x0 = std::min(x0, across(d.x)), x1 = std::max(x1, across(d.x));
            y0 = std::min(y0, d.y), y1 = std::max(y1, d.y);
        }
    if (x0 > x1) x0 = y0 = 0, x1 = y1 = 1;
    const double y_room = std::max((y1 - y0) * 0.06, std::abs(y1) * 1e-3 + 1e-9);
    const double x_room = std::max((x1 - x0) * 0.04, 1e-9);
    x0 -= x_room, x1 += x_room, y0 -= y_room, y1 += y_room;
    const auto px = [&](double x) {
        return left + (across(x) - x0) / (x1 - x0) * (width - left - right);
    };
    const auto py = [&](double y) {
        return height - bottom - (y - y0) / (y1 - y0) * (height - top - bottom);
    };
    const double legend =
        18.0 * static_cast<double>(plot.series.size() > 1 ? plot.series.size() : 0);
    std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 " +
                      number_text(height + legend) +
                      "\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" "
                      "height=\"100%\" fill=\"#fff\"/>\n";
    const auto text = [&](double x, double y, const char *anchor, const std::string &what,
                          const std::string &more = "") {
        svg += "<text x=\"" + number_text(x) + "\" y=\"" + number_text(y) + "\" text-anchor=\"" +
               anchor + "\"" + more + ">" + escaped(what) + "</text>\n";
    };
    text(width / 2, 22, "middle", plot.title, " font-size=\"15\"");
    text(width / 2, height - 14, "middle", plot.x_name);
    text(16, height / 2, "middle", plot.y_name,
         " transform=\"rotate(-90 16 " + number_text(height / 2) + ")\"");
    for (const double t : ticks(y0, y1, 6)) {
        svg += "<path d=\"M" + number_text(left) + " " + number_text(py(t)) + "H" +
               number_text(width - right) + "\" stroke=\"#ddd\"/>\n";
        text(left - 6, py(t) + 4, "end", number_text(t));
    }
    std::vector<double> marks;
    if (plot.log_x)
        for (double e = std::ceil(x0); e <= x1; e++)
            marks.push_back(std::pow(10, e));
    else
        marks = ticks(x0, x1, 8);
    for (const double t : marks) {
        svg += "<path d=\"M" + number_text(px(t)) + " " + number_text(top) + "V" +
               number_text(height - bottom) + "\" stroke=\"#eee\"/>\n";
        text(px(t), height - bottom + 18, "middle", number_text(t));
    }
    svg += "<path d=\"M" + number_text(left) + " " + number_text(top) + "V" +
           number_text(height - bottom) + "H" + number_text(width - right) +
           "\" fill=\"none\" stroke=\"#333\"/>\n";
    for (size_t k = 0; k < plot.series.size(); k++) {
        const Series &s = plot.series[k];
        const std::string colour = kColours[k % kColours.size()];
        std::string path;
        for (const Dot &d : s.dots) {
            path += (path.empty() ? "M" : "L") + number_text(px(d.x)) + " " + number_text(py(d.y));
            svg += "<circle cx=\"" + number_text(px(d.x)) + "\" cy=\"" + number_text(py(d.y)) +
                   "\" r=\"3\" fill=\"" + colour + "\"/>\n";
        }
        if (s.line && s.dots.size() > 1)
            svg += "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + colour +
                   "\" stroke-width=\"1.5\"/>\n";
        if (plot.series.size() > 1) {
            const double y = height + 18.0 * static_cast<double>(k);
            svg += "<rect x=\"" + number_text(left) + "\" y=\"" + number_text(y - 9) +
                   "\" width=\"10\" height=\"10\" fill=\"" + colour + "\"/>\n";
            text(left + 16, y, "start", s.name);
        }
    }
    return svg + "</svg>\n";
}

std::optional<double> value_of(const Json &point, const char *key)
{
    if (!point.contains(key) || point[key].is_null()) return {};
    if (!point[key].is_string()) return point[key].get<double>();
    const std::string text = point[key];
    char *end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end) return {};
    return value;
}

// A metric against the first axis; a place in the list where the axis has names.
Plot against_axis(const std::string &title, const std::vector<Axis> &axes,
                  const std::vector<Json> &points, const char *metric, const char *name)
{
    const Axis &axis = axes.front();
    Plot plot = {.title = title, .x_name = axis.key, .y_name = name, .series = {}, .log_x = false};
    std::map<std::string, Series> series;
    double least = 1e300, most = 0;
    for (const Json &point : points) {
        const auto y = value_of(point, metric);
        if (!y) continue;
        std::string others;
        for (size_t k = 1; k < axes.size(); k++)
            others +=
                (k > 1 ? ", " : "") + axes[k].key + " = " + point[axes[k].key].get<std::string>();
        const std::string at = point[axis.key];
        const auto place = std::find(axis.values.begin(), axis.values.end(), at);
        const double x = value_of(point, axis.key.c_str())
                             .value_or(static_cast<double>(place - axis.values.begin()));
        least = std::min(least, x), most = std::max(most, x);
        Series &s = series[others];
        s.name = others;
        s.dots.push_back({x, *y});
    }
    for (auto &[others, s] : series) {
        std::sort(s.dots.begin(), s.dots.end(),
                  [](const Dot &a, const Dot &b) { return a.x < b.x; });
        plot.series.push_back(std::move(s));
    }
    plot.log_x = least > 0 && most / least > 500; // drift: seconds to years
    return plot;
}

// Points that no other beats in both: as much accuracy for less energy.
Plot pareto(const std::string &title, const std::vector<Json> &points)
{
    std::vector<Dot> all;
    for (const Json &point : points) {
        const auto x = value_of(point, "energy_nj"), y = value_of(point, "accuracy");
        if (x && y) all.push_back({*x, *y});
    }
    std::sort(all.begin(), all.end(),
              [](const Dot &a, const Dot &b) { return a.x != b.x ? a.x < b.x : a.y > b.y; });
    Series front = {.name = "Pareto front", .dots = {}, .line = true};
    Series rest = {.name = "other points", .dots = {}, .line = false};
    double best = -1;
    for (const Dot &d : all) {
        (d.y > best ? front : rest).dots.push_back(d);
        best = std::max(best, d.y);
    }
    return {.title = title + ": accuracy against energy",
            .x_name = "energy of a sample, nJ",
            .y_name = "accuracy, %",
            .series = {front, rest},
            .log_x = false};
}

} // namespace

std::string csv_of(const std::vector<Axis> &axes, const std::vector<Json> &points)
{
    std::string text;
    for (const Axis &axis : axes)
        text += axis.key + ",";
    for (const char *metric : kMetrics)
        text += std::string(metric) + ",";
    text += "error\n";
    for (const Json &point : points) {
        for (const Axis &axis : axes)
            text += point[axis.key].get<std::string>() + ",";
        for (const char *metric : kMetrics)
            text += cell(point, metric) + ",";
        std::string error = point.contains("error") ? point["error"].get<std::string>() : "";
        std::replace(error.begin(), error.end(), '"', '\'');
        text += (error.empty() ? "" : "\"" + error + "\"") + "\n";
    }
    return text;
}

std::string svg_of(const std::string &title, const std::vector<Axis> &axes,
                   const std::vector<Json> &points)
{
    return draw(against_axis(title, axes, points, "accuracy", "accuracy, %"));
}

std::string html_of(const std::string &title, const std::vector<Axis> &axes,
                    const std::vector<Json> &points)
{
    std::string html =
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>" + escaped(title) +
        "</title>\n<style>body{font:14px sans-serif;max-width:1340px;margin:2em auto;padding:0 "
        "1em}svg{width:640px;max-width:100%;border:1px solid #ddd;margin:4px}table{border-collapse:"
        "collapse}td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}</style>\n<h1>" +
        escaped(title) + "</h1>\n";
    html += draw(against_axis("accuracy", axes, points, "accuracy", "accuracy, %"));
    html += draw(pareto("Pareto", points));
    html += draw(against_axis("energy", axes, points, "energy_nj", "energy of a sample, nJ"));
    html += draw(against_axis("latency", axes, points, "latency_us", "latency of a sample, us"));
    html += "<table><tr>";
    for (const Axis &axis : axes)
        html += "<th>" + escaped(axis.key);
    for (const char *metric : kMetrics)
        html += "<th>" + std::string(metric);
    html += "<th>error</tr>\n";
    for (const Json &point : points) {
        html += "<tr>";
        for (const Axis &axis : axes)
            html += "<td>" + escaped(point[axis.key].get<std::string>());
        for (const char *metric : kMetrics)
            html += "<td>" + cell(point, metric);
        html += "<td>" + escaped(point.contains("error") ? point["error"].get<std::string>() : "") +
                "</tr>\n";
    }
    return html + "</table>\n</html>\n";
}

} // namespace acc::ctl
