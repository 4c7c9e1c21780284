// SPDX-License-Identifier: MIT
#include "digits.h"

#include "common/npy.h"

#include <algorithm>
#include <cstring>

namespace digits
{
namespace
{

// Reads one array into `values`; its shape must be [count, …rest]. count 0: any.
template <typename T>
bool read(const std::string &path, const char *type, size_t count, std::vector<size_t> rest,
          std::vector<T> &values, std::string &why)
{
    const acc::Result<acc::Npy> array = acc::read_npy(path, why);
    if (!array) {
        why = path + ": " + why;
        return false;
    }
    if (count == 0 && !array->shape.empty()) count = array->shape[0];
    rest.insert(rest.begin(), count);
    if (array->type != type || array->shape != rest || count == 0) {
        why = path + ": expected " + std::string(acc::npy_type_name(type)) + " " +
              acc::npy_shape_text(rest) + "; found " + array->describe();
        return false;
    }
    values.resize(array->items());
    std::memcpy(values.data(), array->data.data(), array->data.size());
    return true;
}

} // namespace

bool read_data(const std::string &folder, Data &data, std::string &why)
{
    if (!read(folder + "/test_labels.npy", "i8", 0, {}, data.labels, why)) return false;
    const size_t count = data.labels.size();
    return read(folder + "/test_images.npy", "f4", count, {1, side, side}, data.images, why) &&
           read(folder + "/float_probabilities.npy", "f4", count, {classes},
                data.float_probabilities, why);
}

size_t largest(const float *probabilities)
{
    return static_cast<size_t>(std::max_element(probabilities, probabilities + classes) -
                               probabilities);
}

size_t count_right(const std::vector<float> &probabilities, const std::vector<int64_t> &labels)
{
    size_t right = 0;
    for (size_t i = 0; i < labels.size(); ++i)
        right += largest(&probabilities[i * classes]) == static_cast<size_t>(labels[i]);
    return right;
}

double percent(size_t part, size_t whole)
{
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void subtract(acc_device_counters &a, const acc_device_counters &b)
{
    a.packets -= b.packets;
    a.dispatches -= b.dispatches;
    a.faults -= b.faults;
    a.loads -= b.loads;
    a.evictions -= b.evictions;
    a.bytes_read -= b.bytes_read;
    a.bytes_written -= b.bytes_written;
    a.busy_ns -= b.busy_ns;
    a.modelled_ns -= b.modelled_ns;
    a.load_ns -= b.load_ns;
    a.energy_pj -= b.energy_pj;
    a.load_energy_pj -= b.load_energy_pj;
    a.sleeps -= b.sleeps;
    a.kicks -= b.kicks;
    a.saturations -= b.saturations;
    a.mvms -= b.mvms;
}

} // namespace digits
