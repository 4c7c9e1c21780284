// SPDX-License-Identifier: MIT
#include "stream.h"

#include <algorithm>

namespace acc::test
{
namespace
{

using Kind = StreamPacket::Kind;

constexpr size_t open_at_once = 16, recent = 200, completions_at_most = 4, waits_at_most = 5;

class Generator
{
public:
    Generator(std::mt19937_64 &random, Stream &stream, double bad)
        : random_(random), stream_(stream), bad_(bad), broken_(stream.queues.size())
    {
    }

    void add()
    {
        const size_t queue = below(stream_.queues.size());
        StreamPacket packet;
        packet.kind = kind();
        if (packet.kind == Kind::And || packet.kind == Kind::Or || packet.kind == Kind::Value)
            choose_waits(packet);
        packet.status = status_of(packet, queue);
        if (below(10)) complete(packet, uint32_t(queue));
        stream_.queues[queue].push_back(std::move(packet));
    }

private:
    size_t below(size_t bound)
    {
        return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
    }

    Kind kind()
    {
        if (std::bernoulli_distribution(bad_)(random_)) return Kind::Bad;
        constexpr Kind kinds[] = {Kind::And, Kind::And,   Kind::And,      Kind::Or,
                                  Kind::Or,  Kind::Value, Kind::Dispatch, Kind::Dispatch};
        return kinds[below(std::size(kinds))];
    }

    // Of those that nobody completes any more, the latest ones rather.
    void choose_waits(StreamPacket &packet)
    {
        if (closed_.empty()) return;
        const size_t most = packet.kind == Kind::Value ? 1 : waits_at_most;
        for (size_t n = below(most + 1); n > 0; n--) {
            const size_t back = below(std::min(closed_.size(), recent));
            packet.waits.push_back(closed_[closed_.size() - 1 - back]);
        }
        // Which signal of an OR comes first is anybody's guess: all failed, or none.
        if (packet.kind == Kind::Or && !packet.waits.empty())
            std::erase_if(packet.waits, [&, first = failed(packet.waits.front())](uint32_t signal) {
                return failed(signal) != first;
            });
    }

    bool failed(uint32_t signal) const { return stream_.signals[signal].failed; }

    uint32_t status_of(const StreamPacket &packet, size_t queue)
    {
        if (broken_[queue]) return ACC_STATUS_CANCELLED;
        if (packet.kind == Kind::Bad) {
            broken_[queue] = true;
            return ACC_STATUS_INVALID_PACKET;
        }
        const bool fails = std::ranges::any_of(packet.waits, [&](uint32_t s) { return failed(s); });
        return fails ? ACC_STATUS_DEPENDENCY_FAILED : ACC_STATUS_OK;
    }

    void complete(StreamPacket &packet, uint32_t queue)
    {
        if (open_.size() < open_at_once) {
            open_.push_back(
                {uint32_t(stream_.signals.size()), 1 + uint32_t(below(completions_at_most))});
            stream_.signals.emplace_back();
        }
        const size_t at = below(open_.size());
        StreamSignal &signal = stream_.signals[open_[at].signal];
        packet.completes = open_[at].signal;
        signal.completions++;
        signal.queue = queue;
        signal.failed |= packet.status != ACC_STATUS_OK;
        if (--open_[at].left) return;
        closed_.push_back(open_[at].signal);
        open_[at] = open_.back();
        open_.pop_back();
    }

    struct Open {
        uint32_t signal, left;
    };
    std::mt19937_64 &random_;
    Stream &stream_;
    const double bad_;
    std::vector<bool> broken_; // queues
    std::vector<Open> open_;
    std::vector<uint32_t> closed_;
};

} // namespace

Stream Stream::random(std::mt19937_64 &random, size_t queues, size_t packets, double bad)
{
    Stream stream;
    stream.queues.resize(queues);
    Generator generator(random, stream, bad);
    for (size_t i = 0; i < packets; i++)
        generator.add();
    return stream;
}

} // namespace acc::test
