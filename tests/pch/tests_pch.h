// SPDX-License-Identifier: MIT
//
// Precompiled: what nearly every test includes, and costs more to read than the test.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>
