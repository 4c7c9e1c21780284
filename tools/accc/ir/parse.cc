// SPDX-License-Identifier: MIT
#include "tools/accc/ir/print.h"
#include "tools/accc/ir/scanner.h"
#include "tools/accc/ir/shape.h"
#include "tools/accc/ir/verify.h"

#include <map>
#include <new>

namespace acc::accc
{
namespace
{

constexpr int64_t kMaxId = int64_t{1} << 20;
constexpr int64_t kAny = int64_t{1} << 62; // a size that no check here needs to know better

class Parser
{
public:
    explicit Parser(std::string_view text) : in_(text) {}

    Result<Graph> run(Diagnostics &diag)
    {
        header();
        while (in_.good() && !in_.at_end())
            line();
        if (!in_.good()) return diag.error(in_.error());
        // To a pass the verifier says "internal: …"; here it is the text that is wrong.
        Diagnostics inner;
        if (!verify_graph(g_, inner))
            return diag.error(inner.text().substr(std::string_view("internal: ").size()));
        return std::move(g_);
    }

private:
    void header()
    {
        in_.end_line();
        in_.need("graph");
        g_.name = in_.string();
        in_.need(",");
        in_.need("stage");
        const std::map<std::string, Stage> stages = {{"model", Stage::Model},
                                                     {"float", Stage::Float},
                                                     {"physical", Stage::Physical},
                                                     {"lowered", Stage::Lowered}};
        const auto it = stages.find(in_.word());
        if (it == stages.end()) return in_.fail("a stage: model, float, physical or lowered");
        g_.stage = it->second;
        in_.end_line();
    }

    void line()
    {
        if (in_.peek() == '%') {
            operation();
        } else if (in_.take("node")) {
            node();
        } else if (in_.take("const")) {
            constant();
        } else if (in_.take("input")) {
            const ValueId id = definition();
            in_.need(":");
            type(id);
            g_.inputs.push_back(id);
        } else if (in_.take("output")) {
            g_.output_names.push_back(in_.string());
            g_.outputs.push_back(use());
        } else {
            in_.fail("node, const, input, output or a result");
        }
        in_.end_line();
    }

    void node()
    {
        Source s;
        s.name = in_.string();
        s.op = in_.string();
        if (in_.take("fate")) s.fate = in_.string();
        if (in_.take("host")) s.host = in_.string();
        if (!sources_.emplace(s.name, static_cast<uint32_t>(g_.sources.size())).second)
            in_.fail("nodes with names that differ, before the line's end");
        g_.sources.push_back(std::move(s));
    }

    void constant()
    {
        const ValueId id = definition();
        in_.need(":");
        type(id);
        in_.need("=");
        if (in_.take("...")) in_.fail("the constant's values, which the text leaves out, before");
        if (!in_.good()) return;
        Value &v = g_.value(id);
        const auto size = static_cast<size_t>(elements(v.dims));
        Data data;
        switch (v.dtype) {
        case DType::F32:
            data = numbers<float>([&] { return in_.real(); });
            break;
        case DType::I8:
            data = numbers<int8_t>([&] { return static_cast<int8_t>(in_.integer(-128, 127)); });
            break;
        case DType::I32:
            data = numbers<int32_t>(
                [&] { return static_cast<int32_t>(in_.integer(INT32_MIN, INT32_MAX)); });
            break;
        default: {
            std::vector<std::byte> bytes;
            in_.need("x");
            while (in_.good() && bytes.size() < size * dtype_size(v.dtype))
                bytes.push_back(static_cast<std::byte>(in_.byte()));
            data = std::move(bytes);
        }
        }
        const auto found =
            std::visit([](const auto &d) { return std::as_bytes(std::span(d)).size(); }, data);
        if (found != size * dtype_size(v.dtype))
            in_.fail(std::to_string(size) + " values before the line's end");
        v.data = std::make_shared<const Data>(std::move(data));
    }

