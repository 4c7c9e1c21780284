// SPDX-License-Identifier: MIT
#include "accctl.h"

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace acc::ctl
{
namespace
{

constexpr int64_t max_image = int64_t{1} << 30;

std::string scaled(double value, double step, const std::array<const char *, 5> &units)
{
    size_t unit = 0;
    for (; value >= step && unit + 1 < units.size(); ++unit)
        value /= step;
    std::array<char, 48> text = {};
    const int decimals = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    snprintf(text.data(), text.size(), "%.*f %s", decimals, value, units[unit]);
    return text.data();
}

} // namespace

std::string escaped(const std::string &text)
{
    std::string out;
    for (const char c : text)
        out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
}

std::string one_line(std::string_view text)
{
    std::string line;
    for (const char c : text) {
        const bool control = static_cast<unsigned char>(c) < ' ' || c == '\x7f';
        if (control && !line.empty() && line.back() != ' ') line += ' ';
        if (!control) line += c;
    }
    while (!line.empty() && line.back() == ' ')
        line.pop_back();
    return line;
}

int fail(std::string_view text)
{
    fprintf(stderr, "accctl: %s\n", one_line(text).c_str());
    return exit_failure;
}

int fail_acc(std::string_view what)
{
    return fail(std::string(what) + ": " + acc_error_text());
}

int finish_output()
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return exit_ok;
    return fail(std::string("stdout: ") + strerror(errno));
}

int print_json(const Json &json)
{
    // Text from devices and files may be no UTF-8.
    const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace);
    puts(text.c_str());
    return finish_output();
}

uint64_t number(const Json &from, const char *key)
{
    return from[key].get<uint64_t>();
}

Device the_device(const Context &context, const char *command)
{
    if (context.devices.size() > 1) {
        fail(std::string(command) + ": expected one --device; found " +
             std::to_string(context.devices.size()));
        return Device();
    }
    return open_device(context.devices.empty() ? "" : context.devices[0]);
}

std::string own_path()
{
    std::error_code error;
    const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? "accctl" : path.string();
}

std::string folder_with(const char *file, std::initializer_list<const char *> folders)
{
    const std::filesystem::path here = std::filesystem::path(own_path()).parent_path();
    for (const char *relative : folders) {
        std::error_code error;
        const std::filesystem::path folder = std::filesystem::canonical(here / relative, error);
        if (!error && access((folder / file).c_str(), R_OK) == 0) return folder.string();
    }
    return {};
}

std::string bytes_text(uint64_t bytes)
{
    return scaled(static_cast<double>(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string time_text(uint64_t ns)
{
    return scaled(static_cast<double>(ns), 1000, {"ns", "µs", "ms", "s", "ks"});
}

std::string energy_text(uint64_t pj)
{
    return scaled(static_cast<double>(pj), 1000, {"pJ", "nJ", "µJ", "mJ", "J"});
}

std::string_view engine_name(uint32_t engine)
{
    switch (engine) {
    case ACC_ENGINE_NULL:
        return "null";
    case ACC_ENGINE_CROSSBAR:
        return "crossbar";
    case ACC_ENGINE_FPGA:
        return "fpga";
    default:
        return "unknown";
    }
}

Device open_device(const std::string &uri)
{
    acc_device *device = nullptr;
    if (acc_device_open(uri.empty() ? nullptr : uri.c_str(), nullptr, &device) < 0) {
        fail_acc("cannot open " + (uri.empty() ? std::string("a device") : uri));
        return Device();
    }
    return Device(device);
}

bool read_file(const std::string &path, std::vector<std::byte> &bytes)
{
    const auto refuse = [&](const std::string &why) {
        fail(path + ": " + why);
        return false;
    };
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return refuse(strerror(errno));
    const std::unique_ptr<const int, void (*)(const int *)> closer(&fd,
                                                                   [](const int *f) { close(*f); });
    struct stat status = {};
    if (fstat(fd, &status) < 0) return refuse(strerror(errno));
    if (!S_ISREG(status.st_mode)) return refuse("expected a regular file");
    if (status.st_size > max_image)
        return refuse("expected at most 1 GiB; found " + std::to_string(status.st_size) + " bytes");
    bytes.resize(static_cast<size_t>(status.st_size));
    size_t at = 0;
    while (at < bytes.size()) {
        const ssize_t got = read(fd, bytes.data() + at, bytes.size() - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return refuse(strerror(errno));
        if (got == 0) break; // it shrank
        at += static_cast<size_t>(got);
    }
    bytes.resize(at);
    return true;
}

bool describe_image(const std::string &path, const std::vector<std::byte> &image, Json &json)
{
    size_t length = 0;
    int code = acc_image_describe(image.data(), image.size(), nullptr, &length);
    std::string text;
    if (code == -ENOSPC) {
        text.resize(length);
        code = acc_image_describe(image.data(), image.size(), text.data(), &length);
    }
    if (code < 0) {
        fail_acc(path);
        return false;
    }
    text.resize(strlen(text.c_str()));
    json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        fail(path + ": libacc's description is no JSON");
        return false;
    }
    return true;
}

const char *slot_state_name(uint32_t state)
{
    static constexpr const char *names[] = {"empty", "loading",   "ready", "busy",
                                            "fault", "decoupled", "reset", "draining"};
    return state < std::size(names) ? names[state] : "unknown";
}

Json counters_json(const acc_device_counters &c)
{
    return {{"packets", c.packets},
            {"dispatches", c.dispatches},
            {"faults", c.faults},
            {"loads", c.loads},
            {"evictions", c.evictions},
            {"bytes_read", c.bytes_read},
            {"bytes_written", c.bytes_written},
            {"busy_ns", c.busy_ns},
            {"modelled_ns", c.modelled_ns},
            {"load_ns", c.load_ns},
            {"energy_pj", c.energy_pj},
            {"load_energy_pj", c.load_energy_pj},
            {"sleeps", c.sleeps},
            {"kicks", c.kicks},
            {"saturations", c.saturations},
            {"mvms", c.mvms}};
}

} // namespace acc::ctl
