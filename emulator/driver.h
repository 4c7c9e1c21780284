// SPDX-License-Identifier: MIT
//
// The in-process face: what a kernel driver does between its files and the device.
// Handles, address spaces, permissions, waiting; it never reads a packet. The device is
// reached by admin commands and events only.
//
// Locks, in this order: Driver::reset_mutex_, Driver::files_mutex_, File::mutex_, then the
// leaves. None of
// them is held while an admin command runs that waits for the device (UNMAP,
// QUEUE_DESTROY, AS_DESTROY), because the device raises events meanwhile.
#pragma once

#include "emulator/account.h"
#include "emulator/device.h"
#include "emulator/emulator.h"
#include "emulator/host_memory.h"

#include <drm/acc_drm.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

struct drm_version;
struct drm_get_cap;
struct drm_gem_close;
struct drm_prime_handle;

namespace acc::emu
{

class File;

// Where a signal is, whoever looks at it: two files that bind one object meet here.
struct SignalKey {
    const MemoryObject *object = nullptr;
    uint64_t offset = 0;
    auto operator<=>(const SignalKey &) const = default;
};

class Driver final : public Emulator, public EventSink, public std::enable_shared_from_this<Driver>
{
public:
    static Result<std::shared_ptr<Driver>> create(std::unique_ptr<Engine> engine,
                                                  const DeviceOptions &options, LogFunction log,
                                                  std::unique_ptr<CellStore> cells);
    ~Driver() override;

    Result<std::unique_ptr<Client>> open(const ClientOptions &options) override;
    int inject(uint32_t what, uint32_t count, uint64_t argument) override;
    void unplug() override;
    bool idle() override;

    void raise(const acc_event &event) override;

private:
    friend class File;

    // A WAIT that is pending.
    struct Waiter {
        uint64_t id = 0;
        const File *file = nullptr;
        std::shared_ptr<MemoryObject> object; // keeps the signal's memory
        acc_signal_memory *signal = nullptr;
        uint32_t condition = 0;
        int64_t value = 0;
        Client::WaitDone done;
    };
    using Waiters = std::multimap<SignalKey, Waiter>;

    Driver(const DeviceOptions &options, LogFunction log) : options_(options), log_(std::move(log))
    {
    }
    void log(int level, const std::string &text) const;

    // A buffer's memory, shared by all files that imported it.
    Result<std::shared_ptr<MemoryObject>> create_object(uint64_t bytes, const char *name);
    Result<std::shared_ptr<MemoryObject>> import_object(int fd,
                                                        const std::shared_ptr<Account> &account);
    // `give_back` (may be empty) is called when the last owner lets go.
    void adopt(MemoryObject &object, std::function<void(uint64_t bytes)> give_back);

    // Wakes WAITs on [offset, offset + range) of an object, rings queues and fires the
    // descriptors of all files that bind it but `caller`, who knows.
    void wake(const std::shared_ptr<MemoryObject> &object, uint64_t offset, uint64_t range,
              const File *caller);
    // Who is to be told when signals in an object change.
    void add_binder(const MemoryObject &object, uint32_t asid);
    void remove_binder(const MemoryObject &object, uint32_t asid);
    std::vector<uint32_t> binders(const MemoryObject &object);

    uint64_t start_wait(const SignalKey &key, Waiter waiter);
    bool cancel_wait(const File &file, uint64_t id, int64_t &observed);
    // Under wait_mutex_: arms and looks. True when it is over, and `done` has been called.
    static bool finish_wait(Waiter &waiter);
    // `last` keeps the memory until the lock is released: unmapping takes long.
    using Kept = std::vector<std::shared_ptr<MemoryObject>>;
    Waiters::iterator forget_wait(Waiters::iterator waiter, Kept &last);
    void end_lost_waits(const File *file);

    void lose(int error); // EIO after a reset, ENODEV when gone
    int reset();
    void close(File &file);
    // The index-th open file, in order of opening, of those that `asker` may see.
    int describe_client(File &asker, uint32_t index, drm_acc_client &out);

    const DeviceOptions options_;
    const LogFunction log_;
    HostMemory memory_{!options_.staged};
    std::unique_ptr<Device> device_;
    drm_acc_limits limits_ = {};
    uint64_t features_ = 0;

    std::shared_mutex reset_mutex_;    // opens exclude resets: who is open is told
    std::shared_mutex files_mutex_;    // files_; shared by wakes, which wait for no other's
    std::map<uint32_t, File *> files_; // by asid
    uint32_t next_asid_ = 1;
    std::mutex objects_mutex_; // a leaf
    std::map<std::pair<dev_t, ino_t>, std::weak_ptr<MemoryObject>> objects_;
    std::atomic<uint64_t> device_bytes_{0};
    std::atomic<int> gone_{0}; // ENODEV once unplugged

    std::mutex binders_mutex_; // a leaf
    std::unordered_map<const MemoryObject *, std::map<uint32_t, uint32_t>> binders_;

    std::mutex wait_mutex_; // of what follows; `done` is called under it
    Waiters waiters_;
    std::unordered_map<uint64_t, Waiters::iterator> waiters_by_id_;
    uint64_t next_wait_ = 1;
};

// One open.
class File final : public Client
{
public:
    static Result<std::unique_ptr<File>> create(std::shared_ptr<Driver> driver,
                                                const ClientOptions &options, uint32_t asid);
    ~File() override;

