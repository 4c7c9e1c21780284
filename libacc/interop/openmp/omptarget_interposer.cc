// SPDX-License-Identifier: MIT
//
// libacc-omptarget.so: for programs of LLVM 17 and later, whose libomptarget has its plugins built
// in. Preloaded, it takes the calls that clang compiles target constructs to, and of the
// omp_target_*() functions those that are about devices; what it doesn't take, and everything for
// as long as no image is ours, goes to libomptarget. Functions, types and flags are those of
// offload/include/omptarget.h, version 19, whose calls have not changed since 16.
//
// With an image of ours there is one device: number 0; the host is 1.
//
// Thread safety: any thread.
#include "images.h"
#include "mapping.h"

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <mutex>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

// The next one of that name, of libomptarget or libomp; looked for once.
#define NEXT(name)                                                                                 \
    ([] {                                                                                          \
        static const auto found = reinterpret_cast<decltype(&name)>(next(#name));                  \
        return found;                                                                              \
    }())

extern "C" {
struct __tgt_bin_desc {
    int32_t count;
    __tgt_device_image *images;
    __tgt_offload_entry *begin, *end;
};

int omp_get_default_device(void);
// libomp's: the number of this thread, and a `taskwait` of its.
int32_t __kmpc_global_thread_num(void *location);
int32_t __kmpc_omp_taskwait(void *location, int32_t thread);
void *omp_target_memset(void *to, int value, size_t bytes, int device);
}

namespace
{

using acc::openmp::complain;
using acc::openmp::MapArguments;
using acc::openmp::Mapping;
using acc::openmp::Objects;
using acc::openmp::Offload;

constexpr int64_t kDevice = 0, kHost = 1;
constexpr int32_t kEntryRequires = 0x10; // from version 18 on: an entry that is flags
constexpr uint32_t kWithEnvironment = 3; // the version whose regions have one more parameter

void *next(const char *name)
{
    void *found = dlvsym(RTLD_NEXT, name, "VERS1.0");
    if (!found) found = dlsym(RTLD_NEXT, name);
    if (!found) {
        complain(std::string("expected ") + name + " in libomptarget; found none");
        _exit(EXIT_FAILURE);
    }
    return found;
}

// Of this process, when an image is ours; leaked, for threads may be inside when it exits.
struct State {
    std::unique_ptr<Offload> offload;
    std::unique_ptr<Mapping> mapping;
    std::mutex mutex;                                                      // of what follows
    std::unordered_map<const void *, const Objects::Function *> functions; // by the host's
};
std::atomic<int64_t> required{0};    // flags of `requires` directives
std::atomic<State *> state{nullptr}; // written once; its release publishes it

State *ours()
{
    return state.load(std::memory_order_acquire);
}

// A negative number is the default device's.
bool is_device(int64_t device)
{
    return device == kDevice || (device < 0 && NEXT(omp_get_default_device)() != kHost);
}

[[noreturn]] void die(const std::string &text)
{
    complain(text);
    _exit(EXIT_FAILURE);
}

// One that has its plugins built in: others load the one that we have.
bool has_no_plugins()
{
    return dlsym(RTLD_NEXT, "__tgt_rtl_init") != nullptr;
}

State *open()
{
    static std::mutex once;
    std::lock_guard lock(once);
    if (State *there = ours()) return there;
    std::string why;
    auto fresh = std::make_unique<State>();
    fresh->offload = Offload::open({}, why);
    if (!fresh->offload) {
        if (acc::openmp::is_mandatory())
            die("OMP_TARGET_OFFLOAD is MANDATORY, but there is no device: " + why);
        acc_log(ACC_LOG_WARN, "openmp", ("no device: " + why).c_str());
        return nullptr;
    }
    fresh->mapping = std::make_unique<Mapping>(fresh->offload->memory());
    state.store(fresh.get(), std::memory_order_release);
    return fresh.release();
}

void take_image(State &state, const __tgt_device_image &image)
{
    std::vector<__tgt_offload_entry> entries;
    if (const std::string why = load_entries(*state.offload, image, entries); !why.empty())
        die(why);
    for (size_t i = 0; i < entries.size(); i++) {
        void *const host = image.entries_begin[i].addr;
        if (entries[i].size) {
            state.mapping->add_global(host, entries[i].addr, entries[i].size);
            continue;
        }
        std::lock_guard lock(state.mutex);
        state.functions[host] = static_cast<const Objects::Function *>(entries[i].addr);
    }
}

void check(const std::string &why)
{
    if (!why.empty()) die(why);
}

// Of which one or another may be depended on.
void wait_for_tasks(int depends)
{
    if (depends > 0) NEXT(__kmpc_omp_taskwait)(nullptr, NEXT(__kmpc_global_thread_num)(nullptr));
}

int run(State &state, void *host, const KernelArgsTy &kernel)
{
    const Objects::Function *function = nullptr;
    {
        std::lock_guard lock(state.mutex);
        if (const auto found = state.functions.find(host); found != state.functions.end())
            function = found->second;
    }
    if (!function) die("expected a target region of an image; found another function");
    const MapArguments arguments = {static_cast<int32_t>(kernel.count),
                                    kernel.bases,
                                    kernel.begins,
                                    kernel.sizes,
                                    kernel.types,
                                    kernel.mappers};
    std::vector<uint64_t> list;
    std::vector<void *> temporaries;
    if (kernel.version >= kWithEnvironment) list.push_back(0); // a GPU's, and null
    check(state.mapping->begin(arguments));
    check(state.mapping->parameters(arguments, list, temporaries));
    // Of this thread's target task: what a `thread_limit` clause says has been set there.
    static const auto limit_of_task =
        reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_thread_limit"));
    const int limit = limit_of_task ? limit_of_task() : INT_MAX;
    check(state.offload->run_list(*function, list.data(), static_cast<uint32_t>(list.size()),
                                  limit < INT_MAX ? static_cast<uint32_t>(limit) : 0));
    check(state.mapping->end(arguments));
    for (void *piece : temporaries)
        state.offload->memory().free(piece);
    return 0;
}

} // namespace

// Before images are registered. For the plugin, too, if that is what the runtime loads.
EXPORT int64_t acc_omp_requires(void)
{
    return required.load(std::memory_order_relaxed);
}

EXPORT void __tgt_register_requires(int64_t flags)
{
    required.fetch_or(flags, std::memory_order_relaxed);
    NEXT(__tgt_register_requires)(flags);
}

EXPORT void __tgt_register_lib(__tgt_bin_desc *description)
{
    bool taken = false;
    for (const auto *one = description->begin; one != description->end; one++)
        if (one->flags & kEntryRequires)
            required.fetch_or(one->reserved, std::memory_order_relaxed);
    for (int32_t i = 0; i < description->count; i++) {
        if (!has_no_plugins() || !acc::openmp::is_ours(description->images[i])) continue;
        if (acc::openmp::requires_too_much(acc_omp_requires())) break;
        State *const state = open();
        if (!state) break;
        take_image(*state, description->images[i]);
        taken = true;
        break; // one of each is enough
    }
    if (!taken) NEXT(__tgt_register_lib)(description);
}

EXPORT void __tgt_unregister_lib(__tgt_bin_desc *description)
{
    if (!ours()) NEXT(__tgt_unregister_lib)(description);
}

EXPORT int __tgt_target_kernel(void *loc, int64_t device, int32_t teams, int32_t limit, void *host,
                               KernelArgsTy *kernel)
{
    State *const state = ours();
    if (!state) return NEXT(__tgt_target_kernel)(loc, device, teams, limit, host, kernel);
    return is_device(device) ? run(*state, host, *kernel) : -1; // -1: the host's version
}

EXPORT int __tgt_target_kernel_nowait(void *loc, int64_t device, int32_t teams, int32_t limit,
                                      void *host, KernelArgsTy *kernel, int32_t count, void *list,
                                      int32_t more_count, void *more)
{
    State *const state = ours();
    if (!state)
        return NEXT(__tgt_target_kernel_nowait)(loc, device, teams, limit, host, kernel, count,
                                                list, more_count, more);
    return is_device(device) ? run(*state, host, *kernel) : -1;
}

// Clang makes a task of what is `nowait` and waits for its dependences itself.
#define DATA(name, step)                                                                           \
    EXPORT void __tgt_target_data_##name##_mapper(void *loc, int64_t device, int32_t count,        \
                                                  void **bases, void **begins, int64_t *sizes,     \
                                                  int64_t *types, void **names, void **mappers)    \
    {                                                                                              \
        State *const state = ours();                                                               \
        if (!state) NEXT(__tgt_target_data_##name##_mapper)                                        \
        (loc, device, count, bases, begins, sizes, types, names, mappers);                         \
        else if (is_device(device))                                                                \
            check(state->mapping->step({count, bases, begins, sizes, types, mappers}));            \
    }                                                                                              \
    EXPORT void __tgt_target_data_##name##_nowait_mapper(                                          \
        void *loc, int64_t device, int32_t count, void **bases, void **begins, int64_t *sizes,     \
        int64_t *types, void **names, void **mappers, int32_t depends, void *list, int32_t more,   \
        void *more_list)                                                                           \
    {                                                                                              \
        State *const state = ours();                                                               \
        if (!state) NEXT(__tgt_target_data_##name##_nowait_mapper)                                 \
        (loc, device, count, bases, begins, sizes, types, names, mappers, depends, list, more,     \
         more_list);                                                                               \
        else if (is_device(device))                                                                \
            check(state->mapping->step({count, bases, begins, sizes, types, mappers}));            \
    }
DATA(begin, begin)
DATA(end, end)
DATA(update, update)

EXPORT int64_t __tgt_mapper_num_components(void *handle)
{
    if (!ours()) return NEXT(__tgt_mapper_num_components)(handle);
    return static_cast<int64_t>(static_cast<Mapping::Components *>(handle)->types.size());
}

EXPORT void __tgt_push_mapper_component(void *handle, void *base, void *begin, int64_t size,
                                        int64_t type, void *name)
{
    if (!ours()) return NEXT(__tgt_push_mapper_component)(handle, base, begin, size, type, name);
    auto *to = static_cast<Mapping::Components *>(handle);
    to->bases.push_back(base);
    to->begins.push_back(begin);
    to->sizes.push_back(size);
    to->types.push_back(type);
}

EXPORT int omp_get_num_devices(void)
{
    return ours() ? 1 : NEXT(omp_get_num_devices)();
}

EXPORT int omp_get_initial_device(void)
{
    return ours() ? static_cast<int>(kHost) : NEXT(omp_get_initial_device)();
}

EXPORT int omp_get_device_num(void)
{
    return ours() ? static_cast<int>(kHost) : NEXT(omp_get_device_num)();
}

EXPORT void *omp_target_alloc(size_t bytes, int device)
{
    State *const state = ours();
    if (!state) return NEXT(omp_target_alloc)(bytes, device);
    if (!bytes) return nullptr;
    return is_device(device) ? state->offload->memory().allocate(bytes) : malloc(bytes);
}

EXPORT void omp_target_free(void *pointer, int device)
{
    State *const state = ours();
    if (!state) return NEXT(omp_target_free)(pointer, device);
    if (!pointer) return;
    if (is_device(device))
        state->offload->memory().free(pointer);
    else
        free(pointer);
}

// LLVM's own kinds of memory: ours is all of them.
#define ALLOCATE(name)                                                                             \
    EXPORT void *llvm_omp_target_alloc_##name(size_t bytes, int device)                            \
    {                                                                                              \
        return ours() ? omp_target_alloc(bytes, device)                                            \
                      : NEXT(llvm_omp_target_alloc_##name)(bytes, device);                         \
    }                                                                                              \
    EXPORT void llvm_omp_target_free_##name(void *pointer, int device)                             \
    {                                                                                              \
        if (ours())                                                                                \
            omp_target_free(pointer, device);                                                      \
        else                                                                                       \
            NEXT(llvm_omp_target_free_##name)(pointer, device);                                    \
    }
ALLOCATE(device)
ALLOCATE(host)
ALLOCATE(shared)

// Memory that is not paged out: a hint, here.
EXPORT void *llvm_omp_target_lock_mem(void *pointer, size_t bytes, int device)
{
    return ours() ? pointer : NEXT(llvm_omp_target_lock_mem)(pointer, bytes, device);
}

EXPORT void llvm_omp_target_unlock_mem(void *pointer, int device)
{
    if (!ours()) NEXT(llvm_omp_target_unlock_mem)(pointer, device);
}

EXPORT int omp_target_is_present(const void *pointer, int device)
{
    State *const state = ours();
    if (!state) return NEXT(omp_target_is_present)(pointer, device);
    return pointer && (!is_device(device) || state->mapping->find(pointer, 1));
}

// Device memory has one address on both sides, and is coherent.
EXPORT int omp_target_memcpy(void *to, const void *from, size_t bytes, size_t to_offset,
                             size_t from_offset, int to_device, int from_device)
{
    if (!ours())
        return NEXT(omp_target_memcpy)(to, from, bytes, to_offset, from_offset, to_device,
                                       from_device);
    if (!to || !from) return bytes ? EINVAL : 0;
    memmove(static_cast<char *>(to) + to_offset, static_cast<const char *>(from) + from_offset,
            bytes);
    return 0;
}

EXPORT int omp_target_memcpy_rect(void *to, const void *from, size_t element, int dimensions,
                                  const size_t *volume, const size_t *to_offsets,
                                  const size_t *from_offsets, const size_t *to_dimensions,
                                  const size_t *from_dimensions, int to_device, int from_device)
{
    if (!ours())
        return NEXT(omp_target_memcpy_rect)(to, from, element, dimensions, volume, to_offsets,
                                            from_offsets, to_dimensions, from_dimensions, to_device,
                                            from_device);
    if (!to && !from) return INT32_MAX; // how many dimensions it takes
    if (!to || !from || dimensions < 1 || !element) return EINVAL;
    size_t to_stride = element, from_stride = element;
    for (int i = 1; i < dimensions; i++) {
        to_stride *= to_dimensions[i];
        from_stride *= from_dimensions[i];
    }
    for (size_t i = 0; i < (dimensions > 1 ? volume[0] : 1); i++) {
        char *const there = static_cast<char *>(to) + (to_offsets[0] + i) * to_stride;
        const char *const here =
            static_cast<const char *>(from) + (from_offsets[0] + i) * from_stride;
        if (dimensions == 1)
            memmove(there, here, volume[0] * element);
        else if (const int error =
                     omp_target_memcpy_rect(there, here, element, dimensions - 1, volume + 1,
                                            to_offsets + 1, from_offsets + 1, to_dimensions + 1,
                                            from_dimensions + 1, to_device, from_device))
            return error;
    }
    return 0;
}

// Copies are short, and done at once; what they depend on are tasks of the one that asks.
EXPORT int omp_target_memcpy_async(void *to, const void *from, size_t bytes, size_t to_offset,
                                   size_t from_offset, int to_device, int from_device, int count,
                                   void **depends)
{
    if (!ours())
        return NEXT(omp_target_memcpy_async)(to, from, bytes, to_offset, from_offset, to_device,
                                             from_device, count, depends);
    wait_for_tasks(count);
    return omp_target_memcpy(to, from, bytes, to_offset, from_offset, to_device, from_device);
}

EXPORT int omp_target_memcpy_rect_async(void *to, const void *from, size_t element, int dimensions,
                                        const size_t *volume, const size_t *to_offsets,
                                        const size_t *from_offsets, const size_t *to_dimensions,
                                        const size_t *from_dimensions, int to_device,
                                        int from_device, int count, void **depends)
{
    if (!ours())
        return NEXT(omp_target_memcpy_rect_async)(to, from, element, dimensions, volume, to_offsets,
                                                  from_offsets, to_dimensions, from_dimensions,
                                                  to_device, from_device, count, depends);
    if (to || from) wait_for_tasks(count);
    return omp_target_memcpy_rect(to, from, element, dimensions, volume, to_offsets, from_offsets,
                                  to_dimensions, from_dimensions, to_device, from_device);
}

EXPORT void *omp_target_memset_async(void *to, int value, size_t bytes, int device, int count,
                                     void **depends)
{
    if (!ours()) return NEXT(omp_target_memset_async)(to, value, bytes, device, count, depends);
    wait_for_tasks(count);
    return omp_target_memset(to, value, bytes, device);
}

EXPORT void *omp_target_memset(void *to, int value, size_t bytes, int device)
{
    if (!ours()) return NEXT(omp_target_memset)(to, value, bytes, device);
    return to ? memset(to, value, bytes) : nullptr;
}

EXPORT int omp_target_associate_ptr(const void *host, const void *there, size_t bytes,
                                    size_t offset, int device)
{
    State *const state = ours();
    if (!state) return NEXT(omp_target_associate_ptr)(host, there, bytes, offset, device);
    if (!host || !there || !bytes || !is_device(device)) return EINVAL;
    auto *const at = static_cast<char *>(const_cast<void *>(there)) + offset;
    return state->mapping->associate(host, at, bytes) ? 0 : EINVAL;
}

EXPORT int omp_target_disassociate_ptr(const void *host, int device)
{
    State *const state = ours();
    if (!state) return NEXT(omp_target_disassociate_ptr)(host, device);
    return host && is_device(device) && state->mapping->disassociate(host) ? 0 : EINVAL;
}

EXPORT void *omp_get_mapped_ptr(const void *host, int device)
{
    State *const state = ours();
    if (!state) return NEXT(omp_get_mapped_ptr)(host, device);
    if (!host) return nullptr;
    return is_device(device) ? state->mapping->find(host, 1) : const_cast<void *>(host);
}
