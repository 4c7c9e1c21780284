// SPDX-License-Identifier: MIT
//
// ONNX's node tests through the compiler and the runtime: node_tests LIST FOLDER. Each is compiled
// for the host and run by libacc's host agent; then for the engines, and held to a bound that int8
// can keep. LIST names those that don't pass, with the reason, on the host or, as "device NAME", on
// the engines; one that passes all the same fails.
#include "acc/acc.hpp"
#include "tools/accc/accc.h"
#include "tools/accc/import/onnx_import.h"
#include "tools/accc/import/onnx_tensor.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

namespace
{

namespace fs = std::filesystem;
using namespace acc::accc;

struct Tensor {
    std::string name, bytes;
    acc::host::View view() const
    {
        acc::host::View v;
        v.dtype = dtype_code(dtype);
        v.dims = dims;
        v.data = const_cast<char *>(bytes.data());
        return v;
    }
    DType dtype = DType::F32;
    Dims dims;
};

std::string read_all(const fs::path &path)
{
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

bool read_tensors(const fs::path &folder, const char *kind, std::vector<Tensor> &all)
{
    for (int i = 0;; i++) {
        const fs::path path = folder / (kind + std::to_string(i) + ".pb");
        if (!fs::exists(path)) return true;
        onnx::TensorProto proto;
        if (!proto.ParseFromString(read_all(path))) return false;
        Diagnostics diag;
        auto t = decode_tensor(proto, "", diag);
        if (!t) return false;
        all.push_back({proto.name(), std::move(t->bytes), t->dtype, t->dims});
    }
}

// Items like the stored input, for ranges: uniform between its extremes.
Samples samples_of(const Graph &g, const std::vector<Tensor> &inputs)
{
    Samples s;
    s.items = 4;
    s.made_up = true;
    std::mt19937 random(1);
    for (size_t i = 0; i < g.inputs.size() && i < inputs.size(); i++) {
        auto values = acc::host::read_floats(inputs[i].view());
        // The recorded bfloat16 tensors of CastLike have one element, whatever the model says.
        if (values.size() == 1)
            values.resize(static_cast<size_t>(acc::host::elements(g.view(g.inputs[i]).dims)),
                          values[0]);
        auto &data = s.inputs.emplace_back();
        const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
        const bool real = g.value(g.inputs[i]).dtype == DType::F32;
        for (size_t k = 0; k < s.items; k++)
            for (const double v : values)
                data.push_back(static_cast<float>(
                    real && std::isfinite(*lo) && std::isfinite(*hi) && k > 0
                        ? std::uniform_real_distribution<double>(*lo, *hi)(random)
                        : v));
    }
    return s;
}

class Runner
{
public:
    bool open()
    {
        for (const char *uri : {"inproc:crossbar", "inproc:fpga"}) {
            acc_device_options options = ACC_INIT(acc_device_options);
            acc_device *device = nullptr;
            if (acc_device_open(uri, &options, &device) < 0) return false;
            devices_.push_back(device);
        }
        return true;
    }
    ~Runner()
    {
        for (acc_device *d : devices_)
            acc_device_close(d);
    }

    // Empty: done, `found` has the outputs. Else why not.
    std::string run(std::span<const std::byte> file, const std::vector<Tensor> &inputs,
                    std::vector<std::string> &found)
    {
        acc_model_options options = ACC_INIT(acc_model_options);
        acc_model *model = nullptr;
        if (acc_model_load(devices_.data(), devices_.size(), file.data(), file.size(), &options,
                           &model) < 0)
            return acc_error_text();
        std::vector<const void *> in;
        std::vector<void *> out;
        found.clear();
        for (const Tensor &t : inputs)
            in.push_back(t.bytes.data());
        in.push_back(nullptr);
        acc_tensor_info info = ACC_INIT(acc_tensor_info);
        for (uint32_t i = 0; acc_model_output(model, i, &info) == 0; i++)
            found.emplace_back(info.sample_bytes, '\0');
        for (std::string &bytes : found)
            out.push_back(bytes.data());
        std::string text;
        if (acc_model_run(model, in.data(), out.data(), 1) < 0) text = acc_error_text();
        if (acc_model_unload(model) < 0 && text.empty()) text = acc_error_text();
        return text;
    }

private:
    std::vector<acc_device *> devices_;
};

// |found - wanted| <= absolute + relative |wanted|, as ONNX's own runner has it.
std::string compare(const std::vector<Tensor> &wanted, const std::vector<std::string> &found,
                    double relative, double of_range)
{
    if (found.size() < wanted.size()) return "fewer outputs than there are";
    for (size_t o = 0; o < wanted.size(); o++) {
        if (found[o].size() != wanted[o].bytes.size())
            return "output " + std::to_string(o) + " has another size";
        acc::host::View view = wanted[o].view();
        const auto w = acc::host::read_floats(view);
        view.data = const_cast<char *>(found[o].data());
        const auto f = acc::host::read_floats(view);
        double range = 0;
        for (const double v : w)
            if (std::isfinite(v)) range = std::max(range, std::abs(v));
        for (size_t i = 0; i < w.size(); i++) {
            if ((std::isnan(w[i]) && std::isnan(f[i])) || w[i] == f[i]) continue;
            if (std::abs(w[i] - f[i]) <= 1e-6 + relative * std::abs(w[i]) + of_range * range)
                continue;
            return "output " + std::to_string(o) + "[" + std::to_string(i) + "]: expected " +
                   std::to_string(w[i]) + "; found " + std::to_string(f[i]);
        }
    }
    return {};
}

// "NAME reason", "op NAME reason" or "device NAME reason", of those that do not pass.
struct Known {
    std::map<std::string, std::string> tests, ops, device;
    bool read(const char *path)
    {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) {
            if (line.empty() || line[0] == '#') continue;
            std::istringstream text(line);
            std::string name, reason;
            text >> name;
            auto &all = name == "op" ? ops : name == "device" ? device : tests;
            if (&all != &tests) text >> name;
            std::getline(text, reason);
            all[name] = reason;
        }
        return file.eof();
    }
};

std::string unlisted_op(const std::string &model, const Known &known)
{
    onnx::ModelProto proto;
    if (!proto.ParseFromString(model)) return "?";
    for (const auto &node : proto.graph().node())
        if (known.ops.contains(node.op_type())) return node.op_type();
    return {};
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    Known known;
    Runner runner;
    if (!known.read(argv[1]) || !runner.open()) return 1;
    std::vector<fs::path> folders;
    for (const auto &entry : fs::directory_iterator(argv[2]))
        if (entry.is_directory()) folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    size_t passed = 0, listed = 0, failed = 0, others = 0, device = 0, engines = 0,
           device_known = 0;
    for (const fs::path &folder : folders) {
        const std::string name = folder.filename().string(),
                          bytes = read_all(folder / "model.onnx");
        if (!unlisted_op(bytes, known).empty()) {
            others++;
            continue;
        }
        std::vector<Tensor> inputs, outputs;
        std::string text;
        Diagnostics diag;
        std::vector<std::string> found;
        if (!read_tensors(folder, "input_", inputs) || !read_tensors(folder, "output_", outputs))
            text = "expected tensors of numbers; found others";
        const auto graph = import_onnx(std::as_bytes(std::span(bytes)), {}, diag);
        Samples samples;
        if (text.empty() && graph) samples = samples_of(*graph, inputs);
        if (text.empty() && !graph) text = diag.text();
        if (text.empty()) {
            CompileOptions options;
            options.host_only = true;
            const auto compiled = compile(*graph, samples, diag, {}, options);
            text = compiled ? runner.run(compiled->file, inputs, found) : diag.text();
            if (text.empty()) text = compare(outputs, found, 1e-3, 0);
        }
        const bool in_list = known.tests.contains(name);
        if (text.empty() == in_list) {
            failed++;
            std::printf("FAILED %s: %s\n", name.c_str(),
                        in_list ? "listed, and passes" : text.c_str());
        }
        passed += text.empty();
        listed += in_list;
        if (!text.empty() || in_list) continue;
        // The engines: whatever of it they take.
        Diagnostics inner;
        const auto compiled = compile(*graph, samples, inner);
        const bool uses = compiled && std::any_of(compiled->report.nodes.begin(),
                                                  compiled->report.nodes.end(), [](const auto &n) {
                                                      return n.engine.find("fpga") == 0 ||
                                                             n.engine.find("crossbar") == 0;
                                                  });
        text = compiled ? runner.run(compiled->file, inputs, found) : inner.text();
        if (text.empty()) text = compare(outputs, found, 0.01, 0.03);
        device += text.empty();
        engines += text.empty() && uses;
        const bool device_listed = known.device.contains(name);
        device_known += device_listed;
        if (text.empty() == device_listed) {
            failed++;
            std::printf("FAILED on the device path, %s: %s\n", name.c_str(),
                        device_listed ? "listed, and passes" : text.c_str());
        }
    }
    std::printf("host agent: %zu passed, %zu listed with a reason, %zu failed, %zu of operators "
                "that are not ours\n",
                passed, listed, failed, others);
    std::printf("device path: %zu passed, %zu of them with an engine; %zu listed with a reason\n",
                device, engines, device_known);
    return failed ? 1 : 0;
}
