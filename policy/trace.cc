// SPDX-License-Identifier: MIT
//
// Traces: the seeded generator and the text form.
#include "policy/replay.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iterator>

namespace acc::policy
{

namespace
{

// The same numbers with every library: splitmix64 (Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", 2014), reduced by multiplication.
class Random
{
public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next()
    {
        uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    uint64_t below(uint64_t end)
    {
        return uint64_t((static_cast<unsigned __int128>(next()) * end) >> 64);
    }
    uint64_t between(uint64_t least, uint64_t most) { return least + below(most - least + 1); }

private:
    uint64_t state_;
};

// A kind of application. `after` has a string for each task: the digits are the tasks before.
struct Kind {
    uint32_t count; // of the 20 applications of a sequence
    std::vector<const char *> after;
};

// 164 tasks in a sequence, 1,640 in a trace: as many as Nimblock's logs have.
const std::vector<Kind> &kinds()
{
    static const std::vector<Kind> all = {
        {5, {"", "0", "1", "2", "3", "4", "5", "6", "7"}},  // a chain
        {5, {"", "0", "0", "1", "2", "34", "5", "6", "7"}}, // a diamond, then a chain
        {5, {"", "0", "0", "0", "123", "4", "4", "56", "7"}},
        {2, {"", "0", "1", "1", "23", "4", "5", "6"}},
        {1, {"", "0", "1", "2", "3", "4", "5"}},
        {1, {"", "0", "0", "12", "3"}},
        {1, {""}},
    };
    return all;
}

// Items of the batches of a sequence: most applications are small, few are large. The sizes
// are chosen so that first come, first served has the mean and the tail of Nimblock's logs.
constexpr uint32_t batches[20] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9, 11};

} // namespace

Result<Trace> generate_trace(std::string_view set, uint64_t seed)
{
    const bool seconds = set == "seconds";
    if (!seconds && set != "millis") return Error{-EINVAL};
    Random random(seed);
    Trace trace;
    // What a kind does is the same whenever it comes: roles and their run times are the kind's.
    std::vector<std::vector<uint64_t>> run_ns;
    for (const Kind &kind : kinds()) {
        auto &times = run_ns.emplace_back();
        for (size_t t = 0; t < kind.after.size(); t++)
            times.push_back(
                seconds
                    ? random.between(1200, 2600) *
                          1'000'000 // 1.9 s in the mean
                                    // a decade between 10 us and 10 ms, then evenly in it
                    : random.between(1, 10) * (uint64_t(10'000) * (random.below(3) == 0   ? 1
                                                                   : random.below(2) == 0 ? 10
                                                                                          : 100)));
    }
    // Every sequence has the same kinds and batches, dealt anew.
    const auto deal = [&](std::vector<uint32_t> cards) {
        for (size_t left = cards.size(); left > 1; left--)
            std::swap(cards[left - 1], cards[random.below(left)]);
        return cards;
    };
    std::vector<uint32_t> deck, first_role(1, 0);
    for (uint32_t k = 0; k < kinds().size(); k++) {
        deck.insert(deck.end(), kinds()[k].count, k);
        first_role.push_back(first_role.back() + uint32_t(kinds()[k].after.size()));
    }
    for (int s = 0; s < 10; s++) {
        const auto dealt_kinds = deal(deck);
        const auto dealt_batches = deal({std::begin(batches), std::end(batches)});
        Sequence &sequence = trace.sequences.emplace_back();
        uint64_t now = 0;
        for (size_t a = 0; a < deck.size(); a++) {
            const uint32_t which = dealt_kinds[a];
            Application application;
            application.arrival_ns = now;
            application.batch = dealt_batches[a];
            for (uint32_t t = 0; t < kinds()[which].after.size(); t++) {
                Task task;
                task.role = first_role[which] + t;
                task.run_ns = run_ns[which][t];
                for (const char *digit = kinds()[which].after[t]; *digit; digit++)
                    task.after.push_back(uint32_t(*digit - '0'));
                application.tasks.push_back(std::move(task));
            }
            sequence.push_back(std::move(application));
            now += random.between(seconds ? 100 : 10, seconds ? 1000 : 100) * 1'000'000;
        }
    }
    return trace;
}

std::string write_trace(const Trace &trace)
{
    std::string text = "acc-trace 1\nslots " + std::to_string(trace.slots) + "\nload_ns " +
                       std::to_string(trace.load_ns) + "\n";
    for (const Sequence &sequence : trace.sequences) {
        text += "sequence\n";
        for (const Application &application : sequence) {
            text += "application " + std::to_string(application.arrival_ns) + " " +
                    std::to_string(application.batch) + "\n";
            for (const Task &task : application.tasks) {
                text += "task " + std::to_string(task.role) + " " + std::to_string(task.run_ns);
                for (const uint32_t before : task.after)
                    text += " " + std::to_string(before);
                text += "\n";
            }
        }
    }
    return text;
}

namespace
{

constexpr uint64_t most_ns = 1'000'000'000'000'000; // twelve days: sums stay far from 2^64
constexpr uint64_t most_tasks = 1'000'000;          // of a trace, times its batches

class Parser
{
public:
    Parser(std::string_view text, std::string &why) : text_(text), why_(why) {}

