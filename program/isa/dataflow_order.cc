// SPDX-License-Identifier: MIT
//
// A run of one item, row by row. A node makes a row when all rows that it needs are there and there
// is room for it wherever it goes. Cores and control units that follow the order of such a run
// can't wait for each other in a circle, whatever each instruction takes: whoever is the
// earliest in it can go on. Items are in that order one after the other.
#include "program/isa/dataflow_plan.h"

namespace acc::isa::dataflow
{
namespace
{

class Run
{
public:
    Run(Plan &plan, bool measure)
        : plan_(plan), measure_(measure), made_(plan.nodes.size()), parts_(plan.parts.size())
    {
        for (size_t p = 0; p < parts_.size(); p++)
            if (plan.parts[p].direct) parts_[p].arrived = plan.parts[p].h;
    }

    std::string run()
    {
        plan_.messages.clear();
        bool moved = true;
        while (moved) {
            moved = false;
            for (uint32_t n = 0; n < plan_.nodes.size(); n++)
                if (can_make(n)) {
                    make(n);
                    move_messages();
                    moved = true;
                }
        }
        for (uint32_t n = 0; n < plan_.nodes.size(); n++)
            if (made_[n] < rows_of(n))
                return plan_.nodes[n].name + ": expected rings of enough rows; found one of " +
                       std::to_string(rows_of(n)) + " rows stuck at " + std::to_string(made_[n]);
        if (measure_)
            for (size_t p = 0; p < parts_.size(); p++)
                plan_.parts[p].rows =
                    std::min(plan_.parts[p].h, std::max(plan_.parts[p].rows, parts_[p].most + 1));
        return {};
    }

private:
    struct State {
        uint32_t staged = 0, arrived = 0, dropped = 0; // rows; staged: that have not left
        uint32_t most = 0;                             // in the ring at a time
    };

    uint32_t rows_of(uint32_t n) const { return plan_.cuts[n].direct ? 0 : plan_.nodes[n].out.h; }

    bool has_room(uint32_t p) const
    {
        const Part &part = plan_.parts[p];
        const State &s = parts_[p];
        if (measure_) return true;
        return part.remote ? s.staged < kStagedRows : s.arrived - s.dropped < part.rows;
    }

    bool can_make(uint32_t n) const
    {
        const Node &node = plan_.nodes[n];
        const uint32_t row = made_[n];
        if (row == rows_of(n)) return false;
        for (const CoreCut &core : plan_.cuts[n].cores)
            for (const uint32_t p : core.parts)
                if (parts_[p].arrived < needed(node, plan_.parts[p], row)) return false;
        for (const uint32_t p : plan_.cuts[n].feeds)
            if (!has_room(p)) return false;
        return true;
    }

    static bool by_rows(const Node &node, const Part &part)
    {
        return part.join >= 0 || node.kind == NodeKind::Copy;
    }
    // Rows that are there when row `row` has been made.
    static uint32_t needed(const Node &node, const Part &part, uint32_t row)
    {
        if (by_rows(node, part)) return row + 1;
        return std::max(last_row(node, row, part.h), done_rows(node, row, part.h));
    }

    void make(uint32_t n)
    {
        const Node &node = plan_.nodes[n];
        const uint32_t row = made_[n]++;
        for (const CoreCut &core : plan_.cuts[n].cores)
            for (const uint32_t p : core.parts) {
                const Part &part = plan_.parts[p];
                parts_[p].dropped = by_rows(node, part) ? row + 1 : done_rows(node, row, part.h);
            }
        for (const uint32_t p : plan_.cuts[n].feeds) {
            if (plan_.parts[p].remote)
                parts_[p].staged++;
            else
                arrive(p);
        }
    }

    void arrive(uint32_t p)
    {
        State &s = parts_[p];
        s.arrived++;
        s.most = std::max(s.most, s.arrived - s.dropped);
    }

    void move_messages()
    {
        for (uint32_t p = 0; p < parts_.size(); p++) {
            State &s = parts_[p];
            while (s.staged && s.arrived - s.dropped < plan_.parts[p].rows) {
                plan_.messages.push_back({p, s.arrived});
                s.staged--;
                arrive(p);
            }
        }
    }

    Plan &plan_;
    const bool measure_;
    std::vector<uint32_t> made_; // rows, by node
    std::vector<State> parts_;
};

} // namespace

std::string order(Plan &plan, bool measure)
{
    return Run(plan, measure).run();
}

} // namespace acc::isa::dataflow
