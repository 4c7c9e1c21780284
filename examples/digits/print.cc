// SPDX-License-Identifier: MIT
#include "digits.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <string_view>

namespace digits
{
namespace
{

constexpr size_t shown = 5;
constexpr size_t gap = 3;

// Two characters a pixel, so that it is about square.
void draw_row(const float *row, bool terminal)
{
    constexpr std::string_view ramp = " .:-=+*#%@";
    for (size_t x = 0; x < side; ++x) {
        const double value = std::clamp(static_cast<double>(row[x]), 0.0, 1.0);
        if (terminal) {
            // 24 greys of the 256 colours, from 232.
            printf("\033[48;5;%dm  ", 232 + static_cast<int>(value * 23 + 0.5));
        } else {
            const char c = ramp[static_cast<size_t>(value * (ramp.size() - 1) + 0.5)];
            printf("%c%c", c, c);
        }
    }
    printf("%s%*s", terminal ? "\033[0m" : "", static_cast<int>(gap), "");
}

double ms(uint64_t ns)
{
    return static_cast<double>(ns) / 1e6;
}
double microjoule(uint64_t pj)
{
    return static_cast<double>(pj) / 1e6;
}

} // namespace

void draw_some(const Data &data, const std::vector<float> &probabilities, bool terminal)
{
    const size_t count = data.labels.size();
    const auto wrong = [&](size_t i) {
        return largest(&probabilities[i * classes]) != static_cast<size_t>(data.labels[i]);
    };
    std::vector<size_t> chosen;
    for (size_t i = 0; i < count && chosen.size() + 1 < shown; ++i)
        if (!wrong(i)) chosen.push_back(i);
    for (size_t i = 0; i < count && chosen.size() < shown; ++i)
        if (wrong(i)) chosen.push_back(i);
    for (size_t i = count; i-- > 0 && chosen.size() < shown;)
        if (std::find(chosen.begin(), chosen.end(), i) == chosen.end()) chosen.push_back(i);

    for (size_t y = 0; y < side; ++y) {
        for (const size_t i : chosen)
            draw_row(&data.images[i * pixels + y * side], terminal);
        printf("\n");
    }
    for (const size_t i : chosen) {
        const float *p = &probabilities[i * classes];
        const size_t answer = largest(p);
        printf("is %" PRId64 ", says %zu%c%3.0f %% ", data.labels[i], answer, wrong(i) ? '!' : ' ',
               100.0 * static_cast<double>(p[answer]));
    }
    printf("\n\n");
}

void print_result(const Data &data, const Result &result)
{
    const auto count = static_cast<double>(data.labels.size());
    printf("%-20s %10s %10s %11s %11s %6s %9s %11s\n", "engine", "dispatches", "busy ms",
           "modelled ms", "energy uJ", "loads", "evictions", "saturations");
    uint64_t energy = 0;
    for (const auto &[uri, c] : result.costs) {
        energy += c.energy_pj;
        printf("%-20s %10" PRIu64 " %10.2f %11.3f %11.2f %6" PRIu64 " %9" PRIu64 " %11" PRIu64 "\n",
               uri.c_str(), c.dispatches, ms(c.busy_ns), ms(c.modelled_ns), microjoule(c.energy_pj),
               c.loads, c.evictions, c.saturations);
    }
    for (const auto &[uri, c] : result.costs) {
        printf("  loading %-12s modelled %.3f ms, %.2f uJ\n", uri.c_str(), ms(c.load_ns),
               microjoule(c.load_energy_pj));
    }
    printf("\n%zu digits in %" PRIu64 " submissions: %.1f ms with loading, then %.0f images/s; "
           "modelled %.3f ms\n",
           data.labels.size(), result.submissions, ms(result.first_ns), result.images_per_s,
           ms(result.modelled_ns));
    printf("modelled energy %.3f uJ an image; peak memory %.0f MB\n", microjoule(energy) / count,
           result.peak_mb);
    printf("accuracy %.2f %%, float %.2f %%\n", percent(result.right, data.labels.size()),
           percent(result.float_right, data.labels.size()));
}

bool write_json(const std::string &path, const Data &data, const Result &result)
{
    FILE *file = fopen(path.c_str(), "we");
    if (!file) return false;
    uint64_t energy = 0, loads = 0, evictions = 0, saturations = 0, faults = 0;
    for (const auto &[uri, c] : result.costs) {
        energy += c.energy_pj;
        loads += c.loads;
        evictions += c.evictions;
        saturations += c.saturations;
        faults += c.faults;
    }
    const bool written =
        fprintf(
            file,
            "{\n  \"digits\": %zu,\n  \"digits_accuracy\": %.6f,\n"
            "  \"digits_accuracy_float\": %.6f,\n  \"digits_images_per_s\": %.1f,\n"
            "  \"digits_repeatable\": %d,\n  \"digits_peak_mb\": %.1f,\n"
            "  \"digits_energy_uj_per_image\": %.6f,\n  \"digits_modelled_us_per_image\": %.6f,\n"
            "  \"digits_loads\": %" PRIu64 ",\n  \"digits_evictions\": %" PRIu64 ",\n"
            "  \"digits_saturations\": %" PRIu64 ",\n  \"digits_faults\": %" PRIu64 "\n}\n",
            data.labels.size(), percent(result.right, data.labels.size()),
            percent(result.float_right, data.labels.size()), result.images_per_s,
            result.repeatable ? 1 : 0, result.peak_mb,
            microjoule(energy) / static_cast<double>(data.labels.size()),
            static_cast<double>(result.modelled_ns) / 1e3 / static_cast<double>(data.labels.size()),
            loads, evictions, saturations, faults) > 0;
    return fclose(file) == 0 && written;
}

} // namespace digits
