/* SPDX-License-Identifier: MIT */
/*
 * Serving a network: requests from any thread, several in flight, gathered into batches, over one
 * or more sets of devices. acc_model_run() of acc/acc.h is the same network one run at a time.
 *
 * Errors are -errno, with acc_error_text(), as in acc/acc.h. All calls from any thread, unless
 * they say otherwise.
 */
#ifndef ACC_SERVE_H
#define ACC_SERVE_H

#include "acc/acc.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct acc_server acc_server;
typedef struct acc_request acc_request;

struct acc_server_options {
	size_t size;
	uint32_t replicas;  /* sets of devices; 0: 1 */
	uint32_t batch;	    /* samples that one submission carries; 0: 1 */
	uint32_t in_flight; /* submissions at once, of each replica, at most 64; 0: 2 */
	uint32_t waiting;   /* samples that may wait, beside those in flight; 0: 65536 */
};

/*
 * Loads a compiled network (.accx) once on each replica. `devices` are `count` in all, `count` /
 * `replicas` for each, one replica after the other; they stay the caller's and open until
 * acc_server_close() has returned. Each submission in flight has a workspace and queues of its
 * own; weights and programs are there once for a replica.
 * -EINVAL: count is no multiple of replicas, or the image is malformed; -ENODEV: a replica has no
 * device of an engine that the network uses.
 */
ACC_API int acc_server_open(acc_device *const *devices, size_t count, const void *image,
			    size_t bytes, const struct acc_server_options *options,
			    acc_server **server) ACC_MUST_CHECK;
/*
 * Ends it: what is in flight is waited for, what waits ends with -ECANCELED. Not beside other calls
 * on the same server. Requests stay the caller's, to be released. From a callback: -EDEADLK.
 */
ACC_API int acc_server_close(acc_server *server);

/* As acc_model_input() and acc_model_output(). */
ACC_API int acc_server_input(const acc_server *server, uint32_t index,
			     struct acc_tensor_info *info);
ACC_API int acc_server_output(const acc_server *server, uint32_t index,
			      struct acc_tensor_info *info);

/* Called on a thread of the library when all samples of a request are there (0), or with the
 * error of the first that failed. It must not block: it holds up a submission. */
typedef void (*acc_request_fn)(void *user, int error);

/*
 * Asks for `samples` samples, 1 or more, and returns at once. inputs[i] points to samples ×
 * sample_bytes of input i, which is read, outputs[i] likewise, which is written, until the request
 * is done; the two arrays of pointers are copied. Samples of several requests may share a
 * submission, those of one may be spread over several: in which order requests end is open.
 * `done` may be null; `request` may be null if there is a `done`.
 * -EAGAIN: more samples would wait than options.waiting (nothing was taken).
 */
ACC_API int acc_server_submit(acc_server *server, const void *const *inputs, void *const *outputs,
			      size_t samples, acc_request_fn done, void *user,
			      acc_request **request) ACC_MUST_CHECK;
/*
 * Waits until the request is done, its callback not counted: 0, or the error of the first sample
 * that failed with its text. -ETIMEDOUT once `deadline` (acc/acc.h: Time) has passed.
 */
ACC_API int acc_request_wait(acc_request *request, uint64_t deadline) ACC_MUST_CHECK;
/* Gives the handle back. -EBUSY while the request is not done. */
ACC_API int acc_request_release(acc_request *request);

struct acc_server_stats {
	size_t size;
	uint64_t requests;     /* done, with or without error */
	uint64_t samples;      /* computed */
	uint64_t submissions;  /* of batches; samples / submissions: how well they were filled */
	uint32_t most_at_once; /* submissions that were in flight at the same time, the most so far
				*/
	uint32_t replicas;
};
ACC_API int acc_server_get_stats(const acc_server *server, struct acc_server_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* ACC_SERVE_H */
