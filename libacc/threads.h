// SPDX-License-Identifier: MIT
//
// Threads of the library.
#pragma once

#include <csignal>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <utility>

namespace acc
{

// Starts a named thread that takes no signals: those are for the application's. 0 or -errno.
template <typename F>
int start_thread(std::thread &thread, const char *name, F run)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    try {
        thread = std::thread(std::move(run));
        pthread_setname_np(thread.native_handle(), name);
    } catch (const std::system_error &failure) {
        error = -failure.code().value();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return error;
}

} // namespace acc
