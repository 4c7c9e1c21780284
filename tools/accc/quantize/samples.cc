// SPDX-License-Identifier: MIT
#include "tools/accc/quantize/samples.h"

#include "common/npy.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace acc::accc
{

std::vector<std::span<const float>> Samples::item(size_t index) const
{
    std::vector<std::span<const float>> spans;
    for (const std::vector<float> &all : inputs) {
        const size_t size = all.size() / items;
        spans.emplace_back(all.data() + index * size, size);
    }
    return spans;
}

Result<Samples> read_samples(const Graph &g, std::span<const std::string> files, Diagnostics &diag)
{
    Samples samples;
    samples.inputs.resize(g.inputs.size());
    for (const std::string &file : files) {
        size_t input = 0;
        std::string path = file;
        for (size_t i = 0; i < g.inputs.size(); i++) {
            const std::string prefix = g.value(g.inputs[i]).name + "=";
            if (!file.starts_with(prefix)) continue;
            input = i;
            path = file.substr(prefix.size());
            break;
        }
        if (path == file && g.inputs.size() > 1)
            return diag.error("expected calibration data as INPUT=FILE, for " +
                              std::to_string(g.inputs.size()) + " inputs; found " + file);
        const Value &value = g.value(g.inputs[input]);
        std::string why;
        const auto array = read_npy(path, why);
        if (!array) return diag.error(path + ": " + why, array.error());
        std::vector<size_t> expected(value.dims.begin(), value.dims.end());
        if (array->type != "f4" || array->shape.empty() || array->shape[0] == 0 ||
            !std::equal(array->shape.begin() + 1, array->shape.end(), expected.begin() + 1,
                        expected.end()))
            return diag.error(
                path + ": expected float32 [n" +
                npy_shape_text({expected.begin() + 1, expected.end()}).insert(1, ",").substr(1) +
                " for input '" + value.name + "'; found " + array->describe());
        if (samples.items && samples.items != array->shape[0])
            return diag.error(path + ": expected " + std::to_string(samples.items) +
                              " items, as for the other inputs; found " +
                              std::to_string(array->shape[0]));
        if (!samples.inputs[input].empty())
            return diag.error(path + ": expected one file for input '" + value.name +
                              "'; found another");
        samples.items = array->shape[0];
        std::vector<float> &data = samples.inputs[input];
        data.resize(array->items());
        std::memcpy(data.data(), array->data.data(), data.size() * sizeof(float));
        for (const float v : data)
            if (!std::isfinite(v))
                return diag.error(path + ": expected finite values; found " + std::to_string(v));
    }
    for (size_t i = 0; i < samples.inputs.size(); i++)
        if (samples.inputs[i].empty())
            return diag.error("expected calibration data for input '" + g.value(g.inputs[i]).name +
                              "'; found none");
    return samples;
}

Samples random_samples(const Graph &g, size_t items)
{
    Samples samples;
    samples.items = items;
    samples.made_up = true;
    uint64_t state = 1;
    for (const ValueId id : g.inputs) {
        std::vector<float> &data = samples.inputs.emplace_back();
        data.resize(items * static_cast<size_t>(elements(g.value(id).dims)));
        for (float &v : data) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            v = static_cast<float>(state >> 40) * 0x1p-24f;
        }
    }
    return samples;
}

} // namespace acc::accc
