// SPDX-License-Identifier: MIT
//
// Loops whose iterations wait for others (`ordered(n)`, `depend(sink:)`), as clang compiles them.
//
// Thread safety: as of OpenMP's runtimes.
#pragma once

#include "../elf_object.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace acc::openmp
{

struct Doacross;

// Of one parallel region: those that some of its threads are in, by their number in it.
struct DoacrossesOfTeam {
    std::mutex mutex;
    std::map<uint64_t, std::shared_ptr<Doacross>> active;
};

// For as long as a thread works in that region. Null: none.
class InDoacrosses
{
public:
    explicit InDoacrosses(DoacrossesOfTeam *team);
    ~InDoacrosses();
    InDoacrosses(const InDoacrosses &) = delete;
    InDoacrosses &operator=(const InDoacrosses &) = delete;

private:
    DoacrossesOfTeam *const team_before_;
    const uint64_t number_before_;
};

void add_kmpc_doacross(std::vector<Override> &to);

} // namespace acc::openmp
