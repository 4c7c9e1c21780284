// SPDX-License-Identifier: MIT
#include "tools/accc/passes/passes.h"

#include "tools/accc/ir/verify.h"
#include "tools/accc/legalize/legalize.h"

namespace acc::accc
{

std::span<const Pass> float_passes()
{
    static constexpr Pass passes[] = {
        {"norms", fuse_norms},        {"chains", fuse_chains},   {"legalize", legalize},
        {"fold", fold_scales},        {"layout", choose_layout}, {"fuse", fuse_limits},
        {"weights", permute_weights},
    };
    return passes;
}

std::span<const Pass> model_passes()
{
    static constexpr Pass passes[] = {
        {"cse", merge_equal},
        {"transposes", cancel_transposes},
    };
    return passes;
}

static Status run_all(std::span<const Pass> passes, Graph &graph, Diagnostics &diag,
                      const AfterPass &after)
{
    for (const Pass &pass : passes) {
        ACCC_CHECK(pass.run(graph, diag));
        graph.drop_dead();
        ACCC_CHECK(verify_graph(graph, diag));
        if (after) after(pass.name, graph);
    }
    return Ok{};
}

Status run_model_passes(Graph &graph, Diagnostics &diag, const AfterPass &after)
{
    return run_all(model_passes(), graph, diag, after);
}

Status run_passes(Graph &graph, Diagnostics &diag, const AfterPass &after)
{
    return run_all(float_passes(), graph, diag, after);
}

} // namespace acc::accc
