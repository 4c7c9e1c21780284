// SPDX-License-Identifier: MIT
//
// Agents: the host's processors as one, then each device.
//
// Thread safety: never changes after it was made.
#pragma once

#include "isas.h"
#include "runtime.h"

namespace acc::hsa
{

struct Cache {
    std::string name;
    uint8_t level;
    uint32_t bytes;
    bool data; // holds data, alone or beside instructions

    hsa_cache_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
};

struct Agent {
    Node *node = nullptr; // null: the host
    const Isa *isa = nullptr;
    uint32_t index = 0; // among the agents; the host is 0
    std::string name, product, vendor;
    uint32_t clock_mhz = 0;
    std::vector<std::unique_ptr<Cache>> caches; // by level

    bool is_host() const { return !node; }
    hsa_device_type_t type() const;
    hsa_agent_t handle() const { return {reinterpret_cast<uint64_t>(this)}; }
};

class Agents
{
public:
    explicit Agents(Runtime &runtime);

    const std::vector<std::unique_ptr<Agent>> &all() const { return agents_; }
    const Agent &host() const { return *agents_.front(); }
    const acc_topology_info &topology() const { return topology_; }
    // Null for what is none.
    const Agent *find(hsa_agent_t handle) const;
    const Agent *of_node(const Node &node) const;
    const Cache *find_cache(hsa_cache_t handle) const;

private:
    acc_topology_info topology_ = {};
    std::vector<std::unique_ptr<Agent>> agents_;
};

// The attributes of hsa_ext_amd.h.
hsa_status_t agent_info_amd(Runtime &runtime, const Agent &agent, int attribute, void *value);

// `text`, padded with NULs.
void put_text(void *value, size_t room, const std::string &text);

} // namespace acc::hsa
