// SPDX-License-Identifier: MIT
#include "tools/accrole/manifest.h"

#include "acc/program.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <initializer_list>

namespace acc::role
{
namespace
{

class Reader
{
public:
    explicit Reader(std::string &why) : why_(why) {}

    bool ok() const { return why_.empty(); }
    void refuse(const toml::node &at, const std::string &text)
    {
        why_ += (why_.empty() ? "" : "\n") + std::string("role.toml:") +
                std::to_string(at.source().begin.line) + ": " + text;
    }

    // Every key is one of these.
    void keys(const toml::table &table, std::initializer_list<std::string_view> known)
    {
        for (const auto &[key, node] : table) {
            if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
            std::string all;
            for (const std::string_view one : known)
                all += (all.empty() ? "" : ", ") + std::string(one);
            refuse(node,
                   "expected one of " + all + "; found the key '" + std::string(key.str()) + "'");
        }
    }

    // A name that Verilog and C++ take alike, since both get it.
    std::string name(const toml::table &table, std::string_view key, bool needed)
    {
        const toml::node *node = table.get(key);
        if (!node) {
            if (needed) refuse(table, "expected '" + std::string(key) + "'; found none");
            return {};
        }
        const auto value = node->value<std::string>();
        const auto fits = [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
        };
        if (!value || value->empty() || value->size() > 40 ||
            !std::all_of(value->begin(), value->end(), fits) ||
            std::isdigit(static_cast<unsigned char>(value->front()))) {
            refuse(*node, std::string(key) +
                              ": expected a name of letters, digits and '_', at most "
                              "40 of them; found " +
                              (value ? "'" + *value + "'" : std::string("no string")));
            return {};
        }
        return *value;
    }

    int64_t number(const toml::table &table, std::string_view key, int64_t least, int64_t most,
                   int64_t otherwise)
    {
        const toml::node *node = table.get(key);
        if (!node) return otherwise;
        const auto value = node->value_exact<int64_t>();
        if (value && *value >= least && *value <= most) return *value;
        refuse(*node, std::string(key) + ": expected an integer from " + std::to_string(least) +
                          " to " + std::to_string(most) + "; found " +
                          (value ? std::to_string(*value) : std::string("none")));
        return least;
    }

    bool flag(const toml::table &table, std::string_view key)
    {
        const toml::node *node = table.get(key);
        if (!node) return false;
        const auto value = node->value_exact<bool>();
        if (!value) refuse(*node, std::string(key) + ": expected true or false; found another");
        return value.value_or(false);
    }

    const toml::table *table(const toml::table &top, std::string_view key)
    {
        const toml::node *node = top.get(key);
        if (!node) return nullptr;
        if (!node->as_table())
            refuse(*node, std::string(key) + ": expected a table; found another");
        return node->as_table();
    }