    template <typename T, typename Next>
    std::vector<T> numbers(Next next)
    {
        std::vector<T> values;
        in_.list([&] { values.push_back(next()); });
        return values;
    }

    ValueId id()
    {
        in_.need("%");
        return static_cast<ValueId>(in_.integer(0, kMaxId));
    }

    // A value that the text has not had before.
    ValueId definition()
    {
        const ValueId made = id();
        if (!in_.good()) return 0;
        if (made >= g_.values.size()) g_.values.resize(made + 1);
        if (made >= defined_.size()) defined_.resize(made + 1);
        if (defined_[made]) in_.fail("a value of its own before");
        defined_[made] = true;
        g_.value(made).name = in_.string();
        return made;
    }

    ValueId use()
    {
        const ValueId used = id();
        if (in_.good() && (used >= defined_.size() || !defined_[used]))
            in_.fail("a value that is made above, before");
        return in_.good() ? used : 0;
    }

    void type(ValueId to)
    {
        if (!in_.good()) return;
        static const auto types = [] {
            std::map<std::string, DType> all;
            for (int i = 0; i <= static_cast<int>(DType::F64); i++)
                all[dtype_name(static_cast<DType>(i))] = static_cast<DType>(i);
            return all;
        }();
        Value v;
        v.name = g_.value(to).name;
        const auto it = types.find(in_.word());
        if (it == types.end()) return in_.fail("a type before");
        v.dtype = it->second;
        int64_t all = 1;
        if (!in_.take("scalar")) {
            do {
                v.dims.push_back(in_.integer(0, kMaxElements));
                all *= v.dims.back();
                if (all > kMaxElements || v.dims.size() > host::kMaxRank)
                    in_.fail("at most 2^28 elements in 8 dimensions before");
            } while (in_.good() && in_.take("x"));
        }
        if (in_.take("scales")) scales(v);
        if (in_.take("scale")) {
            v.quant.scale = in_.real();
            in_.need("zero");
            v.quant.zero_point = static_cast<int32_t>(in_.integer(INT32_MIN, INT32_MAX));
            if (in_.take("scales")) scales(v);
        }
        g_.value(to) = std::move(v);
    }

    void scales(Value &v)
    {
        v.scales = numbers<float>([&] { return in_.real(); });
        in_.need("along");
        v.scale_axis = in_.integer(0, static_cast<int64_t>(host::kMaxRank));
        const auto axis = static_cast<size_t>(v.scale_axis);
        if (v.scales.size() > 1 &&
            (axis >= v.dims.size() || v.dims[axis] != static_cast<int64_t>(v.scales.size())))
            in_.fail("a scale for each element of an axis before");
    }

    // %1 "a", none, %2 "b" = Split %0 {…} : f32 1x2, none, f32 1x2 # "node"
    void operation()
    {
        Op op;
        std::vector<ValueId> made;
        do {
            made.push_back(!made.empty() && in_.take("none") ? kNoValue : definition());
        } while (in_.good() && in_.take(","));
        op.output = made.front();
        op.more.assign(made.begin() + 1, made.end());
        in_.need("=");
        const std::string name = in_.word();
        op.kind = kind_of(name);
        if (op.kind == Kind::Host) {
            op.node.op = name;
            if (!host::known(name)) in_.fail("an operator that accc knows before");
        }
        if (in_.peek() == '%' || in_.peek() == 'n') {
            do {
                op.inputs.push_back(op.kind == Kind::Host && in_.take("none") ? kNoValue : use());
            } while (in_.good() && in_.take(","));
        }
        if (in_.good() && in_.take("{")) {
            do {
                op.kind == Kind::Host ? host_attribute(op) : attribute(op);
            } while (in_.good() && in_.take(","));
            in_.need("}");
        }
        for (size_t i = 0; i < made.size() && in_.good(); i++) {
            in_.need(i ? "," : ":");
            if (made[i] == kNoValue)
                in_.need("none");
            else
                type(made[i]);
        }
        in_.need("#");
        const auto source = sources_.find(in_.string());
        if (source == sources_.end()) return in_.fail("the name of a node above, before");
        op.source = source->second;
        if (!in_.good()) return;
        derive(op);
        g_.ops.push_back(std::move(op));
    }

