// SPDX-License-Identifier: MIT
//
// acc/serve.h and acc/profile.h.
#include "acc/serve.h"

#include "acc/profile.h"

#include "libacc/api.h"
#include "libacc/device.h"
#include "libacc/model/server.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

using namespace acc;

namespace acc
{

template <>
struct HandleTraits<Server> {
    static constexpr HandleKind kind = HandleKind::Server;
    static constexpr const char *name = "server";
    using C = acc_server;
};
template <>
struct HandleTraits<RequestHandle> {
    static constexpr HandleKind kind = HandleKind::Request;
    static constexpr const char *name = "request";
    using C = acc_request;
};

namespace
{

void copy_name(char (&to)[64], const std::string &from)
{
    const size_t size = std::min(from.size(), sizeof(to) - 1);
    std::memcpy(to, from.data(), size);
}

} // namespace
} // namespace acc

extern "C" {

int acc_server_open(acc_device *const *handles, size_t count, const void *image, size_t bytes,
                    const acc_server_options *given, acc_server **server)
{
    return guarded([&] {
        ACC_CHECK_POINTER(server);
        *server = nullptr;
        ACC_CHECK_POINTER(handles);
        ACC_CHECK_POINTER(image);
        std::vector<Device *> devices;
        for (size_t i = 0; i < count; i++) {
            ACC_CHECK(from_c<Device>(handles[i]));
            devices.push_back(from_c<Device>(handles[i]));
        }
        acc_server_options options;
        ACC_TRY_INT(read_options(given, options));
        auto opened =
            Server::open(devices, {static_cast<const std::byte *>(image), bytes}, options);
        if (!opened) return opened.error();
        *server = to_c(opened->release());
        return 0;
    });
}

int acc_server_close(acc_server *handle)
{
    return guarded([&] {
        Server *server = from_c<Server>(handle);
        ACC_CHECK(server);
        if (server->own_thread())
            return fail(-EDEADLK, "expected a thread that serves no request; found a callback")
                .code;
        delete server;
        return 0;
    });
}

int acc_server_input(const acc_server *handle, uint32_t index, acc_tensor_info *info)
{
    return guarded([&] {
        const Server *server = from_c<Server>(handle);
        ACC_CHECK(server);
        return fill_tensor(server->plan().inputs(), "input", index, info);
    });
}

int acc_server_output(const acc_server *handle, uint32_t index, acc_tensor_info *info)
{
    return guarded([&] {
        const Server *server = from_c<Server>(handle);
        ACC_CHECK(server);
        return fill_tensor(server->plan().outputs(), "output", index, info);
    });
}

int acc_server_submit(acc_server *handle, const void *const *inputs, void *const *outputs,
                      size_t samples, acc_request_fn done, void *user, acc_request **request)
{
    return guarded([&] {
        if (request) *request = nullptr;
        Server *server = from_c<Server>(handle);
        ACC_CHECK(server);
        ACC_CHECK_POINTER(inputs);
        ACC_CHECK_POINTER(outputs);
        if (!request && !done)
            return fail(-EINVAL, "expected a callback or room for a request; found neither").code;
        if (!samples) return fail(-EINVAL, "expected at least one sample; found none").code;
        std::vector<const void *> in(inputs, inputs + server->plan().inputs().size());
        std::vector<void *> out(outputs, outputs + server->plan().outputs().size());
        for (size_t i = 0; i < in.size(); i++)
            if (!in[i]) return fail(-EINVAL, "input {}: expected data; found NULL", i).code;
        for (size_t i = 0; i < out.size(); i++)
            if (!out[i]) return fail(-EINVAL, "output {}: expected room; found NULL", i).code;
        auto made = std::make_shared<Request>(std::move(in), std::move(out), samples, done, user);
        auto kept = request ? std::make_unique<RequestHandle>(made) : nullptr;
        ACC_TRY_INT(server->submit(std::move(made), samples));
        if (request) *request = to_c(kept.release());
        return 0;
    });
}

int acc_request_wait(acc_request *handle, uint64_t deadline)
{
    return guarded([&] {
        RequestHandle *request = from_c<RequestHandle>(handle);
        ACC_CHECK(request);
        return request->request->wait(deadline);
    });
}

int acc_request_release(acc_request *handle)
{
    return guarded([&] {
        RequestHandle *request = from_c<RequestHandle>(handle);
        ACC_CHECK(request);
        if (!request->request->done())
            return fail(-EBUSY, "expected a request that is done; found one that is not").code;
        delete request;
        return 0;
    });
}

int acc_server_get_stats(const acc_server *handle, acc_server_stats *stats)
{
    return guarded([&] {
        const Server *server = from_c<Server>(handle);
        ACC_CHECK(server);
        return write_info(stats, server->stats());
    });
}

// ------------------------------------------------------------------- profiles

int acc_model_profile(acc_model *handle, uint32_t on)
{
    return guarded([&] {
        Model *model = from_c<Model>(handle);
        ACC_CHECK(model);
        if (on > 1) return fail(-EINVAL, "expected on = 0 or 1; found {}", on).code;
        return model->profile(on == 1);
    });
}

int acc_model_get_step_times(const acc_model *handle, uint32_t index, acc_model_step_times *step)
{
    return guarded([&] {
        const Model *model = from_c<Model>(handle);
        ACC_CHECK(model);
        StepTimes times;
        ACC_TRY_INT(model->step_times(index, times));
        const PlanStep &of = model->plan().steps()[index];
        acc_model_step_times out = {};
        out.target = of.target;
        out.runs = times.runs;
        out.busy_ns = times.busy_ns;
        out.modelled_ns = times.modelled_ns;
        out.energy_pj = times.energy_pj;
        copy_name(out.name, of.name);
        copy_name(out.kernel, of.kernel_name);
        return write_info(step, out);
    });
}

} // extern "C"
