// SPDX-License-Identifier: MIT
#include "tools/accc/import/tf_import.h"

#include "tools/accc/import/tf_bundle.h"
#include "tools/accc/import/tf_graph.h"

#include <google/protobuf/stubs/logging.h>

#include <limits>
#include <new>
#include <set>

namespace acc::accc
{
namespace
{

constexpr size_t kMaxTfNodes = 1 << 16; // functions inlined

std::string node_of(const std::string &reference)
{
    return reference.substr(0, reference.find(':'));
}

// Nodes of a call's function, named "call/…", with the call's operands for its arguments.
class Inliner
{
public:
    Inliner(const tf::Library &library, Diagnostics &diag) : diag_(diag)
    {
        for (const auto &f : library.function())
            functions_[f.signature().name()] = &f;
    }

    Status run(const tf::Graph &graph)
    {
        for (const auto &node : graph.node())
            ACCC_CHECK(add(node, 0));
        return Ok{};
    }

    std::vector<const tf::Node *> nodes() const
    {
        std::vector<const tf::Node *> all;
        for (const auto &node : nodes_)
            all.push_back(node.get());
        return all;
    }

private:
    Status add(const tf::Node &node, int depth)
    {
        if (nodes_.size() >= kMaxTfNodes)
            return diag_.error("expected at most 65536 nodes, functions inlined; found more");
        const bool call = node.op() == "PartitionedCall" || node.op() == "StatefulPartitionedCall";
        if (!call) {
            nodes_.push_back(std::make_unique<tf::Node>(node));
            return Ok{};
        }
        const auto f = node.attr().find("f");
        const std::string name = f == node.attr().end() ? node.op() : f->second.func().name();
        const auto it = functions_.find(name);
        if (it == functions_.end() || depth > 32)
            return diag_.error("node '" + node.name() + "' (" + node.op() +
                               "): expected a function of the file, at most 32 deep; found '" +
                               name + "'");
        return inline_call(node, *it->second, depth);
    }

    // References inside a function are "argument", "node:output:k" or "node:output".
    std::string resolve(const std::string &reference, const std::string &prefix,
                        const std::map<std::string, std::string> &arguments)
    {
        if (reference.starts_with("^")) return {};
        const auto it = arguments.find(reference);
        if (it != arguments.end()) return it->second;
        const size_t first = reference.find(':'), last = reference.rfind(':');
        if (first == std::string::npos) return prefix + reference;
        return prefix + reference.substr(0, first) +
               (last != first ? reference.substr(last) : ":0");
    }

    Status inline_call(const tf::Node &call, const tf::Function &f, int depth)
    {
        const std::string prefix = call.name() + "/";
        std::map<std::string, std::string> arguments;
        int next = 0;
        for (const auto &arg : f.signature().input()) {
            while (next < call.input_size() && call.input(next).starts_with("^"))
                next++;
            if (next >= call.input_size())
                return diag_.error("node '" + call.name() + "' (" + call.op() +
                                   "): expected an operand for '" + arg.name() + "'; found none");
            arguments[arg.name()] = call.input(next++);
        }
        for (const auto &inner : f.node()) {
            tf::Node copy = inner;
            copy.set_name(prefix + inner.name());
            copy.clear_input();
            for (const std::string &input : inner.input()) {
                const std::string to = resolve(input, prefix, arguments);
                if (!to.empty()) copy.add_input(to);
            }
            ACCC_CHECK(add(copy, depth + 1));
        }
        // The call's results, in its place.
        tf::Node results;
        results.set_name(call.name());
        results.set_op("IdentityN");
        for (const auto &out : f.signature().output()) {
            const auto it = f.ret().find(out.name());
            if (it == f.ret().end())
                return diag_.error("function '" + f.signature().name() +
                                   "': expected a result for '" + out.name() + "'; found none");
            results.add_input(resolve(it->second, prefix, arguments));
        }
        nodes_.push_back(std::make_unique<tf::Node>(std::move(results)));
        return Ok{};
    }

    Diagnostics &diag_;
    std::map<std::string, const tf::Function *> functions_;
    std::vector<std::unique_ptr<tf::Node>> nodes_;
};

template <typename Message>
bool parse(std::span<const std::byte> bytes, Message &message)
{
    const google::protobuf::LogSilencer silence;
    return bytes.size() <= std::numeric_limits<int>::max() &&
           message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

} // namespace

Result<Graph> import_graphdef(std::span<const std::byte> bytes, const ImportOptions &options,
                              Diagnostics &diag)
try {
    tf::Graph graph;
    if (!parse(bytes, graph) || graph.node_size() == 0)
        return diag.error("expected a TensorFlow graph; found " + std::to_string(bytes.size()) +
                          " bytes that are none");
    Inliner inliner(graph.library(), diag);
    ACCC_CHECK(inliner.run(graph));
    const auto nodes = inliner.nodes();
    std::set<std::string> read;
    for (const tf::Node *node : nodes)
        for (const std::string &input : node->input())
            read.insert(node_of(input.starts_with("^") ? input.substr(1) : input));
    std::vector<std::pair<std::string, std::string>> outputs;
    for (const tf::Node *node : nodes)
        if (!read.contains(node->name()) && node->op() != "NoOp" && node->op() != "Const" &&
            node->op() != "Placeholder")
            outputs.emplace_back(node->name(), node->name());
    TfReader reader(options, diag);
    reader.add_nodes(nodes);
    return reader.run(outputs, {});
} catch (const std::bad_alloc &) {
    return diag.error("expected memory for the model; found none", -ENOMEM);
}

Result<Graph> import_saved_model(std::span<const std::byte> bytes, const ImportOptions &options,
                                 Diagnostics &diag)
try {
    tf::SavedModel model;
    if (!parse(bytes, model) || model.meta_graph_size() == 0)
        return diag.error("expected a TensorFlow SavedModel; found " +
                          std::to_string(bytes.size()) + " bytes that are none");
    const tf::MetaGraph &meta = model.meta_graph(0);
    const auto signature = meta.signature().find("serving_default");
    if (signature == meta.signature().end())
        return diag.error("expected a signature 'serving_default'; found none");
    Inliner inliner(meta.graph().library(), diag);
    ACCC_CHECK(inliner.run(meta.graph()));
    TfReader reader(options, diag);
    reader.add_nodes(inliner.nodes());
    ACCC_CHECK(define_bundle(reader, inliner.nodes(), meta.objects(), options.folder, diag));
    std::map<std::string, std::string> input_names;
    for (const auto &[name, info] : signature->second.inputs())
        input_names[node_of(info.name())] = name;
    // A map has no order: by name.
    std::map<std::string, std::string> sorted;
    for (const auto &[name, info] : signature->second.outputs())
        sorted[name] = info.name();
    return reader.run({sorted.begin(), sorted.end()}, input_names);
} catch (const std::bad_alloc &) {
    return diag.error("expected memory for the model; found none", -ENOMEM);
}

} // namespace acc::accc