    int ioctl(unsigned long request, void *arg) override;
    Result<MapSource> map(uint64_t offset, size_t size, int prot) override;
    uint64_t start_wait(const drm_acc_wait &request, WaitDone done) override;
    bool cancel_wait(uint64_t id, int64_t &observed) override;
    void abandon() override;

    // The ioctls, called by the table in uapi.cc with a private, zero-extended struct.
    int version(drm_version &args);
    int get_cap(drm_get_cap &args);
    int gem_close(drm_gem_close &args);
    int prime_handle_to_fd(drm_prime_handle &args);
    int prime_fd_to_handle(drm_prime_handle &args);
    int dev_query(drm_acc_dev_query &args);
    int bo_create(drm_acc_bo_create &args);
    int bo_info(drm_acc_bo_info &args);
    int vm_bind(drm_acc_vm_bind &args);
    int queue_create(drm_acc_queue_create &args);
    int queue_destroy(drm_acc_queue_destroy &args);
    int queue_query(drm_acc_queue_query &args);
    int event_set(drm_acc_event_set &args);
    int wait(drm_acc_wait &args);
    int signal_wake(drm_acc_signal_wake &args);
    int program_load(drm_acc_program_load &args);
    int program_unload(drm_acc_program_unload &args);
    int program_query(drm_acc_program_query &args);
    int program_prefetch(drm_acc_program_prefetch &args);
    int program_pin(drm_acc_program_pin &args);
    int reset(drm_acc_reset &args);

    uint32_t asid() const { return asid_; }

private:
    friend class Driver;

    struct Buffer {
        std::shared_ptr<MemoryObject> object;
        uint32_t flags = 0;
        uint64_t mmap_offset = 0;
    };
    struct Binding {
        std::shared_ptr<MemoryObject> object;
        uint64_t bo_offset = 0, range = 0;
        uint32_t flags = 0;
        uint32_t queues = 0; // whose ring or control page it holds
        bool busy = false;   // being bound or unbound
    };
    struct QueueRecord {
        uint64_t ring_binding = 0, control_binding = 0; // addresses
        uint64_t timeout_ns = 0;
        uint32_t doorbell = 0;
    };

    // Bytes that this file allocated, and whose they are. Outlives the file.
    struct Charge {
        std::shared_ptr<Account> account;
        std::atomic<uint64_t> bytes{0};
        // -E2BIG above the file's limit, -EDQUOT above the account's.
        int take(uint64_t more, uint64_t limit);
        void give(uint64_t less);
    };

    File(std::shared_ptr<Driver> driver, const ClientOptions &options, uint32_t asid);

    int admin(acc_admin_cmd &command, acc_admin_cpl *completion = nullptr);
    int identify(uint32_t op, uint32_t object, uint32_t what, uint32_t index, void *out,
                 size_t bytes);
    static drm_acc_client opener_of(const ClientOptions &options, uint32_t asid);
    bool may_see(const File &other) const;
    int bind(const drm_acc_vm_bind &args);
    int unbind(const drm_acc_vm_bind &args);
    int map_pages(const MemoryObject &object, const drm_acc_vm_bind &args);
    // The binding, by address, that shows [offset, offset + bytes) of an object read/write.
    std::map<uint64_t, Binding>::iterator find_binding(const MemoryObject *object, uint64_t offset,
                                                       uint64_t bytes);
    // What is bound at an address; null object if nothing is, or not so.
    struct Place {
        std::shared_ptr<MemoryObject> object;
        uint64_t offset = 0, bytes = 0; // in the object, to the binding's end
    };
    Place resolve(uint64_t address, bool write);
    void fire();
    void set_lost(int error);
    // The caller has charged the account for one buffer.
    uint32_t add_buffer(Buffer buffer);
    void give_program(uint64_t bytes);
    void charge_pins(uint32_t program, uint64_t units);
    uint64_t longest_timeout();
    drm_acc_memory memory_info();

    const std::shared_ptr<Driver> driver_;
    const ClientOptions options_;
    const uint32_t asid_;
    const pid_t opener_;
    const drm_acc_client who_; // pid, uid, client, name
    std::atomic<int> lost_{0}; // errno

    std::mutex mutex_; // of all that follows
    std::map<uint32_t, Buffer> buffers_;
    std::map<uint64_t, Binding> bindings_; // by address
    std::map<uint32_t, QueueRecord> queues_;
    std::set<uint32_t> free_doorbells_;
    uint32_t next_handle_ = 1, next_queue_ = 1, next_program_ = 1;
    std::map<uint32_t, uint64_t> programs_; // image bytes, by id
    std::map<uint32_t, uint32_t> pins_;     // by program: units charged to the account
    uint64_t next_mmap_offset_ = 1ull << 32;
    std::shared_ptr<Charge> charge_; // lives as long as any buffer

    const std::shared_ptr<Account> account_; // may be shared with other files

    std::mutex event_mutex_; // of event_
    UniqueFd event_;

    // The staging page for admin commands: page lists, answers, the reason of a refusal.
    std::mutex staging_mutex_;
    std::shared_ptr<MemoryObject> staging_;
    std::shared_ptr<MemoryObject> doorbells_;
    std::shared_ptr<MemoryObject> status_;
    UniqueFd status_reader_; // read-only descriptor of status_
};

} // namespace acc::emu