    Result<Trace> parse()
    {
        std::string_view line;
        if (!next(line) || line != "acc-trace 1") return refuse("\"acc-trace 1\"", line);
        while (next(line)) {
            words_ = line;
            const std::string_view word = take();
            bool good = false;
            if (word == "slots" && trace_.sequences.empty())
                good = number("1 to 1024 slots", 1, 1024, trace_.slots);
            else if (word == "load_ns" && trace_.sequences.empty())
                good = number("a load time in ns", 0, most_ns, trace_.load_ns);
            else if (word == "sequence")
                good = (trace_.sequences.emplace_back(), true);
            else if (word == "application" && !trace_.sequences.empty())
                good = application();
            else if (word == "task" && !trace_.sequences.empty() &&
                     !trace_.sequences.back().empty())
                good = task();
            else
                return refuse("slots or load_ns before the first sequence, sequence, application "
                              "in a sequence, or task in an application",
                              line);
            if (!good) return Error{-EINVAL};
            if (!words_.empty()) return refuse("the end of the line", words_);
        }
        for (const Sequence &sequence : trace_.sequences)
            for (const Application &application : sequence)
                if (application.tasks.empty()) return refuse("tasks of each application", "none");
        if (trace_.sequences.empty()) return refuse("a sequence", "the end");
        return std::move(trace_);
    }

private:
    bool next(std::string_view &line)
    {
        while (!text_.empty()) {
            line_++;
            line = text_.substr(0, text_.find('\n'));
            text_.remove_prefix(std::min(text_.size(), line.size() + 1));
            if (!line.empty() && line[0] != '#') return true;
        }
        line = "the end";
        return false;
    }
    std::string_view take()
    {
        const std::string_view word = words_.substr(0, words_.find(' '));
        words_.remove_prefix(std::min(words_.size(), word.size() + 1));
        return word;
    }
    Error refuse(std::string_view expected, std::string_view found)
    {
        why_ = "line " + std::to_string(line_) + ": expected " + std::string(expected) +
               "; found '" + std::string(found.substr(0, 60)) + "'";
        return Error{-EINVAL};
    }
    template <typename T>
    bool number(std::string_view what, uint64_t least, uint64_t most, T &value)
    {
        const std::string_view word = take();
        uint64_t parsed = 0;
        const auto result = std::from_chars(word.data(), word.data() + word.size(), parsed);
        if (result.ec != std::errc() || result.ptr != word.data() + word.size() || parsed < least ||
            parsed > most) {
            (void)refuse(what, word);
            return false;
        }
        value = T(parsed);
        return true;
    }
    bool application()
    {
        Application application;
        if (!number("an arrival in ns", 0, most_ns, application.arrival_ns) ||
            !number("a batch of 1 to 1000000 items", 1, 1'000'000, application.batch))
            return false;
        trace_.sequences.back().push_back(std::move(application));
        return true;
    }
    bool task()
    {
        Application &application = trace_.sequences.back().back();
        Task task;
        if (!number("a role below 2^32 - 1", 0, ~0u - 1, task.role) ||
            !number("a run time of at least 1 ns", 1, most_ns / application.batch, task.run_ns))
            return false;
        while (!words_.empty()) {
            uint32_t before = 0;
            if (!number("an earlier task of the application", 0,
                        application.tasks.empty() ? 0 : application.tasks.size() - 1, before))
                return false;
            if (application.tasks.empty()) {
                (void)refuse("a first task that waits for none", std::to_string(before));
                return false;
            }
            task.after.push_back(before);
        }
        items_ += application.batch;
        if (items_ > most_tasks) {
            (void)refuse("at most 1000000 items of all tasks", std::to_string(items_));
            return false;
        }
        application.tasks.push_back(std::move(task));
        return true;
    }

    std::string_view text_, words_;
    std::string &why_;
    Trace trace_;
    uint64_t line_ = 0, items_ = 0;
};

} // namespace

Result<Trace> parse_trace(std::string_view text, std::string &why)
{
    return Parser(text, why).parse();
}

} // namespace acc::policy
