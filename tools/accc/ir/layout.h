// SPDX-License-Identifier: MIT
//
// The orders of an image's axes, as permutations: a model's importers have them as attributes
// (int64_t), passes as lists of axes (int).
#pragma once

#include <vector>

namespace acc::accc
{

template <typename T = int>
inline const std::vector<T> kToChannelsFirst = {0, 3, 1, 2}; // N H W C -> N C H W
template <typename T = int>
inline const std::vector<T> kToChannelsLast = {0, 2, 3, 1};

} // namespace acc::accc