    static Kind kind_of(const std::string &name)
    {
        for (int i = 0; i < static_cast<int>(Kind::Host); i++)
            if (name == kind_name(static_cast<Kind>(i))) return static_cast<Kind>(i);
        return Kind::Host;
    }

    void host_attribute(Op &op)
    {
        const std::string name = in_.word();
        if (in_.good() && host::known(op.node.op) && !host::known_attr(op.node.op, name))
            in_.fail("an attribute of " + op.node.op + " before");
        host::Attr value;
        if (in_.peek() == '"') {
            value = in_.string();
        } else if (in_.peek() == '[') {
            value = numbers<int64_t>([&] { return in_.integer(INT64_MIN, INT64_MAX); });
        } else if (in_.take("f")) {
            if (in_.peek() == '[')
                value = numbers<float>([&] { return in_.real(); });
            else
                value = in_.real();
        } else {
            value = in_.integer(INT64_MIN, INT64_MAX);
        }
        op.node.attrs[name] = std::move(value);
    }

    void pair(int64_t (&to)[2])
    {
        const auto list = numbers<int64_t>([&] { return in_.integer(0, kAny); });
        if (list.size() != 2) return in_.fail("two values before");
        to[0] = list[0];
        to[1] = list[1];
    }

    void attribute(Op &op)
    {
        const std::string name = in_.word();
        if (name == "kernel") return pair(op.window.kernel);
        if (name == "stride") return pair(op.window.stride);
        if (name == "dilation") return pair(op.window.dilation);
        if (name == "pad") return pair(op.window.pad);
        if (name == "channels_last") {
            op.channels_last = true;
        } else if (name == "count_include_pad") {
            op.count_include_pad = true;
        } else if (name == "groups") {
            op.groups = in_.integer(1, kAny);
        } else if (name == "axis") {
            op.axis = in_.integer(0, static_cast<int64_t>(kMaxRank));
        } else if (name == "formula") {
            op.node.attrs[name] = in_.string();
        } else if (name == "start") {
            op.start = in_.integer(0, kAny);
        } else if (name == "perm") {
            op.perm = numbers<int>([&] { return static_cast<int>(in_.integer(0, 15)); });
        } else if (name == "program") {
            op.program = static_cast<uint32_t>(in_.integer(1, UINT32_MAX));
        } else if (name == "clamp") {
            in_.need("f");
            const auto limits = numbers<float>([&] { return in_.real(); });
            if (limits.size() != 2) return in_.fail("two limits before");
            op.lo = limits[0];
            op.hi = limits[1];
        } else {
            in_.fail("an attribute of the operation before");
        }
    }

    // What the type of the result says of the operation.
    void derive(Op &op)
    {
        const Dims &y = g_.value(op.output).dims;
        if (op.kind == Kind::Reshape) op.shape = y;
        if (op.kind == Kind::Slice && op.axis < static_cast<int64_t>(y.size()))
            op.shape = {y[static_cast<size_t>(op.axis)]};
        const bool windows = op.kind == Kind::Conv || op.kind == Kind::MaxPool ||
                             op.kind == Kind::AvgPool || op.kind == Kind::Im2col;
        for (int i = 0; windows && i < 2; i++) {
            const size_t axis = static_cast<size_t>((op.channels_last ? 1 : 2) + i);
            op.window.out[i] = axis < y.size() ? y[axis] : 0;
        }
    }

    Scanner in_;
    Graph g_;
    std::vector<bool> defined_;
    std::map<std::string, uint32_t> sources_;
};

} // namespace

Result<Graph> parse_graph(std::string_view text, Diagnostics &diag)
try {
    return Parser(text).run(diag);
} catch (const std::bad_alloc &) {
    return diag.error("expected memory for the graph; found none", -ENOMEM);
}

} // namespace acc::accc
