// SPDX-License-Identifier: MIT
//
// What was decided about the slots, and why: the newest decisions, for DEV_QUERY.
//
// Thread safety: none; under the residency manager's lock.
#pragma once

#include <drm/acc_drm.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace acc::emu
{

class TraceLog
{
public:
    static constexpr size_t kept = 1024;

    TraceLog() { ring_.reserve(kept); }

    struct Entry {
        drm_acc_trace record = {}; // with everything in it
        uint32_t unit_owner = 0, victim_owner = 0;
    };
    // The one to fill, numbered.
    Entry &add()
    {
        if (ring_.size() < kept) ring_.emplace_back();
        Entry &entry = ring_[count_ % kept];
        entry = {};
        entry.record.sequence = ++count_;
        return entry;
    }
    Entry &newest() { return ring_[(count_ - 1) % kept]; } // there is one
    // Index 0 is the newest. False past the oldest. Another's names are left out, unless
    // asid is 0.
    bool read(uint32_t index, uint32_t asid, drm_acc_trace &out) const
    {
        if (index >= std::min<uint64_t>(count_, kept)) return false;
        const Entry &entry = ring_[(count_ - 1 - index) % kept];
        out = entry.record;
        if (asid && out.client != asid) out.client = 0;
        if (asid && out.victim_client != asid) out.victim_client = 0;
        if (asid && entry.unit_owner != asid) std::fill_n(out.unit, sizeof out.unit, '\0');
        if (asid && entry.victim_owner != asid) std::fill_n(out.victim, sizeof out.victim, '\0');
        return true;
    }

private:
    std::vector<Entry> ring_;
    uint64_t count_ = 0;
};

inline void set_trace_name(char (&to)[64], std::string_view name)
{
    name.copy(to, sizeof to - 1);
}

} // namespace acc::emu
