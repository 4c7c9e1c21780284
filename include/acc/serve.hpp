// SPDX-License-Identifier: MIT
//
// acc/serve.h in C++, in the way of acc/acc.hpp: ownership, errors and threads are as there.
#ifndef ACC_SERVE_HPP
#define ACC_SERVE_HPP

#include "acc/acc.hpp"
#include "acc/serve.h"

namespace acc
{
inline namespace v0
{

namespace detail
{

// Memory of a request is in use until it is done: who drops it waits.
inline int end_request(acc_request *request)
{
	// How it went is for who asked: wait() says so.
	[[maybe_unused]] const int waited = acc_request_wait(request, ACC_FOREVER);
	return acc_request_release(request);
}

} // namespace detail

// Samples that were asked for. The buffers that were given stay in use until it is done; going, it
// waits for that.
class Request : public detail::Owner<acc_request, detail::end_request>
{
      public:
	using Owner::Owner;

	// The error of the first sample that failed; -ETIMEDOUT.
	Expected<void> wait(uint64_t deadline = ACC_FOREVER)
	{
		return detail::checked(acc_request_wait(get(), deadline));
	}
};

// A network served over one or more replicas of its devices.
class Server : public detail::Owner<acc_server, acc_server_close>
{
      public:
	using Owner::Owner;

	// `devices`: replica after replica. What options leaves 0 is as acc/serve.h says.
	static Expected<Server> open(std::span<acc_device *const> devices,
				     std::span<const std::byte> image,
				     acc_server_options options = acc_init<acc_server_options>())
	{
		acc_server *server = nullptr;
		const int code = acc_server_open(devices.data(), devices.size(), image.data(),
						 image.size(), &options, &server);
		return detail::checked(code, Server(server));
	}

	// inputs[i] and outputs[i] hold samples × sample_bytes of tensor i, until the request is
	// done. Precondition: as many as the model has.
	Expected<Request> submit(std::span<const void *const> inputs,
				 std::span<void *const> outputs, size_t samples)
	{
		acc_request *request = nullptr;
		const int code = acc_server_submit(get(), inputs.data(), outputs.data(), samples,
						   nullptr, nullptr, &request);
		return detail::checked(code, Request(request));
	}
	Expected<acc_server_stats> stats() const
	{
		return detail::get_info<acc_server_stats>(
			[&](auto *info) { return acc_server_get_stats(get(), info); });
	}
};

} // namespace v0
} // namespace acc

#endif // ACC_SERVE_HPP
