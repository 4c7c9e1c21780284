// SPDX-License-Identifier: MIT
//
// The parts of the demo: data, drawing, results.
#pragma once

#include "acc/acc.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace digits
{

constexpr size_t side = 8;
constexpr size_t pixels = side * side;
constexpr size_t classes = 10;

// The held-out digits, and what the float network says of them.
struct Data {
    std::vector<float> images; // [count][8][8], 0…1
    std::vector<int64_t> labels;
    std::vector<float> float_probabilities; // [count][10]
};
// Reads the three .npy files of a folder. False with `why`.
bool read_data(const std::string &folder, Data &data, std::string &why);

struct Cost {
    std::string uri;
    acc_device_counters counters;
};

struct Result {
    std::vector<float> probabilities; // [count][10]
    size_t right = 0, float_right = 0;
    bool repeatable = true; // every pass gave the same bits
    double images_per_s = 0;
    double peak_mb = 0; // resident memory of the process
    // Of the first pass:
    std::vector<Cost> costs; // by device
    uint64_t first_ns = 0, submissions = 0, modelled_ns = 0;
};

size_t largest(const float *probabilities); // of ten
size_t count_right(const std::vector<float> &probabilities, const std::vector<int64_t> &labels);
double percent(size_t part, size_t whole);
// a -= b, member by member.
void subtract(acc_device_counters &a, const acc_device_counters &b);

// A few digits side by side with what was recognised: shades of grey on a terminal, else
// characters of like darkness. A wrong answer is among them if there is one.
void draw_some(const Data &data, const std::vector<float> &probabilities, bool terminal);
void print_result(const Data &data, const Result &result);
// One flat object, metric -> number. False with errno.
bool write_json(const std::string &path, const Data &data, const Result &result);

} // namespace digits