    template <typename F>
    void each(const toml::table &top, std::string_view key, F f)
    {
        const toml::node *node = top.get(key);
        if (!node) return;
        if (!node->is_array_of_tables())
            return refuse(*node, std::string(key) + ": expected [[" + std::string(key) +
                                     "]] tables; found another");
        for (const toml::node &one : *node->as_array())
            f(*one.as_table());
    }

private:
    std::string &why_;
};

void read_role(Reader &reader, const toml::table &table, Manifest &out)
{
    reader.keys(table, {"name", "top", "sources", "luts", "ffs", "brams", "dsps", "class", "clock",
                        "reset", "reset_active_low"});
    out.name = reader.name(table, "name", true);
    out.top = reader.name(table, "top", true);
    out.clock = reader.name(table, "clock", true);
    out.reset = reader.name(table, "reset", true);
    if (table.contains("reset_active_low"))
        out.reset_active_low = reader.flag(table, "reset_active_low");
    const auto takes = [&](const char *key, int64_t least, int64_t otherwise) {
        return static_cast<uint64_t>(reader.number(table, key, least, 100'000'000, otherwise));
    };
    out.takes = {takes("luts", 1, 10'000), takes("ffs", 0, 0), takes("brams", 0, 0),
                 takes("dsps", 0, 0)};
    out.region_class = static_cast<uint32_t>(reader.number(table, "class", 0, 2, 0));
    const toml::node *sources = table.get("sources");
    if (!sources) return;
    if (!sources->as_array())
        return reader.refuse(*sources, "sources: expected an array of files; found another");
    for (const toml::node &one : *sources->as_array()) {
        const auto file = one.value<std::string>();
        if (!file || file->empty() || file->front() == '/')
            reader.refuse(one, "sources: expected paths from the folder; found another");
        else
            out.sources.push_back(*file);
    }
}

void read_ports(Reader &reader, const toml::table &top, Manifest &out)
{
    if (const toml::table *control = reader.table(top, "control")) {
        reader.keys(*control, {"prefix", "interrupt"});
        out.control = true;
        out.control_prefix = reader.name(*control, "prefix", true);
        out.interrupt = reader.name(*control, "interrupt", false);
    }
    if (const toml::table *memory = reader.table(top, "memory")) {
        reader.keys(*memory, {"prefix", "data_bits", "latency"});
        out.memory = true;
        out.memory_prefix = reader.name(*memory, "prefix", true);
        out.memory_bits = static_cast<uint32_t>(reader.number(*memory, "data_bits", 8, 64, 64));
        if (out.memory_bits & (out.memory_bits - 1))
            reader.refuse(*memory, "data_bits: expected 8, 16, 32 or 64; found " +
                                       std::to_string(out.memory_bits));
        out.memory_latency = static_cast<uint32_t>(reader.number(*memory, "latency", 1, 1000, 16));
    }
    reader.each(top, "stream", [&](const toml::table &table) {
        reader.keys(table, {"prefix", "direction", "data_bits", "last", "address", "count"});
        Stream stream;
        stream.prefix = reader.name(table, "prefix", true);
        const auto direction = table["direction"].value<std::string>();
        if (direction != "in" && direction != "out")
            reader.refuse(table, "direction: expected \"in\" or \"out\"; found " +
                                     (direction ? "\"" + *direction + "\"" : std::string("none")));
        stream.input = direction == "in";
        stream.last = reader.flag(table, "last");
        stream.data_bits = static_cast<uint32_t>(reader.number(table, "data_bits", 8, 64, 32));
        if (stream.data_bits & (stream.data_bits - 1))
            reader.refuse(table, "data_bits: expected 8, 16, 32 or 64; found " +
                                     std::to_string(stream.data_bits));
        if (!out.streams.empty() && stream.data_bits != out.streams[0].data_bits)
            reader.refuse(table, "data_bits: expected the same of every stream, " +
                                     std::to_string(out.streams[0].data_bits) + "; found " +
                                     std::to_string(stream.data_bits));
        stream.address = reader.name(table, "address", false);
        stream.count = reader.name(table, "count", false);
        if (stream.address.empty() != stream.count.empty())
            reader.refuse(table, "expected both 'address' and 'count', or neither; found one");
        out.streams.push_back(std::move(stream));
    });
    std::stable_sort(out.streams.begin(), out.streams.end(),
                     [](const Stream &a, const Stream &b) { return a.input && !b.input; });
}

void read_arguments(Reader &reader, const toml::table &top, Manifest &out)
{
    reader.each(top, "argument", [&](const toml::table &table) {
        reader.keys(table, {"name", "bytes", "register"});
        Argument argument;
        argument.name = reader.name(table, "name", true);
        argument.bytes = static_cast<uint32_t>(reader.number(table, "bytes", 4, 8, 8));
        if (argument.bytes != 4 && argument.bytes != 8)
            reader.refuse(table, "bytes: expected 4 or 8; found " + std::to_string(argument.bytes));
        argument.register_offset = reader.number(table, "register", 0x10, 0x7ffc, -1);
        if (argument.register_offset >= 0 && argument.register_offset % 4)
            reader.refuse(table, "register: expected a multiple of 4; found " +
                                     std::to_string(argument.register_offset));
        if (argument.register_offset >= 0 && !out.control)
            reader.refuse(table, "register: expected a [control] port for it; found none");
        if (out.find(argument.name))
            reader.refuse(table, "expected names that differ; found '" + argument.name + "' twice");
        out.kernarg_bytes =
            (out.kernarg_bytes + argument.bytes - 1) / argument.bytes * argument.bytes;
        argument.at = out.kernarg_bytes;
        out.kernarg_bytes += argument.bytes;
        out.arguments.push_back(std::move(argument));
    });
    for (const Stream &stream : out.streams)
        for (const std::string &name : {stream.address, stream.count})
            if (!name.empty() && !out.find(name))
                reader.refuse(top, "stream " + stream.prefix + ": expected an [[argument]] '" +
                                       name + "'; found none");
    if (!out.control && out.streams.empty())
        reader.refuse(top, "expected a [control] port or a [[stream]]; found neither");
}

} // namespace

uint32_t Manifest::inputs() const
{
    return static_cast<uint32_t>(
        std::count_if(streams.begin(), streams.end(), [](const Stream &s) { return s.input; }));
}

const Argument *Manifest::find(const std::string &argument) const
{
    for (const Argument &one : arguments)
        if (one.name == argument) return &one;
    return nullptr;
}

std::array<uint64_t, 4> Project::takes() const
{
    std::array<uint64_t, 4> sum = {};
    for (const Manifest &design : designs)
        for (size_t i = 0; i < sum.size(); i++)
            sum[i] += design.takes[i];
    return sum;
}

uint32_t Project::region_class() const
{
    uint32_t most = 0;
    for (const Manifest &design : designs)
        most = std::max(most, design.region_class);
    return most;
}

uint32_t Project::index_of(const std::string &stage) const
{
    for (uint32_t i = 0; i < designs.size(); i++)
        if (designs[i].name == stage) return i;
    return ACC_FPGA_MEMORY;
}

namespace
{

Result<Project> read_folder(const std::string &folder, bool nested, std::string &why);

Result<Manifest> read_design(Reader &reader, const toml::table &top, const std::string &folder,
                             std::string &why)
{
    Manifest out;
    out.folder = folder;
    reader.keys(top, {"role", "control", "memory", "stream", "argument"});
    if (const toml::table *role = reader.table(top, "role"))
        read_role(reader, *role, out);
    else if (reader.ok())
        reader.refuse(top, "expected a [role] table, or a [graph]; found neither");
    read_ports(reader, top, out);
    read_arguments(reader, top, out);
    if (!reader.ok()) return Error{-EINVAL};
    std::error_code error;
    if (out.sources.empty())
        for (const auto &entry : std::filesystem::directory_iterator(folder))
            if (entry.path().extension() == ".v" || entry.path().extension() == ".sv")
                out.sources.push_back(entry.path().filename().string());
    for (const std::string &source : out.sources)
        if (!std::filesystem::is_regular_file(folder + "/" + source, error)) {
            why = folder + "/" + source + ": expected a source; found none";
            return Error{-ENOENT};
        }
    if (out.sources.empty()) {
        why = folder + ": expected sources, *.v or *.sv; found none";
        return Error{-ENOENT};
    }
    return out;
}

// A design under the name of its stage.
Result<Manifest> read_stage(Reader &reader, const toml::table &table, const std::string &folder,
                            std::string &why)
{
    reader.keys(table, {"name", "folder", "parameters"});
    const std::string name = reader.name(table, "name", true);
    const auto place = table["folder"].value<std::string>();
    if (!place) reader.refuse(table, "expected 'folder'; found none");
    std::vector<Parameter> parameters;
    if (const toml::table *all = reader.table(table, "parameters"))
        for (const auto &[key, node] : *all) {
            const auto value = node.value_exact<int64_t>();
            if (!value) reader.refuse(node, "parameters: expected integers; found another");
            parameters.push_back({std::string(key.str()), value.value_or(0)});
        }
    if (!reader.ok()) return Error{-EINVAL};
    ACC_TRY(Project project, read_folder(folder + "/" + *place, true, why));
    Manifest design = std::move(project.designs[0]);
    design.name = name;
    for (Parameter &parameter : parameters)
        design.parameters.push_back(std::move(parameter));
    return design;
}

Result<Project> read_graph(Reader &reader, const toml::table &top, const std::string &folder,
                           std::string &why)
{
    Project out;
    reader.keys(top, {"graph", "stage", "edge"});
    const toml::table *graph = reader.table(top, "graph");
    if (graph) {
        reader.keys(*graph, {"name"});
        out.name = reader.name(*graph, "name", true);
    }
    int error = 0;
    reader.each(top, "stage", [&](const toml::table &table) {
        if (error) return;
        auto stage = read_stage(reader, table, folder, why);
        if (!stage)
            error = stage.error();
        else if (out.index_of(stage->name) != ACC_FPGA_MEMORY || stage->name == "memory" ||
                 stage->name == out.name)
            reader.refuse(table, "expected names that differ, and none 'memory'; found '" +
                                     stage->name + "'");
        else
            out.designs.push_back(std::move(*stage));
    });
    if (error) return Error{error};
    reader.each(top, "edge", [&](const toml::table &table) {
        reader.keys(table, {"from", "from_stream", "to", "to_stream", "depth"});
        Edge edge;
        edge.from = reader.name(table, "from", true);
        edge.to = reader.name(table, "to", true);
        edge.from_stream = static_cast<uint32_t>(reader.number(table, "from_stream", 0, 63, 0));
        edge.to_stream = static_cast<uint32_t>(reader.number(table, "to_stream", 0, 63, 0));
        edge.depth = static_cast<uint32_t>(reader.number(table, "depth", 1, 65536, 2));
        for (const std::string &end : {edge.from, edge.to})
            if (end != "memory" && out.index_of(end) == ACC_FPGA_MEMORY)
                reader.refuse(table, "expected a [[stage]] or memory; found '" + end + "'");
        out.edges.push_back(std::move(edge));
    });
    if (reader.ok() && (out.designs.empty() || out.edges.empty()))
        reader.refuse(top, "expected stages and edges; found none");
    if (!reader.ok()) return Error{-EINVAL};
    return out;
}

Result<Project> read_folder(const std::string &folder, bool nested, std::string &why)
try {
    const std::string path = folder + "/role.toml";
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) {
        why = path + ": expected a manifest; found none";
        return Error{-ENOENT};
    }
    const toml::table top = toml::parse_file(path);
    Reader reader(why);
    if (top.contains("graph")) {
        if (!nested) return read_graph(reader, top, folder, why);
        why = path + ": expected a design as a stage; found a graph";
        return Error{-EINVAL};
    }
    ACC_TRY(Manifest design, read_design(reader, top, folder, why));
    Project project;
    project.name = design.name;
    project.designs.push_back(std::move(design));
    return project;
} catch (const toml::parse_error &error) {
    why = "role.toml:" + std::to_string(error.source().begin.line) + ": " +
          std::string(error.description());
    return Error{-EINVAL};
} catch (const std::exception &error) {
    why = std::string("role.toml: ") + error.what();
    return Error{-EIO};
}

} // namespace

Result<Project> read_project(const std::string &folder, std::string &why)
{
    why.clear();
    return read_folder(folder, false, why);
}

std::string wrapper_source(const Manifest &manifest, const std::string &model)
{
    const auto truth = [](bool value) { return value ? "true" : "false"; };
    std::string s = "#include \"" + model + ".h\"\n#include <acc/role_rtl.hpp>\n\nnamespace " +
                    model +
                    "_role\n{\nstruct Pins {\n"
                    "    using Model = " +
                    model + ";\n";
    const auto constant = [&](const char *type, const char *name, const std::string &value) {
        s += std::string("    static constexpr ") + type + " " + name + " = " + value + ";\n";
    };
    const auto pin = [&](const std::string &name, const std::string &port) {
        s += "    static auto &" + name + "(Model &m) { return m." + port + "; }\n";
    };
    constant("bool", "kControl", truth(manifest.control));
    constant("bool", "kInterrupt", truth(!manifest.interrupt.empty()));
    constant("bool", "kMemory", truth(manifest.memory));
    constant("unsigned", "kInputs", std::to_string(manifest.inputs()));
    constant("unsigned", "kOutputs", std::to_string(manifest.streams.size() - manifest.inputs()));
    constant("unsigned", "kTokenBytes",
             std::to_string(manifest.streams.empty() ? 0 : manifest.streams[0].data_bits / 8));
    constant("unsigned", "kMemoryBytes", std::to_string(manifest.memory_bits / 8));
    constant("unsigned", "kMemoryLatency", std::to_string(manifest.memory_latency));
    s += "    static void clock(Model &m, bool high) { m." + manifest.clock + " = high; }\n";
    s += "    static void reset(Model &m, bool on) { m." + manifest.reset + " = " +
         (manifest.reset_active_low ? "!on" : "on") + "; }\n";
    if (manifest.control)
        for (const char *name :
             {"awaddr", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready", "bvalid",
              "bready", "araddr", "arvalid", "arready", "rdata", "rvalid", "rready"})
            pin(name, manifest.control_prefix + name);
    s += "    static bool irq([[maybe_unused]] Model &m) { return " +
         (manifest.interrupt.empty() ? std::string("false") : "m." + manifest.interrupt) + "; }\n";
    if (manifest.memory)
        for (const char *name : {"req_valid", "req_ready", "req_write", "req_addr", "req_wdata",
                                 "req_wstrb", "rsp_valid", "rsp_rdata"})
            pin(std::string("mem_") + name, manifest.memory_prefix + name);
    std::string offer, takes, accept, gives;
    for (uint32_t i = 0, in = 0, out = 0; i < manifest.streams.size(); i++) {
        const Stream &stream = manifest.streams[i];
        const std::string m = "m." + stream.prefix;
        if (stream.input) {
            const std::string on = "        if (s == " + std::to_string(in++) + ") ";
            offer += on + "{ " + m + "tvalid = valid; " + m +
                     "tdata = static_cast<std::remove_reference_t<decltype(" + m +
                     "tdata)>>(token);" + (stream.last ? " " + m + "tlast = last;" : "") + " }\n";
            takes += on + "return " + m + "tvalid && " + m + "tready;\n";
        } else {
            const std::string on = "        if (s == " + std::to_string(out++) + ") ";
            accept += on + m + "tready = ready;\n";
            gives +=
                on + "{ token = " + m + "tdata; return " + m + "tvalid && " + m + "tready; }\n";
        }
    }
    const std::string m = "([[maybe_unused]] Model &m, [[maybe_unused]] unsigned s";
    s += "    static void offer" + m +
         ", [[maybe_unused]] bool valid, [[maybe_unused]] uint64_t token, "
         "[[maybe_unused]] bool last)\n    {\n" +
         offer + "    }\n";
    s += "    static bool takes" + m + ")\n    {\n" + takes + "        return false;\n    }\n";
    s += "    static void accept" + m + ", [[maybe_unused]] bool ready)\n    {\n" + accept +
         "    }\n";
    s += "    static bool gives" + m + ", [[maybe_unused]] uint64_t &token)\n    {\n" + gives +
         "        return false;\n    }\n};\n\n";
    s += "constexpr acc_role_ops ops = acc::rtl::Table<Pins>::ops(\"" + manifest.name +
         "\");\n} // namespace\n\n";
    return s;
}

} // namespace acc::role
