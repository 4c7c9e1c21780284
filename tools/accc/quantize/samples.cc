// SPDX-License-Identifier: MIT
#include "tools/accc/quantize/samples.h"

#include "common/npz.h"
#include "tools/image/image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

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

// Arrays of a file by the index of their input: of an .npz by name.
static Result<std::vector<std::pair<size_t, Npy>>>
read_arrays(const Graph &g, const std::string &path, size_t input, Diagnostics &diag)
{
    std::vector<std::pair<size_t, Npy>> arrays;
    std::string why;
    if (!path.ends_with(".npz")) {
        auto array = read_npy(path, why);
        if (!array) return diag.error(path + ": " + why, array.error());
        arrays.emplace_back(input, std::move(*array));
        return arrays;
    }
    auto all = read_npz(path, why);
    if (!all) return diag.error(path + ": " + why, all.error());
    for (auto &[name, array] : *all) {
        size_t index = g.inputs.size();
        for (size_t i = 0; i < g.inputs.size(); i++)
            if (g.value(g.inputs[i]).name == name) index = i;
        if (index == g.inputs.size())
            return diag.error(path + ": expected arrays with the names of inputs; found '" + name +
                              "'");
        arrays.emplace_back(index, std::move(array));
    }
    return arrays;
}

// The items of one array for an input, checked against its shape: along the first axis, as many of
// it as an item has, or along an axis before it.
static Result<std::vector<float>> array_items(const Value &value, const Npy &array, size_t &items,
                                              const std::string &path, Diagnostics &diag)
{
    const std::vector<size_t> expected(value.dims.begin(), value.dims.end());
    if (expected.empty())
        return diag.error(path + ": expected no data for a scalar input; found some");
    const bool typed = array.type == "f4" && !array.shape.empty() && array.shape[0] != 0;
    const bool along = typed && array.shape[0] % expected[0] == 0 &&
                       std::equal(array.shape.begin() + 1, array.shape.end(), expected.begin() + 1,
                                  expected.end());
    const bool before = typed && std::equal(array.shape.begin() + 1, array.shape.end(),
                                            expected.begin(), expected.end());
    if (!along && !before)
        return diag.error(
            path + ": expected float32 [" +
            (expected[0] == 1 ? "n" : "a multiple of " + std::to_string(expected[0])) +
            npy_shape_text({expected.begin() + 1, expected.end()}).insert(1, ",").substr(1) +
            " for input '" + value.name + "'; found " + array.describe());
    items = along ? array.shape[0] / expected[0] : array.shape[0];
    std::vector<float> data(array.items());
    std::memcpy(data.data(), array.data.data(), data.size() * sizeof(float));
    for (const float v : data)
        if (!std::isfinite(v))
            return diag.error(path + ": expected finite values; found " + std::to_string(v));
    return data;
}

// The items of an image, or of a folder of them.
static Result<std::vector<float>> image_items(const Value &value, const ImageValues &pixels,
                                              size_t &items, const std::string &path,
                                              Diagnostics &diag)
{
    std::string why;
    const std::vector<uint32_t> dims(value.dims.begin(), value.dims.end());
    const auto tensor = image_tensor(dims, why);
    if (!tensor) return diag.error(path + ": input '" + value.name + "': " + why, tensor.error());
    const auto paths = list_images(path, why);
    if (!paths) return diag.error(path + ": " + why, paths.error());
    std::vector<float> data;
    for (const std::string &image : *paths)
        if (const int error = append_image(image, *tensor, pixels.scale, pixels.offset, data, why))
            return diag.error(image + ": " + why, error);
    items = paths->size();
    return data;
}

Result<Samples> read_samples(const Graph &g, std::span<const std::string> files, Diagnostics &diag,
                             const ImageValues &pixels)
{
    Samples samples;
    samples.inputs.resize(g.inputs.size());
    const auto add = [&](size_t input, size_t items, std::vector<float> data,
                         const std::string &path) -> Status {
        if (samples.items && samples.items != items)
            return diag.error(path + ": expected " + std::to_string(samples.items) +
                              " items, as for the other inputs; found " + std::to_string(items));
        if (!samples.inputs[input].empty())
            return diag.error(path + ": expected one file for input '" +
                              g.value(g.inputs[input]).name + "'; found another");
        samples.items = items;
        samples.inputs[input] = std::move(data);
        return Ok{};
    };
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
        if (path == file && g.inputs.size() > 1 && !path.ends_with(".npz"))
            return diag.error("expected calibration data as INPUT=FILE, for " +
                              std::to_string(g.inputs.size()) + " inputs; found " + file);
        std::error_code ignored;
        size_t items = 0;
        if (!g.inputs.empty() && (is_image(path) || std::filesystem::is_directory(path, ignored))) {
            ACC_TRY(auto data, image_items(g.value(g.inputs[input]), pixels, items, path, diag));
            ACCC_CHECK(add(input, items, std::move(data), path));
            continue;
        }
        ACC_TRY(const auto arrays, read_arrays(g, path, input, diag));
        for (const auto &[index, array] : arrays) {
            ACC_TRY(auto data, array_items(g.value(g.inputs[index]), array, items, path, diag));
            ACCC_CHECK(add(index, items, std::move(data), path));
        }
    }
    for (size_t i = 0; i < samples.inputs.size(); i++)
        if (samples.inputs[i].empty())
            return diag.error("expected calibration data for input '" + g.value(g.inputs[i]).name +
                              "'; found none");
    return samples;
}

// Multiplications of a graph as imported, about.
static double work_of(const Graph &g)
{
    double work = 1;
    for (const Op &op : g.ops) {
        if (op.inputs.size() < 2 || op.inputs[0] == kNoValue || op.inputs[1] == kNoValue) continue;
        const Dims &w = g.value(op.inputs[1]).dims, &x = g.value(op.inputs[0]).dims;
        const auto out = static_cast<double>(elements(g.value(op.output).dims));
        if (op.node.op.find("Conv") != std::string::npos && !w.empty())
            work += out * static_cast<double>(elements(w)) / static_cast<double>(w[0]);
        else if (op.node.op == "Gemm" || op.node.op == "MatMul")
            work += out * static_cast<double>(last_dim(x));
    }
    return work;
}

Samples random_samples(const Graph &g, size_t items)
{
    // Ranges of made-up data are rough anyway: a large network is not evaluated often for them.
    items = static_cast<size_t>(std::clamp(0x1p31 / work_of(g), 1.0, static_cast<double>(items)));
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
