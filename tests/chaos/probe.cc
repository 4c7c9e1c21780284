// SPDX-License-Identifier: MIT
#include "tests/chaos/probe.h"

#include "tests/conformance/accel.h"
#include "tests/conformance/queue.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace acc::chaos
{

namespace
{

using conformance::Accel;

using Devices = std::vector<std::unique_ptr<Accel>>;

drm_acc_dev_query ask(Accel &device, uint32_t type, uint32_t index, int &error)
{
    drm_acc_dev_query query = {};
    query.type = type;
    query.index = index;
    error = device.call(DRM_IOCTL_ACC_DEV_QUERY, query);
    return query;
}

std::string census(Accel &device)
{
    int error = 0;
    const auto memory = ask(device, DRM_ACC_QUERY_MEMORY, 0, error).memory;
    if (error) conformance::give_up("query of memory", error);
    uint32_t pinned = 0, busy = 0;
    for (uint32_t i = 0;; i++) {
        const auto slot = ask(device, DRM_ACC_QUERY_SLOT, i, error).slot;
        if (error == -ENOENT) break;
        if (error) conformance::give_up("query of a slot", error);
        pinned += slot.pins ? 1 : 0;
        busy += slot.state == DRM_ACC_SLOT_BUSY ? 1 : 0;
    }
    const auto counters = ask(device, DRM_ACC_QUERY_COUNTERS, 0, error).counters;
    if (error) conformance::give_up("query of counters", error);
    return "{\"bytes\": " + std::to_string(memory.device_bytes) +
           ", \"own\": " + std::to_string(memory.client_bytes) +
           ", \"pinned\": " + std::to_string(pinned) + ", \"busy\": " + std::to_string(busy) +
           ", \"packets\": " + std::to_string(counters.packets) +
           ", \"dispatches\": " + std::to_string(counters.dispatches) +
           ", \"loads\": " + std::to_string(counters.loads) +
           ", \"faults\": " + std::to_string(counters.faults) + "}";
}

// How many of something can be made before EDQUOT: `most` at the most.
template <typename Make>
uint64_t count(const char *what, uint64_t most, Make make)
{
    for (uint64_t i = 0; i < most; i++) {
        const int error = make();
        if (error == -EDQUOT) return i;
        if (error) conformance::give_up(what, error);
    }
    return most;
}

uint64_t whole_buffers(Accel &device, uint64_t most)
{
    std::vector<uint32_t> handles;
    const uint64_t made = count("a buffer", most, [&] {
        drm_acc_bo_create args = {};
        const int error = device.create(conformance::page_bytes, args);
        if (!error) handles.push_back(args.handle);
        return error;
    });
    for (const uint32_t handle : handles)
        if (const int error = device.close(handle)) conformance::give_up("close", error);
    return made;
}

uint64_t whole_queues(Accel &device, uint64_t most)
{
    struct Made {
        std::unique_ptr<conformance::Buffer> memory;
        uint32_t id;
    };
    std::vector<Made> queues;
    const uint64_t made = count("a queue", most, [&] {
        auto memory = std::make_unique<conformance::Buffer>(device, 2 * conformance::page_bytes);
        auto args = conformance::queue_request(*memory);
        const int error = device.call(DRM_IOCTL_ACC_QUEUE_CREATE, args);
        if (error) return error;
        if (args.kick_fd >= 0) ::close(args.kick_fd);
        queues.push_back({std::move(memory), args.queue});
        return 0;
    });
    for (const Made &queue : queues) {
        drm_acc_queue_destroy args = {};
        args.queue = queue.id;
        if (const int error = device.call(DRM_IOCTL_ACC_QUEUE_DESTROY, args))
            conformance::give_up("destroy of a queue", error);
    }
    return made;
}

uint64_t whole_programs(Accel &device, uint64_t most)
{
    const auto image = conformance::Work::image(device.identity().engine, 0);
    std::vector<uint32_t> programs;
    const uint64_t made = count("a program", most, [&] {
        drm_acc_program_load args = {};
        const int error = conformance::load_program(device, image, args);
        if (!error) programs.push_back(args.program);
        return error;
    });
    for (const uint32_t program : programs) {
        drm_acc_program_unload args = {};
        args.program = program;
        if (const int error = device.call(DRM_IOCTL_ACC_PROGRAM_UNLOAD, args))
            conformance::give_up("unload", error);
    }
    return made;
}

std::string answer(const Devices &devices, const std::string &line, uint64_t quota)
{
    if (line == "whole") {
        Accel &device = *devices.front();
        return "{\"buffers\": " + std::to_string(whole_buffers(device, 8 * quota + 1)) +
               ", \"queues\": " + std::to_string(whole_queues(device, quota + 1)) +
               ", \"programs\": " + std::to_string(whole_programs(device, quota + 1)) + "}";
    }
    if (line != "census") conformance::give_up("expected census or whole; found " + line);
    std::string text = "{\"devices\": [";
    for (const auto &device : devices)
        text += (&device == &devices.front() ? "" : ", ") + census(*device);
    return text + "]}";
}

Devices open_all(const std::string &uris)
{
    Devices devices;
    for (size_t begin = 0; begin <= uris.size();) {
        const size_t end = std::min(uris.find(';', begin), uris.size());
        std::string why;
        auto transport = open_transport(uris.substr(begin, end - begin), why);
        if (!transport) conformance::give_up(why, transport.error());
        devices.push_back(std::make_unique<Accel>(std::move(*transport)));
        begin = end + 1;
    }
    return devices;
}

} // namespace

int probe(const char *uris, uint64_t quota)
{
    try {
        const Devices devices = open_all(uris);
        std::printf("{\"ready\": %d}\n", int(getpid()));
        std::fflush(stdout);
        std::string line;
        while (std::getline(std::cin, line)) {
            std::printf("%s\n", answer(devices, line, quota).c_str());
            std::fflush(stdout);
        }
        return 0;
    } catch (const std::exception &error) {
        std::printf("{\"wrong\": \"%s\"}\n", error.what());
        std::fflush(stdout);
        return 1;
    }
}

} // namespace acc::chaos
