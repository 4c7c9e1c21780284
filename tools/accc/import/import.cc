// SPDX-License-Identifier: MIT
#include "tools/accc/import/import.h"

#include "tools/accc/import/onnx_tensor.h"
#include "tools/accc/import/tf_import.h"
#include "tools/accc/import/tflite_import.h"
#include "tools/accc/ir/print.h"

#include <filesystem>

namespace acc::accc
{
namespace
{

// What --print-after=import --print-data wrote.
Result<Graph> import_text(std::string_view text, const ImportOptions &options, Diagnostics &diag)
{
    if (!options.shapes.empty())
        return diag.error("expected no --shape, since a graph's text has all shapes; found one");
    ACC_TRY(Graph graph, parse_graph(text, diag));
    if (graph.stage != Stage::Model)
        return diag.error("expected a graph of stage model; found one of a later stage");
    return graph;
}

} // namespace

Result<Graph> import_model_file(const std::string &path, ImportOptions options, Diagnostics &diag)
{
    namespace fs = std::filesystem;
    std::error_code ignored;
    fs::path file = path;
    if (fs::is_directory(file, ignored) && fs::exists(file / "saved_model.pb", ignored))
        file /= "saved_model.pb";
    ACC_TRY(const std::string text, read_file(file.string(), 0, std::string::npos, diag));
    options.folder = file.has_parent_path() ? file.parent_path().string() : ".";
    const auto bytes = std::as_bytes(std::span(text));
    Diagnostics inner;
    const bool protobuf = file.extension() == ".pb";
    auto graph = file.extension() == ".accir"          ? import_text(text, options, inner)
                 : looks_like_tflite(bytes)            ? import_tflite(bytes, options, inner)
                 : file.filename() == "saved_model.pb" ? import_saved_model(bytes, options, inner)
                 : protobuf                            ? import_graphdef(bytes, options, inner)
                                                       : import_onnx(bytes, options, inner);
    for (const std::string &warning : inner.warnings())
        diag.warn(path + ": " + warning);
    if (!graph) return diag.error(path + ": " + inner.text(), graph.error());
    if (graph->name.empty()) graph->name = file.stem().string();
    return graph;
}

} // namespace acc::accc
