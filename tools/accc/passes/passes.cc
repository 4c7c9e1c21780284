// SPDX-License-Identifier: MIT
#include "tools/accc/passes/passes.h"

#include "tools/accc/ir/verify.h"

namespace acc::accc
{

std::span<const Pass> float_passes()
{
    static constexpr Pass passes[] = {
        {"fold", fold_scales},
        {"layout", choose_layout},
        {"fuse", fuse_limits},
        {"weights", permute_weights},
    };
    return passes;
}

Status run_passes(Graph &graph, Diagnostics &diag, const AfterPass &after)
{
    for (const Pass &pass : float_passes()) {
        ACCC_CHECK(pass.run(graph, diag));
        graph.drop_dead();
        ACCC_CHECK(verify_graph(graph, diag));
        if (after) after(pass.name, graph);
    }
    return Ok{};
}

} // namespace acc::accc
