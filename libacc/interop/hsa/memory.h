// SPDX-License-Identifier: MIT
//
// Regions, pools (the same objects under AMD's name) and what is allocated in them. All
// memory is coherent and visible to the host; "coarse" says whose it is, not how it behaves.
//
// Thread safety: all calls from any thread.
#pragma once

#include "agents.h"

#include <functional>
#include <map>

namespace acc::hsa
{

struct Region {
    const Agent *owner = nullptr;
    hsa_region_segment_t segment = HSA_REGION_SEGMENT_GLOBAL;
    uint32_t flags = 0; // hsa_region_global_flag_t
    size_t bytes = 0, max_bytes = 0;
    bool allocates = false;

    bool is_system() const { return owner->is_host(); }
    uint64_t handle() const { return reinterpret_cast<uint64_t>(this); }
};

// One block of memory that has an address of its own on the devices.
struct Allocation {
    hsa_amd_pointer_type_t type = HSA_EXT_POINTER_TYPE_HSA;
    acc_buffer *buffer = nullptr;
    void *base = nullptr; // on agents
    size_t bytes = 0;     // as it was asked for
    const Region *region = nullptr;
    std::vector<const Agent *> agents; // that may access it, the host left out
    void *user_data = nullptr;
    void *host_base = nullptr; // of locked memory
    uint32_t references = 1;   // of attached and locked memory
    struct OnFree {
        void *pointer;
        hsa_amd_deallocation_callback_t callback;
        void *data;
    };
    std::vector<OnFree> on_free;

    Allocation() = default;
    ~Allocation();
    Allocation(const Allocation &) = delete;
    Allocation &operator=(const Allocation &) = delete;
};

class Memory
{
public:
    explicit Memory(Runtime &runtime);
    ~Memory();

    const std::vector<std::unique_ptr<Region>> &regions() const { return regions_; }
    const Region *find_region(uint64_t handle) const;
    const Region &system_region() const { return *regions_.front(); }
    // Whether an agent lists it among its regions.
    static bool is_listed(const Region &region, const Agent &agent);

    // A buffer that the region's agents can use; the caller owns it.
    hsa_status_t create_buffer(const Region &region, size_t bytes, acc_buffer *&buffer);
    hsa_status_t allocate(const Region &region, size_t bytes, void **pointer);
    // Frees what begins at `pointer`. INVALID_ARGUMENT for what is no such block.
    hsa_status_t free(void *pointer, hsa_amd_pointer_type_t type = HSA_EXT_POINTER_TYPE_HSA);

    // f(Allocation &) under the lock, for the block that holds `pointer`; false: there is none.
    using Visit = std::function<void(Allocation &)>;
    bool visit(const void *pointer, const Visit &f);
    // Whether the block that holds the bytes is bound on the agent.
    bool reaches(const Agent &agent, const void *pointer, size_t bytes);

    void add(std::unique_ptr<Allocation> allocation);
    // Takes the block that begins at `base` out, if f() says so. Null: nothing was taken.
    std::unique_ptr<Allocation> remove_if(const void *base,
                                          const std::function<bool(Allocation &)> &f);
    // The same for locked memory, by where the host has it.
    bool visit_locked(const void *host, const Visit &f);
    std::unique_ptr<Allocation> remove_locked(const void *host);

    // Lets exactly these agents and the owner of its region use a block. INVALID_ARGUMENT:
    // `pointer` is no base of a block.
    hsa_status_t set_access(const std::vector<const Agent *> &agents, const void *pointer);
    // Lets one more agent use the block that holds `pointer`, if there is one.
    hsa_status_t grant(const Agent &agent, const void *pointer);

private:
    using Table = std::map<uint64_t, std::unique_ptr<Allocation>>; // by base
    Allocation *holder(const void *pointer);                       // under the lock
    Table::iterator locked(const void *host);                      // under the lock

    Runtime &runtime_;
    std::vector<std::unique_ptr<Region>> regions_; // the system's fine-grained one first
    std::mutex mutex_;
    Table allocations_;
};

constexpr size_t page_bytes = 4096;
constexpr size_t whole_pages(size_t bytes)
{
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

} // namespace acc::hsa
