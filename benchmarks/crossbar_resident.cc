// SPDX-License-Identifier: MIT
#include "crossbar_parts.h"

#include "acc/acc.h"
#include "program/samples.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{

using namespace acc;

double resident_mb()
{
    unsigned long pages = 0, resident = 0;
    FILE *file = std::fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (std::fscanf(file, "%lu %lu", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

// The largest since it was last asked.
double peak_mb(bool restart)
{
    double kb = 0;
    if (FILE *file = std::fopen("/proc/self/status", "re")) {
        char line[256];
        while (std::fgets(line, sizeof(line), file))
            if (std::sscanf(line, "VmHWM: %lf", &kb) == 1) break;
        std::fclose(file);
    }
    if (restart) {
        if (FILE *file = std::fopen("/proc/self/clear_refs", "we")) {
            std::fputs("5", file);
            std::fclose(file);
        }
    }
    return kb * 1024 / 1e6;
}

// Matrices of 1000 x 1000 weights of 16 bits in one program.
Result<std::vector<std::byte>> image_of(uint32_t matrices, std::string &why)
{
    constexpr uint32_t side = 1000;
    std::mt19937_64 random(1);
    std::vector<int16_t> weights(size_t{side} * side);
    for (int16_t &w : weights)
        w = static_cast<int16_t>(random());
    std::vector<std::string> names;
    for (uint32_t i = 0; i < matrices; i++)
        names.push_back("m" + std::to_string(i));
    std::vector<program::MatrixSpec> specs(matrices);
    for (uint32_t i = 0; i < matrices; i++) {
        specs[i].name = names[i];
        specs[i].rows = specs[i].cols = side;
        specs[i].weights = weights;
        specs[i].weight_bits = specs[i].input_bits = 16;
        specs[i].output_bytes = 8;
    }
    return program::crossbar_program(specs, &why);
}

struct Resident {
    double mb = 0, peak_mb = 0;
};

// What a process grows by when it opens a device and makes a program of so many million weights
// resident; the file is not in memory any more.
bool measure(const std::string &options, uint32_t millions, Resident &found, std::string &why)
{
    peak_mb(true);
    const double before = resident_mb();
    const std::string uri = "inproc:crossbar:slots=1,arrays=65536," + options;
    acc_device *device = nullptr;
    acc_program *program = nullptr;
    bool good = acc_device_open(uri.c_str(), nullptr, &device) == 0;
    if (good) {
        auto image = image_of(millions, why);
        good = image && acc_program_load(device, image->data(), image->size(), &program) == 0 &&
               acc_program_prefetch(program, 0) == 0;
    }
    acc_kernel_info kernel = ACC_INIT(acc_kernel_info);
    for (int wait = 0; good && wait < 3000; wait++) { // five minutes
        good = acc_program_kernel(program, 0, &kernel) == 0;
        if (kernel.slot != UINT32_MAX) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    if (!good) {
        if (why.empty()) why = acc_error_text();
    } else if (kernel.slot == UINT32_MAX) {
        why = "expected the program to be resident; found it not loaded";
    }
    found.mb = resident_mb() - before;
    found.peak_mb = peak_mb(false) - before;
    if (program) (void)acc_program_unload(program);
    if (device) (void)acc_device_close(device);
    return why.empty();
}

// In a process of its own: what others have freed would be taken for nothing.
bool apart(const std::string &options, uint32_t millions, Resident &found, std::string &why)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return why = std::strerror(errno), false;
    const pid_t child = fork();
    if (child == 0) {
        const bool good = measure(options, millions, found, why);
        const void *data = good ? static_cast<const void *>(&found) : why.data();
        (void)!write(ends[1], data, good ? sizeof(found) : why.size());
        _exit(good ? 0 : 1);
    }
    close(ends[1]);
    char text[4096];
    const ssize_t size = child > 0 ? read(ends[0], text, sizeof(text)) : 0;
    close(ends[0]);
    int status = -1;
    if (child > 0) waitpid(child, &status, 0);
    if (status == 0 && size == sizeof(found)) {
        std::memcpy(&found, text, sizeof(found));
        return true;
    }
    why =
        "a resident program: " + std::string(text, static_cast<size_t>(std::max<ssize_t>(size, 0)));
    return false;
}

} // namespace

bool bench_resident(const std::function<void(const std::string &, double)> &put, bool short_run,
                    std::string &why)
{
    Resident found;
    const uint32_t millions = short_run ? 1 : 25;
    if (!apart("", millions, found, why)) return false;
    put("program_exact_25m_mb", found.mb * 25 / millions);
    put("program_exact_25m_peak_mb", found.peak_mb * 25 / millions);
    if (!apart("sign=offset,prog_model=normal_rel,prog_sigma=0.02,read_sigma=0.01", millions, found,
               why))
        return false;
    put("program_noise_25m_mb", found.mb * 25 / millions);
    put("program_noise_25m_peak_mb", found.peak_mb * 25 / millions);
    return true;
}
