// SPDX-License-Identifier: MIT
#pragma once

#include "tools/accc/legalize/legalizer.h"

namespace acc::accc
{

// Reads strides, dilations, pads, auto_pad, kernel_shape and ceil_mode of a node over an
// image x [1, c, h, w], with ONNX's output sizes. `kernel`: of the weights, or empty when
// kernel_shape says it.
Status read_window(Legalizer &in, Node &node, const Dims &x, const Dims &kernel, Window &window);

} // namespace acc::accc
